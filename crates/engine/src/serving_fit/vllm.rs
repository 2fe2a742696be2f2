//! Results of `vllm bench serve --save-result` (vLLM 0.6 to 0.15, `vllm/benchmarks/serve.py`, before
//! `benchmarks/benchmark_serving.py`): one flat object, times in milliseconds, `request_rate` "inf"
//! where requests are sent as fast as clients take them.
//!
//! SGLang's `bench_serving` and `InferenceX` write the same fields.

use chokepoint_diag::Diagnostic;
use chokepoint_replay::Process;

use super::json::Node;
use super::results::{BenchmarkLoad, BenchmarkPoint, milliseconds, with_figures};

/// One run.
///
/// # Errors
/// When a field is missing or cannot be.
pub(super) fn point(node: &Node) -> Result<BenchmarkPoint, Diagnostic> {
    if let Some(drafts) = node.get("spec_decode_acceptance_rate") {
        return Err(drafts.wrong("no speculative decoding: runs with drafts are not fitted"));
    }
    let number = |key: &str, expected: &str| node.need(key, expected)?.positive(expected);
    let completed = number("completed", "the number of answered requests")?;
    let input = number("total_input_tokens", "prompt tokens of all requests")?;
    let output = number("total_output_tokens", "answered tokens of all requests")?;
    let (load, cap) = load(node)?;
    let time = |key: &str| -> Result<_, Diagnostic> {
        let found = node.measured(key, "a number of milliseconds")?;
        Ok(found.map(milliseconds))
    };
    let point = BenchmarkPoint {
        load,
        requests: Some(completed),
        failed: failed(node, completed)?,
        cap,
        input_tokens: input / completed,
        output_tokens: output / completed,
        ttft: time("mean_ttft_ms")?,
        tpot: time("mean_tpot_ms")?,
        output_rate: node.measured("output_throughput", "tokens a second")?,
    };
    with_figures(
        point,
        node,
        "mean_ttft_ms, mean_tpot_ms and output_throughput",
    )
}

/// Requests without an answer: as counted, or those that were to be sent and were not answered.
fn failed(node: &Node, completed: f64) -> Result<f64, Diagnostic> {
    let expected = "a number of requests";
    let sent = node.measured("num_prompts", expected)?;
    let failed = node.measured("failed", expected)?;
    Ok(failed.unwrap_or_else(|| sent.map_or(0.0, |sent| (sent - completed).max(0.0))))
}

/// Clients, a rate, or all at once; and a limit of clients beside a rate. Intervals are gamma of
/// shape `burstiness`: 1 is Poisson.
fn load(node: &Node) -> Result<(BenchmarkLoad, Option<f64>), Diagnostic> {
    let clients = node.measured("max_concurrency", "a number of clients or null")?;
    let rate = match node.get("request_rate") {
        Some(rate) if rate.value().as_str() != Some("inf") => {
            Some(rate.positive("requests a second or \"inf\"")?)
        }
        _ => None,
    };
    let Some(rate) = rate else {
        return Ok((
            clients.map_or(BenchmarkLoad::AtOnce, BenchmarkLoad::Clients),
            None,
        ));
    };
    let shape = node.measured("burstiness", "the shape of a gamma distribution")?;
    let process = match shape {
        Some(shape) if (shape - 1.0).abs() > 1e-9 => Process::Gamma {
            rate,
            variation: libm::sqrt(1.0 / shape),
        },
        _ => Process::Poisson { rate },
    };
    Ok((BenchmarkLoad::Rate(process), clients))
}
