//! A replay as JSON, schema 1.

use chokepoint_engine::trace::{Distribution, Preemption};
use chokepoint_engine::units::Seconds;
use chokepoint_engine::{ReplayFound, ReplayRun, ReplaySource, router_name};
use serde_json::{Error, Value, json};

use super::{joules_per_token, latencies, source, tokens_per_chip, watts_per_chip};

/// A replay as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn replay_json(run: &ReplayRun) -> Result<String, Error> {
    let request = &run.request;
    let (rate_scale, seed, concurrency) = match &request.source {
        ReplaySource::Trace { rate_scale, .. } => (Some(*rate_scale), None, None),
        ReplaySource::Synthetic { drawn, concurrency } => (None, Some(drawn.seed), *concurrency),
    };
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "model": request.model,
        "system": request.system,
        "system_name": run.system_name,
        "engine": request.engine,
        "engine_name": run.engine_name,
        "router": router_name(request.router),
        "source": source(run),
        "rate_scale": rate_scale,
        "seed": seed,
        "concurrency": concurrency,
        "requests": run.means.requests,
        "mean_input_tokens": run.means.input,
        "mean_output_tokens": run.means.output,
        "ttft_target_seconds": request.targets.first_token.map(Seconds::get),
        "tpot_target_seconds": request.targets.token_interval.map(Seconds::get),
        "latency_target_seconds": request.targets.whole.map(Seconds::get),
        "found": run.found.as_ref().ok().map(of_found),
        "reason": run.found.as_ref().err(),
        "notes": run.notes,
    }))
}

fn of_found(found: &ReplayFound) -> Value {
    let summary = &found.summary;
    let prefill = found.plan.prefill;
    let preemption = match found.engine.preemption {
        Preemption::Recompute => "recompute",
        Preemption::Swap { .. } => "swap",
    };
    let [ttft, tpot, whole] = latencies(found).map(|(_, times)| times.map(of_times));
    json!({
        "plan": found.layouts(),
        "format": found.plan.precision.feed_forward,
        "cache_format": found.plan.precision.cache,
        "instances": found.instances(),
        "prefill_instances": prefill.map(|pool| pool.instances),
        "decode_instances": prefill.map(|_| found.plan.decode.instances),
        "mean_instances_up": found.mean_up(),
        "start_up_seconds": found.start_up.map(Seconds::get),
        "mean_time_between_failures_seconds": found.failures.map(|it| it.0.get()),
        "repair_seconds": found.failures.map(|it| it.1.get()),
        "failures": found.failed(),
        "chips": found.chips(),
        "block_tokens": found.engine.block_tokens,
        "tokens_per_iteration": found.engine.tokens_per_iteration,
        "preemption": preemption,
        "cache_bytes_per_chip": found.cache.get(),
        "cache_tokens_per_instance": found.room_tokens(),
        "most_sequences": found.engine.max_sequences,
        "most_tokens_of_iteration": found.engine.max_tokens,
        "prefix_cache": found.engine.prefix_cache,
        "seconds": summary.seconds.get(),
        "finished": summary.finished,
        "rejected": summary.rejected,
        "unfinished": summary.unfinished,
        "good": summary.good,
        "input_tokens": summary.input_tokens,
        "output_tokens": summary.output_tokens,
        "requests_per_second": summary.requests_per_second,
        "good_requests_per_second": summary.good_requests_per_second,
        "output_tokens_per_second": summary.output_tokens_per_second,
        "output_tokens_per_second_per_chip": tokens_per_chip(found),
        "ttft": ttft,
        "tpot": tpot,
        "whole": whole,
        "utilisation": found.utilisation(),
        "cached_share": found.cached_share(),
        "preemptions": found.preemptions(),
        "chip_energy_joules": found.energy.get(),
        "chip_joules_per_output_token": joules_per_token(found),
        "watts_per_chip": watts_per_chip(found),
        "per_instance": summary.instances,
    })
}

fn of_times(times: &Distribution) -> Value {
    json!({
        "count": times.count,
        "mean_seconds": times.mean_seconds.get(),
        "p50_seconds": times.p50_seconds.get(),
        "p90_seconds": times.p90_seconds.get(),
        "p95_seconds": times.p95_seconds.get(),
        "p99_seconds": times.p99_seconds.get(),
        "p999_seconds": times.p999_seconds.get(),
        "max_seconds": times.max_seconds.get(),
        "relative_error": times.relative_error,
    })
}
