//! Memory of the activations that the forward pass keeps for the backward pass.
//!
//! Counted tensor by tensor, by who saves them. Bytes per token of one layer; a query heads, g
//! key-value heads, d head width, f inner width, s sequence, k chosen of E experts, w bytes of a
//! linear layer's kept input (2, or 1 in an FP8 recipe). *sp*: split by tensor parallelism only
//! with sequence parallelism; *tp*: always split by it; *rt*: the tokens routed from this chip,
//! always split.
//!
//! | saved by | tensor | bytes | split | selective |
//! |---|---|---|---|---|
//! | two norms | input | 2 x 2h | sp | |
//! | first linear layer of each block, router, dispatch | norm output | 2 x wh | sp | |
//! | two dropouts (GPT style only) | mask | 2 x h | sp | |
//! | attention, grouped | Q, K, V | 2d(a + 2g) | tp | |
//! | query-key norms | Q, K before | 2d(a + g) | tp | |
//! | latent norms | latents before | 2(r_q + r_kv + d_rope) | sp | |
//! | latent up-projections | latents after | w(r_q + r_kv) | sp | dropped |
//! | attention, latent | Q, K, V | 2a(2(d_nope + d_rope) + d_v) | tp | dropped |
//! | unfused softmax | probabilities | 2as | tp | dropped |
//! | unfused softmax dropout | mask and output | 3as | tp | dropped |
//! | fused attention | log-sum-exp, FP32 | 4a | tp | |
//! | output projection, fused attention | attention output | 2ad | tp | |
//! | activation function | its inputs | 2f, 4f gated | tp | |
//! | last linear layer | activation output | wf | tp | |
//! | router | FP32 scores; weights and indices | 4E + 8k | sp | |
//! | experts, first layer | dispatched tokens | kwh | rt | |
//! | experts, activation function | its inputs | 2kf, 4kf gated | rt | |
//! | experts, last layer | activation output | kwf | rt | |
//!
//! Without re-gathering, norm outputs are kept whole on every tensor-parallel chip. Expert tensor
//! parallelism keeps the dispatched tokens of all chips that share an expert.
//! Frozen feed-forward blocks keep no inputs of their linear layers.
//! Recomputing modules (norms, activation functions) keeps neither norm outputs nor activation
//! outputs, and the inputs of activation functions in w bytes. Full recomputation keeps the layer's
//! input alone, 2h, *sp*. Expert rows carry the imbalance.
//! For an ungated GPT layer with f = 4h, dropout and unfused 16-bit attention the sum is that of
//! Korthikanti et al. 2022 (arXiv 2205.05198): sbh(34 + 5as/h), equations 1 to 6. Selective
//! recomputation there keeps Q, K and V; for latent attention it recomputes the up-projections
//! and latent norms as well (DeepSeek-V3 section 3.2.3), so that the small latents stay instead.
//! Expert outputs are not kept: routing weights are applied before the last expert layer
//! (Megatron-LM). Biases, rotary tables and gradients in flight are not counted.

use chokepoint_units::{Bytes, NumberFormat};
use serde::{Deserialize, Serialize};

use crate::architecture::input_projections;
use crate::shard::Sizes;
use crate::{Architecture, Attention, FeedForward, Phase, QkNorm, Shard};

/// What the backward pass computes again instead of keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recompute {
    /// Nothing.
    #[default]
    None,
    /// The attention core; for latent attention its up-projections too.
    Selective,
    /// Beside the selective ones, norms and activation functions, whose inputs are kept in the
    /// format of the linear layers (DeepSeek-V3 sections 3.2.3 and 3.3.3; Megatron-Core
    /// `recompute_modules` `layernorm`, `mla_up_proj`, `moe_act` with
    /// `activation_func_fp8_input_store`).
    Modules,
    /// The whole layer.
    Full,
}

impl Recompute {
    /// All choices, from the most memory to the least.
    pub const ALL: [Self; 4] = [Self::None, Self::Selective, Self::Modules, Self::Full];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Selective => "selective",
            Self::Modules => "modules",
            Self::Full => "full",
        }
    }
}

/// How activations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ActivationPolicy {
    /// What is computed again.
    pub recompute: Recompute,
    /// Attention is a fused kernel (`FlashAttention`): no s x s tensor is ever kept.
    pub flash: bool,
    /// Format of the kept inputs of linear layers; all else is 16 or 32 bits wide.
    pub linear_inputs: NumberFormat,
    /// Sequence parallelism keeps its part of the input of a block's first linear layer and
    /// gathers it again in the backward pass (Korthikanti et al. 2022 section 4.2.2), instead of
    /// keeping all of it.
    pub regather: bool,
    /// The weights of the feed-forward block are not trained: inputs of its linear layers are not
    /// kept. Those of the attention projections are, for the adapters beside them.
    pub frozen: bool,
}

impl ActivationPolicy {
    /// Fused attention and 16-bit activations.
    #[must_use]
    pub const fn fused(recompute: Recompute) -> Self {
        Self {
            recompute,
            flash: true,
            linear_inputs: NumberFormat::Bf16,
            regather: true,
            frozen: false,
        }
    }
}

/// Bytes of a 16-bit element.
const WIDE: f64 = 2.0;
/// Bytes of a 32-bit element.
const FP32: f64 = 4.0;

/// Bytes of one token by how they are split.
#[derive(Debug, Clone, Copy, Default)]
struct PerToken {
    /// Split with sequence parallelism only.
    sequence: f64,
    /// On every tensor-parallel chip.
    whole: f64,
    /// Split by tensor parallelism.
    tensor: f64,
    /// Kept for routed rows, after dispatch.
    routed: f64,
}

/// Kept activations of one layer of a kind on one chip, for one micro-batch of `micro_batch`
/// sequences of `sequence` tokens.
///
/// # Panics
/// When there is no such kind.
#[must_use]
pub fn activation_bytes_per_layer(
    architecture: &Architecture,
    kind: usize,
    sequence: f64,
    micro_batch: f64,
    shard: &Shard,
    policy: &ActivationPolicy,
) -> Bytes {
    let sizes = training_sizes(sequence, micro_batch, shard);
    let hidden = architecture.hidden as f64;
    if policy.recompute == Recompute::Full {
        return Bytes::new(WIDE * hidden * sizes.split_rows);
    }
    let layer = &architecture.kinds[kind];
    let linear = policy.linear_inputs.stored_bytes();
    let masks = if architecture.dropout { 2.0 } else { 0.0 };
    let norm_outputs = match (policy.recompute, policy.frozen) {
        (Recompute::Modules, _) => 0.0,
        (_, true) => linear * hidden,
        (_, false) => 2.0 * linear * hidden,
    };
    let mut kept = PerToken {
        sequence: hidden * (2.0 * WIDE + masks),
        ..PerToken::default()
    };
    if policy.regather {
        kept.sequence += norm_outputs;
    } else {
        kept.whole += norm_outputs;
    }
    add_attention(&mut kept, &layer.attention, shard, policy);
    let heads = layer.attention.heads() as f64;
    kept.tensor += score_bytes(heads, sequence, architecture.dropout, policy);
    add_feed_forward(&mut kept, hidden, &layer.feed_forward, shard, policy);
    let split = sizes.rows / shard.tp as f64;
    let routed = sizes.routed_rows * shard.imbalance;
    Bytes::new(
        kept.sequence * sizes.split_rows
            + kept.whole * sizes.rows
            + kept.tensor * split
            + kept.routed * routed,
    )
}

fn training_sizes(sequence: f64, batch: f64, shard: &Shard) -> Sizes {
    Phase::Forward { batch, sequence }.sizes(shard)
}

/// Scores, masks or softmax statistics of one token against `sequence` keys.
fn score_bytes(heads: f64, sequence: f64, dropout: bool, policy: &ActivationPolicy) -> f64 {
    if policy.flash {
        return FP32 * heads;
    }
    match policy.recompute {
        Recompute::None if dropout => heads * sequence * (2.0 * WIDE + 1.0),
        Recompute::None => heads * sequence * WIDE,
        Recompute::Selective | Recompute::Modules | Recompute::Full => 0.0,
    }
}

fn add_attention(
    kept: &mut PerToken,
    attention: &Attention,
    shard: &Shard,
    policy: &ActivationPolicy,
) {
    let linear = policy.linear_inputs.stored_bytes();
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            qk_norm,
            ..
        } => {
            let (heads, dim) = (heads as f64, head_dim as f64);
            // Replicated where there are fewer than chips.
            let kv = shard.kv_heads(kv_heads as f64) * shard.tp as f64;
            kept.tensor += WIDE * dim * (2.0 * heads + 2.0 * kv);
            if qk_norm != QkNorm::None {
                kept.tensor += WIDE * dim * (heads + kv);
            }
        }
        Attention::Latent {
            heads,
            q_rank,
            kv_rank,
            nope_dim,
            rope_dim,
            value_dim,
            ..
        } => {
            let latents = (q_rank.unwrap_or(0) + kv_rank) as f64;
            kept.sequence += WIDE * (latents + rope_dim as f64);
            kept.tensor += WIDE * (heads * value_dim) as f64;
            if policy.recompute == Recompute::None {
                kept.sequence += linear * latents;
                let expanded = heads * (2 * (nope_dim + rope_dim) + value_dim);
                kept.tensor += WIDE * expanded as f64;
            }
        }
    }
}

/// Inputs of the activation function and of the last linear layer, per unit of inner width.
fn inner_bytes(gated: bool, policy: &ActivationPolicy) -> f64 {
    let linear = policy.linear_inputs.stored_bytes();
    let inputs = input_projections(gated) as f64;
    match policy.recompute {
        Recompute::Modules => linear * inputs,
        _ if policy.frozen => WIDE * inputs,
        Recompute::None | Recompute::Selective | Recompute::Full => WIDE * inputs + linear,
    }
}

fn add_feed_forward(
    kept: &mut PerToken,
    hidden: f64,
    block: &FeedForward,
    shard: &Shard,
    policy: &ActivationPolicy,
) {
    let linear = policy.linear_inputs.stored_bytes();
    match *block {
        FeedForward::Dense {
            intermediate,
            gated,
            ..
        } => kept.tensor += intermediate as f64 * inner_bytes(gated, policy),
        FeedForward::Moe {
            experts,
            top_k,
            intermediate,
            gated,
            shared_intermediate,
            ..
        } => {
            let inner = inner_bytes(gated, policy);
            kept.sequence += FP32 * experts as f64 + 2.0 * FP32 * top_k as f64;
            kept.tensor += shared_intermediate as f64 * inner;
            let input = if policy.frozen {
                0.0
            } else {
                linear * hidden * shard.etp as f64
            };
            kept.routed += top_k as f64 * (input + intermediate as f64 * inner);
        }
    }
}

/// Kept activations of the embedding on one chip: the dropout mask, sbh, split with sequence
/// parallelism; nothing without dropout (Korthikanti et al. 2022 section 4.3).
#[must_use]
pub fn embedding_activation_bytes(
    architecture: &Architecture,
    sequence: f64,
    micro_batch: f64,
    shard: &Shard,
) -> Bytes {
    let mask = if architecture.dropout { 1.0 } else { 0.0 };
    let rows = training_sizes(sequence, micro_batch, shard).split_rows;
    Bytes::new(mask * rows * architecture.hidden as f64)
}

/// Activations of the final norm and the head on one chip: their inputs, 2sbh each, split with
/// sequence parallelism, and FP32 logits, 4sbV split by tensor parallelism: together
/// 4sbh(1 + V/h)/t (Korthikanti et al. 2022 section 4.3). The 16-bit gradient of the logits, which
/// the head's products read, is [`logit_gradient_bytes`].
#[must_use]
pub fn head_activation_bytes(
    architecture: &Architecture,
    sequence: f64,
    micro_batch: f64,
    shard: &Shard,
) -> Bytes {
    let sizes = training_sizes(sequence, micro_batch, shard);
    let logits = FP32 * sizes.rows * architecture.vocabulary as f64 / shard.tp as f64;
    Bytes::new(2.0 * WIDE * sizes.split_rows * architecture.hidden as f64 + logits)
}

/// The 16-bit gradient of the logits of one micro-batch on one chip, 2sbV split by tensor
/// parallelism, which lies beside the logits while they are differentiated.
#[must_use]
pub fn logit_gradient_bytes(
    architecture: &Architecture,
    sequence: f64,
    micro_batch: f64,
    shard: &Shard,
) -> Bytes {
    let rows = training_sizes(sequence, micro_batch, shard).rows;
    Bytes::new(WIDE * rows * architecture.vocabulary as f64 / shard.tp as f64)
}

/// Activations of one multi-token-prediction module on one chip: inputs of two norms and of the
/// projection, 8h bytes a token split with sequence parallelism, a layer, and a head. Zero when
/// the model has none.
#[must_use]
pub fn mtp_activation_bytes(
    architecture: &Architecture,
    sequence: f64,
    micro_batch: f64,
    shard: &Shard,
    policy: &ActivationPolicy,
) -> Bytes {
    let Some(kind) = architecture.mtp_kind() else {
        return Bytes::ZERO;
    };
    let sizes = training_sizes(sequence, micro_batch, shard);
    let joined = Bytes::new(4.0 * WIDE * sizes.split_rows * architecture.hidden as f64);
    joined
        + activation_bytes_per_layer(architecture, kind, sequence, micro_batch, shard, policy)
        + head_activation_bytes(architecture, sequence, micro_batch, shard)
}
