//! What a serving workload yields on a system: in the row of a comparison, and in a run of its own.

use std::collections::BTreeMap;

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_serve::{
    Case, Infeasible, Plan, Pool, Prediction, SearchResult, Speculation, Workload, adapted_rate,
    search,
};
use chokepoint_units::PartName as _;
use serde_json::json;

use crate::elasticity::{SEARCHED_STEP, elasticities};
use crate::equal::smallest;
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

/// Why a search found nothing.
pub(crate) fn none_found(case: &Case, found: &SearchResult) -> Statement {
    match &found.nearest_miss {
        Some((plan, reason)) => refusal(case, plan, reason),
        None => Statement::new("no-plan", []),
    }
}

/// Why a plan cannot serve.
pub(crate) fn refusal(case: &Case, plan: &Plan, reason: &Infeasible) -> Statement {
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
        Infeasible::TooManySequences(most) => Statement::new(
            "sequences-over",
            [("plan", plan.to_string()), ("most", most.to_string())],
        ),
        Infeasible::Overload => Statement::new("prompts-overload", [("plan", plan.to_string())]),
        Infeasible::TooManyChips => Statement::new("no-plan", []),
    }
}

/// Searches for the fewest chips that serve a rate of requests.
#[derive(Debug)]
pub(crate) struct ForRate {
    /// They, and what a search finds on them.
    pub(crate) met: Option<(u64, SearchResult)>,
    /// What a search finds on the last number that was too small.
    pub(crate) short: Option<(u64, SearchResult)>,
    /// Plans evaluated in all searches.
    pub(crate) evaluated: u64,
    /// Pairs of pools ruled out in all searches.
    pub(crate) pruned: u64,
}

/// The fewest chips of a case, in whole units as sold and at most as many as it has, that serve a
/// rate of requests, by a search.
pub(crate) fn chips_for_rate(
    case: &Case,
    unit: u64,
    requests_per_second: f64,
    search: impl Fn(&Case) -> SearchResult,
) -> ForRate {
    let (mut evaluated, mut pruned) = (0, 0);
    let mut short = None;
    let met = smallest(unit, unit, case.chips, |chips| {
        let found = search(&Case { chips, ..*case });
        evaluated += found.evaluated;
        pruned += found.pruned;
        let rate = found.plans.first().map(|best| best.requests_per_second);
        if rate.is_some_and(|rate| rate >= requests_per_second) {
            Some(found)
        } else {
            short = Some((chips, found));
            None
        }
    });
    ForRate {
        met,
        short,
        evaluated,
        pruned,
    }
}

/// The outcome of a serving case: the plan with the highest rate.
pub(crate) fn outcome(case: &Case) -> Result<Outcome, Statement> {
    let found = search(case);
    let Some((best, others)) = found.plans.split_first() else {
        return Err(none_found(case, &found));
    };
    Ok(explained(case, best, others))
}

/// What a plan yields, what binds it, and those beside it.
pub(crate) fn explained(case: &Case, found: &Prediction, others: &[Prediction]) -> Outcome {
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
    Outcome {
        elasticities,
        alternatives,
        ..plain(case, found)
    }
}

/// What a plan yields, without what binds it.
pub(crate) fn plain(case: &Case, found: &Prediction) -> Outcome {
    let own = found.output_tokens_per_second;
    Outcome {
        plan: found.plan.to_string(),
        plan_fields: plan_fields(&found.plan),
        chips_used: found.plan.chips(),
        metrics: metrics(case, found),
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
        elasticities: Vec::new(),
        alternatives: Vec::new(),
        hourly: None,
    }
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

/// A plan by field.
pub(crate) fn plan_fields(plan: &Plan) -> BTreeMap<&'static str, serde_json::Value> {
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
