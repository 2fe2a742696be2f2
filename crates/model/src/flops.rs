//! Model FLOPs: what the mathematics needs, whatever a kernel does.

use chokepoint_units::Ops;
use serde::Serialize;

use crate::architecture::input_projections;
use crate::{Architecture, Attention, FeedForward, LayerKind, mean_context};

/// Forward FLOPs of one token, by part. Norms, activations and other elementwise work are not
/// counted, as in every published convention.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ForwardFlops {
    /// Attention projections.
    pub projections: Ops,
    /// Scores and weighted values.
    pub attention: Ops,
    /// Dense feed-forward networks and shared experts.
    pub feed_forward: Ops,
    /// Chosen routed experts.
    pub experts: Ops,
    /// Routers.
    pub router: Ops,
    /// Vocabulary head of the main model.
    pub head: Ops,
    /// Multi-token-prediction modules with their heads.
    pub mtp: Ops,
}

impl ForwardFlops {
    /// The main model, without multi-token prediction.
    #[must_use]
    pub fn main(&self) -> Ops {
        self.layers() + self.head
    }

    /// Everything.
    #[must_use]
    pub fn total(&self) -> Ops {
        self.main() + self.mtp
    }

    fn layers(&self) -> Ops {
        self.projections + self.attention + self.feed_forward + self.experts + self.router
    }
}

/// Weights of the attention projections that multiply one token.
fn projection_weights(hidden: f64, attention: &Attention) -> f64 {
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            ..
        } => hidden * head_dim as f64 * (2 * heads + 2 * kv_heads) as f64,
        Attention::Latent {
            heads,
            q_rank,
            kv_rank,
            nope_dim,
            rope_dim,
            value_dim,
            ..
        } => {
            let heads = heads as f64;
            let query = heads * (nope_dim + rope_dim) as f64;
            let queries = q_rank.map_or(hidden * query, |rank| rank as f64 * (hidden + query));
            let values = kv_rank as f64 * (hidden + heads * (nope_dim + value_dim) as f64);
            queries + values + hidden * rope_dim as f64 + heads * value_dim as f64 * hidden
        }
    }
}

/// Adds `count` layers of a kind.
fn add_layers(sum: &mut ForwardFlops, hidden: f64, kind: &LayerKind, count: f64, keys: f64) {
    let twice = |weights: f64| Ops::new(2.0 * weights * count);
    let (query, value) = kind.attention.head_widths();
    sum.projections += twice(projection_weights(hidden, &kind.attention));
    sum.attention += twice(kind.attention.heads() as f64 * keys * (query + value) as f64);
    let network =
        |width: u64, gated: bool| twice(hidden * (width * (input_projections(gated) + 1)) as f64);
    match kind.feed_forward {
        FeedForward::Dense {
            intermediate,
            gated,
            ..
        } => sum.feed_forward += network(intermediate, gated),
        FeedForward::Moe {
            experts,
            top_k,
            intermediate,
            gated,
            shared_intermediate,
            ..
        } => {
            sum.feed_forward += network(shared_intermediate, gated);
            sum.experts += network(top_k * intermediate, gated);
            sum.router += twice(hidden * experts as f64);
        }
    }
}

impl Architecture {
    /// Forward FLOPs of one token, the mean over a sequence, by part.
    ///
    /// Linear layers: two for each weight that multiplies the token. Attention: two for each key,
    /// head and element of query and value width, over [`mean_context`] keys; `causal` halves the
    /// score matrix (Megatron-LM since 2024, DeepSeek), without it the whole square counts
    /// (Narayanan et al. 2021, Korthikanti et al. 2022). MTP: a layer, a projection from 2h to h
    /// and a head for each module (Megatron-LM `num_floating_point_operations`).
    #[must_use]
    pub fn forward_flops(&self, sequence: u64, causal: bool) -> ForwardFlops {
        let hidden = self.hidden as f64;
        let keys = |kind: &LayerKind| {
            let window = kind.attention.window().map(|w| w as f64);
            mean_context(0.0, sequence as f64, window, causal)
        };
        let mut sum = ForwardFlops::default();
        for (index, count) in self.layer_counts() {
            let kind = &self.kinds[index];
            add_layers(&mut sum, hidden, kind, count as f64, keys(kind));
        }
        sum.head = Ops::new(2.0 * hidden * self.vocabulary as f64);
        if let Some(index) = self.mtp_kind() {
            let kind = &self.kinds[index];
            let mut module = ForwardFlops::default();
            add_layers(&mut module, hidden, kind, 1.0, keys(kind));
            let projection = Ops::new(4.0 * hidden * hidden);
            sum.mtp = (module.layers() + projection + sum.head) * self.mtp_layers as f64;
        }
        sum
    }

    /// Forward FLOPs of one token, multi-token prediction included.
    #[must_use]
    pub fn forward_flops_per_token(&self, sequence: u64, causal: bool) -> Ops {
        self.forward_flops(sequence, causal).total()
    }

    /// Model FLOPs of training on one token, multi-token prediction included: three times the
    /// forward pass, without recomputation. DeepSeek publishes its figure without multi-token
    /// prediction: three times [`ForwardFlops::main`].
    #[must_use]
    pub fn training_flops_per_token(&self, sequence: u64, causal: bool) -> Ops {
        self.forward_flops_per_token(sequence, causal) * 3.0
    }

    /// Model FLOPs of training adapters on one token: as [`Self::training_flops_per_token`] without
    /// the gradients of frozen weights, so that linear layers count twice their forward pass and
    /// attention, which has no weights, three times.
    ///
    /// Limits: the adapters' own are not counted, and attention of multi-token-prediction modules
    /// counts as a linear layer.
    #[must_use]
    pub fn adapter_training_flops_per_token(&self, sequence: u64, causal: bool) -> Ops {
        let forward = self.forward_flops(sequence, causal);
        forward.total() * 2.0 + forward.attention
    }
}
