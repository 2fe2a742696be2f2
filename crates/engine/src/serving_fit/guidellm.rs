//! Results of guidellm (`benchmarks.json`, releases 0.2 to 0.5, `src/guidellm/benchmark/schemas`): a
//! list of benchmarks, each with its strategy and distributions by the status of requests. Only
//! answered requests count.

use chokepoint_diag::Diagnostic;
use chokepoint_replay::Process;

use super::json::Node;
use super::results::{BenchmarkLoad, BenchmarkPoint, milliseconds, with_figures};

/// Words of the strategies that are read.
const STRATEGIES: &str = "concurrent, synchronous, throughput, constant or poisson";

/// The runs of a file.
///
/// # Errors
/// When there is none, or a field is missing or cannot be.
pub(super) fn points(node: &Node) -> Result<Vec<BenchmarkPoint>, Diagnostic> {
    let list = node.need("benchmarks", "a list of benchmarks")?;
    let benchmarks = list.items();
    if benchmarks.is_empty() {
        return Err(list.wrong("at least one finished benchmark"));
    }
    benchmarks.iter().map(point).collect()
}

fn point(node: &Node) -> Result<BenchmarkPoint, Diagnostic> {
    let metrics = node.need("metrics", "the measured distributions")?;
    let totals = metrics.get("request_totals");
    let count = |status: &str| match &totals {
        Some(totals) => totals.measured(status, "a number of requests"),
        None => Ok(None),
    };
    let need = |key: &str, expected: &str| {
        let answered = metrics.need(key, expected)?.need("successful", expected)?;
        answered.need("mean", expected)?.positive(expected)
    };
    let mean = |key: &str, expected: &str| match metrics.at(&[key, "successful"]) {
        Some(answered) => answered.measured("mean", expected),
        None => Ok(None),
    };
    let point = BenchmarkPoint {
        load: load(node)?,
        requests: count("successful")?,
        failed: count("errored")?.unwrap_or(0.0),
        cap: None,
        input_tokens: need("prompt_token_count", "tokens of a prompt")?,
        output_tokens: need("output_token_count", "tokens of an answer")?,
        ttft: mean("time_to_first_token_ms", "a number of milliseconds")?.map(milliseconds),
        tpot: mean("inter_token_latency_ms", "a number of milliseconds")?.map(milliseconds),
        output_rate: mean("output_tokens_per_second", "tokens a second")?,
    };
    with_figures(
        point,
        &metrics,
        "time_to_first_token_ms, inter_token_latency_ms and output_tokens_per_second",
    )
}

/// The strategy, which stands in `config` since release 0.4 and in `args` before.
fn load(node: &Node) -> Result<BenchmarkLoad, Diagnostic> {
    let strategy = node
        .at(&["config", "strategy"])
        .or_else(|| node.at(&["args", "strategy"]));
    let Some(strategy) = strategy else {
        let config = node.need("config", "the options of the run")?;
        return Err(config.wrong("an object with strategy"));
    };
    let kind = strategy.need("type_", STRATEGIES)?;
    let rate = || {
        let expected = "requests a second";
        strategy.need("rate", expected)?.positive(expected)
    };
    Ok(match kind.value().as_str() {
        Some("concurrent") => {
            let expected = "a number of clients";
            BenchmarkLoad::Clients(strategy.need("streams", expected)?.positive(expected)?)
        }
        Some("synchronous") => BenchmarkLoad::Clients(1.0),
        Some("throughput") => strategy
            .measured("max_concurrency", "a number of requests")?
            .map_or(BenchmarkLoad::AtOnce, BenchmarkLoad::Clients),
        Some("constant") => BenchmarkLoad::Rate(Process::Uniform { rate: rate()? }),
        Some("poisson") => BenchmarkLoad::Rate(Process::Poisson { rate: rate()? }),
        _ => return Err(kind.wrong(STRATEGIES)),
    })
}
