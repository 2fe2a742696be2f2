//! A validated table of serving runs as text: a line for each figure, then the errors by group.

use chokepoint_engine::{Errors, ServingPrediction, ServingRow, ServingSummary, ServingValidation};

use crate::grid::Grid;
use crate::messages::{Language, Words};
use crate::number::{NONE, count, fixed, range, significant};
use crate::validation::Shown;
use crate::validation::table::{Tables, column, of_runs, shortened};

/// Width of the table of groups.
const GROUPS_WIDTH: u16 = 190;

/// A validated table of serving runs as text.
#[must_use]
pub fn serving_table(validation: &ServingValidation, shown: Shown, language: Language) -> String {
    let words = Words::new(language);
    Tables {
        shown,
        groups: groups(&words, &validation.summary),
        groups_width: GROUPS_WIDTH,
        skipped: validation.summary.first().map(|all| &*all.skipped),
        legend: words.of("serving-validation", "legend"),
    }
    .text(&words, || rows(&words, &validation.rows))
}

fn rows(words: &Words, rows: &[ServingRow]) -> Grid {
    of_runs(words, rows.iter().map(|row| cells(words, row)).collect())
}

fn cells(words: &Words, row: &ServingRow) -> Vec<String> {
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
        cells.resize(11, String::new());
        return cells;
    };
    cells.extend(predicted(words, found));
    cells.push(shortened(&row.assumed.join("; "), 28));
    cells
}

fn predicted(words: &Words, found: &ServingPrediction) -> [String; 6] {
    let error = found.relative_error() * 100.0;
    [
        shortened(&found.plan, 56),
        significant(found.predicted, 3),
        significant(found.measured, 3),
        words.of("unit", found.metric),
        format!("{}{}", if error > 0.0 { "+" } else { "" }, fixed(error, 1)),
        range(found.low, found.high),
    ]
}

fn groups(words: &Words, summary: &[ServingSummary]) -> Grid {
    let heads = [
        ("validation", "group"),
        ("validation", "rows"),
        ("validation", "predicted-rows"),
        ("validation", "complete"),
        ("serving-validation", "figures"),
        ("validation", "median"),
        ("validation", "mean"),
        ("validation", "p90"),
        ("validation", "bias"),
        ("validation", "coverage"),
        ("validation", "baseline"),
        ("serving-validation", "baseline-p90"),
        ("validation", "without-chip"),
        ("validation", "all-median"),
        ("serving-validation", "peer"),
        ("validation", "infeasible"),
    ];
    Grid {
        title: words.of("validation", "groups-title"),
        columns: heads
            .map(|(section, key)| column(words, section, key, key != "group"))
            .into(),
        rows: summary.iter().map(group).collect(),
    }
}

fn group(group: &ServingSummary) -> Vec<String> {
    let percent =
        |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| fixed(value * 100.0, 1));
    let of = |errors: Option<Errors>, part: fn(&Errors) -> f64| percent(errors.as_ref().map(part));
    let whole = |value: usize| count(value as u64);
    let (complete, complete_predicted) = group.complete;
    let peer = group.peer.map_or_else(
        || NONE.to_owned(),
        |(figures, ours, theirs)| {
            let median = |errors: Errors| fixed(errors.median * 100.0, 1);
            format!("{}: {} / {}", whole(figures), median(ours), median(theirs))
        },
    );
    vec![
        group.group.clone(),
        whole(group.rows),
        whole(group.predicted),
        format!("{}/{}", whole(complete_predicted), whole(complete)),
        whole(group.figures),
        of(group.errors, |errors| errors.median),
        of(group.errors, |errors| errors.mean),
        of(group.errors, |errors| errors.p90),
        percent(group.bias),
        percent(group.coverage),
        of(group.baseline, |errors| errors.median),
        of(group.baseline, |errors| errors.p90),
        of(group.without_chip, |errors| errors.median),
        of(group.all_errors, |errors| errors.median),
        peer,
        whole(group.called_infeasible),
    ]
}
