//! A validated table as text: a line for each row, then the errors by group.

use chokepoint_engine::{Errors, RowPrediction, SummaryRow, Validation, ValidationRow};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, fixed, range, significant};
use crate::terminal::drawn;

/// Width of the table of rows, whose cells are cut so that each row is one line.
const ROWS_WIDTH: u16 = 230;
/// Width of the table of groups.
const GROUPS_WIDTH: u16 = 170;

/// What is shown of a validated table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Every row, then the groups.
    All,
    /// The groups.
    Summary,
}

/// A validated table as text.
#[must_use]
pub fn validation_table(validation: &Validation, shown: Shown, language: Language) -> String {
    let words = Words::new(language);
    Tables {
        shown,
        groups: groups(&words, &validation.summary),
        groups_width: GROUPS_WIDTH,
        skipped: validation.summary.first().map(|all| &*all.skipped),
        legend: words.of("validation", "legend"),
    }
    .text(&words, || rows(&words, &validation.rows))
}

/// What every validated table has behind its rows.
pub(crate) struct Tables<'a> {
    pub shown: Shown,
    /// Errors by group.
    pub groups: Grid,
    pub groups_width: u16,
    /// Reasons of what was not predicted, with their numbers.
    pub skipped: Option<&'a [(String, usize)]>,
    pub legend: String,
}

impl Tables<'_> {
    /// The rows where they are shown, the groups, what was skipped, and how to read it.
    pub(crate) fn text(&self, words: &Words, rows: impl FnOnce() -> Grid) -> String {
        let mut out = String::new();
        if self.shown == Shown::All {
            let grid = rows();
            out += &format!("{}\n{}\n", grid.title, drawn(&grid, ROWS_WIDTH));
        }
        let groups = drawn(&self.groups, self.groups_width);
        out += &format!("{}\n{groups}\n", self.groups.title);
        for (reason, rows) in self.skipped.unwrap_or_default() {
            let rows = count(*rows as u64);
            let text = [("rows", rows.as_str()), ("reason", reason)];
            out += &words.fill("validation.skipped", text);
            out.push('\n');
        }
        out + &self.legend + "\n"
    }
}

/// A column with its heading from a section of messages.
pub(crate) fn column(words: &Words, section: &str, key: &str, numeric: bool) -> Column {
    Column {
        heading: words.of(section, key),
        numeric,
    }
}

/// A table of predicted runs without its rows.
pub(crate) fn of_runs(words: &Words, rows: Vec<Vec<String>>) -> Grid {
    let heads = [
        ("row", false),
        ("source", false),
        ("chip", false),
        ("model", false),
        ("plan", false),
        ("predicted", true),
        ("measured", true),
        ("unit", false),
        ("error", true),
        ("interval", true),
        ("assumed", false),
    ];
    Grid {
        title: words.of("validation", "rows-title"),
        columns: heads
            .map(|(key, number)| column(words, "validation", key, number))
            .into(),
        rows,
    }
}

fn rows(words: &Words, rows: &[ValidationRow]) -> Grid {
    of_runs(words, rows.iter().map(|row| cells(words, row)).collect())
}

fn cells(words: &Words, row: &ValidationRow) -> Vec<String> {
    let mut cells = vec![
        shortened(&row.row_id, 26),
        shortened(&row.source, 14),
        shortened(&row.chip, 12),
        shortened(&row.model, 20),
    ];
    let Some(found) = &row.prediction else {
        let reason = row.skipped.as_deref().unwrap_or_default();
        let reason = words.fill("validation.skipped-row", [("reason", reason)]);
        cells.push(shortened(&reason, 56));
        cells.resize(10, String::new());
        cells.push(String::new());
        return cells;
    };
    cells.extend(predicted(words, found));
    cells.push(shortened(&row.assumed.join("; "), 28));
    cells
}

fn predicted(words: &Words, found: &RowPrediction) -> [String; 6] {
    let error = found.relative_error * 100.0;
    [
        shortened(&found.plan, 56),
        significant(found.predicted, 3),
        significant(found.measured, 3),
        words.of("unit", found.metric),
        format!("{}{}", if error > 0.0 { "+" } else { "" }, fixed(error, 1)),
        range(found.low, found.high),
    ]
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

fn groups(words: &Words, summary: &[SummaryRow]) -> Grid {
    let heads = [
        "group",
        "rows",
        "predicted-rows",
        "complete",
        "median",
        "mean",
        "p90",
        "all-median",
        "all-p90",
        "bias",
        "coverage",
        "baseline",
        "without-chip",
        "infeasible",
        "memory",
    ];
    Grid {
        title: words.of("validation", "groups-title"),
        columns: heads
            .map(|key| column(words, "validation", key, key != "group"))
            .into(),
        rows: summary.iter().map(group).collect(),
    }
}

fn group(group: &SummaryRow) -> Vec<String> {
    let percent =
        |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| fixed(value * 100.0, 1));
    let of = |errors: Option<Errors>, part: fn(&Errors) -> f64| percent(errors.as_ref().map(part));
    let whole = |value: usize| count(value as u64);
    let (complete, complete_predicted) = group.complete;
    vec![
        group.group.clone(),
        whole(group.rows),
        whole(group.predicted),
        format!("{}/{}", whole(complete_predicted), whole(complete)),
        of(group.errors, |errors| errors.median),
        of(group.errors, |errors| errors.mean),
        of(group.errors, |errors| errors.p90),
        of(group.all_errors, |errors| errors.median),
        of(group.all_errors, |errors| errors.p90),
        percent(group.bias),
        percent(group.coverage),
        of(group.baseline, |errors| errors.median),
        of(group.without_chip, |errors| errors.median),
        whole(group.called_infeasible),
        of(group.memory.map(|(_, errors)| errors), |errors| {
            errors.median
        }),
    ]
}
