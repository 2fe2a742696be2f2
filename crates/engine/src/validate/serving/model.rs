//! The model of a row: the catalogue's where it has it, else what the columns describe.

use chokepoint_model::{Architecture, Attention, LayerKind, QkNorm};

use crate::Data;
use crate::validate::architecture::architecture;
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// Keys of a window that hold as many bytes as the state of a linear-attention layer of Qwen3.5:
/// 64 value heads of 128 x 128 in FP32 (its `config.json`) against 2 key-value heads of 256 in 16
/// bits.
const LINEAR_STATE_KEYS: u64 = 2048;
/// Every so many layers of Qwen3.5 attend to the whole context (`full_attention_interval`).
const FULL_ATTENTION_INTERVAL: u64 = 4;
/// Query rank and head widths of GLM-5 (its `config.json`); the rest is as in DeepSeek-V3.
const GLM_Q_RANK: u64 = 2048;
const GLM_NOPE: u64 = 192;
const GLM_VALUE: u64 = 256;

/// The model of a row.
pub(super) fn model(data: &Data, row: &Row, assumed: &mut Assumed) -> Result<Architecture, String> {
    let name = row.lower("model");
    let id = alias(&name);
    if data.models.contains_key(id) {
        return data.model(id).map_err(|error| error.message);
    }
    let mut found = architecture(row, assumed)?;
    if name.starts_with("glm-5") {
        assumed.note("widths of latent attention as in GLM-5's configuration");
        for kind in &mut found.kinds {
            glm(&mut kind.attention);
        }
    }
    if name.starts_with("minimax-m2") {
        for kind in &mut found.kinds {
            if let Attention::Grouped { qk_norm, .. } = &mut kind.attention {
                *qk_norm = QkNorm::PerLayer;
            }
        }
    }
    if row.lower("attn_type").contains("linear") {
        linear_layers(&mut found, assumed);
    }
    Ok(found)
}

/// Models of tables that have the architecture of one of the catalogue.
fn alias(name: &str) -> &str {
    match name {
        "llama-3.3-70b" | "llama-3-70b" => "llama-3.1-70b",
        "llama-3-8b" => "llama-3.1-8b",
        other => other,
    }
}

fn glm(attention: &mut Attention) {
    if let Attention::Latent {
        q_rank,
        nope_dim,
        value_dim,
        ..
    } = attention
    {
        *q_rank = Some(GLM_Q_RANK);
        *nope_dim = GLM_NOPE;
        *value_dim = GLM_VALUE;
    }
}

/// Linear attention reads and writes a state of fixed size, as attention over a window of as many
/// bytes does.
fn linear_layers(found: &mut Architecture, assumed: &mut Assumed) {
    assumed.note("linear attention taken as a window with as many bytes as its state");
    let full = std::mem::take(&mut found.kinds);
    let windowed = full.iter().map(|kind| {
        let mut attention = kind.attention;
        if let Attention::Grouped { window, .. } = &mut attention {
            *window = Some(LINEAR_STATE_KEYS);
        }
        LayerKind {
            attention,
            feed_forward: kind.feed_forward,
        }
    });
    let count = full.len();
    found.kinds = windowed.collect();
    found.kinds.extend(full);
    for (layer, kind) in found.layers.iter_mut().enumerate() {
        if (layer as u64 + 1).is_multiple_of(FULL_ATTENTION_INTERVAL) {
            *kind += count;
        }
    }
}
