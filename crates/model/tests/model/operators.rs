//! Operators against model FLOPs, parameters and each other.

use chokepoint_model::{
    Architecture, ElementwiseKind, Formats, GemmClass, GemmPass, Operator, Phase, Shard,
    embedding_operators, head_operators, layer_operators, mtp_operators, touched_experts,
};
use chokepoint_units::{NumberFormat, Ops};
use proptest::prelude::*;

use crate::common::{model, models, near, sum_ops};

fn forward(batch: f64, sequence: f64) -> Phase {
    Phase::Forward { batch, sequence }
}

/// Operations of all layers and the head on one chip.
fn whole(model: &Architecture, phase: Phase, shard: &Shard) -> Ops {
    let layers: Ops = model
        .layers
        .iter()
        .map(|&kind| sum_ops(&layer_operators(model, kind, phase, shard)))
        .sum();
    layers + sum_ops(&head_operators(model, phase, shard))
}

fn gemms(operators: &[Operator]) -> Ops {
    operators
        .iter()
        .filter(|op| matches!(op, Operator::Gemm { .. }))
        .map(Operator::ops)
        .sum()
}

#[test]
fn operators_sum_to_the_model_flops() {
    for model in models() {
        let found = whole(&model, forward(2.0, 4096.0), &Shard::SINGLE).get();
        let expected = model.forward_flops(4096, true).main().get() * 2.0 * 4096.0;
        assert!(
            near(found, expected, 1e-12),
            "{}: {found:e} {expected:e}",
            model.name
        );
        let mtp = sum_ops(&mtp_operators(&model, forward(2.0, 4096.0), &Shard::SINGLE)).get();
        let module = model.forward_flops(4096, true).mtp.get() * 2.0 * 4096.0;
        assert!((mtp * model.mtp_layers as f64 - module).abs() <= 1e-9 * module);
    }
}

proptest! {
    #[test]
    fn chips_share_the_work(
        index in 0_usize..14, tp in 0_u32..3, cp in 0_u32..3, ep in 0_u32..3, batch in 1_u32..4,
    ) {
        // Up to 4-fold tensor parallelism nothing is replicated: Qwen3 has 4 key-value heads.
        let model = models().nth(index).unwrap();
        let shard = Shard::training(1_u64 << tp, 1_u64 << cp, 1_u64 << ep);
        let chips = f64::from(1_u32 << (tp + cp));
        for phase in [
            forward(f64::from(batch), 8192.0),
            Phase::Backward { batch: f64::from(batch), sequence: 8192.0 },
        ] {
            let one = whole(&model, phase, &Shard::SINGLE).get();
            let all = whole(&model, phase, &shard).get() * chips;
            prop_assert!(near(all, one, 1e-12), "{} {all:e} {one:e}", model.name);
        }
    }

    #[test]
    fn backward_doubles_linear_layers(
        index in 0_usize..14, tp in 0_u32..3, sequence in 1_u32..9000,
    ) {
        let model = models().nth(index).unwrap();
        let shard = Shard::training(1_u64 << tp, 1, 1);
        let sequence = f64::from(sequence);
        for kind in 0..model.kinds.len() {
            let ahead = layer_operators(&model, kind, forward(1.0, sequence), &shard);
            let back = layer_operators(&model, kind, Phase::Backward { batch: 1.0, sequence }, &shard);
            prop_assert!(near(gemms(&back).get(), 2.0 * gemms(&ahead).get(), 1e-12));
            let attention = (sum_ops(&ahead) - gemms(&ahead)).get();
            prop_assert!(near((sum_ops(&back) - gemms(&back)).get(), 2.5 * attention, 1e-9));
        }
    }

    #[test]
    fn more_tokens_never_take_fewer(index in 0_usize..14, tokens in 1_u32..500, more in 0_u32..500, past in 0_u32..9000) {
        let model = models().nth(index).unwrap();
        let shard = Shard::serving(2, 2);
        let (few, many) = (f64::from(tokens), f64::from(tokens + more));
        let past = f64::from(past);
        let prefill = |new_tokens| Phase::Prefill { batch: 1.0, new_tokens, past };
        let decode = |batch| Phase::Decode { batch, context: past + 1.0, tokens: 1.0 };
        let formats = Formats::uniform(NumberFormat::Bf16);
        for kind in 0..model.kinds.len() {
            for (less, greater) in [(prefill(few), prefill(many)), (decode(few), decode(many))] {
                let less = layer_operators(&model, kind, less, &shard);
                let greater = layer_operators(&model, kind, greater, &shard);
                prop_assert_eq!(less.len(), greater.len());
                for (a, b) in less.iter().zip(&greater) {
                    prop_assert!(a.ops().get() <= b.ops().get() * (1.0 + 1e-12));
                    let (a, b) = (a.elements().bytes(&formats), b.elements().bytes(&formats));
                    prop_assert!(a.get() <= b.get() * (1.0 + 1e-12));
                }
            }
        }
    }

    #[test]
    fn chunks_attend_to_as_much_as_the_whole(index in 0_usize..14, cut in 1_u32..8191) {
        let model = models().nth(index).unwrap();
        let (cut, all) = (f64::from(cut), 8192.0);
        let attention = |new_tokens, past| -> f64 {
            let phase = Phase::Prefill { batch: 1.0, new_tokens, past };
            let operators = layer_operators(&model, 0, phase, &Shard::SINGLE);
            let cores = operators.iter().filter(|op| matches!(op, Operator::Attention { .. }));
            cores.map(|op| op.ops().get()).sum()
        };
        let pieces = attention(cut, 0.0) + attention(all - cut, cut);
        prop_assert!(near(pieces, attention(all, 0.0), 1e-9));
    }
}

/// Operations of products with weights, and of attention.
fn products_and_attention(operators: &[Operator]) -> (f64, f64) {
    let split = operators.iter().map(|op| match op {
        Operator::Attention { ops, .. } => (0.0, ops.get()),
        other => (other.ops().get(), 0.0),
    });
    split.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn a_mixed_batch_computes_what_its_parts_compute_and_reads_weights_once() {
    let shard = Shard::serving(2, 2);
    let (prompts, new_tokens, past, decodes, context) = (2.0, 512.0, 1024.0, 48.0, 3000.0);
    let mixed = |prompts, decodes| Phase::Mixed {
        prompts,
        new_tokens,
        past,
        decodes,
        context,
        tokens: 1.0,
    };
    let prefill = Phase::Prefill {
        batch: prompts,
        new_tokens,
        past,
    };
    let decode = Phase::Decode {
        batch: decodes,
        context,
        tokens: 1.0,
    };
    for model in models() {
        for kind in 0..model.kinds.len() {
            let run = |phase| layer_operators(&model, kind, phase, &shard);
            assert_eq!(run(mixed(prompts, 0.0)), run(prefill));
            assert_eq!(run(mixed(0.0, decodes)), run(decode));
            let (whole, parts) = (run(mixed(prompts, decodes)), [run(prefill), run(decode)]);
            let (products, attention) = products_and_attention(&whole);
            let [a, b] = [&parts[0], &parts[1]].map(|part| products_and_attention(part));
            assert!(near(products, a.0 + b.0, 1e-9), "{}", model.name);
            assert!(near(attention, a.1 + b.1, 1e-9), "{}", model.name);
            let weights = |operators: &[Operator]| -> f64 {
                operators.iter().map(|op| op.elements().weights).sum()
            };
            let apart = weights(&parts[0]) + weights(&parts[1]);
            assert!(weights(&whole) < 0.8 * apart, "{}", model.name);
        }
    }
}

#[test]
fn weights_read_are_the_weights_held() {
    // Every matrix is read once forward; biases and norms are no operands of a product.
    for model in models() {
        for shard in [Shard::SINGLE, Shard::training(4, 1, 4)] {
            for kind in 0..model.kinds.len() {
                let operators = layer_operators(&model, kind, forward(4.0, 4096.0), &shard);
                let read: f64 = operators.iter().map(|op| op.elements().weights).sum();
                let held = model.layer_parameters_on_chip(kind, &shard);
                assert!(
                    near(read, held.dense + held.expert, 2e-3),
                    "{} {kind} {shard:?}",
                    model.name
                );
                let back = Phase::Backward {
                    batch: 4.0,
                    sequence: 4096.0,
                };
                let back = layer_operators(&model, kind, back, &shard);
                let written: f64 = back.iter().map(|op| op.elements().gradients).sum();
                assert!(near(written, read, 1e-12), "{} {kind}", model.name);
            }
        }
    }
}

#[test]
fn decoding_reads_the_cache_once() {
    for model in models() {
        for tp in [1, 2, 4] {
            let phase = Phase::Decode {
                batch: 3.0,
                context: 5000.0,
                tokens: 1.0,
            };
            for kind in 0..model.kinds.len() {
                let operators = layer_operators(&model, kind, phase, &Shard::serving(tp, 1));
                let attention = operators
                    .iter()
                    .find(|op| matches!(op, Operator::Attention { .. }));
                let read = attention.unwrap().elements().cache * 2.0;
                let held = model.kinds[kind]
                    .attention
                    .cache_bytes(NumberFormat::Bf16, tp, 5000.0);
                assert!(near(read, 3.0 * held.get(), 1e-12), "{} {tp}", model.name);
                let written: f64 = operators
                    .iter()
                    .map(|op| match op {
                        Operator::Elementwise { cache, .. } => *cache * 2.0,
                        _ => 0.0,
                    })
                    .sum();
                let one = model.kinds[kind]
                    .attention
                    .cache_bytes_per_token(NumberFormat::Bf16, tp);
                assert!(near(written, 3.0 * one.get(), 1e-12), "{} {tp}", model.name);
            }
        }
    }
}

#[test]
fn experts_are_grouped_balanced_and_touched() {
    let v3 = model("deepseek-v3");
    let expert = |phase, shard: &Shard| {
        let operators = layer_operators(&v3, 1, phase, shard);
        operators
            .iter()
            .find_map(|op| match *op {
                Operator::Gemm {
                    class: GemmClass::Expert,
                    pass: GemmPass::Forward,
                    m,
                    n,
                    k,
                    groups,
                } => Some((m, n, k, groups)),
                _ => None,
            })
            .unwrap()
    };
    let shard = Shard::training(2, 1, 64).with_imbalance(1.25);
    let (m, n, k, groups) = expert(forward(1.0, 4096.0), &shard);
    assert_eq!((m, n, k), (2048.0 * 8.0 * 1.25, 4096.0, 7168.0));
    assert!(near(groups, 4.0, 1e-9));
    // One token on one chip touches exactly its eight experts.
    let one = expert(
        Phase::Decode {
            batch: 1.0,
            context: 100.0,
            tokens: 1.0,
        },
        &Shard::SINGLE,
    );
    assert!(near(one.3, 8.0, 1e-12), "{}", one.3);
    // Four ranks, one token each: their four tokens may all come to this one.
    let four = expert(
        Phase::Decode {
            batch: 1.0,
            context: 100.0,
            tokens: 1.0,
        },
        &Shard::serving(1, 4),
    );
    assert!(near(four.3, touched_experts(64.0, 256.0, 8.0, 4.0), 1e-12));
    assert!(near(
        touched_experts(4.0, 256.0, 8.0, 64.0),
        4.0 * (1.0 - (31.0_f64 / 32.0).powi_64()),
        1e-12
    ));
}

/// The 64th power by squaring.
trait PowerOf64 {
    fn powi_64(self) -> f64;
}

impl PowerOf64 for f64 {
    fn powi_64(self) -> f64 {
        (0..6).fold(self, |power, _| power * power)
    }
}

#[test]
fn serving_computes_one_row_of_logits_a_sequence() {
    let llama = model("llama-3.1-8b");
    let rows = |phase| {
        let operators = head_operators(&llama, phase, &Shard::serving(8, 1));
        operators
            .iter()
            .find_map(|op| match *op {
                Operator::Gemm {
                    class: GemmClass::Head,
                    m,
                    n,
                    ..
                } => Some((m, n)),
                _ => None,
            })
            .unwrap()
    };
    let prefill = Phase::Prefill {
        batch: 2.0,
        new_tokens: 1000.0,
        past: 0.0,
    };
    assert_eq!(rows(prefill), (2.0, 16_032.0));
    assert_eq!(
        rows(Phase::Decode {
            batch: 7.0,
            context: 50.0,
            tokens: 1.0
        }),
        (7.0, 16_032.0)
    );
    assert_eq!(rows(forward(2.0, 1000.0)), (2000.0, 16_032.0));
    let embedding = embedding_operators(&llama, prefill, &Shard::serving(8, 1));
    assert!(matches!(
        embedding[0],
        Operator::Elementwise {
            what: ElementwiseKind::Embedding,
            ..
        }
    ));
}

#[test]
fn sequence_parallelism_splits_what_lies_between() {
    let llama = model("llama-3.1-70b");
    let read = |shard: &Shard, what| -> f64 {
        let operators = layer_operators(&llama, 0, forward(1.0, 4096.0), shard);
        operators
            .iter()
            .map(|op| match *op {
                Operator::Elementwise {
                    what: found, read, ..
                } if found == what => read,
                _ => 0.0,
            })
            .sum()
    };
    let (split, same) = (Shard::training(8, 1, 1), Shard::serving(8, 1));
    for what in [ElementwiseKind::Norm, ElementwiseKind::Residual] {
        assert!(near(read(&split, what) * 8.0, read(&same, what), 1e-12));
    }
    assert!(near(
        read(&split, ElementwiseKind::Activation),
        read(&same, ElementwiseKind::Activation),
        1e-12
    ));
}

#[test]
fn bytes_follow_the_formats() {
    let gemm = Operator::Gemm {
        class: GemmClass::FeedForward,
        pass: GemmPass::Forward,
        m: 10.0,
        n: 20.0,
        k: 30.0,
        groups: 1.0,
    };
    let bytes = gemm.elements().bytes(&Formats::linear(NumberFormat::Fp8));
    assert!(near(bytes.get(), 600.0 + 300.0 + 2.0 * 200.0, 1e-12));
}

#[test]
fn backward_moves_what_its_gradients_need() {
    let v3 = model("deepseek-v3");
    let backward = Phase::Backward {
        batch: 1.0,
        sequence: 4096.0,
    };
    let operators = layer_operators(&v3, 1, backward, &Shard::SINGLE);
    let core = operators
        .iter()
        .find(|op| matches!(op, Operator::Attention { .. }))
        .unwrap();
    let (rows, query, value) = (4096.0 * 128.0, 192.0, 128.0);
    let moved = core.elements();
    // Reads Q, O, dO and, as keys and values, K and V; writes dQ, dK, dV.
    assert!(near(moved.read, rows * (query + 2.0 * value), 1e-12));
    assert!(near(moved.cache, rows * (query + value), 1e-12));
    assert!(near(moved.written, rows * (2.0 * query + value), 1e-12));
    let elementwise = |wanted| -> Vec<(f64, f64)> {
        let found = operators.iter().filter_map(|op| match *op {
            Operator::Elementwise {
                what,
                read,
                written,
                ..
            } if what == wanted => Some((read / 4096.0, written / 4096.0)),
            _ => None,
        });
        found.collect()
    };
    let (h, copies) = (7168.0, 8.0 * 7168.0);
    assert_eq!(elementwise(ElementwiseKind::Dispatch), [(copies, h)]);
    assert_eq!(elementwise(ElementwiseKind::Combine), [(h, copies)]);
    assert_eq!(
        elementwise(ElementwiseKind::Residual),
        [(2.0 * h, h), (2.0 * h, h)]
    );
    let norms = elementwise(ElementwiseKind::Norm);
    assert_eq!(norms, [(2.0 * h, h), (4096.0, 2048.0), (2.0 * h, h)]);
    let activations = elementwise(ElementwiseKind::Activation);
    assert_eq!(
        activations,
        [(6144.0, 4096.0), (8.0 * 6144.0, 8.0 * 4096.0)]
    );
}
