//! A validated table of serving runs as CSV: one line for each figure of a row.

use chokepoint_engine::{ServingRow, ServingValidation};
use csv::{Error, Writer};

use super::status;
use crate::records::text;

const HEADS: [&str; 25] = [
    "row_id",
    "status",
    "reason",
    "source",
    "chip",
    "model",
    "class",
    "precision",
    "engine",
    "tier",
    "complete",
    "metric",
    "predicted",
    "measured",
    "relative_error",
    "low",
    "high",
    "plan",
    "batch",
    "memory_bytes",
    "fits",
    "baseline",
    "without_chip",
    "peer",
    "assumed",
];

/// A validated table of serving runs as CSV.
///
/// # Errors
/// When a record cannot be written.
pub fn serving_csv(validation: &ServingValidation) -> Result<String, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    for row in &validation.rows {
        writer.write_record(record(row))?;
    }
    text(writer)
}

fn record(row: &ServingRow) -> [String; 25] {
    let found = row.prediction.as_ref();
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    [
        row.row_id.clone(),
        status(row).to_owned(),
        row.skipped.clone().unwrap_or_default(),
        row.source.clone(),
        row.chip.clone(),
        row.model.clone(),
        row.class.clone(),
        row.precision.clone(),
        row.engine.clone(),
        row.tier.to_owned(),
        row.complete.to_string(),
        found.map_or_else(String::new, |found| found.metric.to_owned()),
        number(found.map(|found| found.predicted)),
        number(found.map(|found| found.measured)),
        number(found.map(chokepoint_engine::ServingPrediction::relative_error)),
        number(found.map(|found| found.low)),
        number(found.map(|found| found.high)),
        found.map_or_else(String::new, |found| found.plan.clone()),
        number(found.map(|found| found.batch)),
        number(found.map(|found| found.memory_bytes)),
        found.map_or_else(String::new, |found| found.fits.to_string()),
        number(found.and_then(|found| found.baseline)),
        number(found.and_then(|found| found.without_chip)),
        number(found.and_then(|found| found.peer)),
        row.assumed.join("; "),
    ]
}
