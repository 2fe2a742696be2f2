//! The supported families, each as its Hugging Face class builds it.

use chokepoint_diag::Diagnostic;

use super::blocks::{Heads, experts, gated, latent, mixture, rotary};
use super::quantization::native_format;
use super::reader::{MOST_LAYERS, Reader};
use super::spread::{listed_layers, sliding_layers, spread};
use crate::{Architecture, Attention, FeedForward, LayerKind, NodeGroups, Norm, QkNorm};

/// Families of architectures that are built alike.
#[derive(Clone, Copy)]
pub(super) enum Family {
    DeepseekV2,
    DeepseekV3,
    Gpt2,
    GptOss,
    KimiK2,
    Llama,
    MinimaxM2,
    Mistral,
    Mixtral,
    Qwen2,
    Qwen3,
    Qwen3Moe,
}

impl Family {
    const ALL: [Self; 12] = [
        Self::DeepseekV2,
        Self::DeepseekV3,
        Self::Gpt2,
        Self::GptOss,
        Self::KimiK2,
        Self::Llama,
        Self::MinimaxM2,
        Self::Mistral,
        Self::Mixtral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Qwen3Moe,
    ];

    /// The family of a `model_type`.
    pub(super) fn of(model_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|family| family.name() == model_type)
    }

    /// Its `model_type`: families and names are listed in the same order.
    pub(super) const fn name(self) -> &'static str {
        super::SUPPORTED[self as usize]
    }

    /// Builds the architecture, nameless.
    pub(super) fn read(self, reader: &Reader) -> Result<Architecture, Diagnostic> {
        let mut architecture = match self {
            Self::DeepseekV2 => deepseek(reader, false),
            Self::DeepseekV3 | Self::KimiK2 => deepseek(reader, true),
            Self::Gpt2 => gpt2(reader),
            Self::GptOss => gpt_oss(reader),
            Self::Llama => llama(reader),
            Self::MinimaxM2 => minimax_m2(reader),
            Self::Mistral => mistral(reader),
            Self::Mixtral => mixtral(reader),
            Self::Qwen2 => qwen(reader, true),
            Self::Qwen3 => qwen(reader, false),
            Self::Qwen3Moe => qwen3_moe(reader),
        }?;
        architecture.native_format = native_format(reader)?;
        check_size(reader, &architecture)?;
        Ok(architecture)
    }
}

/// Refuses more parameters than anyone will train in this century, so that every count fits `u64`.
fn check_size(reader: &Reader, architecture: &Architecture) -> Result<(), Diagnostic> {
    const MOST_PARAMETERS: f64 = 1e16;
    // Every product of `parameters` is at most experts x hidden x width or hidden x heads x width
    // or the table; bounding their sum in floating point bounds them all.
    let hidden = architecture.hidden as f64;
    let of_kind = |kind: &LayerKind| {
        let (query, value) = kind.attention.head_widths();
        let ranks = match kind.attention {
            Attention::Grouped { .. } => 0.0,
            Attention::Latent {
                q_rank, kv_rank, ..
            } => q_rank.unwrap_or(0) as f64 + kv_rank as f64,
        };
        let width = kind.attention.heads() as f64 * (query + value) as f64;
        let attention = 2.0 * (hidden + ranks) * (width + ranks);
        let feed_forward = match kind.feed_forward {
            FeedForward::Dense { intermediate, .. } => intermediate as f64,
            FeedForward::Moe {
                experts,
                intermediate,
                shared_intermediate,
                ..
            } => experts as f64 * (intermediate as f64 + 1.0) + shared_intermediate as f64,
        };
        attention + 4.0 * hidden * (feed_forward + 1.0)
    };
    let mut total = 2.0 * hidden * architecture.vocabulary as f64;
    for (kind, count) in architecture.layer_counts() {
        total += count as f64 * of_kind(&architecture.kinds[kind]);
    }
    total += architecture.mtp_kind().map_or(0.0, |kind| {
        architecture.mtp_layers as f64
            * (of_kind(&architecture.kinds[kind]) + 2.0 * hidden * hidden)
    });
    if total > MOST_PARAMETERS {
        let message =
            format!("the sizes come to some {total:.1e} parameters, more than any model has");
        return Err(reader.nonsense("hidden_size", message));
    }
    Ok(())
}

/// Layers that are all alike.
fn uniform(
    reader: &Reader,
    hidden: u64,
    attention: Attention,
    feed_forward: FeedForward,
) -> Result<Architecture, Diagnostic> {
    let count = reader.layers("num_hidden_layers")?;
    let kind = LayerKind {
        attention,
        feed_forward,
    };
    rotary(reader, hidden, spread(count, |_| kind.clone()))
}

/// Llama 1 to 3: `LlamaForCausalLM`.
fn llama(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let heads = Heads::read(reader, hidden, true)?;
    let bias = reader.flag("attention_bias", false)?;
    let feed_forward = FeedForward::Dense {
        intermediate: reader.required("intermediate_size")?,
        gated: true,
        bias: reader.flag("mlp_bias", false)?,
    };
    let attention = heads.with(None, bias, bias, QkNorm::None);
    uniform(reader, hidden, attention, feed_forward)
}

/// `MistralForCausalLM`: a window, where there is one, on every layer.
fn mistral(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let attention = Heads::read(reader, hidden, false)?.plain(reader.optional("sliding_window")?);
    let feed_forward = gated(reader.required("intermediate_size")?);
    uniform(reader, hidden, attention, feed_forward)
}

/// `MixtralForCausalLM`.
fn mixtral(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let attention = Heads::read(reader, hidden, false)?.plain(reader.optional("sliding_window")?);
    let (experts, top_k) = experts(reader, "num_local_experts", "num_experts_per_tok")?;
    let feed_forward = mixture(experts, top_k, reader.required("intermediate_size")?);
    uniform(reader, hidden, attention, feed_forward)
}

/// `Qwen2ForCausalLM` (bias on query, key and value) and `Qwen3ForCausalLM` (norms on query and
/// key heads). With `use_sliding_window` layers from `max_window_layers` on have the window.
fn qwen(reader: &Reader, second: bool) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let heads = Heads::read(reader, hidden, false)?;
    let feed_forward = gated(reader.required("intermediate_size")?);
    let count = reader.layers("num_hidden_layers")?;
    let window = if reader.flag("use_sliding_window", false)? {
        Some(reader.required("sliding_window")?)
    } else {
        None
    };
    let first_windowed = match window {
        Some(_) => reader
            .optional_count("max_window_layers", MOST_LAYERS)?
            .unwrap_or(count),
        None => count,
    };
    let listed = sliding_layers(reader, count)?;
    let bias = reader.flag("attention_bias", false)?;
    let kind_of = |layer: u64| {
        let windowed = match &listed {
            Some(listed) => listed.get(layer as usize) == Some(&true),
            None => layer >= first_windowed,
        };
        let window = window.filter(|_| windowed);
        let attention = if second {
            heads.with(window, true, false, QkNorm::None)
        } else {
            heads.with(window, bias, bias, QkNorm::PerHead)
        };
        LayerKind {
            attention,
            feed_forward,
        }
    };
    rotary(reader, hidden, spread(count, kind_of))
}

/// `Qwen3MoeForCausalLM`: a mixture on every `decoder_sparse_step`-th layer outside
/// `mlp_only_layers`.
fn qwen3_moe(reader: &Reader) -> Result<Architecture, Diagnostic> {
    if reader.flag("use_sliding_window", false)? {
        return Err(reader.not_modelled("use_sliding_window", "a sliding window"));
    }
    let hidden = reader.required("hidden_size")?;
    let heads = Heads::read(reader, hidden, false)?;
    let bias = reader.flag("attention_bias", false)?;
    let attention = heads.with(None, bias, bias, QkNorm::PerHead);
    let (experts, top_k) = experts(reader, "num_experts", "num_experts_per_tok")?;
    let moe = mixture(experts, top_k, reader.required("moe_intermediate_size")?);
    let step = reader.optional("decoder_sparse_step")?.unwrap_or(1);
    let dense_layers = listed_layers(reader, "mlp_only_layers")?;
    let count = reader.layers("num_hidden_layers")?;
    let sparse = |layer: u64| (layer + 1).is_multiple_of(step) && !dense_layers.contains(&layer);
    let dense = if (0..count).all(sparse) {
        moe
    } else {
        gated(reader.required("intermediate_size")?)
    };
    let kind_of = |layer: u64| LayerKind {
        attention,
        feed_forward: if sparse(layer) { moe } else { dense },
    };
    rotary(reader, hidden, spread(count, kind_of))
}

/// `DeepseekV2ForCausalLM` and `DeepseekV3ForCausalLM`, which Kimi K2 is too: the first layers
/// dense, then a mixture on every `moe_layer_freq`-th; the third version's router has a correction
/// per expert.
fn deepseek(reader: &Reader, third: bool) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let attention = latent(reader)?;
    let count = reader.layers("num_hidden_layers")?;
    let first = reader
        .optional_count("first_k_dense_replace", MOST_LAYERS)?
        .unwrap_or(0);
    let step = reader.optional("moe_layer_freq")?.unwrap_or(1);
    let moe = deepseek_mixture(reader, third)?;
    let sparse = |layer: u64| layer >= first && layer.is_multiple_of(step);
    let dense = if (0..count).all(sparse) {
        moe
    } else {
        gated(reader.required("intermediate_size")?)
    };
    let kind_of = |layer: u64| LayerKind {
        attention,
        feed_forward: if sparse(layer) { moe } else { dense },
    };
    let mut architecture = rotary(reader, hidden, spread(count, kind_of))?;
    architecture.mtp_layers = reader
        .optional_count("num_nextn_predict_layers", MOST_LAYERS)?
        .unwrap_or(0);
    Ok(architecture)
}

fn deepseek_mixture(reader: &Reader, third: bool) -> Result<FeedForward, Diagnostic> {
    let (experts, top_k) = experts(reader, "n_routed_experts", "num_experts_per_tok")?;
    let intermediate = reader.required("moe_intermediate_size")?;
    let shared = reader
        .optional_count("n_shared_experts", MOST_LAYERS)?
        .unwrap_or(0);
    let groups = reader.optional("n_group")?.unwrap_or(1);
    reader.divides((groups, "n_group"), (experts, "n_routed_experts"))?;
    let top_groups = reader.optional("topk_group")?.unwrap_or(groups);
    if top_groups > groups {
        let message = format!("\"topk_group\" = {top_groups} exceeds \"n_group\" = {groups}");
        return Err(reader.nonsense("topk_group", message));
    }
    if top_k > top_groups * (experts / groups) {
        let message = format!(
            "\"num_experts_per_tok\" = {top_k} exceeds the experts of {top_groups} of {groups} groups"
        );
        return Err(reader.nonsense("num_experts_per_tok", message));
    }
    Ok(FeedForward::Moe {
        experts,
        top_k,
        intermediate,
        gated: true,
        shared_intermediate: shared * intermediate,
        node_groups: (groups > 1).then_some(NodeGroups { groups, top_groups }),
        expert_bias: false,
        router_bias: third
            && reader
                .text("topk_method")?
                .is_none_or(|name| name == "noaux_tc"),
    })
}

/// `GptOssForCausalLM`: biases everywhere, a sink per head, a window on every other layer unless
/// `layer_types` says otherwise.
fn gpt_oss(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let heads = Heads::read(reader, hidden, false)?;
    let bias = reader.flag("attention_bias", true)?;
    let (experts, top_k) = experts(reader, "num_local_experts", "num_experts_per_tok")?;
    let intermediate = reader.required("intermediate_size")?;
    let window = reader.required("sliding_window")?;
    let count = reader.layers("num_hidden_layers")?;
    let listed = sliding_layers(reader, count)?;
    let kind_of = |layer: u64| {
        let windowed = match &listed {
            Some(listed) => listed.get(layer as usize) == Some(&true),
            None => layer.is_multiple_of(2),
        };
        LayerKind {
            attention: Attention::Grouped {
                heads: heads.heads,
                kv_heads: heads.kv_heads,
                head_dim: heads.head_dim,
                window: windowed.then_some(window),
                qkv_bias: bias,
                output_bias: bias,
                qk_norm: QkNorm::None,
                sinks: true,
            },
            feed_forward: FeedForward::Moe {
                experts,
                top_k,
                intermediate,
                gated: true,
                shared_intermediate: 0,
                node_groups: None,
                expert_bias: true,
                router_bias: true,
            },
        }
    };
    rotary(reader, hidden, spread(count, kind_of))
}

/// `MiniMaxM2ForCausalLM`: norms over all query and all key heads, a correction per expert.
fn minimax_m2(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("hidden_size")?;
    let heads = Heads::read(reader, hidden, false)?;
    let normed = reader.flag("use_qk_norm", false)?;
    if normed
        && reader
            .text("qk_norm_type")?
            .is_some_and(|name| name != "per_layer")
    {
        return Err(reader.not_modelled("qk_norm_type", "a query-key norm other than per layer"));
    }
    if reader
        .optional_count("shared_intermediate_size", MOST_LAYERS)?
        .is_some_and(|width| width > 0)
    {
        return Err(reader.not_modelled("shared_intermediate_size", "a shared expert"));
    }
    let norm = if normed {
        QkNorm::PerLayer
    } else {
        QkNorm::None
    };
    let (experts, top_k) = experts(reader, "num_local_experts", "num_experts_per_tok")?;
    let feed_forward = FeedForward::Moe {
        experts,
        top_k,
        intermediate: reader.required("intermediate_size")?,
        gated: true,
        shared_intermediate: 0,
        node_groups: None,
        expert_bias: false,
        router_bias: reader.flag("use_routing_bias", false)?,
    };
    let attention = heads.with(None, false, false, norm);
    uniform(reader, hidden, attention, feed_forward)
}

/// `GPT2LMHeadModel`, which GPT-3 and Megatron-LM's GPT models are too: learned positions, layer
/// norms, biases everywhere, an ungated network of four times the width.
fn gpt2(reader: &Reader) -> Result<Architecture, Diagnostic> {
    let hidden = reader.required("n_embd")?;
    let heads = reader.required("n_head")?;
    reader.divides((heads, "n_head"), (hidden, "n_embd"))?;
    let kind = LayerKind {
        attention: Attention::Grouped {
            heads,
            kv_heads: heads,
            head_dim: hidden / heads,
            window: None,
            qkv_bias: true,
            output_bias: true,
            qk_norm: QkNorm::None,
            sinks: false,
        },
        feed_forward: FeedForward::Dense {
            intermediate: reader.optional("n_inner")?.unwrap_or(4 * hidden),
            gated: false,
            bias: true,
        },
    };
    let (kinds, layers) = spread(reader.layers("n_layer")?, |_| kind.clone());
    let positions = reader.required("n_positions")?;
    Ok(Architecture {
        name: String::new(),
        hidden,
        vocabulary: reader.required("vocab_size")?,
        tied_embeddings: reader.flag("tie_word_embeddings", true)?,
        learned_positions: Some(positions),
        norm: Norm::Layer,
        kinds,
        layers,
        mtp_layers: 0,
        max_positions: Some(positions),
        dropout: reader.drops("resid_pdrop", 0.1)?,
        native_format: None,
    })
}
