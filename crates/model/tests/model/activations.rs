//! Activation memory against Korthikanti et al. 2022 (arXiv 2205.05198).

use chokepoint_model::{
    ActivationPolicy, Phase, Recompute, Shard, activation_bytes_per_layer,
    embedding_activation_bytes, head_activation_bytes, mtp_activation_bytes, recomputed_operators,
};
use chokepoint_units::NumberFormat;
use proptest::prelude::*;

use crate::common::{model, models, near, sum_ops};

const GPTS: [&str; 4] = ["megatron-22b", "gpt-3-175b", "megatron-530b", "megatron-1t"];
const RECOMPUTES: [Recompute; 3] = [Recompute::None, Recompute::Selective, Recompute::Full];

fn unfused(recompute: Recompute) -> ActivationPolicy {
    ActivationPolicy {
        flash: false,
        ..ActivationPolicy::fused(recompute)
    }
}

#[test]
fn all_rows_of_table_2_are_exact() {
    let (s, b) = (2048.0, 2.0);
    for id in GPTS {
        let gpt = model(id);
        let h = gpt.hidden as f64;
        let a = gpt.kinds[0].attention.heads() as f64;
        let (sbh, ash) = (s * b * h, 5.0 * a * s / h);
        for tp in [1_u64, 2, 4, 8] {
            let t = tp as f64;
            let parallel = Shard::training(tp, 1, 1);
            let tensor_only = Shard {
                sequence_parallel: false,
                ..parallel
            };
            let rows = [
                (
                    tensor_only,
                    Recompute::None,
                    sbh * (10.0 + 24.0 / t + ash / t),
                ),
                (parallel, Recompute::None, sbh / t * (34.0 + ash)),
                (tensor_only, Recompute::Selective, sbh * (10.0 + 24.0 / t)),
                (parallel, Recompute::Selective, 34.0 * sbh / t),
                (tensor_only, Recompute::Full, 2.0 * sbh),
                (parallel, Recompute::Full, 2.0 * sbh / t),
            ];
            for (shard, recompute, expected) in rows {
                let found = activation_bytes_per_layer(&gpt, 0, s, b, &shard, &unfused(recompute));
                assert!(
                    near(found.get(), expected, 1e-14),
                    "{id} {shard:?} {recompute:?} {found}"
                );
            }
        }
    }
}

#[test]
fn the_ends_follow_section_4_3() {
    for id in GPTS {
        let gpt = model(id);
        let (h, v, s, b, t) = (gpt.hidden as f64, gpt.vocabulary as f64, 2048.0, 1.0, 8.0);
        let shard = Shard::training(8, 1, 1);
        let head = head_activation_bytes(&gpt, s, b, &shard).get();
        assert!(
            near(head, 4.0 * s * b * h / t * (1.0 + v / h), 1e-14),
            "{id}"
        );
        let embedding = embedding_activation_bytes(&gpt, s, b, &shard).get();
        assert!(near(embedding, s * b * h / t, 1e-14), "{id}");
    }
    let llama = model("llama-3.1-8b");
    let none = embedding_activation_bytes(&llama, 2048.0, 1.0, &Shard::SINGLE);
    assert!(none.get().abs() < 1e-9);
}

#[test]
fn a_modern_layer_keeps_the_known_tensors() {
    // No dropout, gated, grouped, fused, 16 bits, per token: 2 norms in and out 8h, Q K V
    // 2h + 4hg/a, output 2h, inner 6f, statistics 4a.
    let llama = model("llama-3.1-70b");
    let policy = ActivationPolicy::fused(Recompute::None);
    let found = activation_bytes_per_layer(&llama, 0, 4096.0, 1.0, &Shard::SINGLE, &policy);
    let (h, f, a, g) = (8192.0, 28_672.0, 64.0, 8.0);
    let expected = 4096.0 * (12.0 * h + 4.0 * h * g / a + 6.0 * f + 4.0 * a);
    assert!(near(found.get(), expected, 1e-14), "{found}");
}

#[test]
fn replicated_key_value_heads_are_kept_on_every_chip() {
    let llama = model("llama-3.1-8b");
    let policy = ActivationPolicy::fused(Recompute::None);
    let shard = Shard::training(16, 1, 1);
    let found = activation_bytes_per_layer(&llama, 0, 1024.0, 1.0, &shard, &policy).get() / 1024.0;
    let (h, f) = (4096.0, 14_336.0);
    // 32 heads of 128 on 16 chips, and one key-value head on each.
    let attention = 2.0 * 128.0 * (2.0 * 2.0 + 2.0) + 4.0 * 2.0;
    assert!(
        near(found, (8.0 * h + 6.0 * f) / 16.0 + attention, 1e-14),
        "{found}"
    );
}

#[test]
fn latent_attention_and_experts_are_counted_tensor_by_tensor() {
    let v3 = model("deepseek-v3");
    let keep = |recompute, linear_inputs| {
        let policy = ActivationPolicy {
            recompute,
            flash: true,
            linear_inputs,
            regather: true,
            frozen: false,
        };
        activation_bytes_per_layer(&v3, 1, 4096.0, 1.0, &Shard::SINGLE, &policy).get() / 4096.0
    };
    let h = 7168.0;
    let latents = 1536.0 + 512.0;
    let streams = 8.0 * h + 2.0 * (latents + 64.0) + 4.0 * 256.0 + 8.0 * 8.0;
    let attention = 2.0 * 128.0 * 128.0 + 4.0 * 128.0;
    let expanded = 2.0 * latents + 2.0 * 128.0 * (2.0 * 192.0 + 128.0);
    let experts = 8.0 * (2.0 * h + 6.0 * 2048.0) + 6.0 * 2048.0;
    let selective = streams + attention + experts;
    assert!(near(
        keep(Recompute::Selective, NumberFormat::Bf16),
        selective,
        1e-14
    ));
    assert!(near(
        keep(Recompute::None, NumberFormat::Bf16),
        selective + expanded,
        1e-14
    ));
    // FP8 keeps half of every linear input: norms' outputs, dispatched tokens, inner outputs.
    let saved = 2.0 * h + 8.0 * (h + 2048.0) + 2048.0;
    assert!(near(
        keep(Recompute::Selective, NumberFormat::Fp8),
        selective - saved,
        1e-14
    ));
    let policy = ActivationPolicy::fused(Recompute::Full);
    let mtp = mtp_activation_bytes(&v3, 4096.0, 1.0, &Shard::SINGLE, &policy).get() / 4096.0;
    assert!(
        near(mtp, 8.0 * h + 2.0 * h + 4.0 * h + 4.0 * 129_280.0, 1e-14),
        "{mtp}"
    );
}

#[test]
fn what_is_not_kept_is_computed_again() {
    let phase = Phase::Backward {
        batch: 1.0,
        sequence: 4096.0,
    };
    let shard = Shard::SINGLE;
    for model in models() {
        let again =
            |policy| sum_ops(&recomputed_operators(&model, 0, phase, &shard, &policy)).get();
        let whole = again(unfused(Recompute::Full));
        let core = again(unfused(Recompute::Selective));
        assert!(again(unfused(Recompute::None)).abs() < 1e-9);
        assert!(core > 0.0 && core < whole, "{}", model.name);
        assert!(again(ActivationPolicy::fused(Recompute::Selective)) < core);
    }
}

#[test]
fn selective_recomputation_of_latent_attention_is_its_up_projections() {
    let v3 = model("deepseek-v3");
    let phase = Phase::Backward {
        batch: 1.0,
        sequence: 4096.0,
    };
    let policy = ActivationPolicy::fused(Recompute::Selective);
    let shard = Shard::training(4, 1, 1);
    let again = sum_ops(&recomputed_operators(&v3, 0, phase, &shard, &policy)).get();
    let up = 1536.0 * 128.0 * 192.0 + 512.0 * 128.0 * 256.0;
    assert!(near(again, 2.0 * 4096.0 * up / 4.0, 1e-12), "{again:e}");
}

proptest! {
    #[test]
    fn keeping_less_and_splitting_more_never_takes_more(
        index in 0_usize..14, tp in 0_u32..4, cp in 0_u32..3, tokens in 1_u32..16, fused: bool,
    ) {
        let model = models().nth(index).unwrap();
        let sequence = f64::from(tokens) * 1024.0;
        let kept = |tp, cp, recompute| {
            let policy = ActivationPolicy { flash: fused, ..ActivationPolicy::fused(recompute) };
            let shard = Shard::training(1_u64 << tp, 1_u64 << cp, 1);
            activation_bytes_per_layer(&model, 0, sequence, 1.0, &shard, &policy).get()
        };
        let mut least = f64::INFINITY;
        for recompute in RECOMPUTES {
            let now = kept(tp, cp, recompute);
            prop_assert!(now <= least, "{} {recompute:?}", model.name);
            prop_assert!(kept(tp + 1, cp, recompute) <= now);
            prop_assert!(kept(tp, cp + 1, recompute) <= now);
            least = now;
        }
    }
}
