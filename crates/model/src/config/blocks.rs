//! Blocks that several families share.

use chokepoint_diag::Diagnostic;

use super::reader::Reader;
use crate::{Architecture, Attention, FeedForward, LayerKind, Norm, QkNorm};

/// Heads of grouped attention.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub heads: u64,
    pub kv_heads: u64,
    pub head_dim: u64,
}

impl Heads {
    /// Reads the heads. Without `head_dim` the heads share `hidden` evenly; `kv_default` stands for
    /// an absent `num_key_value_heads` and must be given where the family has no such default.
    pub(super) fn read(reader: &Reader, hidden: u64, multi_head: bool) -> Result<Self, Diagnostic> {
        let heads = reader.required("num_attention_heads")?;
        let kv_heads = if multi_head {
            reader.optional("num_key_value_heads")?.unwrap_or(heads)
        } else {
            reader.required("num_key_value_heads")?
        };
        reader.divides(
            (kv_heads, "num_key_value_heads"),
            (heads, "num_attention_heads"),
        )?;
        let head_dim = match reader.optional("head_dim")? {
            Some(dim) => dim,
            None => {
                reader.divides((heads, "num_attention_heads"), (hidden, "hidden_size"))?;
                hidden / heads
            }
        };
        Ok(Self {
            heads,
            kv_heads,
            head_dim,
        })
    }

    /// Attention without biases, norms and sinks.
    pub(super) const fn plain(self, window: Option<u64>) -> Attention {
        self.with(window, false, false, QkNorm::None)
    }

    /// Attention without sinks.
    pub(super) const fn with(
        self,
        window: Option<u64>,
        qkv_bias: bool,
        output_bias: bool,
        qk_norm: QkNorm,
    ) -> Attention {
        Attention::Grouped {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            window,
            qkv_bias,
            output_bias,
            qk_norm,
            sinks: false,
        }
    }
}

/// Reads latent attention (DeepSeek-V2 and later).
pub(super) fn latent(reader: &Reader) -> Result<Attention, Diagnostic> {
    let heads = reader.required("num_attention_heads")?;
    if let Some(kv_heads) = reader.optional("num_key_value_heads")?
        && kv_heads != heads
    {
        let message = format!(
            "\"num_key_value_heads\" = {kv_heads} differs from \"num_attention_heads\" = {heads}, which latent attention needs equal"
        );
        return Err(reader.nonsense("num_key_value_heads", message));
    }
    Ok(Attention::Latent {
        heads,
        q_rank: reader.optional("q_lora_rank")?,
        kv_rank: reader.required("kv_lora_rank")?,
        nope_dim: reader.required("qk_nope_head_dim")?,
        rope_dim: reader.required("qk_rope_head_dim")?,
        value_dim: reader.required("v_head_dim")?,
        bias: reader.flag("attention_bias", false)?,
    })
}

/// A mixture without shared experts, groups and biases.
pub(super) const fn mixture(experts: u64, top_k: u64, intermediate: u64) -> FeedForward {
    FeedForward::Moe {
        experts,
        top_k,
        intermediate,
        gated: true,
        shared_intermediate: 0,
        node_groups: None,
        expert_bias: false,
        router_bias: false,
    }
}

/// A gated network without biases.
pub(super) const fn gated(intermediate: u64) -> FeedForward {
    FeedForward::Dense {
        intermediate,
        gated: true,
        bias: false,
    }
}

/// Experts and experts of a token; refuses more of the latter.
pub(super) fn experts(
    reader: &Reader,
    experts_key: &str,
    top_key: &str,
) -> Result<(u64, u64), Diagnostic> {
    let experts = reader.required(experts_key)?;
    let top_k = reader.required(top_key)?;
    if top_k > experts {
        let message = format!("\"{top_key}\" = {top_k} exceeds \"{experts_key}\" = {experts}");
        return Err(reader.nonsense(top_key, message));
    }
    Ok((experts, top_k))
}

/// An architecture of RMS norms and rotary positions from its kinds and layers.
pub(super) fn rotary(
    reader: &Reader,
    hidden: u64,
    (kinds, layers): (Vec<LayerKind>, Vec<usize>),
) -> Result<Architecture, Diagnostic> {
    Ok(Architecture {
        name: String::new(),
        hidden,
        vocabulary: reader.required("vocab_size")?,
        tied_embeddings: reader.flag("tie_word_embeddings", false)?,
        learned_positions: None,
        norm: Norm::Rms,
        kinds,
        layers,
        mtp_layers: 0,
        max_positions: reader.optional("max_position_embeddings")?,
        dropout: false,
        native_format: None,
    })
}
