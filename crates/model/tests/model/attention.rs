//! Attention operators: latent, windowed, unfused.

use chokepoint_model::{
    Architecture, AttentionPhase, Formats, GemmClass, Operator, Phase, Shard, layer_operators,
    unfused_attention_operators,
};
use chokepoint_units::{NumberFormat, Ops};

use crate::common::{model, near};

/// Latent attention whose widths all differ.
const LATENT: &str = r#"{"model_type": "deepseek_v3", "hidden_size": 1000, "num_hidden_layers": 1,
  "num_attention_heads": 4, "q_lora_rank": 300, "kv_lora_rank": 200, "qk_nope_head_dim": 50,
  "qk_rope_head_dim": 30, "v_head_dim": 70, "moe_intermediate_size": 100, "n_routed_experts": 2,
  "num_experts_per_tok": 1, "vocab_size": 100}"#;

#[test]
fn latent_decoding_is_absorbed() {
    let v3 = model("deepseek-v3");
    let phase = Phase::Decode {
        batch: 8.0,
        context: 4096.0,
        tokens: 1.0,
    };
    let operators = layer_operators(&v3, 0, phase, &Shard::serving(4, 1));
    let absorbed: Vec<_> = operators
        .iter()
        .filter_map(|op| match *op {
            Operator::Gemm {
                class: GemmClass::LatentAbsorbed,
                m,
                n,
                k,
                groups,
                ..
            } => Some((m, n, k, groups)),
            _ => None,
        })
        .collect();
    assert_eq!(
        absorbed,
        [(256.0, 512.0, 128.0, 32.0), (256.0, 128.0, 512.0, 32.0)]
    );
    let core = operators
        .iter()
        .find(|op| matches!(op, Operator::Attention { .. }))
        .unwrap();
    let &Operator::Attention {
        phase,
        qk_dim,
        value_dim,
        kv_heads,
        heads,
        ops,
        ..
    } = core
    else {
        panic!("{core:?}");
    };
    assert_eq!(phase, AttentionPhase::Decode);
    assert_eq!(
        (qk_dim, value_dim, kv_heads, heads),
        (576.0, 512.0, 1.0, 32.0)
    );
    assert_eq!(ops, Ops::new(2.0 * 8.0 * 4096.0 * 32.0 * (576.0 + 512.0)));
}

#[test]
fn latent_down_projections_are_on_every_chip() {
    let v3 = model("deepseek-v3");
    let phase = Phase::Decode {
        batch: 8.0,
        context: 4096.0,
        tokens: 1.0,
    };
    let operators = layer_operators(&v3, 0, phase, &Shard::serving(4, 1));
    let down: Vec<_> = operators
        .iter()
        .filter_map(|op| match *op {
            Operator::Gemm {
                class: GemmClass::LatentDown,
                m,
                n,
                ..
            } => Some((m, n)),
            _ => None,
        })
        .collect();
    assert_eq!(down, [(8.0, 1536.0), (8.0, 576.0)]);
}

#[test]
fn latent_products_have_their_own_widths() {
    let latent = Architecture::from_config("x.json", LATENT).unwrap();
    let shapes = |phase| -> Vec<(f64, f64, f64)> {
        let operators = layer_operators(&latent, 0, phase, &Shard::SINGLE);
        let shape = |op: &Operator| match *op {
            Operator::Gemm {
                class: GemmClass::Attention | GemmClass::LatentDown | GemmClass::LatentAbsorbed,
                m,
                n,
                k,
                ..
            } => Some((m, n, k)),
            _ => None,
        };
        operators.iter().filter_map(shape).collect()
    };
    let decode = shapes(Phase::Decode {
        batch: 2.0,
        context: 9.0,
        tokens: 1.0,
    });
    let expected = [
        (2.0, 300.0, 1000.0),
        (2.0, 230.0, 1000.0),
        (2.0, 320.0, 300.0),
        (8.0, 200.0, 50.0),
        (8.0, 70.0, 200.0),
        (2.0, 1000.0, 280.0),
    ];
    assert_eq!(decode, expected);
    // A chunk of 5 tokens after 7: the latents of all 12 are projected up.
    let chunk = shapes(Phase::Prefill {
        batch: 2.0,
        new_tokens: 5.0,
        past: 7.0,
    });
    let expected = [
        (10.0, 300.0, 1000.0),
        (10.0, 230.0, 1000.0),
        (10.0, 320.0, 300.0),
        (24.0, 480.0, 200.0),
        (10.0, 1000.0, 280.0),
    ];
    assert_eq!(chunk, expected);
}

#[test]
fn context_is_what_windows_show_and_chips_share() {
    let oss = model("gpt-oss-120b");
    let read = |kind, phase, cp| -> (f64, f64) {
        let shard = Shard {
            cp,
            ..Shard::serving(1, 1)
        };
        let operators = layer_operators(&oss, kind, phase, &shard);
        operators
            .iter()
            .find_map(|op| match *op {
                Operator::Attention {
                    context,
                    query_tokens,
                    ..
                } => Some((context, query_tokens)),
                _ => None,
            })
            .unwrap()
    };
    let prefill = Phase::Prefill {
        batch: 1.0,
        new_tokens: 64.0,
        past: 5000.0,
    };
    assert_eq!(read(0, prefill, 1), (192.0, 64.0));
    assert_eq!(read(1, prefill, 2), (5064.0, 32.0));
    let decode = Phase::Decode {
        batch: 1.0,
        context: 5000.0,
        tokens: 1.0,
    };
    assert_eq!(read(0, decode, 1), (128.0, 1.0));
    assert_eq!(read(1, decode, 4), (1250.0, 1.0));
}

#[test]
fn unfused_attention_moves_the_score_matrix() {
    let (gpt, llama) = (model("gpt-3-175b"), model("llama-3.1-8b"));
    let shard = Shard::training(8, 1, 1);
    let forward = Phase::Forward {
        batch: 1.0,
        sequence: 2048.0,
    };
    let backward = Phase::Backward {
        batch: 1.0,
        sequence: 2048.0,
    };
    let moved = |model: &Architecture, phase| -> f64 {
        let operators = unfused_attention_operators(model, 0, phase, &shard);
        let bytes = Formats::uniform(NumberFormat::Bf16);
        operators
            .iter()
            .map(|op| op.elements().bytes(&bytes).get())
            .sum()
    };
    let scores = 2048.0 * 2048.0;
    // GPT: 12 heads a chip, 6.5 and 9.5 elements of two bytes; Llama: 4 heads, 4 and 7.
    assert!(near(moved(&gpt, forward), 13.0 * 12.0 * scores, 1e-12));
    assert!(near(moved(&gpt, backward), 19.0 * 12.0 * scores, 1e-12));
    assert!(near(moved(&llama, forward), 8.0 * 4.0 * scores, 1e-12));
    assert!(near(moved(&llama, backward), 14.0 * 4.0 * scores, 1e-12));
    let decode = Phase::Decode {
        batch: 1.0,
        context: 2048.0,
        tokens: 1.0,
    };
    assert!(unfused_attention_operators(&llama, 0, decode, &shard).is_empty());
}
