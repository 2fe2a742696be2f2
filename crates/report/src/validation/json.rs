//! A validated table as JSON, schema 1.

use chokepoint_engine::{Errors, SummaryRow, Validation, ValidationRow};
use serde_json::{Error, Map, Value, json};

use super::status;
use crate::json::pairs;

/// A validated table as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn validation_json(validation: &Validation) -> Result<String, Error> {
    let rows: Vec<Value> = validation.rows.iter().map(of_row).collect();
    let summary: Vec<Value> = validation.summary.iter().map(of_group).collect();
    serde_json::to_string_pretty(&json!({ "schema": 1, "rows": rows, "summary": summary }))
}

fn of_row(row: &ValidationRow) -> Value {
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
        "framework": row.framework,
        "complete": row.complete,
        "metric": found.map(|found| found.metric),
        "predicted": found.map(|found| found.predicted),
        "measured": found.map(|found| found.measured),
        "relative_error": found.map(|found| found.relative_error),
        "low": found.map(|found| found.low),
        "high": found.map(|found| found.high),
        "covered": found.map(chokepoint_engine::RowPrediction::covers),
        "plan": found.map(|found| &found.plan),
        "breakdown": found.map(|found| pairs(&found.breakdown, "part", "seconds")),
        "memory_bytes": found.map(|found| found.memory_bytes),
        "measured_memory_bytes": found.and_then(|found| found.measured_memory_bytes),
        "fits": found.map(|found| found.fits),
        "assumed": row.assumed,
    })
}

fn of_group(group: &SummaryRow) -> Value {
    let reasons = group.skipped.iter();
    let reasons: Vec<Value> = reasons
        .map(|(reason, rows)| json!({ "reason": reason, "rows": rows }))
        .collect();
    let mut object = Map::new();
    object.insert("group".to_owned(), json!(group.group));
    object.insert("rows".to_owned(), json!(group.rows));
    object.insert("predicted".to_owned(), json!(group.predicted));
    object.insert("skipped".to_owned(), json!(group.rows - group.predicted));
    object.extend(errors(group.errors));
    object.insert("all_predicted".to_owned(), whole(group.all_errors));
    object.insert("bias".to_owned(), json!(group.bias));
    object.insert("coverage".to_owned(), json!(group.coverage));
    object.insert("baseline".to_owned(), whole(group.baseline));
    object.insert("without_chip".to_owned(), whole(group.without_chip));
    let (rows, predicted) = group.complete;
    object.insert(
        "complete".to_owned(),
        json!({ "rows": rows, "predicted": predicted }),
    );
    let memory = group.memory.map(|(rows, found)| {
        let mut memory = errors(Some(found));
        memory.insert("rows".to_owned(), json!(rows));
        memory
    });
    object.insert("memory".to_owned(), json!(memory));
    object.insert(
        "called_infeasible".to_owned(),
        json!(group.called_infeasible),
    );
    object.insert("skip_reasons".to_owned(), Value::Array(reasons));
    Value::Object(object)
}

pub(super) fn errors(found: Option<Errors>) -> Map<String, Value> {
    let of = |part: fn(&Errors) -> f64| json!(found.as_ref().map(part));
    Map::from_iter([
        ("median_abs_error".to_owned(), of(|errors| errors.median)),
        ("mean_abs_error".to_owned(), of(|errors| errors.mean)),
        ("p90_abs_error".to_owned(), of(|errors| errors.p90)),
    ])
}

pub(super) fn whole(found: Option<Errors>) -> Value {
    Value::Object(errors(found))
}
