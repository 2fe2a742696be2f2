//! A validated table as CSV: one line for each row.

use chokepoint_engine::Validation;
use csv::{Error, Writer};

use super::status;
use crate::records::text;

const HEADS: [&str; 21] = [
    "row_id",
    "status",
    "reason",
    "source",
    "chip",
    "model",
    "class",
    "precision",
    "framework",
    "complete",
    "metric",
    "predicted",
    "measured",
    "relative_error",
    "low",
    "high",
    "plan",
    "memory_bytes",
    "measured_memory_bytes",
    "fits",
    "assumed",
];

/// A validated table as CSV.
///
/// # Errors
/// When a record cannot be written.
pub fn validation_csv(validation: &Validation) -> Result<String, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    for row in &validation.rows {
        let found = row.prediction.as_ref();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        writer.write_record([
            row.row_id.clone(),
            status(row).to_owned(),
            row.skipped.clone().unwrap_or_default(),
            row.source.clone(),
            row.chip.clone(),
            row.model.clone(),
            row.class.clone(),
            row.precision.clone(),
            row.framework.clone(),
            row.complete.to_string(),
            found.map_or_else(String::new, |found| found.metric.to_owned()),
            number(found.map(|found| found.predicted)),
            number(found.map(|found| found.measured)),
            number(found.map(|found| found.relative_error)),
            number(found.map(|found| found.low)),
            number(found.map(|found| found.high)),
            found.map_or_else(String::new, |found| found.plan.clone()),
            number(found.map(|found| found.memory_bytes)),
            number(found.and_then(|found| found.measured_memory_bytes)),
            found.map_or_else(String::new, |found| found.fits.to_string()),
            row.assumed.join("; "),
        ])?;
    }
    text(writer)
}
