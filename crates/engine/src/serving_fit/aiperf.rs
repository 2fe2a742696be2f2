//! Results of `AIPerf` (`profile_export_aiperf.json`, schema 1.0 to 1.5, `docs/reference/
//! json-export-schema.md` of ai-dynamo/aiperf 0.13) and of genai-perf
//! (`profile_export_genai_perf.json` of triton-inference-server/perf_analyzer): one object for each
//! metric with its unit and mean, and `input_config` with the load.

use chokepoint_diag::Diagnostic;
use chokepoint_replay::Process;
use chokepoint_units::Seconds;

use super::json::Node;
use super::results::{BenchmarkLoad, BenchmarkPoint, BenchmarkTool, with_figures};

/// One run.
///
/// # Errors
/// When a field is missing or cannot be.
pub(super) fn point(node: &Node, tool: BenchmarkTool) -> Result<BenchmarkPoint, Diagnostic> {
    let mean = |key: &str, expected: &str| {
        let metric = node.need(key, expected)?;
        metric.need("avg", expected)?.positive(expected)
    };
    let maybe = |key: &str, expected: &str| match node.get(key) {
        Some(metric) => metric.measured("avg", expected),
        None => Ok(None),
    };
    let point = BenchmarkPoint {
        load: load(node, tool)?,
        requests: maybe("request_count", "a number of requests")?,
        failed: maybe("error_request_count", "a number of requests")?.unwrap_or(0.0),
        cap: None,
        input_tokens: mean("input_sequence_length", "tokens of a prompt")?,
        output_tokens: mean("output_sequence_length", "tokens of an answer")?,
        ttft: time(node, "time_to_first_token")?,
        tpot: time(node, "inter_token_latency")?,
        output_rate: maybe("output_token_throughput", "tokens a second")?,
    };
    with_figures(
        point,
        node,
        "time_to_first_token, inter_token_latency and output_token_throughput",
    )
}

/// A mean time in the unit that stands beside it.
fn time(node: &Node, key: &str) -> Result<Option<Seconds>, Diagnostic> {
    let Some(metric) = node.get(key) else {
        return Ok(None);
    };
    let expected = "\"ms\", \"s\", \"us\" or \"ns\"";
    let unit = metric.need("unit", expected)?;
    let of_a_second = match unit.value().as_str() {
        Some("ms") => 1e-3,
        Some("s" | "sec" | "seconds") => 1.0,
        Some("us") => 1e-6,
        Some("ns") => 1e-9,
        _ => return Err(unit.wrong(expected)),
    };
    let found = metric.measured("avg", "a time")?;
    Ok(found.map(|value| Seconds::new(value * of_a_second)))
}

/// The load: in `loadgen`, in the measured one of `phases`, in perf_analyzer's `stimulus`, or in
/// `input_config` itself, by release.
fn load(node: &Node, tool: BenchmarkTool) -> Result<BenchmarkLoad, Diagnostic> {
    let config = node.need("input_config", "the options of the run")?;
    let phases = config.get("phases").map(|phases| phases.items());
    let measured = phases.into_iter().flatten().rfind(|phase| {
        let left_out = phase.get("exclude_from_results");
        left_out.and_then(|flag| flag.value().as_bool()) != Some(true)
    });
    let places = [
        config.get("loadgen"),
        measured,
        config.at(&["perf_analyzer", "stimulus"]),
        Some(config.clone()),
    ];
    for place in places.into_iter().flatten() {
        let clients = place.measured("concurrency", "a number of clients")?;
        let rate = match place.measured("request_rate", "requests a second")? {
            Some(rate) => Some(rate),
            None => place.measured("rate", "requests a second")?,
        };
        if let Some(rate) = rate {
            return Ok(BenchmarkLoad::Rate(process(&place, tool, rate)));
        }
        if let Some(clients) = clients {
            return Ok(BenchmarkLoad::Clients(clients));
        }
    }
    Err(config.wrong("an object with concurrency or request_rate"))
}

/// `AIPerf` draws Poisson intervals where it is not told otherwise, perf_analyzer equal ones.
fn process(place: &Node, tool: BenchmarkTool, rate: f64) -> Process {
    let words = ["arrival_pattern", "request_rate_mode", "type"];
    let mode = words
        .iter()
        .find_map(|key| place.get(key)?.value().as_str());
    let even = match mode {
        Some(mode) => mode == "constant",
        None => tool == BenchmarkTool::GenaiPerf,
    };
    if even {
        Process::Uniform { rate }
    } else {
        Process::Poisson { rate }
    }
}
