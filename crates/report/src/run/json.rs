//! A training run as JSON, schema 1.

use chokepoint_engine::train::Trained;
use chokepoint_engine::{Outcome, RunFound, RunGoodput, RunPlan, RunTimeline, TrainingRun};
use serde_json::{Error, Value, json};

use super::{contention, degraded, sites};
use crate::json::{elasticities, pairs, plan};
use crate::messages::{Language, Words};

/// The run as JSON: keys carry their units, texts are in the language; `seconds` is how long it
/// took to compute. Keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn run_json(run: &TrainingRun, seconds: f64, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let found = run.found.as_ref();
    let reason = run.reason.as_ref();
    let list = |plans: fn(&RunFound) -> &Vec<RunPlan>| -> Vec<Value> {
        let all = found.map(plans).into_iter().flatten();
        all.map(beside).collect()
    };
    let notes: Vec<String> = run.notes.iter().map(|note| words.statement(note)).collect();
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "model": run.model,
        "system": run.system,
        "system_name": run.system_name,
        "chips": run.chips,
        "framework": run.framework,
        "workload": {
            "tokens": run.workload.tokens,
            "sequence": run.workload.sequence,
            "global_batch": run.workload.global_batch,
            "formats": run.workload.formats,
            "optimizer": run.workload.optimizer.name(),
            "gradients": run.workload.gradients,
            "scaling": run.workload.scaling.name(),
            "lora_rank": lora_rank(run.workload.trained),
            "expert_imbalance": run.workload.imbalance,
            "extra_tokens_share": run.extra_tokens,
        },
        "prices": run.prices,
        "feasible": found.is_some(),
        "reason": reason.map(|reason| words.statement(reason)),
        "reason_key": reason.map(|reason| reason.key),
        "best": found.map(|found| best(&found.outcome, "step_seconds")),
        "alternatives": list(|found| &found.others),
        "front": list(|found| &found.front),
        "contention": found
            .and_then(|found| found.contention.as_ref())
            .map(contention::json),
        "degraded_network": found
            .and_then(|found| found.degraded.as_ref())
            .map(degraded::json),
        "sites": found
            .and_then(|found| found.sites.as_ref())
            .map(|split| sites::json(&words, split)),
        "goodput": found.and_then(|found| found.goodput.as_ref()).map(goodput),
        "timeline": found.and_then(|found| found.timeline.as_ref()).map(timeline),
        "evaluated": run.evaluated,
        "pruned": run.pruned,
        "seconds": seconds,
        "notes": notes,
    }))
}

const fn lora_rank(trained: Trained) -> Option<u64> {
    match trained {
        Trained::All => None,
        Trained::Adapters { rank } => Some(rank),
    }
}

/// The best plan; the metric that its interval is of.
pub(crate) fn best(outcome: &Outcome, metric: &str) -> Value {
    let (low, high) = outcome.interval;
    let elasticities = elasticities(outcome);
    json!({
        "plan": plan(outcome),
        "chips_used": outcome.chips_used,
        "metrics": outcome.metrics,
        "interval": { "metric": metric, "low": low, "high": high, "confidence": 0.8 },
        "breakdown": pairs(&outcome.breakdown, "part", "seconds"),
        "memory": pairs(&outcome.memory, "use", "bytes"),
        "chokepoint": elasticities.first(),
        "elasticities": elasticities,
        "usd_per_chip_hour": outcome.hourly.map(|cost| cost.total.get()),
    })
}

fn beside(found: &RunPlan) -> Value {
    let mut fields = json!(found.plan_fields);
    fields["text"] = json!(found.plan);
    json!({
        "plan": fields,
        "step_seconds": found.step_seconds,
        "relative_slower": found.slower,
        "memory_bytes": found.memory_bytes,
    })
}

fn goodput(left: &RunGoodput) -> Value {
    json!({
        "experience": left.experience,
        "days": left.days,
        "share": left.share,
        "mtbf_hours": left.mtbf_hours,
        "checkpoint_interval_minutes": left.interval_minutes,
        "checkpoint_bytes": left.checkpoint_bytes,
        "spare_chips": left.spare_chips,
        "causes": pairs(&left.causes, "cause", "share"),
        "usd": left.usd,
    })
}

fn timeline(found: &RunTimeline) -> Value {
    let timeline = &found.timeline;
    let ranks = timeline.ranks.iter().map(|rank| {
        json!({
            "busy_seconds": rank.busy.get(),
            "idle_seconds": timeline.idle(rank).get(),
            "peak_activation_bytes": rank.peak.get(),
        })
    });
    json!({
        "schedule": timeline.schedule,
        "micro_batches": found.micro_batches,
        "operations": timeline.operations.len(),
        "seconds": timeline.step().get(),
        "idle_share": timeline.idle_share(),
        "ranks": ranks.collect::<Vec<_>>(),
    })
}
