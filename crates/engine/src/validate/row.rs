//! One row of a table of published training runs, by the columns of `validation_training.csv`.

use std::collections::BTreeMap;

use chokepoint_diag::{Code, Diagnostic, nearest};

use crate::limits::MOST_COUNTED;

/// Columns that the program reads. Others may be there; they are left alone.
const COLUMNS: [&str; 55] = [
    "row_id",
    "source_id",
    "chip",
    "system",
    "n_chips",
    "chips_per_node",
    "scaleout_net",
    "model",
    "model_class",
    "n_layers",
    "hidden",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "ffn_hidden",
    "moe_ffn_hidden",
    "n_experts",
    "n_shared_experts",
    "topk",
    "vocab",
    "attn_type",
    "mlp_type",
    "task",
    "seq_len",
    "gbs",
    "mbs",
    "tp",
    "sp",
    "pp",
    "vp",
    "cp",
    "ep",
    "etp",
    "dp",
    "fsdp_shard",
    "dp_sharding",
    "precision",
    "precision_detail",
    "recompute",
    "moe_balance",
    "overlap_opts",
    "framework",
    "framework_version",
    "step_time_s",
    "samples_per_s",
    "tokens_per_s_total",
    "tokens_per_s_per_chip",
    "model_tflops_per_chip",
    "flops_convention",
    "mem_gb",
    "primary_metric",
    "primary_value",
    "quality_flag",
    "config_group",
    "notes",
];

/// Columns without which a table says nothing.
const NEEDED: [&str; 2] = ["chip", "n_chips"];

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

/// Columns that count something.
const COUNTS: [&str; 24] = [
    "n_chips",
    "chips_per_node",
    "n_layers",
    "hidden",
    "n_heads",
    "n_kv_heads",
    "head_dim",
    "ffn_hidden",
    "moe_ffn_hidden",
    "n_experts",
    "n_shared_experts",
    "topk",
    "vocab",
    "seq_len",
    "gbs",
    "mbs",
    "tp",
    "pp",
    "vp",
    "cp",
    "ep",
    "etp",
    "dp",
    "fsdp_shard",
];

/// Columns that hold other numbers.
const NUMBERS: [&str; 7] = [
    "step_time_s",
    "samples_per_s",
    "tokens_per_s_total",
    "tokens_per_s_per_chip",
    "model_tflops_per_chip",
    "mem_gb",
    "primary_value",
];

/// Reads a table.
///
/// # Errors
/// When a needed column is missing, a line has another number of cells than the heading, or a
/// cell that should be a number or a count is none.
pub(crate) fn rows(file: &str, text: &str) -> Result<Vec<Row>, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let heading = reader
        .headers()
        .map_err(|error| unreadable(file, text, &error))?
        .clone();
    let columns: Vec<Option<&'static str>> = heading
        .iter()
        .map(|name| COLUMNS.into_iter().find(|known| *known == name))
        .collect();
    for needed in NEEDED {
        if !columns.contains(&Some(needed)) {
            return Err(missing(file, text, needed, heading.iter()));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(file, text, &error))?;
        let position = record.position();
        let line = position.map_or(0, |at| at.line() as usize);
        let start = position.map_or(0, |at| at.byte() as usize);
        let mut cells = BTreeMap::new();
        for (column, cell) in columns.iter().zip(&record) {
            let Some(column) = column else { continue };
            if cell.is_empty() {
                continue;
            }
            if let Some(expected) = expected(column, cell) {
                let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
                let message = format!("column {column}: expected {expected}, found \"{cell}\"");
                return Err(Diagnostic::new(Code::Value, message).at(file, text, start..end));
            }
            cells.insert(*column, cell.to_owned());
        }
        rows.push(Row { line, cells });
    }
    Ok(rows)
}

/// What a column holds, where a cell does not.
fn expected(column: &str, cell: &str) -> Option<String> {
    let number = cell.parse::<f64>();
    let number = number
        .ok()
        .filter(|value| value.is_finite() && *value >= 0.0);
    if COUNTS.contains(&column) {
        let whole = number.filter(|value| value.fract() == 0.0 && *value <= MOST_COUNTED as f64);
        return whole
            .is_none()
            .then(|| format!("a whole number up to {MOST_COUNTED}"));
    }
    let missing = NUMBERS.contains(&column) && number.is_none();
    missing.then(|| "a number of zero or more".to_owned())
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
    heading: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let near = nearest(column, heading);
    let help = if near.is_empty() {
        "the first line names the columns, as in validation_training.csv".to_owned()
    } else {
        format!("is it called {} here?", near.join(", "))
    };
    let end = text.find('\n').unwrap_or(text.len());
    Diagnostic::new(Code::Field, format!("the table has no column {column}"))
        .help(help)
        .at(file, text, 0..end)
}
