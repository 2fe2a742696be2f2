//! A validated table of collectives as CSV: one line for each row.

use chokepoint_engine::NetworkValidation;
use csv::{Error, Writer};

use super::{curves, status};
use crate::records::text;

const HEADS: [&str; 21] = [
    "row_id",
    "status",
    "reason",
    "system",
    "span",
    "ranks",
    "collective",
    "algorithm",
    "library",
    "size_bytes",
    "predicted_seconds",
    "measured_seconds",
    "relative_error",
    "low_seconds",
    "high_seconds",
    "curves_of_ranks",
    "fitted",
    "with_all_curves_seconds",
    "with_other_chip_seconds",
    "baseline_seconds",
    "assumed",
];

/// A validated table of collectives as CSV.
///
/// # Errors
/// When a record cannot be written.
pub fn network_csv(validation: &NetworkValidation) -> Result<String, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    for row in &validation.rows {
        let found = row.prediction.as_ref();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        writer.write_record([
            row.row_id.clone(),
            status(row).to_owned(),
            row.skipped.clone().unwrap_or_default(),
            row.system.clone(),
            row.span.to_owned(),
            row.ranks
                .map_or_else(String::new, |ranks| ranks.to_string()),
            row.collective.clone(),
            row.algorithm.clone(),
            row.library.clone(),
            number(row.size_bytes),
            number(found.map(|found| found.predicted)),
            number(found.map(|found| found.measured)),
            number(found.map(chokepoint_engine::NetworkPrediction::relative_error)),
            number(found.map(|found| found.low)),
            number(found.map(|found| found.high)),
            found.map_or_else(String::new, curves),
            found.map_or_else(String::new, |found| found.fitted.to_string()),
            number(found.map(|found| found.with_all)),
            number(found.and_then(|found| found.with_other)),
            number(found.and_then(|found| found.baseline)),
            row.assumed.join("; "),
        ])?;
    }
    text(writer)
}
