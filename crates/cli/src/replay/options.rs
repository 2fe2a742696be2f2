//! Options of `replay`, and what the engine is asked by them.

use std::path::{Path, PathBuf};

use chokepoint_engine::diag::Diagnostic;
use chokepoint_engine::trace::{Synthetic, Targets};
use chokepoint_engine::units::{Bandwidth, Seconds};
use chokepoint_engine::{
    Failures, ReplayFailures, ReplayRequest, ReplayScaling, ReplaySource, parse_autoscale,
    parse_formats, parse_lengths, parse_process, parse_router, parse_split,
};
use clap::{Args, ValueEnum};

use crate::args::Format;
use crate::options::{one_format, quantity};

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Replay {
    /// Trace file: Azure, BurstGPT or Mooncake, recognised by its first line; a column or field
    /// "priority" has classes from 0, most urgent, to 255.
    #[arg(required_unless_present = "synthetic", conflicts_with = "synthetic")]
    pub trace: Option<PathBuf>,
    /// Id of a model, or path of a Hugging Face `config.json`.
    #[arg(long)]
    pub model: String,
    /// Id of a system.
    #[arg(long)]
    pub system: String,
    /// Instances; those that --chips makes when absent, or one.
    #[arg(long, value_name = "N")]
    pub instances: Option<u64>,
    /// Chips of all instances; those of the instances when absent.
    #[arg(long, value_name = "N")]
    pub chips: Option<u64>,
    /// Instances that only compute prompts, and those that only decode, as 2:6.
    #[arg(long, value_name = "PREFILL:DECODE")]
    pub disaggregate: Option<String>,
    /// Which instance gets a request: round-robin, least-loaded or kv.
    #[arg(long, default_value = "least-loaded")]
    pub router: String,
    /// Id of a serving engine.
    #[arg(long, value_name = "ID", default_value = "vllm")]
    pub engine: String,
    /// How an instance is spread, as "tp=8 pp=2" or "tp=1 dp=32 ep=32", or a whole plan as serve prints it:
    /// "prefill 2x[tp=8] decode 4x[tp=1 dp=16 ep=16 batch=64] fp8"; a batch that is written is the most
    /// sequences of each batch. Searched when absent.
    #[arg(long)]
    pub plan: Option<String>,
    /// Number formats allowed for weights and linear layers, most wanted first, separated by commas.
    #[arg(long, default_value = "fp8,bf16")]
    pub formats: String,
    /// Number format of keys and values.
    #[arg(long, value_name = "FORMAT", default_value = "bf16")]
    pub cache_format: String,
    /// Draw requests instead of reading a trace: poisson:RATE, gamma:RATE:VARIATION, uniform:RATE,
    /// closed:CONCURRENCY or at-once; rates in requests a second.
    #[arg(long, value_name = "PROCESS", requires = "input", requires = "answer")]
    pub synthetic: Option<String>,
    /// Requests to draw.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "synthetic")]
    pub requests: u64,
    /// Tokens of a drawn prompt, as 1024 or 800..1000.
    #[arg(long, value_name = "TOKENS", requires = "synthetic")]
    pub input: Option<String>,
    /// Tokens of a drawn answer, as 256 or 200..300.
    #[arg(long, value_name = "TOKENS", requires = "synthetic")]
    pub answer: Option<String>,
    /// Seed of what is drawn: requests, failures.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Requests of the trace arrive this many times as fast.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        conflicts_with = "synthetic"
    )]
    pub rate_scale: f64,
    /// Only the first requests of the trace.
    #[arg(long, value_name = "N", conflicts_with = "synthetic")]
    pub limit: Option<u64>,
    /// Longest time to the first token of a good request, as "2 s".
    #[arg(long, value_name = "TIME")]
    pub ttft: Option<String>,
    /// Longest mean time for each later token of a good request, as "50 ms".
    #[arg(long, value_name = "TIME")]
    pub tpot: Option<String>,
    /// Longest time to the last token of a good request, as "20 s".
    #[arg(long, value_name = "TIME")]
    pub latency: Option<String>,
    /// The replay ends at this time; what is under way is unfinished.
    #[arg(long, value_name = "TIME")]
    pub horizon: Option<String>,
    /// Also write what became of each request to this file: Parquet where its name ends so, else CSV.
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// Also draw what the instances do over time to this file.
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// How instances schedule.
    #[command(flatten)]
    pub scheduling: Scheduling,
    /// How instances come and go.
    #[command(flatten)]
    pub changes: Changes,
}

/// How instances schedule.
#[derive(Debug, Args)]
#[command(next_help_heading = "How instances schedule")]
pub struct Scheduling {
    /// Prompts do not share what they have in common.
    #[arg(long)]
    pub no_prefix_cache: bool,
    /// Tokens of a block of keys and values.
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub block_size: u32,
    /// What becomes of a sequence whose room another one needs.
    #[arg(long, value_enum, default_value = "recompute")]
    pub preemption: PreemptionName,
    /// Memory of the host for each chip, with --preemption swap (vLLM 0.6 takes 4 GiB).
    #[arg(long, value_name = "SIZE", default_value = "4 GiB")]
    pub swap_space: String,
    /// How keys and values go to the decoding instances, with --disaggregate or a plan with prefill.
    #[arg(long, value_enum, default_value = "layerwise")]
    pub transfer: TransferName,
    /// Tokens drafted in an iteration and checked together.
    #[arg(long, value_name = "N")]
    pub drafted: Option<u64>,
    /// Of the drafted tokens kept in the mean; needed with them.
    #[arg(long, value_name = "X")]
    pub accepted: Option<f64>,
}

/// What becomes of a sequence whose room another one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PreemptionName {
    /// Its keys and values are computed again.
    Recompute,
    /// They go over the chip's link to the host, and come back.
    Swap,
}

/// How keys and values go to the decoding instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransferName {
    /// Layer by layer while later layers are computed.
    Layerwise,
    /// When the prompt is computed.
    Whole,
}

/// How instances come and go.
#[derive(Debug, Args)]
#[command(next_help_heading = "How instances come and go")]
pub struct Changes {
    /// Fewest and most instances; as many are wanted as bring the requests on each to a target.
    #[arg(long, value_name = "MIN..MAX")]
    pub autoscale: Option<String>,
    /// Requests on each instance that are aimed at; as many as one takes at once when absent.
    #[arg(long, value_name = "REQUESTS", requires = "autoscale")]
    pub scale_target: Option<f64>,
    /// Time between decisions; 15 s when absent, as a Kubernetes autoscaler takes.
    #[arg(long, value_name = "TIME", requires = "autoscale")]
    pub scale_interval: Option<String>,
    /// Rate at which a node reads the weights of an instance that starts; 1 GB/s when absent, as measured
    /// from a GP3 disk (Run:ai, October 2024).
    #[arg(long, value_name = "BANDWIDTH", requires = "autoscale")]
    pub load_bandwidth: Option<String>,
    /// Time that a start takes beside reading weights; none when absent.
    #[arg(long, value_name = "TIME", requires = "autoscale")]
    pub start_up: Option<String>,
    /// Mean time between failures of an instance.
    #[arg(
        long,
        value_name = "TIME",
        requires = "repair",
        conflicts_with = "reliability"
    )]
    pub mtbf: Option<String>,
    /// Time until an instance that failed takes requests again.
    #[arg(long, value_name = "TIME", requires = "mtbf")]
    pub repair: Option<String>,
    /// Id of a cluster whose published failures count, or "nearest" for one of the same chip; an
    /// instance is back after that cluster's restart.
    #[arg(long, value_name = "ID")]
    pub reliability: Option<String>,
}

impl Changes {
    fn scaling(&self) -> Result<Option<ReplayScaling>, Diagnostic> {
        let Some(range) = &self.autoscale else {
            return Ok(None);
        };
        let (least, most) = parse_autoscale(range)?;
        let time = |option, text: &Option<String>, rest| {
            let text = text.as_deref();
            text.map_or(Ok(rest), |text| quantity::<Seconds>(option, text))
        };
        let loading = self.load_bandwidth.as_deref();
        let loading = loading.map(|text| quantity::<Bandwidth>("--load-bandwidth", text));
        Ok(Some(ReplayScaling {
            least,
            most,
            target: self.scale_target,
            interval: time(
                "--scale-interval",
                &self.scale_interval,
                ReplayScaling::INTERVAL,
            )?,
            loading: loading.transpose()?.unwrap_or(ReplayScaling::LOADING),
            beside: time("--start-up", &self.start_up, Seconds::ZERO)?,
        }))
    }

    fn failures(&self) -> Result<ReplayFailures, Diagnostic> {
        Ok(match (&self.mtbf, &self.repair, &self.reliability) {
            (Some(between), Some(repair), _) => ReplayFailures::Every {
                between: quantity("--mtbf", between)?,
                repair: quantity("--repair", repair)?,
            },
            (_, _, Some(id)) if id == "nearest" => ReplayFailures::Published(Failures::Nearest),
            (_, _, Some(id)) => ReplayFailures::Published(Failures::Of(id.clone())),
            _ => ReplayFailures::Ignored,
        })
    }
}

/// What the engine is asked.
///
/// # Errors
/// What is wrong with an option.
pub fn request(options: &Replay) -> Result<ReplayRequest, Diagnostic> {
    let time = |option, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| quantity::<Seconds>(option, text))
            .transpose()
    };
    let scheduling = &options.scheduling;
    let room = quantity("--swap-space", &scheduling.swap_space)?;
    let split = options.disaggregate.as_deref().map(parse_split);
    Ok(ReplayRequest {
        model: options.model.clone(),
        system: options.system.clone(),
        engine: options.engine.clone(),
        source: source(options)?,
        instances: options.instances,
        chips: options.chips,
        disaggregate: split.transpose()?,
        plan: options.plan.clone(),
        formats: parse_formats(&options.formats)?,
        cache_format: one_format("--cache-format", &options.cache_format)?,
        router: parse_router(&options.router)?,
        targets: Targets {
            first_token: time("--ttft", &options.ttft)?,
            token_interval: time("--tpot", &options.tpot)?,
            whole: time("--latency", &options.latency)?,
        },
        prefix_cache: !scheduling.no_prefix_cache,
        block_tokens: scheduling.block_size,
        swap: (scheduling.preemption == PreemptionName::Swap).then_some(room),
        layerwise_transfer: scheduling.transfer == TransferName::Layerwise,
        drafted_tokens: scheduling.drafted,
        accepted_tokens: scheduling.accepted,
        scaling: options.changes.scaling()?,
        failures: options.changes.failures()?,
        failure_seed: options.seed,
        horizon: time("--horizon", &options.horizon)?,
    })
}

fn source(options: &Replay) -> Result<ReplaySource, Diagnostic> {
    let Some(process) = &options.synthetic else {
        let name = options.trace.as_deref().unwrap_or(Path::new(""));
        return Ok(ReplaySource::Trace {
            name: name.display().to_string(),
            rate_scale: options.rate_scale,
            limit: options.limit,
        });
    };
    let (process, concurrency) = parse_process(process)?;
    let lengths = |text: &Option<String>| parse_lengths(text.as_deref().unwrap_or_default());
    Ok(ReplaySource::Synthetic {
        drawn: Synthetic {
            requests: options.requests,
            process,
            input: lengths(&options.input)?,
            output: lengths(&options.answer)?,
            seed: options.seed,
        },
        concurrency,
    })
}
