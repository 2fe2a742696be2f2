//! A prediction of a training step as output shows it.

use std::collections::BTreeMap;

use chokepoint_train::{Case, Infeasible, MemoryTable, Plan, Prediction};
use chokepoint_units::{PartName as _, SECONDS_PER_DAY, SECONDS_PER_HOUR};
use serde_json::json;

use crate::row::Statement;

/// Why a plan does not run.
pub(crate) fn refusal(plan: &Plan, reason: &Infeasible) -> Statement {
    match reason {
        Infeasible::Plan(error) => Statement::new(
            "plan-invalid",
            [("plan", plan.to_string()), ("why", error.to_string())],
        ),
        Infeasible::Memory(table) => Statement::new(
            "memory-short",
            [
                ("plan", plan.to_string()),
                ("needed", table.total.to_string()),
                ("usable", table.usable.to_string()),
            ],
        ),
    }
}

/// Parts of a step, seconds.
pub(crate) fn breakdown(found: &Prediction) -> Vec<(&'static str, f64)> {
    let parts = found.parts.iter();
    parts.map(|(part, time)| (part.key(), time.get())).collect()
}

/// Memory of the fullest chip by use, bytes.
pub(crate) fn memory(table: &MemoryTable) -> Vec<(&'static str, f64)> {
    vec![
        ("weights", table.weights.get()),
        ("gradients", table.gradients.get()),
        ("optimizer", table.optimizer.get()),
        ("activations", table.activations.get()),
    ]
}

/// Measures of a prediction by key; the unit is in the key.
pub(crate) fn metrics(case: &Case, found: &Prediction) -> BTreeMap<&'static str, f64> {
    let chips = case.chips as f64;
    let power = (found.chip_energy_per_step / found.step).get() / found.plan.chips() as f64;
    BTreeMap::from([
        ("step_seconds", found.step.get()),
        ("tokens_per_second", found.tokens_per_second),
        (
            "tokens_per_second_per_chip",
            found.tokens_per_second / chips,
        ),
        ("mfu", found.mfu),
        ("run_days", found.run.get() / SECONDS_PER_DAY),
        ("chip_hours", found.run.get() / SECONDS_PER_HOUR * chips),
        (
            "chip_hours_per_trillion_tokens",
            1e12 / found.tokens_per_second * chips / SECONDS_PER_HOUR,
        ),
        ("memory_bytes", found.memory.total.get()),
        ("memory_usable_bytes", found.memory.usable.get()),
        ("memory_capacity_bytes", case.chip.capacity.get()),
        ("chip_power_watts", power),
    ])
}

/// A plan by field.
pub(crate) fn plan_fields(plan: &Plan) -> BTreeMap<&'static str, serde_json::Value> {
    BTreeMap::from([
        ("tp", json!(plan.tp)),
        ("cp", json!(plan.cp)),
        ("ep", json!(plan.ep)),
        ("pp", json!(plan.pp)),
        ("vp", json!(plan.vp)),
        ("dp", json!(plan.dp)),
        ("micro_batch", json!(plan.micro_batch)),
        ("recompute", json!(plan.recompute.name())),
        ("schedule", json!(plan.schedule)),
        ("format", json!(plan.format)),
        ("etp", json!(plan.etp)),
        ("tensor", json!(plan.tensor)),
        ("overlap_tp", json!(plan.overlap_tp)),
        ("context", json!(plan.context)),
        ("overlap_ep", json!(plan.overlap_ep)),
        ("sharding", json!(plan.sharding)),
        ("shard", json!(plan.shard)),
        ("overlap_dp", json!(plan.overlap_dp)),
        ("offload", json!(plan.offload.to_string())),
        ("balanced", json!(plan.balanced)),
        ("split_vocabulary", json!(plan.split_vocabulary)),
    ])
}
