//! Memory of one chip of an instance.

use chokepoint_model::Shard;
use chokepoint_units::{Bytes, NumberFormat};

use crate::{Case, Layout};

/// Share of memory that an engine gives to weights and cache; the rest holds the runtime, graphs
/// and fragmentation (vLLM `gpu_memory_utilization` and TensorRT-LLM
/// `free_gpu_memory_fraction` default to 0.9).
const USABLE_SHARE: f64 = 0.90;

/// Tokens whose activations a prefill holds at once (vLLM and SGLang chunk prompts at 8,192 by
/// default on these parts).
const PREFILL_TOKENS: f64 = 8192.0;

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

/// Memory of one chip with `batch` sequences on each attention group, in steady state: sequences
/// are spread evenly over their answers, and a paged cache grows with them (vLLM, section 4.3 of
/// Kwon et al. 2023), so that a sequence holds its prompt and half of its answer in the mean.
pub(crate) fn memory(
    case: &Case,
    layout: &Layout,
    format: NumberFormat,
    batch: u64,
) -> MemoryTable {
    let length = case.workload.input as f64 + case.workload.output as f64 / 2.0;
    held(case, layout, format, batch, length)
}

/// Memory of one chip of a prefill pool with some prompts on each attention group.
pub(crate) fn prompt_memory(
    case: &Case,
    layout: &Layout,
    format: NumberFormat,
    prompts: u64,
) -> MemoryTable {
    held(case, layout, format, prompts, case.workload.input as f64)
}

fn held(
    case: &Case,
    layout: &Layout,
    format: NumberFormat,
    batch: u64,
    length: f64,
) -> MemoryTable {
    let weights = weights(case, layout, format);
    let cache = case
        .architecture
        .kv_bytes(case.workload.cache_format, layout.tp, length)
        * batch as f64;
    let activations = activations(case, layout);
    MemoryTable {
        weights,
        cache,
        activations,
        total: weights + cache + activations,
        usable: case.chip.capacity * USABLE_SHARE,
    }
}

/// Weights of one chip: attention and dense layers over tensor parallelism, experts over expert
/// parallelism; embedding, head, and what is on every chip (router, norms) stay in 16 bits.
fn weights(case: &Case, layout: &Layout, format: NumberFormat) -> Bytes {
    let architecture = case.architecture;
    let shard = Shard::serving(layout.tp, layout.ep);
    let mut linear = 0.0;
    let mut wide = architecture.embedding_parameters() as f64 / layout.tp as f64;
    for &kind in &architecture.layers {
        let held = architecture.layer_parameters_on_chip(kind, &shard);
        linear += held.dense - held.replicated + held.expert;
        wide += held.replicated;
    }
    Bytes::new(linear * format.stored_bytes() + wide * 2.0)
}

/// Activations of one prefill chunk: hidden states, the widest intermediate, logits of one token
/// a sequence; all in 16 bits.
fn activations(case: &Case, layout: &Layout) -> Bytes {
    let architecture = case.architecture;
    let tokens = PREFILL_TOKENS.min(case.workload.input as f64);
    let width = 6.0 * architecture.hidden as f64
        + architecture.widest_intermediate() as f64 * 2.0 / layout.tp as f64;
    Bytes::new(tokens * width * 2.0)
}

/// The most sequences that fit on each attention group; 0 when the weights alone do not.
pub(crate) fn largest_batch(case: &Case, layout: &Layout, format: NumberFormat) -> u64 {
    let (empty, one) = (
        memory(case, layout, format, 0),
        memory(case, layout, format, 1),
    );
    let left = empty.usable - empty.total;
    if left <= Bytes::ZERO {
        0
    } else {
        (left / one.cache) as u64
    }
}
