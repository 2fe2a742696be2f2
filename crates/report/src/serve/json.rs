//! A serving run as JSON, schema 1.

use chokepoint_engine::{Ask, ServePlan, ServingRun};
use serde_json::{Error, Value, json};

use crate::messages::{Language, Words};
use crate::run::best;

/// The run as JSON: keys carry their units, texts are in the language; `seconds` is how long it
/// took to compute. Keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn serve_json(run: &ServingRun, seconds: f64, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let found = run.found.as_ref();
    let reason = run.reason.as_ref();
    let workload = &run.workload;
    let list = |plans: &[ServePlan]| -> Vec<Value> { plans.iter().map(beside).collect() };
    let notes: Vec<String> = run.notes.iter().map(|note| words.statement(note)).collect();
    let (goal, rate) = match &run.ask {
        Ask::Best(goal) => (goal.name(), None),
        Ask::Given(_) => ("given", None),
        Ask::Rate(rate) => ("chips", Some(*rate)),
    };
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "model": run.model,
        "system": run.system,
        "system_name": run.system_name,
        "chips": run.chips,
        "goal": goal,
        "asked_requests_per_second": rate,
        "percentile": run.arrivals.map(|it| json!({
            "percent": it.percent,
            "least_counted_requests": it.counted,
            "seed": it.seed,
            "replays": it.replays,
            "untried_plans": it.untried,
        })),
        "workload": {
            "input_tokens": workload.input,
            "output_tokens": workload.output,
            "ttft_limit_seconds": workload.ttft.get(),
            "tpot_limit_seconds": workload.tpot.get(),
            "formats": workload.formats,
            "cache_format": workload.cache_format,
            "expert_imbalance": workload.imbalance,
            "prefix_hit_share": workload.prefix_hit,
            "drafted_tokens": workload.speculation.map(|it| it.drafted),
            "accepted_tokens": workload.speculation.map(|it| it.accepted),
        },
        "prices": run.prices,
        "feasible": found.is_some(),
        "reason": reason.map(|reason| words.statement(reason)),
        "reason_key": reason.map(|reason| reason.key),
        "best": found.map(|found| best(&found.outcome, "output_tokens_per_second")),
        "alternatives": found.map_or_else(Vec::new, |found| list(&found.others)),
        "front": list(&run.front),
        "evaluated": run.evaluated,
        "pruned": run.pruned,
        "seconds": seconds,
        "notes": notes,
    }))
}

fn beside(found: &ServePlan) -> Value {
    let mut fields = json!(found.plan_fields);
    fields["text"] = json!(found.plan);
    json!({
        "plan": fields,
        "chips": found.chips,
        "metrics": found.metrics,
    })
}
