//! What a language model is made of, without its weights.

use chokepoint_units::NumberFormat;
use serde::Serialize;

/// The architecture of a decoder-only language model.
///
/// [`Architecture::from_config`] yields only architectures whose counts fit `u64` and whose
/// `layers` index `kinds`; one built by hand must keep to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Architecture {
    /// Name: the folder of the `config.json`.
    pub name: String,
    /// Width of the residual stream, h.
    pub hidden: u64,
    /// Rows of the embedding table, V.
    pub vocabulary: u64,
    /// Whether the head multiplies by the embedding table.
    pub tied_embeddings: bool,
    /// Rows of a learned position table (GPT-2 style); absent for rotary positions.
    pub learned_positions: Option<u64>,
    /// The normalisation.
    pub norm: Norm,
    /// The distinct kinds of layers, in order of first use.
    pub kinds: Vec<LayerKind>,
    /// The kind of each layer, in order, without multi-token-prediction layers.
    pub layers: Vec<usize>,
    /// Multi-token-prediction modules that predict further tokens (DeepSeek-V3 section 2.2).
    pub mtp_layers: u64,
    /// Longest context, tokens.
    pub max_positions: Option<u64>,
    /// Whether training drops out after attention and feed-forward (GPT style), which keeps masks.
    pub dropout: bool,
    /// Format of the published weights where it is narrower than 16 bits: FP8 for all linear
    /// layers, FP4 for the routed experts alone.
    pub native_format: Option<NumberFormat>,
}

/// One kind of layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerKind {
    /// The attention block.
    pub attention: Attention,
    /// The feed-forward block.
    pub feed_forward: FeedForward,
}

/// A normalisation over the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Root mean square: a weight per element.
    Rms,
    /// Layer normalisation: a weight and a bias per element.
    Layer,
}

/// Normalisation of queries and keys before the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QkNorm {
    /// None.
    None,
    /// One weight vector of a head's width for queries, one for keys (Qwen3).
    PerHead,
    /// One weight for each element of all heads (MiniMax-M2).
    PerLayer,
}

/// An attention block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// Multi-head, grouped-query or multi-query attention.
    Grouped {
        /// Query heads, a.
        heads: u64,
        /// Key-value heads, g; divides `heads`.
        kv_heads: u64,
        /// Width of a head, d.
        head_dim: u64,
        /// Keys that a query sees at most, itself included; absent when it sees all before it.
        window: Option<u64>,
        /// Bias on the query, key and value projections.
        qkv_bias: bool,
        /// Bias on the output projection.
        output_bias: bool,
        /// Normalisation of queries and keys.
        qk_norm: QkNorm,
        /// A learned sink per head in the softmax (gpt-oss).
        sinks: bool,
    },
    /// Multi-head latent attention (DeepSeek-V2 section 2.1).
    Latent {
        /// Heads, a.
        heads: u64,
        /// Rank of the query latent; absent when queries are projected directly.
        q_rank: Option<u64>,
        /// Rank of the key-value latent, which is what the cache holds.
        kv_rank: u64,
        /// Width of a query or key head without position.
        nope_dim: u64,
        /// Width of the rotary part; its key is shared by all heads.
        rope_dim: u64,
        /// Width of a value head.
        value_dim: u64,
        /// Bias on the down-projections and the output projection.
        bias: bool,
    },
}

impl Attention {
    /// Query heads.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        match self {
            Self::Grouped { heads, .. } | Self::Latent { heads, .. } => *heads,
        }
    }

    /// Key-value heads in the expanded form.
    #[must_use]
    pub const fn kv_heads(&self) -> u64 {
        match self {
            Self::Grouped { kv_heads, .. } => *kv_heads,
            Self::Latent { heads, .. } => *heads,
        }
    }

    /// Keys that a query sees at most.
    #[must_use]
    pub const fn window(&self) -> Option<u64> {
        match self {
            Self::Grouped { window, .. } => *window,
            Self::Latent { .. } => None,
        }
    }

    /// Width of a query head and of a value head in the expanded form.
    #[must_use]
    pub const fn head_widths(&self) -> (u64, u64) {
        match self {
            Self::Grouped { head_dim, .. } => (*head_dim, *head_dim),
            Self::Latent {
                nope_dim,
                rope_dim,
                value_dim,
                ..
            } => (*nope_dim + *rope_dim, *value_dim),
        }
    }
}

/// Groups of experts of which a token may use only some (DeepSeek-V3 section 2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NodeGroups {
    /// Groups; divides the experts.
    pub groups: u64,
    /// Groups that one token may use.
    pub top_groups: u64,
}

/// A feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedForward {
    /// One network for all tokens.
    Dense {
        /// Inner width, f.
        intermediate: u64,
        /// Two input projections, one gating the other (`SwiGLU`).
        gated: bool,
        /// Bias on every projection.
        bias: bool,
    },
    /// A mixture of experts.
    Moe {
        /// Routed experts, E.
        experts: u64,
        /// Routed experts of one token, k.
        top_k: u64,
        /// Inner width of one routed expert.
        intermediate: u64,
        /// Two input projections, one gating the other.
        gated: bool,
        /// Inner width of all shared experts together; 0 when there are none.
        shared_intermediate: u64,
        /// Limit on the groups that a token may use.
        node_groups: Option<NodeGroups>,
        /// Bias on every projection of a routed expert.
        expert_bias: bool,
        /// One number per expert beside the router's weights: a bias (gpt-oss) or a balancing
        /// correction (DeepSeek-V3).
        router_bias: bool,
    },
}

impl FeedForward {
    /// Routed experts.
    #[must_use]
    pub const fn experts(&self) -> Option<u64> {
        match self {
            Self::Dense { .. } => None,
            Self::Moe { experts, .. } => Some(*experts),
        }
    }

    /// Routed experts of one token.
    #[must_use]
    pub const fn top_k(&self) -> Option<u64> {
        match self {
            Self::Dense { .. } => None,
            Self::Moe { top_k, .. } => Some(*top_k),
        }
    }
}

/// Input projections of a feed-forward network: two when gated.
pub(crate) const fn input_projections(gated: bool) -> u64 {
    if gated { 2 } else { 1 }
}

impl Architecture {
    /// Routed experts of the mixture layers; absent for a dense model. Layers of one model have
    /// equal numbers of experts in every supported architecture.
    #[must_use]
    pub fn experts(&self) -> Option<u64> {
        self.kinds
            .iter()
            .find_map(|kind| kind.feed_forward.experts())
    }

    /// The widest inner activation of one token in any feed-forward block: the inner width of a
    /// dense network, or of the shared and the chosen routed experts together.
    #[must_use]
    pub fn widest_intermediate(&self) -> u64 {
        let width = |kind: &LayerKind| match kind.feed_forward {
            FeedForward::Dense { intermediate, .. } => intermediate,
            FeedForward::Moe {
                top_k,
                intermediate,
                shared_intermediate,
                ..
            } => top_k * intermediate + shared_intermediate,
        };
        self.kinds.iter().map(width).max().unwrap_or(0)
    }

    /// Kind of the layer inside a multi-token-prediction module: that of the last layer
    /// (DeepSeek-V3 section 2.2); absent when there are no such modules.
    #[must_use]
    pub fn mtp_kind(&self) -> Option<usize> {
        self.layers.last().copied().filter(|_| self.mtp_layers > 0)
    }
}
