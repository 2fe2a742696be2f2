//! The model of a row.

use chokepoint_model::{Architecture, Attention, FeedForward, LayerKind, NodeGroups, Norm, QkNorm};

use super::assumed::Assumed;
use super::row::Row;

/// What a model cannot be built without.
pub(super) type Unmodelled = String;

/// The architecture that the columns of a row describe.
///
/// Blank: as many key-value heads as heads, a head width of hidden / heads, 4 x hidden for an
/// ungated inner width, a vocabulary of 50,304 (GPT-2, padded); each is reported.
pub(super) fn architecture(row: &Row, assumed: &mut Assumed) -> Result<Architecture, Unmodelled> {
    let class = row.lower("model_class");
    if class.contains("ssm") || row.lower("attn_type").contains("mamba") {
        return Err("state-space layers are not modelled".to_owned());
    }
    let attention = row.lower("attn_type");
    if attention.contains("sparse") && !attention.contains("mla") {
        return Err("compressed sparse attention is not modelled".to_owned());
    }
    if attention.contains("sparse") {
        assumed.note("sparse attention over the latents taken as attention to all of them");
    }
    let needed = |column: &str| {
        row.count(column)
            .ok_or_else(|| format!("{column} is not given"))
    };
    let (layers, hidden) = (needed("n_layers")?, needed("hidden")?);
    let heads = row.count("n_heads").unwrap_or_else(|| {
        let heads = heads_near(hidden, row.count("tp").unwrap_or(1));
        assumed.taken("n_heads", heads);
        heads
    });
    let gated = gated(row, assumed);
    let attention = self::attention(row, hidden, heads, assumed)?;
    let dense = dense(row, hidden, gated, assumed);
    let mixture = mixture(row, gated);
    let vocabulary = row.count("vocab").unwrap_or_else(|| {
        assumed.taken("vocab", 50_304);
        50_304
    });
    let gpt = !gated && mixture.is_none();
    let mut architecture = Architecture {
        name: row.text_or_blank("model").to_owned(),
        hidden,
        vocabulary,
        tied_embeddings: gpt && !row.lower("model").contains("nemotron"),
        learned_positions: None,
        norm: if gated { Norm::Rms } else { Norm::Layer },
        kinds: Vec::new(),
        layers: Vec::new(),
        mtp_layers: 0,
        max_positions: None,
        dropout: gpt && row.lower("framework").starts_with("megatron"),
        native_format: None,
    };
    deal(
        &mut architecture,
        row,
        layers,
        &attention,
        dense,
        mixture,
        assumed,
    );
    Ok(architecture)
}

/// The number of heads, a divisor of the hidden width and a multiple of tensor parallelism, whose
/// width is nearest to 128.
fn heads_near(hidden: u64, tp: u64) -> u64 {
    let wanted = hidden / 128;
    (1..=hidden / 16)
        .filter(|heads| hidden.is_multiple_of(*heads) && heads.is_multiple_of(tp))
        .min_by_key(|heads| heads.abs_diff(wanted))
        .unwrap_or(1)
}

/// The kinds of layers and their order.
fn deal(
    architecture: &mut Architecture,
    row: &Row,
    layers: u64,
    attention: &[Attention],
    dense: FeedForward,
    mixture: Option<FeedForward>,
    assumed: &mut Assumed,
) {
    let model = row.lower("model");
    let Some(mixture) = mixture else {
        for attention in attention {
            architecture.kinds.push(LayerKind {
                attention: *attention,
                feed_forward: dense,
            });
        }
        let kinds = attention.len();
        architecture.layers = (0..layers as usize).map(|layer| layer % kinds).collect();
        return;
    };
    let first = attention[0];
    let has_dense = row.count("ffn_hidden").is_some();
    let latent = matches!(first, Attention::Latent { .. });
    let of = |attention: &Attention, feed_forward| LayerKind {
        attention: *attention,
        feed_forward,
    };
    if model.contains("maverick") {
        assumed.note("every second layer is dense, as in its configuration");
        architecture.kinds = vec![of(&first, dense), of(&first, mixture)];
        architecture.layers = (0..layers as usize).map(|layer| layer % 2).collect();
    } else if latent && has_dense {
        let leading = leading_dense(&model, layers);
        assumed.note(&format!(
            "the first {leading} layers are dense, as in its configuration"
        ));
        architecture.kinds = vec![of(&first, dense), of(&first, mixture)];
        architecture.layers = (0..layers)
            .map(|layer| usize::from(layer >= leading))
            .collect();
        if model.contains("deepseek-v3") && layers >= 61 {
            assumed.note("one multi-token-prediction layer, as in its configuration");
            architecture.mtp_layers = 1;
        }
    } else {
        architecture.kinds = attention.iter().map(|a| of(a, mixture)).collect();
        let kinds = attention.len();
        architecture.layers = (0..layers as usize).map(|layer| layer % kinds).collect();
    }
}

/// Dense layers before the first mixture: 3 in DeepSeek-V3 and GLM-5, 1 in their cut versions, in
/// DeepSeek-V2 and in Kimi K2.
fn leading_dense(model: &str, layers: u64) -> u64 {
    let three = model.contains("deepseek-v3") || model.starts_with("glm-5");
    if three && layers > 8 { 3 } else { 1 }
}

fn gated(row: &Row, assumed: &mut Assumed) -> bool {
    match row.lower("mlp_type").as_str() {
        "" => {
            assumed.taken("mlp_type", "gated");
            true
        }
        kind => kind.contains("gated") || kind.contains("glu"),
    }
}

/// The attention blocks that layers take in turn.
fn attention(
    row: &Row,
    hidden: u64,
    heads: u64,
    assumed: &mut Assumed,
) -> Result<Vec<Attention>, Unmodelled> {
    let kind = row.lower("attn_type");
    if kind.contains("mla") || row.lower("model").contains("deepseek-v2") {
        assumed.note("latent attention with the ranks and widths of DeepSeek-V2 and V3");
        return Ok(vec![Attention::Latent {
            heads,
            q_rank: Some(1536),
            kv_rank: 512,
            nope_dim: 128,
            rope_dim: 64,
            value_dim: 128,
            bias: false,
        }]);
    }
    let kv_heads = row.count("n_kv_heads").unwrap_or_else(|| {
        assumed.taken("n_kv_heads", heads);
        heads
    });
    if !heads.is_multiple_of(kv_heads) {
        return Err("n_kv_heads does not divide n_heads".to_owned());
    }
    let grouped = |window| Attention::Grouped {
        heads,
        kv_heads,
        head_dim: row.count("head_dim").unwrap_or(hidden / heads).max(1),
        window,
        qkv_bias: false,
        output_bias: false,
        qk_norm: if row.lower("model").contains("qwen3") {
            QkNorm::PerHead
        } else {
            QkNorm::None
        },
        sinks: false,
    };
    if kind.contains("sliding") {
        return Ok(vec![grouped(Some(128)), grouped(None)]);
    }
    Ok(vec![grouped(None)])
}

fn dense(row: &Row, hidden: u64, gated: bool, assumed: &mut Assumed) -> FeedForward {
    let intermediate = row.count("ffn_hidden").unwrap_or_else(|| {
        if row.count("n_experts").is_none() {
            assumed.taken("ffn_hidden", 4 * hidden);
        }
        4 * hidden
    });
    FeedForward::Dense {
        intermediate,
        gated,
        bias: !gated,
    }
}

fn mixture(row: &Row, gated: bool) -> Option<FeedForward> {
    let experts = row.count("n_experts")?;
    let intermediate = row.count("moe_ffn_hidden").or(row.count("ffn_hidden"))?;
    let shared = row.count("n_shared_experts").unwrap_or(0);
    let groups = row.lower("model").contains("deepseek-v3") && experts == 256;
    Some(FeedForward::Moe {
        experts,
        top_k: row.count("topk").unwrap_or(1).min(experts),
        intermediate,
        gated,
        shared_intermediate: shared * intermediate,
        node_groups: groups.then_some(NodeGroups {
            groups: 8,
            top_groups: 4,
        }),
        expert_bias: false,
        router_bias: false,
    })
}
