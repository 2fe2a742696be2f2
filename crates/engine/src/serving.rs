//! The row of a serving workload.

use std::collections::BTreeMap;

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_serve::{
    Case, Infeasible, Plan, Pool, Prediction, SearchResult, Software, Speculation, Workload,
    adapted_rate, search,
};
use chokepoint_units::PartName as _;
use serde_json::json;

use crate::elasticity::{SEARCHED_STEP, elasticities};
use crate::equal::smallest;
use crate::resolve::SystemParts;
use crate::row::{Outcome, Resource, Statement};
use crate::scenario::Serving;

/// The workload as the predictor takes it.
pub(crate) fn workload(serving: &Serving) -> Workload {
    Workload {
        input: serving.input,
        output: serving.output,
        ttft: serving.ttft,
        tpot: serving.tpot,
        formats: serving.formats.clone(),
        cache_format: serving.cache_format,
        imbalance: serving.expert_imbalance,
        prefix_hit: serving.prefix_hit,
        speculation: serving.drafted_tokens.map(|drafted| Speculation {
            drafted,
            accepted: serving.accepted_tokens.unwrap_or_default(),
        }),
    }
}

/// The best plan and its alternatives, or why there is none.
fn best(case: &Case) -> Result<(Prediction, Vec<Prediction>), Statement> {
    let SearchResult {
        mut plans,
        nearest_miss,
        ..
    } = search(case);
    if plans.is_empty() {
        return Err(match nearest_miss {
            Some((plan, reason)) => refusal(case, &plan, &reason),
            None => Statement::new("no-plan", []),
        });
    }
    let best = plans.remove(0);
    Ok((best, plans))
}

fn refusal(case: &Case, plan: &Plan, reason: &Infeasible) -> Statement {
    match reason {
        Infeasible::Memory(table) => Statement::new(
            "memory-short",
            [
                ("plan", plan.to_string()),
                ("needed", table.total.to_string()),
                ("usable", table.usable.to_string()),
            ],
        ),
        Infeasible::Ttft(time) => Statement::new(
            "ttft-missed",
            [
                ("plan", plan.to_string()),
                ("time", time.to_string()),
                ("limit", case.workload.ttft.to_string()),
            ],
        ),
        Infeasible::Tpot(time) => Statement::new(
            "tpot-missed",
            [
                ("plan", plan.to_string()),
                ("time", time.to_string()),
                ("limit", case.workload.tpot.to_string()),
            ],
        ),
        Infeasible::TooManyChips => Statement::new("no-plan", []),
    }
}

/// The fewest chips, in whole units as sold, that serve a rate of requests.
pub(crate) fn chips_for_rate(
    parts: &SystemParts,
    unit: u64,
    spec: &ChipSpec,
    architecture: &Architecture,
    workload: &Workload,
    requests_per_second: f64,
) -> Option<u64> {
    smallest(unit, unit, |chips| {
        let case = Case {
            architecture,
            workload,
            software: &Software::KERNELS,
            chip: &spec.under_load(),
            fabric: &parts.fabric,
            chips,
        };
        let found = best(&case).ok()?.0;
        (found.requests_per_second >= requests_per_second).then_some(())
    })
    .map(|(chips, ())| chips)
}

/// The outcome of a serving case.
pub(crate) fn outcome(case: &Case) -> Result<Outcome, Statement> {
    let (found, others) = best(case)?;
    let own = found.output_tokens_per_second;
    let adapted = |case: &Case| adapted_rate(case, &found.plan).unwrap_or(own);
    let rate_with = |_: Resource, chip: &ChipSpec, fabric: &Fabric| {
        adapted(&Case {
            chip,
            fabric,
            ..*case
        })
    };
    let elasticities = elasticities(
        case.chip,
        case.fabric,
        adapted(case),
        |_| SEARCHED_STEP,
        rate_with,
    );
    let alternatives = others
        .iter()
        .map(|other| (other.plan.to_string(), other.output_tokens_per_second / own))
        .collect();
    Ok(Outcome {
        plan: found.plan.to_string(),
        plan_fields: plan_fields(&found.plan),
        chips_used: found.plan.chips(),
        metrics: metrics(case, &found),
        interval: (
            own / (1.0 + found.spread),
            own / (1.0 - found.spread).max(0.1),
        ),
        breakdown: found
            .parts
            .iter()
            .map(|(part, time)| (part.key(), time.get()))
            .collect(),
        whole: found.parts.total().get(),
        memory: vec![
            ("weights", found.memory.weights.get()),
            ("cache", found.memory.cache.get()),
            ("activations", found.memory.activations.get()),
        ],
        elasticities,
        alternatives,
        hourly: None,
    })
}

fn metrics(case: &Case, found: &Prediction) -> BTreeMap<&'static str, f64> {
    let chips = case.chips as f64;
    let power = found.chip_energy_per_token.get() * found.output_tokens_per_second
        / found.plan.chips() as f64;
    BTreeMap::from([
        ("ttft_seconds", found.ttft.get()),
        ("tpot_seconds", found.tpot.get()),
        ("tokens_per_second_per_user", 1.0 / found.tpot.get()),
        ("requests_per_second", found.requests_per_second),
        ("output_tokens_per_second", found.output_tokens_per_second),
        (
            "output_tokens_per_second_per_chip",
            found.output_tokens_per_second / chips,
        ),
        ("memory_bytes", found.memory.total.get()),
        ("memory_usable_bytes", found.memory.usable.get()),
        ("memory_capacity_bytes", case.chip.capacity.get()),
        ("chip_power_watts", power),
    ])
}

fn plan_fields(plan: &Plan) -> BTreeMap<&'static str, serde_json::Value> {
    let pool = |pool: &Pool| {
        json!({
            "instances": pool.instances,
            "tp": pool.layout.tp,
            "pp": pool.layout.pp,
            "dp": pool.layout.dp,
            "ep": pool.layout.ep,
            "etp": pool.layout.etp,
            "batch": pool.batch,
        })
    };
    BTreeMap::from([
        ("decode", pool(&plan.decode)),
        (
            "prefill",
            plan.prefill.as_ref().map_or(serde_json::Value::Null, pool),
        ),
        ("format", json!(plan.precision.feed_forward)),
        ("cache_format", json!(plan.precision.cache)),
    ])
}
