//! Statistics of predictions against measurements, by group, beside those of a constant.

use std::collections::BTreeMap;

use super::ValidationRow;

/// Errors over some rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Median absolute relative error.
    pub median: f64,
    /// Mean of it.
    pub mean: f64,
    /// 90th percentile of it.
    pub p90: f64,
}

/// A group of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// Its name, as `chip=H100`; `all` for all rows.
    pub group: String,
    /// Rows of the table in it.
    pub rows: usize,
    /// Of them, predicted.
    pub predicted: usize,
    /// Of them, not: by reason, most frequent first.
    pub skipped: Vec<(String, usize)>,
    /// Rows that state everything a prediction needs, without a quality flag other than a reduced
    /// number of layers; of them, predicted. The errors below are over these where there are any.
    pub complete: (usize, usize),
    /// Errors of the predictions.
    pub errors: Option<Errors>,
    /// Errors of all predictions, of incomplete and flagged rows too.
    pub all_errors: Option<Errors>,
    /// Median of predicted over measured step time, less one: positive is too slow.
    pub bias: Option<f64>,
    /// Share of measurements inside their 80% interval.
    pub coverage: Option<f64>,
    /// Errors of one constant TFLOP/s for each chip, precision and dense or mixture, fitted on the
    /// same rows.
    pub baseline: Option<Errors>,
    /// Errors with the sustained rate of the chip taken from the other chips.
    pub without_chip: Option<Errors>,
    /// Rows whose plan would not fit by our count of memory, though it ran.
    pub called_infeasible: usize,
    /// Memory: rows that state it, and errors.
    pub memory: Option<(usize, Errors)>,
}

/// The summary of some rows; `all` gives the constants of the baseline.
#[must_use]
pub fn group_summary(group: &str, rows: &[&ValidationRow], all: &[ValidationRow]) -> SummaryRow {
    summary(group.to_owned(), rows, &constants(all))
}

/// Summaries of all rows and of those of each source, chip, precision and class.
pub(super) fn summaries(rows: &[ValidationRow]) -> Vec<SummaryRow> {
    let constants = constants(rows);
    let all: Vec<&ValidationRow> = rows.iter().collect();
    let mut found = vec![summary("all".to_owned(), &all, &constants)];
    for key in ["source", "chip", "class", "precision", "framework"] {
        let mut groups: BTreeMap<&str, Vec<&ValidationRow>> = BTreeMap::new();
        for row in rows {
            let value = match key {
                "source" => &row.source,
                "chip" => &row.chip,
                "class" => &row.class,
                "precision" => &row.precision,
                _ => &row.framework,
            };
            if !value.is_empty() {
                groups.entry(value).or_default().push(row);
            }
        }
        for (value, rows) in groups {
            found.push(summary(format!("{key}={value}"), &rows, &constants));
        }
    }
    found
}

type Constants = BTreeMap<(String, String, String), f64>;

fn constant_key(row: &ValidationRow) -> (String, String, String) {
    (row.chip.clone(), row.precision.clone(), row.class.clone())
}

/// Median model TFLOP/s of a chip by chip, precision and class, over complete rows where there are
/// any, else over all.
fn constants(rows: &[ValidationRow]) -> Constants {
    let mut rates: BTreeMap<_, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in rows {
        if let Some(found) = &row.prediction {
            let entry = rates.entry(constant_key(row)).or_default();
            let rate = found.model_ops / found.measured_step;
            if row.complete {
                entry.0.push(rate);
            }
            entry.1.push(rate);
        }
    }
    let median = |(complete, all): (Vec<f64>, Vec<f64>)| {
        quantile(if complete.is_empty() { all } else { complete }, 0.5)
    };
    rates
        .into_iter()
        .map(|(key, rates)| (key, median(rates)))
        .collect()
}

fn summary(group: String, rows: &[&ValidationRow], constants: &Constants) -> SummaryRow {
    let complete: Vec<&&ValidationRow> = rows.iter().filter(|row| row.complete).collect();
    let scored: Vec<&ValidationRow> = if complete.is_empty() {
        rows.to_vec()
    } else {
        complete.iter().map(|row| **row).collect()
    };
    let predictions: Vec<_> = scored
        .iter()
        .filter_map(|row| row.prediction.as_ref().map(|found| (*row, found)))
        .collect();
    let errors_by = |of: &dyn Fn(&(&ValidationRow, &super::RowPrediction)) -> Option<f64>| {
        errors(predictions.iter().filter_map(of).map(f64::abs).collect())
    };
    let slowness: Vec<f64> = predictions
        .iter()
        .map(|(_, found)| found.step / found.measured_step - 1.0)
        .collect();
    let inside = predictions
        .iter()
        .filter(|(_, found)| found.covers())
        .count();
    let memory: Vec<f64> = rows
        .iter()
        .filter_map(|row| row.prediction.as_ref()?.memory_error())
        .map(f64::abs)
        .collect();
    let all_predictions = rows.iter().filter_map(|row| row.prediction.as_ref());
    let all_errors = all_predictions
        .clone()
        .map(|found| found.relative_error.abs());
    SummaryRow {
        group,
        rows: rows.len(),
        predicted: all_predictions.clone().count(),
        skipped: reasons(rows.iter().filter_map(|row| row.skipped.as_deref())),
        complete: (
            complete.len(),
            complete
                .iter()
                .filter(|row| row.prediction.is_some())
                .count(),
        ),
        errors: errors_by(&|(_, found)| Some(found.relative_error)),
        all_errors: errors(all_errors.collect()),
        bias: (!slowness.is_empty()).then(|| quantile(slowness, 0.5)),
        coverage: (!predictions.is_empty()).then(|| inside as f64 / predictions.len() as f64),
        baseline: errors_by(&|(row, found)| {
            let rate = constants.get(&constant_key(row))?;
            Some(found.error_of_step(found.model_ops / rate))
        }),
        without_chip: errors_by(&|(_, found)| Some(found.error_of_step(found.step_without_chip?))),
        called_infeasible: all_predictions.filter(|found| !found.fits).count(),
        memory: errors_of(memory),
    }
}

fn errors_of(values: Vec<f64>) -> Option<(usize, Errors)> {
    let count = values.len();
    errors(values).map(|errors| (count, errors))
}

/// Reasons with their counts, most frequent first.
pub(super) fn reasons<'a>(given: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in given {
        *counts.entry(reason).or_default() += 1;
    }
    let mut found: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found
}

/// Median, mean and 90th percentile; none of nothing.
pub(super) fn errors(values: Vec<f64>) -> Option<Errors> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some(Errors {
        median: quantile(values.clone(), 0.5),
        mean,
        p90: quantile(values, 0.9),
    })
}

/// The value at a share of some, between the two nearest.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share * last as f64;
    let below = libm::floor(place) as usize;
    let above = (below + 1).min(last);
    values[below] + (values[above] - values[below]) * (place - below as f64)
}
