//! Memory of one chip of an instance.

use chokepoint_chip::Precision;
use chokepoint_model::{ChipParameters, Shard};
use chokepoint_units::Bytes;

use crate::{Case, Instance, Layout, MemoryShare};

/// Memory of one chip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryTable {
    /// Weights.
    pub weights: Bytes,
    /// Key-value cache of all sequences in flight at their mean length.
    pub cache: Bytes,
    /// Activations of one iteration.
    pub activations: Bytes,
    /// All of it.
    pub total: Bytes,
    /// What the chip offers an engine.
    pub usable: Bytes,
}

/// Memory of one chip with batches of `batch` sequences on each attention group, in steady state: with
/// several stages there are as many batches, each with its layers' cache on the chip. Sequences
/// are spread evenly over their answers, and a paged cache grows with them (vLLM, section 4.3 of
/// Kwon et al. 2023), so that a sequence holds its prompt and half of its answer in the mean; or all of it where the engine
/// reserves that.
pub(crate) fn memory(
    case: &Case,
    layout: &Layout,
    precision: Precision,
    batch: u64,
) -> MemoryTable {
    let answer = case.workload.output as f64;
    let held_of_it = if case.software.reserves_answers {
        answer
    } else {
        answer / 2.0
    };
    let length = case.workload.input as f64 + held_of_it;
    held(case, layout, precision, batch, length)
}

/// Memory of one chip of a prefill pool with some prompts on each attention group.
pub(crate) fn prompt_memory(
    case: &Case,
    layout: &Layout,
    precision: Precision,
    prompts: u64,
) -> MemoryTable {
    held(case, layout, precision, prompts, case.workload.input as f64)
}

fn held(
    case: &Case,
    layout: &Layout,
    precision: Precision,
    batch: u64,
    length: f64,
) -> MemoryTable {
    let weights = weights(case, layout, precision);
    let cache = case
        .architecture
        .kv_bytes(precision.cache, layout.tp, length)
        * batch as f64;
    let cache = cache * fullest(case, layout);
    let activations = activations(case, layout);
    let software = case.software;
    let fixed = match software.memory_share_of {
        MemoryShare::Whole => Bytes::ZERO,
        MemoryShare::Left => weights + activations + software.runtime,
    };
    MemoryTable {
        weights,
        cache,
        activations,
        total: weights + cache + activations,
        usable: fixed + (case.chip.capacity - fixed) * software.memory_share - software.runtime,
    }
}

/// Weights of one chip: attention and dense layers over tensor parallelism, experts over expert
/// parallelism, layers over stages, of which the first and the last hold half of embedding and head;
/// these, and what is on every chip (router, norms), stay in 16 bits. Drafting adds the model's own
/// modules.
fn weights(case: &Case, layout: &Layout, precision: Precision) -> Bytes {
    let architecture = case.architecture;
    let shard = Shard::serving(layout.tp, layout.ep).with_expert_tensor(layout.etp);
    let of_kind = |kind| {
        layer_weights(
            &architecture.layer_parameters_on_chip(kind, &shard),
            precision,
        )
    };
    let layers: f64 = architecture
        .layer_counts()
        .map(|(kind, count)| of_kind(kind) * count as f64)
        .sum();
    let ends = architecture.embedding_parameters() as f64 * 2.0 / layout.tp as f64;
    let ends = if layout.pp > 1 { ends / 2.0 } else { ends };
    let drafts = match (case.workload.speculation, architecture.mtp_kind()) {
        (Some(_), Some(kind)) => of_kind(kind) * architecture.mtp_layers as f64,
        _ => 0.0,
    };
    Bytes::new(layers / layout.pp as f64 * fullest(case, layout) + ends + drafts)
}

/// Layers of the stage with the most over the mean.
fn fullest(case: &Case, layout: &Layout) -> f64 {
    let mean = case.architecture.layers.len() as f64 / layout.pp as f64;
    mean.ceil() / mean
}

/// Sequences of a batch that an engine allows: those in flight on an attention group are in as many
/// batches as there are stages.
pub(crate) fn allowed(case: &Case, layout: &Layout) -> u64 {
    (case.software.most_sequences / layout.pp).max(1)
}

/// Bytes of the weights of a layer.
fn layer_weights(held: &ChipParameters, precision: Precision) -> f64 {
    let attention = held.dense - held.replicated - held.feed_forward;
    attention * precision.attention.stored_bytes()
        + held.feed_forward * precision.feed_forward.stored_bytes()
        + held.expert * precision.experts.stored_bytes()
        + held.replicated * 2.0
}

/// Activations of one iteration of prompts, of which more than the budget of tokens run in chunks: hidden states, the widest intermediate; all in 16 bits.
fn activations(case: &Case, layout: &Layout) -> Bytes {
    let architecture = case.architecture;
    let tokens = case.software.most_tokens.min(case.workload.input as f64);
    let width = 6.0 * architecture.hidden as f64
        + architecture.widest_intermediate() as f64 * 2.0 / layout.tp as f64;
    Bytes::new(tokens * width * 2.0)
}

/// The most sequences that fit on each attention group; 0 when the weights alone do not.
pub(crate) fn largest_batch(case: &Case, layout: &Layout, precision: Precision) -> u64 {
    let (empty, one) = (
        memory(case, layout, precision, 0),
        memory(case, layout, precision, 1),
    );
    let left = empty.usable - empty.total;
    if left <= Bytes::ZERO {
        0
    } else {
        (left / one.cache) as u64
    }
}

impl Instance<'_> {
    /// Memory of one chip with batches of some sequences on each attention group.
    #[must_use]
    pub fn memory(&self, batch: u64) -> MemoryTable {
        memory(self.case, &self.layout, self.precision, batch)
    }

    /// The most sequences of a batch that fit and that the engine allows; 0 when the weights alone do
    /// not fit.
    #[must_use]
    pub fn most_sequences(&self) -> u64 {
        largest_batch(self.case, &self.layout, self.precision).min(allowed(self.case, &self.layout))
    }
}
