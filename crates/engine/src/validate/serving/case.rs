//! A serving case and its prediction: what this validation asks of the predictor.

use std::fmt;

use chokepoint_catalog::ServingEngine;
use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_replay::Process;
use chokepoint_units::{Bytes, NumberFormat, Power, Seconds};

/// Everything that a prediction depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServingCase<'a> {
    pub architecture: &'a Architecture,
    pub chip: &'a ChipSpec,
    pub fabric: &'a Fabric,
    pub engine: &'a ServingEngine,
    /// Calibration of the chip, for what the engine's kernels reach on it.
    pub curves: &'a str,
    pub formats: Formats,
    pub parallelism: Parallelism,
    pub mode: Mode,
    pub lengths: Lengths,
    pub load: Load,
    /// Sequences on each attention group that the run allows, where it says so.
    pub most_sequences: Option<f64>,
    pub speculation: Option<Speculation>,
    /// How a benchmark sent its requests, where it says so.
    pub sent: Option<Sent>,
}

/// How a benchmark sends its requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sent {
    /// Requests in all.
    pub requests: f64,
    /// When they come, of a load that is a rate.
    pub process: Process,
}

/// Number formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Formats {
    /// Weights of linear layers as stored.
    pub weights: NumberFormat,
    /// Inputs of linear layers; the wider of both is what the chip multiplies in.
    pub activations: NumberFormat,
    /// Keys and values.
    pub cache: NumberFormat,
}

/// Instances that do both phases, or a pool for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parallelism {
    Aggregated(Workers),
    Disaggregated { prefill: Workers, decode: Workers },
}

/// Instances of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Workers {
    pub count: u64,
    pub spread: Spread,
}

/// How one instance is spread over `tp x pp x dp` chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Tensor parallelism of attention and dense layers.
    pub tp: u64,
    /// Pipeline stages.
    pub pp: u64,
    /// Data parallelism of attention.
    pub dp: u64,
    /// Expert parallelism; 1 for a dense model.
    pub ep: u64,
    /// Chips that share each expert.
    pub moe_tp: u64,
}

impl Spread {
    /// Chips of an instance.
    pub(crate) const fn chips(&self) -> u64 {
        self.tp.saturating_mul(self.pp).saturating_mul(self.dp)
    }
}

impl Workers {
    /// Chips of all instances.
    pub(crate) const fn chips(&self) -> u64 {
        self.count.saturating_mul(self.spread.chips())
    }

    /// Groups that decode on their own: of data parallelism, and of the parts of a batch that the
    /// stages of a pipeline hold.
    pub(crate) fn groups(&self) -> f64 {
        self.count as f64 * self.spread.dp as f64 * self.spread.pp as f64
    }
}

impl Parallelism {
    /// Chips of all instances.
    pub(crate) const fn chips(&self) -> u64 {
        match self {
            Self::Aggregated(workers) => workers.chips(),
            Self::Disaggregated { prefill, decode } => {
                prefill.chips().saturating_add(decode.chips())
            }
        }
    }

    /// Instances that decode.
    pub(crate) const fn decoders(&self) -> &Workers {
        match self {
            Self::Aggregated(workers) => workers,
            Self::Disaggregated { decode, .. } => decode,
        }
    }
}

/// The kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A batch whose sequences start and end together.
    StaticBatch,
    /// The time of a batch of prompts.
    FirstToken,
    /// Clients that send a request when the last is answered.
    Concurrency,
    /// A queue that is never empty.
    Saturation,
    /// `MLPerf` Inference, offline: as a queue.
    MlperfOffline,
    /// `MLPerf` Inference, server: the highest rate within its limits.
    MlperfServer,
    /// The same with tighter limits.
    MlperfInteractive,
    /// All requests are sent at once.
    AllAtOnce,
    /// Requests come at random at a rate.
    Rate,
    /// Prompts alone.
    PrefillOnly,
    /// Decoding alone, at a fixed batch.
    DecodeOnly,
}

/// Lengths of requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lengths {
    /// Mean tokens of a prompt.
    pub input: f64,
    /// Mean tokens of an answer.
    pub output: f64,
    /// Share of a prompt that a prefix cache holds.
    pub cached: f64,
    /// Lengths lie evenly within this share of the means.
    pub spread: f64,
    /// The input is the mean context of decoding, not the prompt.
    pub whole_context: bool,
}

/// How many requests there are, over all instances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// Sequences that run at once.
    Running(f64),
    /// Requests that clients hold open.
    Concurrency(f64),
    /// Requests of a second.
    Rate(f64),
    /// Requests, all sent at the start.
    AtOnce(f64),
    /// As many as the memory holds.
    Saturated,
    /// As many as meet limits.
    Within(Limits),
}

/// Latency limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub ttft: Seconds,
    pub tpot: Seconds,
}

/// Tokens guessed ahead, and the share of the first that is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Speculation {
    pub tokens: u64,
    pub acceptance: f64,
}

/// A prediction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Predicted {
    /// Mean time to the first token.
    pub ttft: Option<Seconds>,
    /// Mean time of each later token.
    pub tpot: Option<Seconds>,
    /// A whole batch or request, from its start to its last token.
    pub whole: Option<Seconds>,
    pub rates: Rates,
    /// Power of all chips' packages, where it is asked for.
    pub power: Option<Power>,
    /// Parts of the time of one output token, or of a batch of prompts where nothing is decoded.
    pub parts: Vec<(&'static str, f64)>,
    /// Parts of the time to the first token, seconds.
    pub first: Vec<(&'static str, f64)>,
    /// Sequences on each attention group.
    pub batch: f64,
    /// Whether weights and cache fit by our count.
    pub fits: bool,
    /// Weights, cache and activations of the fullest chip.
    pub memory: Bytes,
    /// Relative half-width of the 80% interval of token times and rates.
    pub spread: f64,
    /// The same of the time to the first token.
    pub first_spread: f64,
}

/// Rates of all chips.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rates {
    pub requests_per_second: f64,
    pub input_tokens_per_second: f64,
    pub output_tokens_per_second: f64,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp={}", self.tp)?;
        for (name, degree) in [
            ("pp", self.pp),
            ("dp", self.dp),
            ("ep", self.ep),
            ("moe_tp", self.moe_tp),
        ] {
            if degree > 1 {
                write!(f, " {name}={degree}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x[{}]", self.count, self.spread)
    }
}

impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregated(workers) => write!(f, "{workers}"),
            Self::Disaggregated { prefill, decode } => {
                write!(f, "prefill {prefill} decode {decode}")
            }
        }
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} kv={}", self.weights, self.activations, self.cache)
    }
}
