//! Parameter counts against what publishers say.

use chokepoint_model::{Architecture, FeedForward, Shard};

use crate::common::{QWEN25_72B, model, models, near};

/// DeepSeek-V2: figures of deepseek-ai/DeepSeek-V2/config.json.
const DEEPSEEK_V2: &str = r#"{"model_type": "deepseek_v2", "hidden_size": 5120,
  "num_hidden_layers": 60, "first_k_dense_replace": 1, "moe_layer_freq": 1,
  "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64, "v_head_dim": 128, "intermediate_size": 12288,
  "moe_intermediate_size": 1536, "n_routed_experts": 160, "n_shared_experts": 2,
  "num_experts_per_tok": 6, "n_group": 8, "topk_group": 3,
  "topk_method": "group_limited_greedy", "vocab_size": 102400}"#;

#[test]
fn totals_are_the_published_ones() {
    // Hugging Face model pages ("model size", which counts every element of the checkpoint);
    // DeepSeek-V3: its report's 671 B; gpt-oss: its model card's 116.83 B.
    let published = [
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-70b", 70_553_706_496),
        ("llama-3.1-405b", 405_853_388_800),
        ("llama-2-70b", 68_976_648_192),
        ("deepseek-v3", 671_026_419_200),
        ("deepseek-r1", 671_026_419_200),
        ("mixtral-8x7b", 46_702_792_704),
        ("qwen3-235b-a22b", 235_093_634_560),
        ("gpt-oss-120b", 116_829_156_672),
    ];
    for (id, expected) in published {
        assert_eq!(model(id).parameters_main(), expected, "{id}");
    }
    // Brown et al. 2020 table 2.1 (174,600 M, Megatron-LM), Korthikanti et al. 2022 table 3; they
    // round.
    let gpt = model("gpt-3-175b").parameters_main() as f64;
    assert!(near(gpt, 174.6e9, 1e-3), "{gpt}");
    for (id, expected) in [
        ("megatron-22b", 22e9),
        ("megatron-530b", 530e9),
        ("megatron-1t", 1.0e12),
    ] {
        let found = model(id).parameters_main() as f64;
        assert!(near(found, expected, 0.01), "{id}: {found}");
    }
    let qwen = Architecture::from_config("qwen.json", QWEN25_72B).unwrap();
    // Hugging Face: 72.7 B.
    assert!(
        near(qwen.parameters_main() as f64, 72.706e9, 5e-4),
        "{}",
        qwen.parameters_main()
    );
    let v2 = Architecture::from_config("v2.json", DEEPSEEK_V2).unwrap();
    // DeepSeek-V2 (arXiv 2405.04434): 236 B, 21 B active.
    assert!(
        near(v2.parameters_main() as f64, 235.741e9, 1e-4),
        "{}",
        v2.parameters_main()
    );
    assert!(
        near(v2.active_parameters() as f64, 21e9, 0.02),
        "{}",
        v2.active_parameters()
    );
}

#[test]
fn gpt_follows_narayanan_equation_2() {
    // P = 12 L h^2 (1 + 13/(12h) + (V + s)/(12 L h)), and the final norm, 2h.
    for id in ["gpt-3-175b", "megatron-22b", "megatron-530b", "megatron-1t"] {
        let gpt = model(id);
        let (h, l, v) = (gpt.hidden, gpt.layers.len() as u64, gpt.vocabulary);
        let expected = 12 * l * h * h + 13 * l * h + (v + 2048) * h + 2 * h;
        assert_eq!(gpt.parameters(), expected, "{id}");
    }
}

#[test]
fn multi_token_prediction_is_14_b_with_its_shared_tables() {
    // DeepSeek-V3 README: 671 B main and 14 B of multi-token prediction, of which 11.5 B are its
    // own and the rest is embedding and head of the main model.
    let v3 = model("deepseek-v3");
    assert!(
        near(v3.mtp_parameters() as f64, 11.5e9, 0.01),
        "{}",
        v3.mtp_parameters()
    );
    let with_tables = v3.mtp_parameters() + v3.embedding_parameters();
    assert!(
        (13.4e9..14.0e9).contains(&(with_tables as f64)),
        "{with_tables}"
    );
    assert_eq!(v3.parameters(), v3.parameters_main() + v3.mtp_parameters());
    let module = v3.layer_parameters(1).total() + 2 * 7168 * 7168 + 3 * 7168;
    assert_eq!(v3.mtp_parameters(), module);
    assert_eq!(model("llama-3.1-8b").mtp_parameters(), 0);
}

#[test]
fn active_parameters_are_the_published_ones() {
    for (id, published) in [
        ("deepseek-v3", 37e9),
        ("mixtral-8x7b", 12.9e9),
        ("qwen3-235b-a22b", 22e9),
        ("gpt-oss-120b", 5.13e9),
    ] {
        let found = model(id).active_parameters() as f64;
        assert!(near(found, published, 0.02), "{id}: {found}");
    }
    // Mistral counts the input embedding too.
    let mixtral = model("mixtral-8x7b");
    let with_embedding = mixtral.active_parameters() + mixtral.vocabulary * mixtral.hidden;
    assert_eq!(with_embedding, 12_879_925_248);
    let dense = model("llama-3.1-8b");
    assert_eq!(
        dense.active_parameters() + dense.vocabulary * dense.hidden,
        dense.parameters()
    );
}

#[test]
fn the_declared_model_has_what_it_declares() {
    let declared = model("declared-1.8t-moe");
    assert!(
        near(declared.parameters() as f64, 1.8e12, 0.02),
        "{}",
        declared.parameters()
    );
    assert!(near(declared.active_parameters() as f64, 0.26e12, 0.02));
}

#[test]
fn parts_sum_to_the_total() {
    for model in models() {
        let layers: u64 = model
            .layers
            .iter()
            .map(|&kind| model.layer_parameters(kind).total())
            .sum();
        let all = layers + model.embedding_parameters() + model.norm_parameters();
        assert_eq!(all, model.parameters_main(), "{}", model.name);
    }
}

#[test]
fn chips_hold_the_layer_together() {
    for model in models() {
        for kind in 0..model.kinds.len() {
            let all = model.layer_parameters(kind);
            let one = model.layer_parameters_on_chip(kind, &Shard::SINGLE);
            assert!(
                near(one.dense + one.expert, all.total() as f64, 1e-12),
                "{}",
                model.name
            );
            let shard = Shard::training(4, 1, 4);
            let part = model.layer_parameters_on_chip(kind, &shard);
            let together =
                (part.dense - part.replicated) * 4.0 + part.replicated + part.expert * 4.0;
            assert!(near(together, all.total() as f64, 1e-12), "{}", model.name);
        }
    }
}

#[test]
fn fewer_key_value_heads_than_chips_are_replicated() {
    let llama = model("llama-3.1-8b");
    let sixteen = llama.layer_parameters_on_chip(0, &Shard::serving(16, 1));
    let (h, d) = (4096.0, 128.0);
    let expected = (2.0 * h * 32.0 * d + 3.0 * h * 14336.0) / 16.0 + 2.0 * h * d + 2.0 * h;
    assert!(near(sixteen.dense, expected, 1e-12), "{}", sixteen.dense);
}

#[test]
fn kinds_follow_the_configuration() {
    let v3 = model("deepseek-v3");
    let dense = v3
        .layers
        .iter()
        .filter(|&&kind| v3.kinds[kind].feed_forward.experts().is_none());
    assert_eq!((dense.count(), v3.layers.len()), (3, 61));
    assert_eq!(v3.experts(), Some(256));
    assert_eq!(v3.widest_intermediate(), 18_432);
    assert_eq!(v3.kinds[1].attention.heads(), 128);
    let FeedForward::Moe {
        node_groups: Some(groups),
        ..
    } = v3.kinds[1].feed_forward
    else {
        panic!("no groups: {:?}", v3.kinds[1]);
    };
    assert_eq!((groups.groups, groups.top_groups), (8, 4));
    let oss = model("gpt-oss-120b");
    let windows: Vec<_> = oss
        .layers
        .iter()
        .map(|&kind| oss.kinds[kind].attention.window())
        .collect();
    assert_eq!(&windows[..4], &[Some(128), None, Some(128), None]);
}

#[test]
fn a_small_minimax_is_counted_by_hand() {
    let text = r#"{"model_type": "minimax_m2", "hidden_size": 10, "num_hidden_layers": 1,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 3, "use_qk_norm": true,
      "qk_norm_type": "per_layer", "use_routing_bias": true, "num_local_experts": 5,
      "num_experts_per_tok": 2, "intermediate_size": 7, "vocab_size": 11}"#;
    let small = Architecture::from_config("x.json", text).unwrap();
    let held = small.layer_parameters(0);
    assert_eq!(held.attention, 2 * 10 * 12 + 2 * 10 * 6);
    assert_eq!(held.norms, 2 * 10 + 12 + 6);
    assert_eq!(held.router, 5 * 10 + 5);
    assert_eq!(held.routed_experts, 5 * 3 * 10 * 7);
    assert_eq!(small.parameters(), held.total() + 2 * 11 * 10 + 10);
}
