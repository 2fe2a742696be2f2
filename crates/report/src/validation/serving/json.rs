//! A validated table of serving runs as JSON, schema 1.

use chokepoint_engine::{ServingPrediction, ServingRow, ServingSummary, ServingValidation};
use serde_json::{Error, Map, Value, json};

use super::status;
use crate::json::pairs;
use crate::validation::json::{errors, whole};

/// A validated table of serving runs as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn serving_json(validation: &ServingValidation) -> Result<String, Error> {
    let rows: Vec<Value> = validation.rows.iter().map(of_row).collect();
    let summary: Vec<Value> = validation.summary.iter().map(of_group).collect();
    serde_json::to_string_pretty(&json!({ "schema": 1, "rows": rows, "summary": summary }))
}

fn of_row(row: &ServingRow) -> Value {
    let found = row.prediction.as_ref();
    json!({
        "row_id": row.row_id,
        "status": status(row),
        "reason": row.skipped,
        "source": row.source,
        "chip": row.chip,
        "model": row.model,
        "class": row.class,
        "precision": row.precision,
        "engine": row.engine,
        "tier": found.map(|_| row.tier),
        "complete": row.complete,
        "metric": found.map(|found| found.metric),
        "predicted": found.map(|found| found.predicted),
        "measured": found.map(|found| found.measured),
        "relative_error": found.map(ServingPrediction::relative_error),
        "low": found.map(|found| found.low),
        "high": found.map(|found| found.high),
        "covered": found.map(ServingPrediction::covers),
        "plan": found.map(|found| &found.plan),
        "batch": found.map(|found| found.batch),
        "breakdown": found.map(|found| pairs(&found.breakdown, "part", "seconds")),
        "memory_bytes": found.map(|found| found.memory_bytes),
        "fits": found.map(|found| found.fits),
        "baseline": found.and_then(|found| found.baseline),
        "without_chip": found.and_then(|found| found.without_chip),
        "peer": found.and_then(|found| found.peer),
        "assumed": row.assumed,
    })
}

fn of_group(group: &ServingSummary) -> Value {
    let reasons = group.skipped.iter();
    let reasons: Vec<Value> = reasons
        .map(|(reason, rows)| json!({ "reason": reason, "rows": rows }))
        .collect();
    let mut object = Map::new();
    let (complete, predicted) = group.complete;
    object.insert("group".to_owned(), json!(group.group));
    object.insert("rows".to_owned(), json!(group.rows));
    object.insert("predicted".to_owned(), json!(group.predicted));
    object.insert("skipped".to_owned(), json!(group.rows - group.predicted));
    object.insert("figures".to_owned(), json!(group.figures));
    object.extend(errors(group.errors));
    object.insert("all_predicted".to_owned(), whole(group.all_errors));
    object.insert("bias".to_owned(), json!(group.bias));
    object.insert("coverage".to_owned(), json!(group.coverage));
    object.insert("baseline".to_owned(), whole(group.baseline));
    object.insert("without_chip".to_owned(), whole(group.without_chip));
    object.insert("peer".to_owned(), peer(group));
    object.insert(
        "complete".to_owned(),
        json!({ "rows": complete, "predicted": predicted }),
    );
    object.insert(
        "called_infeasible".to_owned(),
        json!(group.called_infeasible),
    );
    object.insert("skip_reasons".to_owned(), Value::Array(reasons));
    Value::Object(object)
}

/// Errors of another program, and ours on the figures that it predicts.
fn peer(group: &ServingSummary) -> Value {
    group.peer.map_or(Value::Null, |(figures, ours, theirs)| {
        json!({ "figures": figures, "ours": whole(Some(ours)), "theirs": whole(Some(theirs)) })
    })
}
