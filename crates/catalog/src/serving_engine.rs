//! Serving engines: what a release does by default, what its host adds to an iteration, and what
//! share of a chip's kernel rate its kernels reach.

use chokepoint_units::{Bytes, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow, Rate};

/// A serving engine file: a release, or a range of releases.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingEngine {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Names, or beginnings of names, under which measurements give it; without regard to case.
    pub names: Vec<String>,
    /// Beginnings of its releases, without a leading `v`; none for any.
    #[serde(default)]
    pub releases: Vec<String>,
    /// How requests join a running batch.
    pub batching: Batching,
    /// Host work of the next iteration runs while the chip computes this one.
    pub overlaps: bool,
    /// Batches with data-parallel attention may run as two halves, one computing while the other's
    /// experts exchange tokens.
    #[serde(default)]
    pub two_batches: bool,
    /// Processors that kernels for throughput take to exchange tokens: 20 of `DeepEP`, none where copy
    /// engines do it.
    #[serde(default = "processors_of_exchange")]
    pub exchange_processors: f64,
    /// Share of memory that weights, activations and cache may take together, or that the cache
    /// takes of what they leave.
    pub memory_share: Figure<f64>,
    /// What the share is of.
    pub memory_share_of: MemoryShare,
    /// Memory of the runtime, its workspaces and buffers, on each chip.
    pub runtime_memory: Figure<Bytes>,
    /// A sequence starts only when the cache has room for its whole answer.
    #[serde(default)]
    pub reserves_answers: bool,
    /// Tokens of one iteration at most; longer prompts are cut into chunks.
    pub batched_tokens: Figure<f64>,
    /// Sequences in flight on one attention group at most.
    pub sequences: Figure<f64>,
    /// Largest decode batch that is replayed as a graph; zero where every kernel is launched.
    pub graph_batch: Figure<f64>,
    /// Host time of an iteration: scheduling, building inputs, sampling, handing out tokens.
    pub iteration_host: Figure<Seconds>,
    /// Host time of an iteration for each sequence in it: block tables, detokenising, streaming.
    pub sequence_host: Figure<Seconds>,
    /// Host time of a request before its prompt runs: reading, tokenising, admission.
    pub request_host: Figure<Seconds>,
    /// Host time to start one operator of a decode outside of graphs.
    pub launch: Figure<Seconds>,
    /// Host time for each operator of an iteration with prompts, on top of the chip's.
    pub prompt_launch: Figure<Seconds>,
    /// Relative error within which 80% of its published token times and rates are predicted.
    pub token_spread: Figure<f64>,
    /// The same of times to the first token.
    pub first_spread: Figure<f64>,
    /// What its kernels reach of the rates of the chip's curves, by class.
    pub rates: EngineRates,
}

const fn processors_of_exchange() -> f64 {
    20.0
}

/// How requests join a running batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Batching {
    /// None joins: a batch starts and ends together.
    Static,
    /// Prompts run in iterations of their own, before decoding goes on.
    PrefillFirst,
    /// Chunks of prompts run in the iterations that decode.
    Mixed,
}

impl Batching {
    /// Name as in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::PrefillFirst => "prefill-first",
            Self::Mixed => "mixed",
        }
    }
}

/// What an engine's share of memory is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryShare {
    /// The whole memory; weights, activations and cache fit into the share
    /// (vLLM `gpu_memory_utilization`, `SGLang` `mem_fraction_static`).
    Whole,
    /// What weights and activations leave; the cache takes the share
    /// (TensorRT-LLM `free_gpu_memory_fraction`).
    Free,
}

impl MemoryShare {
    /// Name as in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Free => "free",
        }
    }
}

/// Shares of the rates of a chip's curves by class of kernels; 1 is the fastest engine of the
/// tables that the curves are fitted on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRates {
    /// Plain matrix multiplication.
    pub gemm: Rate,
    /// Grouped (expert) matrix multiplication.
    pub grouped: Rate,
    /// Attention of prompts.
    pub prefill: Rate,
    /// Attention of single tokens.
    pub decode: Rate,
    /// Elementwise work.
    pub elementwise: Rate,
    /// Communication between chips.
    pub communication: Rate,
}

impl EngineRates {
    /// All classes by the name of their field.
    #[must_use]
    pub const fn each(&self) -> [(&'static str, &Rate); 6] {
        [
            ("gemm", &self.gemm),
            ("grouped", &self.grouped),
            ("prefill", &self.prefill),
            ("decode", &self.decode),
            ("elementwise", &self.elementwise),
            ("communication", &self.communication),
        ]
    }
}

impl ServingEngine {
    /// Whether a name and a release are this engine's: how much of them it names, in characters,
    /// so that the most specific file counts. A leading `v` of a release does not.
    #[must_use]
    pub fn matches(&self, name: &str, release: &str) -> Option<usize> {
        let (name, release) = (name.to_lowercase(), release.to_lowercase());
        let bare = release
            .strip_prefix('v')
            .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            .unwrap_or(&release);
        let longest = |known: &[String], text: &str| {
            let begins = known
                .iter()
                .filter(|known| text.starts_with(&known.to_lowercase()));
            begins.map(String::len).max()
        };
        let named = longest(&self.names, &name)?;
        if self.releases.is_empty() {
            return Some(named);
        }
        longest(&self.releases, bare).map(|length| named + length)
    }

    /// Ratios and counts with the names of their fields.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, &Figure<f64>); 4] {
        [
            ("memory_share", &self.memory_share),
            ("batched_tokens", &self.batched_tokens),
            ("sequences", &self.sequences),
            ("graph_batch", &self.graph_batch),
        ]
    }

    /// Host times with the names of their fields.
    #[must_use]
    pub const fn host_times(&self) -> [(&'static str, &Figure<Seconds>); 5] {
        [
            ("iteration_host", &self.iteration_host),
            ("sequence_host", &self.sequence_host),
            ("request_host", &self.request_host),
            ("launch", &self.launch),
            ("prompt_launch", &self.prompt_launch),
        ]
    }

    /// The same to change, in the same order.
    pub const fn host_times_mut(&mut self) -> [&mut Figure<Seconds>; 5] {
        [
            &mut self.iteration_host,
            &mut self.sequence_host,
            &mut self.request_host,
            &mut self.launch,
            &mut self.prompt_launch,
        ]
    }

    /// All figures, for listing and checking.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let counts = self.counts();
        let mut rows: Vec<FigureRow> = counts.map(|(field, figure)| figure.row(field)).into();
        rows.push(self.runtime_memory.row("runtime_memory"));
        rows.push(self.token_spread.row("token_spread"));
        rows.push(self.first_spread.row("first_spread"));
        rows.extend(self.host_times().map(|(field, figure)| figure.row(field)));
        for (field, rate) in self.rates.each() {
            rows.push(rate.all.row(format!("rates.{field}.all")));
            for (curves, figure) in &rate.on {
                rows.push(figure.row(format!("rates.{field}.on.{curves}")));
            }
        }
        rows
    }
}
