//! Statistics of predicted collectives by group.

use std::collections::BTreeMap;

use super::{NetworkPrediction, NetworkRow};
use crate::validate::summary::{Errors, errors, quantile, reasons};

/// A group of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSummary {
    /// Its name, as `system=h100_sxm`; `all` for all rows.
    pub group: String,
    /// Rows of the table in it.
    pub rows: usize,
    /// Of them, predicted.
    pub predicted: usize,
    /// Of them, with a constant fitted on the row itself; the errors leave them out where others
    /// are left.
    pub fitted: usize,
    /// Of the rows, not predicted: by reason, most frequent first.
    pub skipped: Vec<(String, usize)>,
    /// Errors in time of predictions without the curves of the row's own rank count.
    pub errors: Option<Errors>,
    /// Median of predicted over measured time, less one: positive is too slow.
    pub bias: Option<f64>,
    /// Share of measurements inside their 80% interval.
    pub coverage: Option<f64>,
    /// Rows of the errors that have a baseline, the errors of the predictions on them, and those of
    /// the baseline.
    pub baseline: Option<(usize, Errors, Errors)>,
    /// Errors with all curves.
    pub with_all: Option<Errors>,
    /// Errors with the curves of another chip.
    pub with_other: Option<Errors>,
}

/// Summaries of all rows and of those of each span, system, collective and library.
pub(super) fn summaries(rows: &[NetworkRow]) -> Vec<NetworkSummary> {
    let all: Vec<&NetworkRow> = rows.iter().collect();
    let mut found = vec![summary("all".to_owned(), &all)];
    for key in ["span", "collective", "library", "system"] {
        let mut groups: BTreeMap<&str, Vec<&NetworkRow>> = BTreeMap::new();
        for row in rows {
            let value = match key {
                "span" => row.span,
                "collective" => &row.collective,
                "library" => &row.library,
                _ => &row.system,
            };
            if !value.is_empty() {
                groups.entry(value).or_default().push(row);
            }
        }
        for (value, rows) in groups {
            found.push(summary(format!("{key}={value}"), &rows));
        }
    }
    found
}

fn summary(group: String, rows: &[&NetworkRow]) -> NetworkSummary {
    let predicted = || rows.iter().filter_map(|row| row.prediction.as_ref());
    let fitted = predicted().filter(|found| found.fitted).count();
    let only_fitted = fitted == predicted().count();
    let scored: Vec<&NetworkPrediction> = predicted()
        .filter(|found| only_fitted || !found.fitted)
        .collect();
    let of = |time: &dyn Fn(&NetworkPrediction) -> Option<f64>| {
        let values = scored.iter().filter_map(|found| {
            let ratio = time(found)? / found.measured;
            Some((ratio - 1.0).abs())
        });
        errors(values.collect())
    };
    let ratios: Vec<f64> = scored.iter().map(|found| found.relative_error()).collect();
    let inside = scored.iter().filter(|found| found.covers()).count();
    let based = scored
        .iter()
        .filter(|found| found.baseline.is_some())
        .count();
    let baseline = of(&|found| found.baseline.map(|_| found.predicted))
        .zip(of(&|found| found.baseline))
        .map(|(ours, theirs)| (based, ours, theirs));
    NetworkSummary {
        group,
        rows: rows.len(),
        predicted: predicted().count(),
        fitted,
        skipped: reasons(rows.iter().filter_map(|row| row.skipped.as_deref())),
        errors: of(&|found| Some(found.predicted)),
        bias: (!ratios.is_empty()).then(|| quantile(ratios, 0.5)),
        coverage: (!scored.is_empty()).then(|| inside as f64 / scored.len() as f64),
        baseline,
        with_all: of(&|found| Some(found.with_all)),
        with_other: of(&|found| found.with_other),
    }
}
