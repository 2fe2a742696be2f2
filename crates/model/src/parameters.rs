//! Parameters of a model, exact, and their split over chips.

use serde::Serialize;

use crate::architecture::input_projections;
use crate::{Architecture, Attention, FeedForward, Norm, QkNorm, Shard};

/// Parameters of one layer by what shards them; the fields sum to the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LayerParameters {
    /// Attention projections with biases and sinks; tensor parallelism splits all but the latent
    /// down-projections.
    pub attention: u64,
    /// A dense feed-forward network, split by tensor parallelism.
    pub dense_ffn: u64,
    /// Router weights and biases, whole on every chip.
    pub router: u64,
    /// Shared experts, split by tensor parallelism.
    pub shared: u64,
    /// Routed experts, split by expert parallelism.
    pub routed_experts: u64,
    /// Normalisations, whole on every chip.
    pub norms: u64,
}

impl LayerParameters {
    /// All parameters of the layer.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.attention
            + self.dense_ffn
            + self.router
            + self.shared
            + self.routed_experts
            + self.norms
    }
}

/// Parameters of one layer on one chip. A mean where a degree does not divide.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ChipParameters {
    /// Everything but routed experts: the same on all data- and context-parallel ranks.
    pub dense: f64,
    /// Of `dense`, what tensor parallelism does not split: norms, router, latent
    /// down-projections. Publishers keep norms and router in 16 or 32 bits.
    pub replicated: f64,
    /// Of `dense`, dense networks and shared experts.
    pub feed_forward: f64,
    /// Routed experts.
    pub expert: f64,
}

/// Attention parameters: (split by tensor parallelism apart from keys and values, keys and
/// values, replicated).
fn attention_split(hidden: u64, attention: &Attention) -> (u64, u64, u64) {
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            qkv_bias,
            output_bias,
            sinks,
            ..
        } => {
            let inputs = hidden + u64::from(qkv_bias);
            let queries = heads * head_dim * inputs;
            let output = heads * head_dim * hidden + u64::from(sinks) * heads;
            let bias = u64::from(output_bias) * hidden;
            (queries + output, 2 * kv_heads * head_dim * inputs, bias)
        }
        Attention::Latent {
            heads,
            q_rank,
            kv_rank,
            nope_dim,
            rope_dim,
            value_dim,
            bias,
        } => {
            let bias = u64::from(bias);
            let query = heads * (nope_dim + rope_dim);
            let up = q_rank.unwrap_or(hidden) * query + kv_rank * heads * (nope_dim + value_dim);
            let down = q_rank.unwrap_or(0) + kv_rank + rope_dim;
            (
                up + heads * value_dim * hidden,
                0,
                down * (hidden + bias) + bias * hidden,
            )
        }
    }
}

/// Parameters of a feed-forward network.
const fn network(hidden: u64, intermediate: u64, gated: bool, bias: bool) -> u64 {
    let inputs = input_projections(gated) * intermediate;
    let biases = if bias { inputs + hidden } else { 0 };
    inputs * hidden + intermediate * hidden + biases
}

/// Normalisations inside the attention block.
fn attention_norms(attention: &Attention) -> u64 {
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            qk_norm,
            ..
        } => match qk_norm {
            QkNorm::None => 0,
            QkNorm::PerHead => 2 * head_dim,
            QkNorm::PerLayer => (heads + kv_heads) * head_dim,
        },
        Attention::Latent {
            q_rank, kv_rank, ..
        } => q_rank.unwrap_or(0) + kv_rank,
    }
}

impl Architecture {
    /// Parameters of one normalisation of the residual stream.
    #[must_use]
    pub const fn norm_parameters(&self) -> u64 {
        match self.norm {
            Norm::Rms => self.hidden,
            Norm::Layer => 2 * self.hidden,
        }
    }

    /// Parameters of a layer of a kind, an index into `kinds`.
    ///
    /// # Panics
    /// When there is no such kind.
    #[must_use]
    pub fn layer_parameters(&self, kind: usize) -> LayerParameters {
        let kind = &self.kinds[kind];
        let (split, kv, replicated) = attention_split(self.hidden, &kind.attention);
        let mut held = LayerParameters {
            attention: split + kv + replicated,
            norms: 2 * self.norm_parameters() + attention_norms(&kind.attention),
            ..LayerParameters::default()
        };
        match kind.feed_forward {
            FeedForward::Dense {
                intermediate,
                gated,
                bias,
            } => held.dense_ffn = network(self.hidden, intermediate, gated, bias),
            FeedForward::Moe {
                experts,
                intermediate,
                gated,
                shared_intermediate,
                expert_bias,
                router_bias,
                ..
            } => {
                held.router = experts * (self.hidden + u64::from(router_bias));
                held.shared = network(self.hidden, shared_intermediate, gated, false);
                held.routed_experts =
                    experts * network(self.hidden, intermediate, gated, expert_bias);
            }
        }
        held
    }

    /// Parameters of a layer on one chip: tensor parallelism splits heads, inner widths and
    /// shared experts; with fewer key-value heads than chips each chip holds one whole; latent
    /// down-projections, router and norms are on every chip; expert parallelism splits routed
    /// experts.
    ///
    /// # Panics
    /// When there is no such kind.
    #[must_use]
    pub fn layer_parameters_on_chip(&self, kind: usize, shard: &Shard) -> ChipParameters {
        let all = self.layer_parameters(kind);
        let attention = &self.kinds[kind].attention;
        let (split, kv, whole) = attention_split(self.hidden, attention);
        let tp = shard.tp as f64;
        let kv_share = match attention {
            Attention::Grouped { kv_heads, .. } => {
                shard.kv_heads(*kv_heads as f64) / *kv_heads as f64
            }
            Attention::Latent { .. } => 0.0,
        };
        let replicated = (whole + all.router + all.norms) as f64;
        let feed_forward = (all.dense_ffn + all.shared) as f64 / tp;
        ChipParameters {
            dense: split as f64 / tp + feed_forward + kv as f64 * kv_share + replicated,
            replicated,
            feed_forward,
            expert: all.routed_experts as f64 / (shard.ep * shard.etp) as f64,
        }
    }

    /// Embedding table, head where it is a matrix of its own, and learned positions.
    #[must_use]
    pub fn embedding_parameters(&self) -> u64 {
        let tables = if self.tied_embeddings { 1 } else { 2 };
        let positions = self.learned_positions.unwrap_or(0);
        (tables * self.vocabulary + positions) * self.hidden
    }

    /// All parameters of the main model: embeddings, layers, final norm; without multi-token
    /// prediction.
    #[must_use]
    pub fn parameters_main(&self) -> u64 {
        let layers: u64 = self
            .layer_counts()
            .map(|(kind, count)| count * self.layer_parameters(kind).total())
            .sum();
        self.embedding_parameters() + layers + self.norm_parameters()
    }

    /// Parameters of all multi-token-prediction modules: each a layer, three norms and a
    /// projection from 2h to h. Embedding and head are the main model's and not counted here.
    #[must_use]
    pub fn mtp_parameters(&self) -> u64 {
        self.mtp_kind().map_or(0, |kind| {
            let module = self.layer_parameters(kind).total()
                + 3 * self.norm_parameters()
                + 2 * self.hidden * self.hidden;
            self.mtp_layers * module
        })
    }

    /// All parameters: the main model and its multi-token-prediction modules.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.parameters_main() + self.mtp_parameters()
    }

    /// Parameters of the main model that take part in one token: of the routed experts only the
    /// chosen ones; the head, but not the input embedding, of which one row is looked up (OpenAI
    /// counts gpt-oss like this; Mistral, Qwen and DeepSeek add the input embedding, 1 to 3%).
    #[must_use]
    pub fn active_parameters(&self) -> u64 {
        let layers: u64 = self
            .layer_counts()
            .map(|(kind, count)| {
                let held = self.layer_parameters(kind);
                let routed = match self.kinds[kind].feed_forward {
                    FeedForward::Dense { .. } => 0,
                    FeedForward::Moe { experts, top_k, .. } => {
                        held.routed_experts / experts * top_k
                    }
                };
                count * (held.total() - held.routed_experts + routed)
            })
            .sum();
        self.vocabulary * self.hidden + layers + self.norm_parameters()
    }

    /// Layers of each kind: (kind, count).
    pub fn layer_counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        (0..self.kinds.len()).map(|kind| {
            let count = self.layers.iter().filter(|layer| **layer == kind).count();
            (kind, count as u64)
        })
    }
}
