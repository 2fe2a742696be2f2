//! What an engine adds to its kernels, and how it batches.

use chokepoint_chip::KernelClass;
use chokepoint_units::{Bytes, Seconds};

/// An engine: host work, rates of its kernels, batching, memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Software {
    /// Host time of an iteration: scheduling, preparing inputs, sampling, answering.
    pub host: Seconds,
    /// More of it for each sequence of the batch.
    pub host_per_sequence: Seconds,
    /// Host time of a request before its prompt runs.
    pub request_host: Seconds,
    /// Whether the host prepares the next iteration while the chip runs this one, so that only what
    /// is longer than the chip's time shows.
    pub host_overlapped: bool,
    /// Host time to start one kernel where no captured graph starts them all.
    pub kernel_start: Seconds,
    /// Host time for each kernel of an iteration with prompts, which comes on top of the chip's:
    /// preparing, starting and synchronising. Published times to the first token ask for it at all
    /// lengths of prompts, as work that a faster host would only hide does not.
    pub prompt_start: Seconds,
    /// Most sequences of a batch whose decode is a captured graph; batches with prompts have none.
    pub graph_sequences: f64,
    /// Rates of its kernels over those of the chip's curves.
    pub rates: Rates,
    /// Relative half-width (80%) of what the model misses of the engine in the time for a token.
    pub token_spread: f64,
    /// Share of memory for weights, activations and cache, or of what weights and activations leave for
    /// the cache; the rest is left to the runtime.
    pub memory_share: f64,
    /// What the share is of.
    pub memory_share_of: MemoryShare,
    /// Memory of the runtime, its workspaces and buffers, beside weights, activations and cache.
    pub runtime: Bytes,
    /// Whether a sequence starts only when the cache has room for its whole answer (TensorRT-LLM
    /// `GUARANTEED_NO_EVICT`); else it grows with the answer.
    pub reserves_answers: bool,
    /// Tokens of one iteration at most: longer prompts are cut into chunks.
    pub most_tokens: f64,
    /// Sequences of a data-parallel group at most.
    pub most_sequences: u64,
    /// Whether prompts run beside decodes in one iteration; else an iteration of prompts stops all
    /// decodes.
    pub mixes: bool,
    /// Whether decode batches may be cut in two, one computing while the other's experts exchange
    /// tokens (two-batch overlap).
    pub two_batches: bool,
    /// Processors that kernels for throughput take to exchange tokens while others compute.
    pub exchange_processors: f64,
    /// Whether a prompt's cache leaves for the decoding chips layer by layer, while later layers are
    /// computed.
    pub layerwise_transfer: bool,
}

impl Software {
    /// Kernels alone, as the chip's curves have them: no host, graphs for all, 90% of memory (vLLM
    /// `gpu_memory_utilization` and TensorRT-LLM `free_gpu_memory_fraction` default to 0.9), chunks
    /// of 8,192 tokens (vLLM and SGLang on parts of 80 GB and more) beside decodes, 20 processors to
    /// exchange tokens (`DeepEP`, DeepSeek-V3 section 3.2.2). What is missed: `AIConfigurator`, which
    /// adds up the same tables, misses 898 measured times for each token by 20% in the median; 1.9
    /// medians are 80% of a normal distribution.
    pub const KERNELS: Self = Self {
        host: Seconds::ZERO,
        host_per_sequence: Seconds::ZERO,
        request_host: Seconds::ZERO,
        host_overlapped: true,
        kernel_start: Seconds::ZERO,
        prompt_start: Seconds::ZERO,
        graph_sequences: f64::INFINITY,
        rates: Rates::ONE,
        token_spread: 0.38,
        memory_share: 0.90,
        memory_share_of: MemoryShare::Whole,
        runtime: Bytes::ZERO,
        reserves_answers: false,
        most_tokens: 8192.0,
        most_sequences: 4096,
        mixes: true,
        two_batches: false,
        exchange_processors: 20.0,
        layerwise_transfer: true,
    };
}

/// What an engine's share of memory is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryShare {
    /// The whole memory (vLLM `gpu_memory_utilization`, `SGLang` `mem_fraction_static`).
    Whole,
    /// What weights and activations leave (TensorRT-LLM `free_gpu_memory_fraction`).
    Left,
}

/// Rates of an engine's kernels over those of the chip's curves, by class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Plain matrix multiplications.
    pub gemm: f64,
    /// Grouped matrix multiplications.
    pub grouped: f64,
    /// Attention of prompts.
    pub prefill: f64,
    /// Attention over the cache.
    pub decode: f64,
    /// Elementwise work.
    pub elementwise: f64,
    /// Collectives and exchange of tokens.
    pub communication: f64,
}

impl Rates {
    /// As the curves.
    pub const ONE: Self = Self {
        gemm: 1.0,
        grouped: 1.0,
        prefill: 1.0,
        decode: 1.0,
        elementwise: 1.0,
        communication: 1.0,
    };

    /// Of a class of kernels.
    #[must_use]
    pub const fn of(&self, class: KernelClass) -> f64 {
        match class {
            KernelClass::Gemm => self.gemm,
            KernelClass::GroupedGemm => self.grouped,
            KernelClass::Prefill => self.prefill,
            KernelClass::Decode => self.decode,
            KernelClass::Stream => self.elementwise,
        }
    }
}
