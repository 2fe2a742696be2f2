//! Tables of published measurements, read by columns: a heading, then one row a line.

use std::collections::BTreeMap;

use chokepoint_diag::{Code, Diagnostic, nearest};

use crate::limits::MOST_COUNTED;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    Count,
    Number,
}

use Holds::{Count, Number, Text};

/// Columns of a kind of table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    /// Those that the program reads. Others may be there; they are left alone.
    pub known: &'static [(&'static str, Holds)],
    /// Those without which a table says nothing.
    pub needed: &'static [&'static str],
    /// A file with such columns.
    pub like: &'static str,
}

/// Columns of published training runs.
pub(crate) const TRAINING: Columns = Columns {
    known: &TRAINING_COLUMNS,
    needed: &["chip", "n_chips"],
    like: "validation_training.csv",
};

const TRAINING_COLUMNS: [(&str, Holds); 55] = [
    ("row_id", Text),
    ("source_id", Text),
    ("chip", Text),
    ("system", Text),
    ("n_chips", Count),
    ("chips_per_node", Count),
    ("scaleout_net", Text),
    ("model", Text),
    ("model_class", Text),
    ("n_layers", Count),
    ("hidden", Count),
    ("n_heads", Count),
    ("n_kv_heads", Count),
    ("head_dim", Count),
    ("ffn_hidden", Count),
    ("moe_ffn_hidden", Count),
    ("n_experts", Count),
    ("n_shared_experts", Count),
    ("topk", Count),
    ("vocab", Count),
    ("attn_type", Text),
    ("mlp_type", Text),
    ("task", Text),
    ("seq_len", Count),
    ("gbs", Count),
    ("mbs", Count),
    ("tp", Count),
    ("sp", Text),
    ("pp", Count),
    ("vp", Count),
    ("cp", Count),
    ("ep", Count),
    ("etp", Count),
    ("dp", Count),
    ("fsdp_shard", Count),
    ("dp_sharding", Text),
    ("precision", Text),
    ("precision_detail", Text),
    ("recompute", Text),
    ("moe_balance", Text),
    ("overlap_opts", Text),
    ("framework", Text),
    ("framework_version", Text),
    ("step_time_s", Number),
    ("samples_per_s", Number),
    ("tokens_per_s_total", Number),
    ("tokens_per_s_per_chip", Number),
    ("model_tflops_per_chip", Number),
    ("flops_convention", Text),
    ("mem_gb", Number),
    ("primary_metric", Text),
    ("primary_value", Number),
    ("quality_flag", Text),
    ("config_group", Text),
    ("notes", Text),
];

/// A row: its line in the file and its cells by column; blank cells are absent.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub line: usize,
    cells: BTreeMap<&'static str, String>,
}

impl Row {
    /// A cell.
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str)
    }

    /// A cell, or nothing.
    pub(crate) fn text_or_blank(&self, column: &str) -> &str {
        self.text(column).unwrap_or_default()
    }

    /// A cell in lower case.
    pub(crate) fn lower(&self, column: &str) -> String {
        self.text_or_blank(column).to_lowercase()
    }

    /// A number, which [`rows`] has checked.
    pub(crate) fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse().ok()
    }

    /// A whole number of at least 1.
    pub(crate) fn count(&self, column: &str) -> Option<u64> {
        let value = self.number(column)?;
        (value >= 1.0).then_some(value as u64)
    }

    /// Its name in output: the row id, or the line of the file.
    pub(crate) fn id(&self) -> String {
        self.text("row_id")
            .map_or_else(|| format!("line {}", self.line), str::to_owned)
    }
}

/// Reads a table.
///
/// # Errors
/// When a needed column is missing or a column is there twice, a line has another number of cells than the heading, or a
/// cell that should be a number or a count is none.
pub(crate) fn rows(file: &str, text: &str, columns: &Columns) -> Result<Vec<Row>, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let heading = reader
        .headers()
        .map_err(|error| unreadable(file, text, &error))?
        .clone();
    let found = read_heading(file, text, &heading, columns)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(file, text, &error))?;
        rows.push(read_row(file, text, &record, &found)?);
    }
    Ok(rows)
}

type Heading = Vec<Option<(&'static str, Holds)>>;

/// What each column of the heading holds, where it is known.
fn read_heading(
    file: &str,
    text: &str,
    heading: &csv::StringRecord,
    columns: &Columns,
) -> Result<Heading, Diagnostic> {
    let found: Heading = heading
        .iter()
        .map(|name| {
            columns
                .known
                .iter()
                .find(|(known, _)| *known == name)
                .copied()
        })
        .collect();
    for needed in columns.needed {
        if !found.iter().flatten().any(|(name, _)| name == needed) {
            return Err(missing(file, text, needed, columns.like, heading.iter()));
        }
    }
    let twice = heading
        .iter()
        .enumerate()
        .find(|(at, name)| heading.iter().take(*at).any(|before| before == *name));
    if let Some((_, name)) = twice.filter(|(_, name)| !name.is_empty()) {
        let end = text.find('\n').unwrap_or(text.len());
        let message = format!("the table has two columns {name}");
        return Err(Diagnostic::new(Code::Field, message).at(file, text, 0..end));
    }
    Ok(found)
}

fn read_row(
    file: &str,
    text: &str,
    record: &csv::StringRecord,
    heading: &Heading,
) -> Result<Row, Diagnostic> {
    let position = record.position();
    let line = position.map_or(0, |at| at.line() as usize);
    let start = position.map_or(0, |at| at.byte() as usize);
    let mut cells = BTreeMap::new();
    for (column, cell) in heading.iter().zip(record) {
        let Some((column, holds)) = column else {
            continue;
        };
        if cell.is_empty() {
            continue;
        }
        if let Some(expected) = expected(*holds, cell) {
            let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
            let message = format!("column {column}: expected {expected}, found \"{cell}\"");
            return Err(Diagnostic::new(Code::Value, message).at(file, text, start..end));
        }
        cells.insert(*column, cell.to_owned());
    }
    Ok(Row { line, cells })
}

/// What should be in a cell, where it is not.
fn expected(holds: Holds, cell: &str) -> Option<String> {
    let number = cell.parse::<f64>();
    let number = number
        .ok()
        .filter(|value| value.is_finite() && *value >= 0.0);
    let whole = number.filter(|value| value.fract() == 0.0 && *value <= MOST_COUNTED as f64);
    match holds {
        Count if whole.is_none() => Some(format!("a whole number up to {MOST_COUNTED}")),
        Number if number.is_none() => Some("a number of zero or more".to_owned()),
        _ => None,
    }
}

fn unreadable(file: &str, text: &str, error: &csv::Error) -> Diagnostic {
    let at = error.position().map_or(0, |at| at.byte() as usize);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("expected {expected_len} cells as in the heading, found {len}"),
        _ => format!("the table cannot be read: {error}"),
    };
    Diagnostic::new(Code::Syntax, message).at(file, text, at..at)
}

fn missing<'a>(
    file: &str,
    text: &str,
    column: &str,
    like: &str,
    heading: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let near = nearest(column, heading);
    let help = if near.is_empty() {
        format!("the first line names the columns, as in {like}")
    } else {
        format!("is it called {} here?", near.join(", "))
    };
    let end = text.find('\n').unwrap_or(text.len());
    Diagnostic::new(Code::Field, format!("the table has no column {column}"))
        .help(help)
        .at(file, text, 0..end)
}
