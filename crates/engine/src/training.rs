//! The row of a training workload.

use std::collections::BTreeMap;

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_train::{
    Case, Infeasible, Optimizer, Plan, Prediction, SearchResult, Software, Workload, evaluate,
    search,
};
use chokepoint_units::PartName as _;
use chokepoint_units::{NumberFormat, SECONDS_PER_DAY, SECONDS_PER_HOUR, Seconds};
use serde_json::json;

use crate::elasticity::{FIXED_STEP, SEARCHED_STEP, elasticities};
use crate::equal::smallest;
use crate::resolve::SystemParts;
use crate::row::{Outcome, Resource, Statement};
use crate::scenario::{FixedPlan, Training};

/// Plans of different layout that a row shows.
const KEPT: usize = 5;

/// A training result with its alternatives, or why there is none.
type Found = Result<(Prediction, Vec<Prediction>), Statement>;

/// The workload as the predictor takes it.
pub(crate) fn workload(training: &Training) -> Workload {
    Workload {
        optimizer: match training.moments {
            NumberFormat::Bf16 => Optimizer::AdamBf16Moments,
            _ => Optimizer::AdamFp32,
        },
        imbalance: training.expert_imbalance,
        ..Workload::pretraining(
            training.sequence,
            training.global_batch,
            training.tokens,
            training.formats.clone(),
        )
    }
}

/// The best plan, or the given one, and its alternatives.
fn best(case: &Case, fixed: Option<&FixedPlan>, kept: usize) -> Found {
    if let Some(fixed) = fixed {
        let format = case.chip.best_format(&case.workload.formats);
        let plan = fixed.plan(case.chips, format);
        return evaluate(case, &plan)
            .map(|found| (found, Vec::new()))
            .map_err(|reason| refusal(&plan, &reason));
    }
    let SearchResult {
        mut plans,
        nearest_miss,
        ..
    } = search(case, kept);
    if plans.is_empty() {
        return Err(match nearest_miss {
            Some((plan, table)) => refusal(&plan, &Infeasible::Memory(table)),
            None => Statement::new("no-plan", []),
        });
    }
    let best = plans.remove(0);
    Ok((best, plans))
}

fn refusal(plan: &Plan, reason: &Infeasible) -> Statement {
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

/// The fewest chips, in whole units as sold, that finish the run in a time.
pub(crate) fn chips_for_deadline(
    parts: &SystemParts,
    unit: u64,
    spec: &ChipSpec,
    architecture: &Architecture,
    workload: &Workload,
    deadline: Seconds,
) -> Option<u64> {
    let ops = architecture.training_flops_per_token(workload.sequence, true) * workload.tokens;
    let peak = spec.rate(spec.best_format(&workload.formats));
    let ideal = (ops / peak) / deadline;
    let case = |chips| Case {
        architecture,
        workload,
        software: &Software::CURRENT,
        chip: spec,
        fabric: &parts.fabric,
        chips,
    };
    smallest(unit, (ideal * 2.0) as u64, |chips| {
        let found = best(&case(chips), None, 1).ok()?.0;
        (found.run <= deadline).then_some(())
    })
    .map(|(chips, ())| chips)
}

/// The outcome of a training case.
pub(crate) fn outcome(case: &Case, fixed: Option<&FixedPlan>) -> Result<Outcome, Statement> {
    let (found, others) = best(case, fixed, KEPT)?;
    let step = |resource| {
        if resource == Resource::MemoryCapacity {
            SEARCHED_STEP
        } else {
            FIXED_STEP
        }
    };
    let rate_with = |resource, chip: &ChipSpec, fabric: &Fabric| {
        let case = Case {
            chip,
            fabric,
            ..*case
        };
        let changed = if resource == Resource::MemoryCapacity {
            best(&case, fixed, 1).map(|found| found.0).ok()
        } else {
            evaluate(&case, &found.plan).ok()
        };
        changed.map_or(found.tokens_per_second, |changed| changed.tokens_per_second)
    };
    let elasticities = elasticities(
        case.chip,
        case.fabric,
        found.tokens_per_second,
        step,
        rate_with,
    );
    let step = found.step.get();
    Ok(Outcome {
        plan: found.plan.to_string(),
        plan_fields: plan_fields(&found.plan),
        chips_used: found.plan.chips(),
        metrics: metrics(case, &found),
        interval: (step * (1.0 - found.spread), step * (1.0 + found.spread)),
        breakdown: found
            .parts
            .iter()
            .map(|(part, time)| (part.key(), time.get()))
            .collect(),
        whole: step,
        memory: vec![
            ("weights", found.memory.weights.get()),
            ("gradients", found.memory.gradients.get()),
            ("optimizer", found.memory.optimizer.get()),
            ("activations", found.memory.activations.get()),
        ],
        elasticities,
        alternatives: others
            .iter()
            .map(|other| (other.plan.to_string(), found.step / other.step))
            .collect(),
        hourly: None,
    })
}

fn metrics(case: &Case, found: &Prediction) -> BTreeMap<&'static str, f64> {
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

fn plan_fields(plan: &Plan) -> BTreeMap<&'static str, serde_json::Value> {
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
