//! The comparison as JSON, schema 1.

use chokepoint_engine::rules::Verdict;
use chokepoint_engine::{Comparison, Outcome, Row};
use serde_json::{Error, Map, Value, json, to_value};

use crate::messages::{Language, Words};
use crate::notes;
use crate::terminal::title;
use crate::view::interval_metric;

/// The comparison as JSON: keys carry their units, the order of keys and rows is fixed, texts are
/// in the language. Keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn json(comparison: &Comparison, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let held: Map<String, Value> = comparison
        .held
        .iter()
        .map(|(workload, held)| (workload.clone(), Value::String(words.statement(held))))
        .collect();
    let rows: Result<Vec<Value>, Error> = comparison
        .rows
        .iter()
        .map(|row| of_row(&words, row))
        .collect();
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "title": title(comparison, language),
        "date": comparison.date,
        "destination": comparison.destination,
        "prices": { "id": comparison.prices, "as_of": comparison.prices_as_of },
        "held_equal": held,
        "rows": rows?,
    }))
}

fn of_row(words: &Words, row: &Row) -> Result<Value, Error> {
    let outcome = row.outcome.as_ref();
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("system", json!(row.system));
    put("system_name", json!(row.system_name));
    put("workload", json!(row.workload));
    put("kind", json!(row.kind));
    put("chips", json!(row.chips));
    put(
        "chips_used",
        json!(outcome.map(|outcome| outcome.chips_used)),
    );
    put("feasible", json!(outcome.is_some()));
    put(
        "reason",
        json!(row.reason.as_ref().map(|reason| words.statement(reason))),
    );
    put(
        "reason_key",
        json!(row.reason.as_ref().map(|reason| reason.key)),
    );
    put("plan", outcome.map_or(Value::Null, plan));
    put(
        "metrics",
        outcome.map_or(Value::Null, |outcome| json!(outcome.metrics)),
    );
    put(
        "interval",
        outcome.map_or(Value::Null, |outcome| interval(row, outcome)),
    );
    put(
        "breakdown",
        listed(outcome, |o| pairs(&o.breakdown, "part", "seconds")),
    );
    put(
        "memory",
        listed(outcome, |o| pairs(&o.memory, "use", "bytes")),
    );
    put("chokepoint", outcome.map_or(Value::Null, chokepoint));
    put("elasticities", listed(outcome, elasticities));
    put(
        "alternatives",
        listed(outcome, |o| pairs(&o.alternatives, "plan", "relative_rate")),
    );
    put("cost", cost(row));
    put("power", power(row));
    put("network", network(row));
    put("export", export(words, &row.export)?);
    let notes: Vec<String> = notes::of_row(row)
        .iter()
        .map(|note| words.statement(note))
        .collect();
    put("notes", json!(notes));
    Ok(Value::Object(object))
}

/// A list of a result; empty where there is none.
fn listed(outcome: Option<&Outcome>, list: impl Fn(&Outcome) -> Vec<Value>) -> Value {
    Value::Array(outcome.map(list).unwrap_or_default())
}

/// A list of keys and numbers as objects.
pub(crate) fn pairs<T: serde::Serialize>(list: &[(T, f64)], name: &str, value: &str) -> Vec<Value> {
    list.iter()
        .map(|(key, number)| json!({ name: key, value: number }))
        .collect()
}

/// The plan of a result by field, and as text.
pub(crate) fn plan(outcome: &Outcome) -> Value {
    let mut fields: Map<String, Value> = outcome
        .plan_fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    fields.insert("text".to_owned(), json!(outcome.plan));
    Value::Object(fields)
}

fn interval(row: &Row, outcome: &Outcome) -> Value {
    let (low, high) = outcome.interval;
    json!({ "metric": interval_metric(row.kind), "low": low, "high": high, "confidence": 0.8 })
}

/// Elasticities of a result, largest first.
pub(crate) fn elasticities(outcome: &Outcome) -> Vec<Value> {
    let each = |(resource, elasticity): &(chokepoint_engine::Resource, f64)| json!({ "resource": resource.key(), "elasticity": elasticity });
    outcome.elasticities.iter().map(each).collect()
}

fn chokepoint(outcome: &Outcome) -> Value {
    elasticities(outcome)
        .into_iter()
        .next()
        .unwrap_or(Value::Null)
}

fn cost(row: &Row) -> Value {
    let capital = row.capital;
    let hourly = row.outcome.as_ref().and_then(|outcome| outcome.hourly);
    json!({
        "capital_usd": capital.map(|cost| cost.total.get()),
        "capital_spread": capital.map(|cost| cost.spread),
        "capital_parts": capital.map(|cost| json!({
            "systems_usd": cost.systems.get(),
            "network_usd": cost.network.get(),
            "storage_usd": cost.storage.get(),
        })),
        "optics_usd": capital.map(|cost| cost.optics.get()),
        "usd_per_chip_hour": hourly.map(|cost| cost.total.get()),
        "usd_per_chip_hour_parts": hourly.map(|cost| json!({
            "capital": cost.capital.get(),
            "colocation": cost.colocation.get(),
            "electricity": cost.electricity.get(),
            "maintenance": cost.maintenance.get(),
            "staff": cost.staff.get(),
        })),
    })
}

fn power(row: &Row) -> Value {
    let power = &row.power;
    json!({
        "chip_watts": power.chip.get(),
        "host_watts": (!power.host_unknown).then(|| power.host.get()),
        "network_watts": row.parts.power.map(|_| power.network.get()),
        "provisioned_watts_per_chip": power.provisioned.get(),
        "provisioned_watts": power.provisioned.get() * row.chips as f64,
    })
}

fn network(row: &Row) -> Value {
    json!({
        "tiers": row.parts.tiers,
        "endpoints": row.parts.endpoints,
        "switches": row.parts.switches,
        "links": row.parts.links,
        "optical_modules": row.parts.modules,
        "domain_optical_modules": row.domain_modules,
    })
}

fn export(words: &Words, verdict: &Verdict) -> Result<Value, Error> {
    let possible: Vec<&str> = verdict
        .possible
        .iter()
        .map(|outcome| outcome.key())
        .collect();
    Ok(json!({
        "verdict": verdict.outcome.key(),
        "on": verdict.as_of.to_string(),
        "text": words.of("export-text", verdict.outcome.key()),
        "possible": possible,
        "eccn": verdict.eccn,
        "rules": verdict.rule_ids,
        "tpp": to_value(verdict.metrics.tpp)?,
        "performance_density": to_value(verdict.metrics.performance_density)?,
        "margins": to_value(&verdict.margins)?,
        "missing_facts": verdict.missing_facts,
        "open_conditions": verdict.open_conditions,
        "trace": to_value(&verdict.trace)?,
        "disclaimer": words.of("report", "disclaimer"),
    }))
}
