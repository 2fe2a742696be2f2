//! A validated table of collectives as text: a line for each row, then the errors by group.

use chokepoint_engine::{Errors, NetworkPrediction, NetworkRow, NetworkSummary, NetworkValidation};

use super::curves;
use crate::grid::Grid;
use crate::messages::{Language, Words};
use crate::number::{NONE, count, fixed, range, significant};
use crate::validation::Shown;
use crate::validation::table::{Tables, column, shortened};

/// Width of the table of groups.
const GROUPS_WIDTH: u16 = 170;

/// A validated table of collectives as text.
#[must_use]
pub fn network_table(validation: &NetworkValidation, shown: Shown, language: Language) -> String {
    let words = Words::new(language);
    Tables {
        shown,
        groups: groups(&words, &validation.summary),
        groups_width: GROUPS_WIDTH,
        skipped: validation.summary.first().map(|all| &*all.skipped),
        legend: words.of("network", "legend"),
    }
    .text(&words, || rows(&words, &validation.rows))
}

fn rows(words: &Words, rows: &[NetworkRow]) -> Grid {
    let heads = [
        ("validation", "row", false),
        ("network", "system", false),
        ("network", "ranks", true),
        ("network", "collective", false),
        ("network", "library", false),
        ("network", "size", true),
        ("network", "predicted", true),
        ("network", "measured", true),
        ("validation", "error", true),
        ("network", "interval", true),
        ("network", "curves", false),
        ("network", "with-all", true),
        ("network", "with-other", true),
        ("network", "baseline", true),
        ("validation", "assumed", false),
    ];
    Grid {
        title: words.of("network", "rows-title"),
        columns: heads
            .map(|(section, key, numeric)| column(words, section, key, numeric))
            .into(),
        rows: rows.iter().map(|row| cells(words, row)).collect(),
    }
}

fn cells(words: &Words, row: &NetworkRow) -> Vec<String> {
    let mut cells = vec![
        shortened(&row.row_id, 12),
        shortened(&row.system, 16),
        row.ranks.map_or_else(String::new, count),
        shortened(&row.collective, 14),
        shortened(&row.library, 24),
        row.size_bytes
            .map_or_else(String::new, |size| count(size as u64)),
    ];
    let Some(found) = &row.prediction else {
        let reason = row.skipped.as_deref().unwrap_or_default();
        let reason = words.fill("validation.skipped-row", [("reason", reason)]);
        cells.resize(14, String::new());
        cells.push(shortened(&reason, 44));
        return cells;
    };
    cells.extend(predicted(words, found));
    cells.push(shortened(&row.assumed.join("; "), 44));
    cells
}

fn predicted(words: &Words, found: &NetworkPrediction) -> [String; 8] {
    let microseconds = |seconds: f64| significant(seconds * 1e6, 3);
    let error = |seconds: f64| signed((seconds / found.measured - 1.0) * 100.0);
    let basis = match (found.fitted, found.curves.is_empty()) {
        (true, _) => words.of("network", "fitted"),
        (false, true) => words.of("network", "no-curves"),
        (false, false) => curves(found),
    };
    [
        microseconds(found.predicted),
        microseconds(found.measured),
        error(found.predicted),
        range(found.low * 1e6, found.high * 1e6),
        basis,
        error(found.with_all),
        found.with_other.map_or_else(|| NONE.to_owned(), error),
        found.baseline.map_or_else(|| NONE.to_owned(), error),
    ]
}

fn signed(percent: f64) -> String {
    format!(
        "{}{}",
        if percent > 0.0 { "+" } else { "" },
        fixed(percent, 1)
    )
}

fn groups(words: &Words, summary: &[NetworkSummary]) -> Grid {
    let heads = [
        ("validation", "group"),
        ("validation", "rows"),
        ("validation", "predicted-rows"),
        ("network", "fitted-rows"),
        ("validation", "median"),
        ("validation", "mean"),
        ("validation", "p90"),
        ("validation", "bias"),
        ("validation", "coverage"),
        ("network", "baseline-rows"),
        ("network", "ours-median"),
        ("validation", "baseline"),
        ("network", "all-median"),
        ("network", "other-median"),
    ];
    Grid {
        title: words.of("network", "groups-title"),
        columns: heads
            .map(|(section, key)| column(words, section, key, key != "group"))
            .into(),
        rows: summary.iter().map(group).collect(),
    }
}

fn group(group: &NetworkSummary) -> Vec<String> {
    let percent =
        |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| fixed(value * 100.0, 1));
    let of = |errors: Option<Errors>, part: fn(&Errors) -> f64| percent(errors.as_ref().map(part));
    let median = |errors: Option<Errors>| of(errors, |errors| errors.median);
    let whole = |value: usize| count(value as u64);
    let based = group.baseline.map_or(0, |(rows, ..)| rows);
    vec![
        shortened(&group.group, 44),
        whole(group.rows),
        whole(group.predicted),
        whole(group.fitted),
        median(group.errors),
        of(group.errors, |errors| errors.mean),
        of(group.errors, |errors| errors.p90),
        percent(group.bias),
        percent(group.coverage),
        whole(based),
        median(group.baseline.map(|(_, ours, _)| ours)),
        median(group.baseline.map(|(.., theirs)| theirs)),
        median(group.with_all),
        median(group.with_other),
    ]
}
