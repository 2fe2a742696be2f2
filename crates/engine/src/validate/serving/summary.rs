//! Statistics of predicted serving rows by group.

use std::collections::BTreeMap;

use super::metric::Metric;
use super::{ServingPrediction, ServingRow};
use crate::validate::summary::{Errors, errors, quantile, reasons};

/// A group of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingSummary {
    /// Its name, as `tier=I1 fixed concurrency, dense`; `all` for all rows.
    pub group: String,
    /// Rows of the table in it.
    pub rows: usize,
    /// Of them, predicted.
    pub predicted: usize,
    /// Of them, not: by reason, most frequent first.
    pub skipped: Vec<(String, usize)>,
    /// Rows that state everything a prediction needs, without a quality flag; of them, predicted.
    pub complete: (usize, usize),
    /// Figures behind the errors: of complete rows where there are any, else of all.
    pub figures: usize,
    /// Errors of the predictions.
    pub errors: Option<Errors>,
    /// Errors of all predictions, of incomplete and flagged rows too.
    pub all_errors: Option<Errors>,
    /// Median of predicted over measured time, less one: positive is too slow.
    pub bias: Option<f64>,
    /// Share of measurements inside their 80% interval.
    pub coverage: Option<f64>,
    /// Errors of bytes over bandwidth with one factor for each chip, engine and class, on the same
    /// figures.
    pub baseline: Option<Errors>,
    /// Errors with the calibration of other chips.
    pub without_chip: Option<Errors>,
    /// Figures that another program predicts too, the errors of ours on them, and its own.
    pub peer: Option<(usize, Errors, Errors)>,
    /// Rows that would not fit by our count of memory, though they ran.
    pub called_infeasible: usize,
}

/// Summaries of all rows and of those of each tier, chip, engine, source and metric.
pub(super) fn summaries(rows: &[ServingRow]) -> Vec<ServingSummary> {
    let all: Vec<&ServingRow> = rows.iter().collect();
    let mut found = vec![summary("all".to_owned(), &all)];
    for key in ["tier", "metric", "chip", "engine", "source", "class"] {
        let mut groups: BTreeMap<&str, Vec<&ServingRow>> = BTreeMap::new();
        for row in rows {
            let value = match key {
                "tier" => row.tier,
                "metric" => row.prediction.as_ref().map_or("", |found| found.metric),
                "chip" => &row.chip,
                "engine" => &row.engine,
                "source" => &row.source,
                _ => &row.class,
            };
            if !value.is_empty() {
                groups.entry(value).or_default().push(row);
            }
        }
        for (value, rows) in groups {
            found.push(summary(format!("{key}={value}"), &rows));
        }
        if key == "tier" {
            found.extend(racks(rows));
        }
    }
    found
}

/// Times of tokens on GB200 and GB300 at fixed concurrency, in one pool or two: most of what is
/// published of racks is disaggregated.
fn racks(rows: &[ServingRow]) -> Option<ServingSummary> {
    let token = |found: &ServingPrediction| found.metric == Metric::TpotMs.key();
    let rows: Vec<&ServingRow> = rows
        .iter()
        .filter(|row| row.chip.starts_with("GB") && row.prediction.as_ref().is_some_and(token))
        .collect();
    (!rows.is_empty()).then(|| summary("racks=GB200 and GB300, tpot_ms".to_owned(), &rows))
}

fn summary(group: String, rows: &[&ServingRow]) -> ServingSummary {
    let (complete, predicted) = (rows_of(rows, true), rows_of(rows, false));
    let any_complete = rows
        .iter()
        .any(|row| row.complete && row.prediction.is_some());
    let scored: Vec<&ServingPrediction> = rows
        .iter()
        .filter(|row| row.complete || !any_complete)
        .filter_map(|row| row.prediction.as_ref())
        .collect();
    let all = rows.iter().filter_map(|row| row.prediction.as_ref());
    let slowness: Vec<f64> = scored.iter().map(|found| found.slowness()).collect();
    let inside = scored.iter().filter(|found| found.covers()).count();
    ServingSummary {
        group,
        rows: predicted.0,
        predicted: predicted.1,
        skipped: reasons(rows.iter().filter_map(|row| row.skipped.as_deref())),
        complete,
        figures: scored.len(),
        errors: of(&scored, |found| Some(found.predicted)),
        all_errors: errors(all.map(|found| found.relative_error().abs()).collect()),
        bias: (!slowness.is_empty()).then(|| quantile(slowness, 0.5)),
        coverage: (!scored.is_empty()).then(|| inside as f64 / scored.len() as f64),
        baseline: of(&scored, |found| found.baseline),
        without_chip: of(&scored, |found| found.without_chip),
        peer: peer(&scored),
        called_infeasible: rows
            .iter()
            .filter(|row| row.first && row.prediction.as_ref().is_some_and(|found| !found.fits))
            .count(),
    }
}

/// Rows of a table and how many of them are predicted; of complete ones or of all. A row counts
/// once, though several of its figures are compared.
fn rows_of(rows: &[&ServingRow], complete: bool) -> (usize, usize) {
    let mut ids: BTreeMap<&str, bool> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.complete || !complete) {
        *ids.entry(&row.row_id).or_default() |= row.prediction.is_some();
    }
    (ids.len(), ids.values().filter(|known| **known).count())
}

/// Errors of a value beside what was measured.
fn of(
    scored: &[&ServingPrediction],
    value: impl Fn(&ServingPrediction) -> Option<f64>,
) -> Option<Errors> {
    let relative = |found: &&ServingPrediction| Some((value(found)? / found.measured - 1.0).abs());
    errors(scored.iter().filter_map(relative).collect())
}

fn peer(scored: &[&ServingPrediction]) -> Option<(usize, Errors, Errors)> {
    let shared = scored.iter().copied().filter(|found| found.peer.is_some());
    let shared: Vec<&ServingPrediction> = shared.collect();
    let ours = of(&shared, |found| Some(found.predicted))?;
    let theirs = of(&shared, |found| found.peer)?;
    Some((shared.len(), ours, theirs))
}
