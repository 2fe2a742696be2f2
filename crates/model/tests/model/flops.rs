//! Model FLOPs against published formulas and figures.

use proptest::prelude::*;

use crate::common::{model, models, near};

#[test]
fn gpt_follows_korthikanti_equation_7() {
    // 72 B L s h^2 (1 + s/(6h) + V/(12 h L)) for B sequences: scores counted whole.
    for id in ["gpt-3-175b", "megatron-22b", "megatron-530b", "megatron-1t"] {
        let gpt = model(id);
        let (h, l, v, s) = (
            gpt.hidden as f64,
            gpt.layers.len() as f64,
            gpt.vocabulary as f64,
            2048.0,
        );
        let expected = 72.0 * l * h * h * (1.0 + s / (6.0 * h) + v / (12.0 * h * l));
        let found = gpt.training_flops_per_token(2048, false).get();
        assert!(near(found, expected, 1e-12), "{id}: {found:e} {expected:e}");
    }
}

#[test]
fn deepseek_v3_needs_250_gflop_a_token() {
    // arXiv 2505.09343 table 2: 250 GFLOP a token at 4,096, causal; and its table 4: 385 TFLOP/s
    // causal, 432 not, at 272.8 B tokens a day on 2,048 chips.
    let v3 = model("deepseek-v3");
    let causal = v3.forward_flops(4096, true).main().get() * 3.0;
    assert!(near(causal, 250e9, 0.005), "{causal:e}");
    let rate = 272.8e9 / 86_400.0 / 2048.0;
    assert!(near(causal * rate, 385e12, 0.005));
    let whole = v3.forward_flops(4096, false).main().get() * 3.0;
    assert!(near(whole * rate, 432e12, 0.005), "{:e}", whole * rate);
    let with_mtp = v3.training_flops_per_token(4096, true).get();
    assert!((1.03..1.06).contains(&(with_mtp / causal)), "{with_mtp:e}");
}

#[test]
fn llama_405b_needs_2448_gflop_a_token() {
    // arXiv 2505.09343 table 2.
    let llama = model("llama-3.1-405b");
    let found = llama.training_flops_per_token(4096, true).get();
    assert!(near(found, 2448e9, 0.015), "{found:e}");
}

#[test]
fn a_short_sequence_costs_six_for_each_active_parameter() {
    for model in models() {
        let flops = model.forward_flops(1, true);
        let biases = 0.01;
        let expected = 2.0 * model.active_parameters() as f64;
        assert!(near(flops.main().get(), expected, biases), "{}", model.name);
    }
}

#[test]
fn a_window_bounds_attention() {
    let oss = model("gpt-oss-120b");
    let short = oss.forward_flops(128, true).attention.get();
    let long = oss.forward_flops(131_072, true).attention.get();
    // Half of the layers grow with the sequence, the other half stop at 128 keys.
    let per_key = 2.0 * 64.0 * 128.0 * 18.0;
    assert!(near(short, per_key * 128.0, 1e-12));
    let window = 128.0 - 128.0 * 128.0 / 2.0 / 131_072.0;
    assert!(near(long, per_key * (65_536.0 + window), 1e-12));
}

proptest! {
    #[test]
    fn longer_sequences_never_need_fewer(short in 1_u64..100_000, more in 0_u64..100_000) {
        for model in models() {
            for causal in [false, true] {
                let less = model.forward_flops_per_token(short, causal);
                let greater = model.forward_flops_per_token(short + more, causal);
                prop_assert!(greater.get() >= less.get() * (1.0 - 1e-12), "{}", model.name);
            }
        }
    }
}
