//! A replay: what ran, latencies, throughput, energy.

mod csv;
mod drawing;
mod json;
mod parquet;
mod table;
#[cfg(test)]
mod tests;

pub use csv::{record_columns, record_line, replay_csv};
pub use drawing::replay_svg;
pub use json::replay_json;
pub use parquet::RecordTable;
pub use table::replay_table;

use chokepoint_engine::trace::Distribution;
use chokepoint_engine::{ReplayFound, ReplayRun, ReplaySource};

/// Name of what was replayed.
fn source(run: &ReplayRun) -> &str {
    match &run.request.source {
        ReplaySource::Trace { name, .. } => name,
        ReplaySource::Synthetic { .. } => "synthetic",
    }
}

/// The three latencies by key.
fn latencies(found: &ReplayFound) -> [(&'static str, Option<&Distribution>); 3] {
    let summary = &found.summary;
    [
        ("ttft", summary.first_token.as_ref()),
        ("tpot", summary.token_interval.as_ref()),
        ("whole", summary.whole.as_ref()),
    ]
}

/// Energy of a token that finished requests made, in joules; none without such tokens.
fn joules_per_token(found: &ReplayFound) -> Option<f64> {
    let tokens = found.summary.output_tokens;
    (tokens > 0).then(|| found.energy.get() / tokens as f64)
}

/// Mean power of a chip in watts; none without time.
fn watts_per_chip(found: &ReplayFound) -> Option<f64> {
    let time = found.summary.seconds.get() * found.chips() as f64;
    (time > 0.0).then(|| found.energy.get() / time)
}

/// Tokens a second of each chip.
fn tokens_per_chip(found: &ReplayFound) -> f64 {
    found.summary.output_tokens_per_second / found.chips() as f64
}

/// Instances as a number, or as those that compute prompts and those that decode.
fn instances(found: &ReplayFound) -> String {
    let decode = found.plan.decode.instances;
    match found.plan.prefill {
        None => decode.to_string(),
        Some(prefill) => format!("{}:{decode}", prefill.instances),
    }
}
