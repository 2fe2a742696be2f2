//! Result files of serving benchmarks: what they measured, whichever tool wrote them.
//!
//! The kind is recognised by the fields, not by the name. A file may hold several documents one
//! after the other, as `--append-result` and JSON lines do.

use chokepoint_diag::{Code, Diagnostic, from_json};
use chokepoint_replay::Process;
use chokepoint_units::Seconds;
use serde_json::{Deserializer, Value};
use sha2::{Digest as _, Sha256};

use super::json::Node;
use super::{aiperf, guidellm, vllm};

/// The tool that wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchmarkTool {
    /// `vllm bench serve --save-result`, and what took its form over.
    Vllm,
    /// genai-perf.
    GenaiPerf,
    /// `AIPerf`.
    Aiperf,
    /// guidellm.
    Guidellm,
}

impl BenchmarkTool {
    /// Name as its users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm bench serve",
            Self::GenaiPerf => "genai-perf",
            Self::Aiperf => "AIPerf",
            Self::Guidellm => "guidellm",
        }
    }
}

/// How requests were sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BenchmarkLoad {
    /// Clients that send the next request when the last is answered.
    Clients(f64),
    /// At a rate, whatever is answered.
    Rate(Process),
    /// All at the start.
    AtOnce,
}

/// One run of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchmarkPoint {
    /// How requests were sent.
    pub load: BenchmarkLoad,
    /// Requests that were answered, where it is said.
    pub requests: Option<f64>,
    /// Requests that failed.
    pub failed: f64,
    /// A limit of requests under way beside a rate.
    pub cap: Option<f64>,
    /// Mean tokens of a prompt.
    pub input_tokens: f64,
    /// Mean tokens of an answer.
    pub output_tokens: f64,
    /// Mean time to the first token.
    pub ttft: Option<Seconds>,
    /// Mean time of each later token.
    pub tpot: Option<Seconds>,
    /// Output tokens a second of all requests.
    pub output_rate: Option<f64>,
}

/// A result file.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchmarkFile {
    /// Its name.
    pub file: String,
    /// What wrote it.
    pub tool: BenchmarkTool,
    /// What it says of itself: versions and dates.
    pub said: Vec<String>,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its runs.
    pub points: Vec<BenchmarkPoint>,
}

impl BenchmarkFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not JSON, of no known tool, or lacks what a prediction needs.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let documents: Result<Vec<Value>, _> = Deserializer::from_str(text).into_iter().collect();
        let documents = documents.map_err(|error| from_json(file, text, &error))?;
        let nodes: Vec<Node> = documents
            .iter()
            .map(|value| Node::root(file, text, value))
            .collect();
        let first = nodes
            .first()
            .ok_or_else(|| unknown(file, &Value::Null))?
            .clone();
        let tool = tool(&first).ok_or_else(|| unknown(file, first.value()))?;
        let mut points = Vec::new();
        for node in &nodes {
            match tool {
                BenchmarkTool::Vllm => points.push(vllm::point(node)?),
                BenchmarkTool::GenaiPerf | BenchmarkTool::Aiperf => {
                    points.push(aiperf::point(node, tool)?);
                }
                BenchmarkTool::Guidellm => points.extend(guidellm::points(node)?),
            }
        }
        Ok(Self {
            file: file.to_owned(),
            tool,
            said: said(&first, tool),
            sha256: digest(text),
            points,
        })
    }
}

/// SHA-256 of a text, in hexadecimal.
fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tool that writes such fields.
fn tool(node: &Node) -> Option<BenchmarkTool> {
    let has = |key: &str| node.get(key).is_some();
    let with_unit = |key: &str| node.at(&[key, "unit"]).is_some();
    if node
        .get("benchmarks")
        .is_some_and(|list| list.value().is_array())
    {
        Some(BenchmarkTool::Guidellm)
    } else if has("total_output_tokens") && !with_unit("total_output_tokens") || has("mean_ttft_ms")
    {
        Some(BenchmarkTool::Vllm)
    } else if with_unit("output_sequence_length") || with_unit("time_to_first_token") {
        let own = ["aiperf_version", "schema_version", "benchmark_id"];
        let aiperf = own.iter().any(|key| has(key));
        Some(
            if aiperf || node.at(&["input_config", "loadgen"]).is_some() {
                BenchmarkTool::Aiperf
            } else {
                BenchmarkTool::GenaiPerf
            },
        )
    } else {
        None
    }
}

fn unknown(file: &str, value: &Value) -> Diagnostic {
    let found = match value {
        Value::Object(map) => {
            let keys: Vec<&str> = map.keys().take(8).map(String::as_str).collect();
            format!("its fields begin with {}", keys.join(", "))
        }
        Value::Array(_) => "it is a list".to_owned(),
        Value::Null => "it is empty".to_owned(),
        _ => "it is a single value".to_owned(),
    };
    let message = format!("{file} is no result of a benchmark that can be read: {found}");
    Diagnostic::new(Code::Field, message).help(
        "expected vllm bench serve --save-result (mean_ttft_ms, total_output_tokens), \
         profile_export_genai_perf.json or profile_export_aiperf.json (time_to_first_token, \
         output_sequence_length), or guidellm's benchmarks.json (benchmarks)",
    )
}

/// Versions and dates.
fn said(node: &Node, tool: BenchmarkTool) -> Vec<String> {
    let ways: &[&[&str]] = match tool {
        BenchmarkTool::Vllm => &[&["backend"], &["model_id"], &["date"]],
        BenchmarkTool::GenaiPerf | BenchmarkTool::Aiperf => {
            &[&["aiperf_version"], &["benchmark_id"], &["start_time"]]
        }
        BenchmarkTool::Guidellm => &[&["metadata", "guidellm_version"], &["metadata", "version"]],
    };
    let words = ways.iter().filter_map(|way| node.at(way));
    words
        .map(|node| match node.value() {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
        .filter(|text| text.len() <= 100)
        .collect()
}

/// A run without a time or a rate says nothing.
///
/// # Errors
/// When it has none.
pub(super) fn with_figures(
    point: BenchmarkPoint,
    node: &Node,
    fields: &str,
) -> Result<BenchmarkPoint, Diagnostic> {
    if point.ttft.is_none() && point.tpot.is_none() && point.output_rate.is_none() {
        return Err(node.wrong(&format!("at least one of {fields} above zero")));
    }
    Ok(point)
}

/// Milliseconds.
pub(super) fn milliseconds(value: f64) -> Seconds {
    Seconds::new(value / 1e3)
}
