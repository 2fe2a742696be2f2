//! One kernel's worth of work on one chip.

use chokepoint_units::{Bytes, NumberFormat, Ops};
use serde::Serialize;

/// What a matrix multiplication belongs to; fixes format and calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GemmClass {
    /// Query, key, value and output projections, latent up-projections.
    Attention,
    /// Latent down-projections, which tensor parallelism does not split.
    LatentDown,
    /// Per-head products that absorb the latent up-projections in decoding: one group a head.
    LatentAbsorbed,
    /// Dense feed-forward networks and shared experts.
    FeedForward,
    /// Routed experts: one group an expert.
    Expert,
    /// Router scores.
    Router,
    /// Vocabulary head.
    Head,
    /// Projection from 2h to h of a multi-token-prediction module.
    MultiToken,
}

impl GemmClass {
    /// Whether training and serving in a narrow format run the product in it; router, head,
    /// multi-token projections and the per-head products of latent decoding stay in 16 bits
    /// (DeepSeek-V3 section 3.3.1).
    #[must_use]
    pub const fn narrow(self) -> bool {
        match self {
            Self::Attention | Self::LatentDown | Self::FeedForward | Self::Expert => true,
            Self::LatentAbsorbed | Self::Router | Self::Head | Self::MultiToken => false,
        }
    }
}

/// Which of the three products of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GemmPass {
    /// Y = X W.
    Forward,
    /// dX = dY W^T.
    DataGradient,
    /// dW = dY^T X.
    WeightGradient,
}

/// What an attention kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionPhase {
    /// Many query tokens: training forward, or prompts.
    Prefill,
    /// One query token of each sequence over its cache.
    Decode,
    /// Training backward.
    Backward,
}

/// What elementwise work does; all of it is bound by memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElementwiseKind {
    /// A normalisation: of the residual stream, of latents, of queries and keys.
    Norm,
    /// Adding to the residual stream.
    Residual,
    /// Rotary positions of queries and keys, and writing the cache in serving.
    Rope,
    /// The activation function, with its gate.
    Activation,
    /// The score matrix of attention that is not a fused kernel.
    Scores,
    /// Scores of the router and choice of experts.
    Routing,
    /// Copying tokens to the order of experts.
    Dispatch,
    /// Weighted sum of the experts' outputs.
    Combine,
    /// Looking up embedding rows.
    Embedding,
    /// Softmax and loss in training, softmax and sampling in serving, over FP32 logits, each
    /// counted as two 16-bit elements.
    Logits,
}

/// One kernel's worth of work on one chip, already sharded. Sizes may be means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// A matrix multiplication of (m x k) by (k x n), plain or grouped.
    Gemm {
        /// What it belongs to.
        class: GemmClass,
        /// Which product of the linear layer.
        pass: GemmPass,
        /// Rows of the result; over all groups, but of one group in a weight gradient.
        m: f64,
        /// Columns of the result, of one group.
        n: f64,
        /// Depth; of one group, but over all groups in a weight gradient.
        k: f64,
        /// Matrices of weights that the work touches; 1 for a plain one.
        groups: f64,
    },
    /// Scores, softmax and weighted values as one fused kernel (`FlashAttention`).
    Attention {
        /// What it does.
        phase: AttentionPhase,
        /// Sequences.
        batch: f64,
        /// Query tokens of each sequence on this chip.
        query_tokens: f64,
        /// Keys of each sequence that are read: past and new tokens, at most what windows show.
        context: f64,
        /// Query heads on this chip.
        heads: f64,
        /// Key-value heads on this chip; 1 for a latent cache.
        kv_heads: f64,
        /// Width of a query and key head.
        qk_dim: f64,
        /// Width of a value head.
        value_dim: f64,
        /// Whether new tokens see only what precedes them.
        causal: bool,
        /// Keys that a query sees at most.
        window: Option<f64>,
        /// Operations, masked pairs not counted.
        ops: Ops,
        /// Key and value elements of all sequences read once; in decoding they are the cache.
        cache_elements: f64,
    },
    /// Work bound by memory.
    Elementwise {
        /// What it does.
        what: ElementwiseKind,
        /// Elements read.
        read: f64,
        /// Elements written.
        written: f64,
        /// Key and value elements written to the cache.
        cache: f64,
    },
}

/// Elements that an operator moves through memory, each once, by what decides their format.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Elements {
    /// Weights read.
    pub weights: f64,
    /// Activations read.
    pub read: f64,
    /// Activations written.
    pub written: f64,
    /// Keys and values read or written.
    pub cache: f64,
    /// Weight gradients written.
    pub gradients: f64,
}

/// Formats in which the elements of an operator are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Formats {
    /// Weights.
    pub weights: NumberFormat,
    /// Activations read.
    pub read: NumberFormat,
    /// Activations written.
    pub written: NumberFormat,
    /// Keys and values.
    pub cache: NumberFormat,
    /// Weight gradients.
    pub gradients: NumberFormat,
}

impl Formats {
    /// Everything in one format.
    #[must_use]
    pub const fn uniform(format: NumberFormat) -> Self {
        Self {
            weights: format,
            read: format,
            written: format,
            cache: format,
            gradients: format,
        }
    }

    /// A linear layer whose operands are in one format and whose results are 16 bits wide, with
    /// FP32 weight gradients (Megatron-LM default).
    #[must_use]
    pub const fn linear(format: NumberFormat) -> Self {
        Self {
            weights: format,
            read: format,
            written: NumberFormat::Bf16,
            cache: NumberFormat::Bf16,
            gradients: NumberFormat::Fp32,
        }
    }
}

impl Elements {
    /// Bytes, each element in its format.
    #[must_use]
    pub fn bytes(&self, formats: &Formats) -> Bytes {
        Bytes::new(
            self.weights * formats.weights.stored_bytes()
                + self.read * formats.read.stored_bytes()
                + self.written * formats.written.stored_bytes()
                + self.cache * formats.cache.stored_bytes()
                + self.gradients * formats.gradients.stored_bytes(),
        )
    }
}

/// `FlashAttention` backward over forward: five matrix products instead of two, the scores
/// computed again (Dao 2023, `FlashAttention`-2, section 4.1).
pub const ATTENTION_BACKWARD: f64 = 2.5;

impl Operator {
    /// A plain forward product.
    pub(crate) const fn gemm(class: GemmClass, m: f64, n: f64, k: f64) -> Self {
        Self::grouped(class, m, n, k, 1.0)
    }

    /// A grouped forward product; m is the total over the groups.
    pub(crate) const fn grouped(class: GemmClass, m: f64, n: f64, k: f64, groups: f64) -> Self {
        Self::Gemm {
            class,
            pass: GemmPass::Forward,
            m,
            n,
            k,
            groups,
        }
    }

    /// Elementwise work without a cache.
    pub(crate) const fn elementwise(what: ElementwiseKind, read: f64, written: f64) -> Self {
        Self::Elementwise {
            what,
            read,
            written,
            cache: 0.0,
        }
    }

    /// Operations: two for each multiply-accumulate. Elementwise work counts none.
    #[must_use]
    pub const fn ops(&self) -> Ops {
        match *self {
            Self::Gemm { m, n, k, .. } => Ops::new(2.0 * m * n * k),
            Self::Attention { ops, .. } => ops,
            Self::Elementwise { .. } => Ops::ZERO,
        }
    }

    /// Elements moved through memory, each operand once: what a kernel of perfect reuse moves.
    #[must_use]
    pub fn elements(&self) -> Elements {
        match *self {
            Self::Gemm {
                pass: GemmPass::WeightGradient,
                m,
                n,
                k,
                groups,
                ..
            } => Elements {
                read: (m + n) * k,
                gradients: groups * m * n,
                ..Elements::default()
            },
            Self::Gemm {
                m, n, k, groups, ..
            } => Elements {
                weights: groups * n * k,
                read: m * k,
                written: m * n,
                ..Elements::default()
            },
            Self::Attention {
                phase,
                batch,
                query_tokens,
                heads,
                qk_dim,
                value_dim,
                cache_elements,
                ..
            } => {
                let rows = batch * query_tokens * heads;
                attention_elements(phase, rows * qk_dim, rows * value_dim, cache_elements)
            }
            Self::Elementwise {
                read,
                written,
                cache,
                ..
            } => Elements {
                read,
                written,
                cache,
                ..Elements::default()
            },
        }
    }

    /// Appends the backward work of a forward operator: two products for a linear layer, one
    /// kernel for anything else. An operator that is not forward has none.
    pub(crate) fn push_backward(&self, into: &mut Vec<Self>) {
        match *self {
            Self::Gemm {
                class,
                pass: GemmPass::Forward,
                m,
                n,
                k,
                groups,
            } => {
                let product = |pass, m, n, k| Self::Gemm {
                    class,
                    pass,
                    m,
                    n,
                    k,
                    groups,
                };
                into.push(product(GemmPass::DataGradient, m, k, n));
                into.push(product(GemmPass::WeightGradient, n, k, m));
            }
            Self::Attention { phase, ops, .. } if phase != AttentionPhase::Backward => {
                let mut backward = *self;
                if let Self::Attention {
                    phase,
                    ops: backward_ops,
                    ..
                } = &mut backward
                {
                    *phase = AttentionPhase::Backward;
                    *backward_ops = ops * ATTENTION_BACKWARD;
                }
                into.push(backward);
            }
            Self::Elementwise {
                what,
                read,
                written,
                ..
            } => {
                let (read, written) = what.backward(read, written);
                into.push(Self::elementwise(what, read, written));
            }
            Self::Gemm { .. } | Self::Attention { .. } => {}
        }
    }
}

/// Elements of an attention kernel with so many query, output and key-value elements. Backward
/// reads Q, K, V, O and dO and writes dQ, dK and dV.
fn attention_elements(phase: AttentionPhase, queries: f64, outputs: f64, keys: f64) -> Elements {
    let (read, written) = match phase {
        AttentionPhase::Prefill | AttentionPhase::Decode => (queries, outputs),
        AttentionPhase::Backward => (queries + 2.0 * outputs, queries + keys),
    };
    Elements {
        read,
        written,
        cache: keys,
        ..Elements::default()
    }
}

impl ElementwiseKind {
    /// Elements (read, written) by the backward of work that reads and writes so many.
    const fn backward(self, read: f64, written: f64) -> (f64, f64) {
        match self {
            // Reads its input and the gradient of its output, writes the gradient of its input.
            Self::Norm | Self::Activation | Self::Routing | Self::Logits | Self::Scores => {
                (read + written, read)
            }
            // Where the residual stream branched, two gradients are added; a rotation is linear.
            Self::Residual | Self::Rope => (read, written),
            // Copies and sums run the other way.
            Self::Dispatch | Self::Combine | Self::Embedding => (written, read),
        }
    }
}
