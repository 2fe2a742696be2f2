//! A validated table of collectives as JSON, schema 1.

use chokepoint_engine::{Errors, NetworkPrediction, NetworkRow, NetworkSummary, NetworkValidation};
use serde_json::{Error, Value, json};

use super::status;

/// A validated table of collectives as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn network_json(validation: &NetworkValidation) -> Result<String, Error> {
    let rows: Vec<Value> = validation.rows.iter().map(of_row).collect();
    let summary: Vec<Value> = validation.summary.iter().map(of_group).collect();
    serde_json::to_string_pretty(&json!({ "schema": 1, "rows": rows, "summary": summary }))
}

fn of_row(row: &NetworkRow) -> Value {
    let found = row.prediction.as_ref();
    json!({
        "row_id": row.row_id,
        "status": status(row),
        "reason": row.skipped,
        "system": row.system,
        "span": row.span,
        "ranks": row.ranks,
        "collective": row.collective,
        "algorithm": row.algorithm,
        "library": row.library,
        "size_bytes": row.size_bytes,
        "predicted_seconds": found.map(|found| found.predicted),
        "measured_seconds": found.map(|found| found.measured),
        "relative_error": found.map(NetworkPrediction::relative_error),
        "low_seconds": found.map(|found| found.low),
        "high_seconds": found.map(|found| found.high),
        "covered": found.map(NetworkPrediction::covers),
        "curves_of_ranks": found.map(|found| &found.curves),
        "fitted": found.map(|found| found.fitted),
        "with_all_curves_seconds": found.map(|found| found.with_all),
        "with_other_chip_seconds": found.and_then(|found| found.with_other),
        "baseline_seconds": found.and_then(|found| found.baseline),
        "assumed": row.assumed,
    })
}

fn of_group(group: &NetworkSummary) -> Value {
    let reasons = group.skipped.iter();
    let reasons: Vec<Value> = reasons
        .map(|(reason, rows)| json!({ "reason": reason, "rows": rows }))
        .collect();
    let baseline = group.baseline.map(|(rows, ours, theirs)| {
        json!({ "rows": rows, "ours": errors(Some(ours)), "baseline": errors(Some(theirs)) })
    });
    json!({
        "group": group.group,
        "rows": group.rows,
        "predicted": group.predicted,
        "skipped": group.rows - group.predicted,
        "fitted": group.fitted,
        "errors": errors(group.errors),
        "bias": group.bias,
        "coverage": group.coverage,
        "against_baseline": baseline,
        "with_all_curves": errors(group.with_all),
        "with_other_chip": errors(group.with_other),
        "skip_reasons": reasons,
    })
}

fn errors(found: Option<Errors>) -> Value {
    json!({
        "median_abs_error": found.as_ref().map(|errors| errors.median),
        "mean_abs_error": found.as_ref().map(|errors| errors.mean),
        "p90_abs_error": found.as_ref().map(|errors| errors.p90),
    })
}
