//! What the time and energy of kernels must always satisfy, and numbers by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::LazyLock;

use chokepoint_catalog::Catalog;
use chokepoint_chip::{Bound, ChipScale, ChipSpec, KernelClass, KernelTime, PowerDraw, Precision};
use chokepoint_model::{AttentionPhase, ElementwiseKind, GemmClass, GemmPass, Operator};
use chokepoint_units::{Bytes, NumberFormat, Ops, Power, Seconds};
use proptest::prelude::*;
use shared::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

/// Every chip whose figures suffice.
static SPECS: LazyLock<Vec<ChipSpec>> = LazyLock::new(|| {
    let ids = CATALOG.chips.keys();
    ids.filter_map(|id| resolve(id).ok()).collect()
});

fn resolve(id: &str) -> Result<ChipSpec, String> {
    let chip = CATALOG.chip(id).unwrap();
    let curves = CATALOG.calibration(&chip.calibration.curve).unwrap();
    ChipSpec::new(chip, curves).map_err(|error| error.message)
}

fn spec(id: &str) -> ChipSpec {
    resolve(id).unwrap()
}

const BF16: Precision = Precision {
    linear: NumberFormat::Bf16,
    cache: NumberFormat::Bf16,
};

fn product(m: f64, n: f64, k: f64) -> Operator {
    Operator::Gemm {
        class: GemmClass::FeedForward,
        pass: GemmPass::Forward,
        m,
        n,
        k,
        groups: 1.0,
    }
}

fn near(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value / expected - 1.0).abs() <= tolerance,
        "{what}: {value} instead of {expected}"
    );
}

fn micros(time: KernelTime) -> f64 {
    time.total.get() * 1e6
}

/// H100: 989.5 TFLOP/s, 3.35 TB/s; BF16 shares 0.807 and 0.873, 3.77 us.
#[test]
fn rooflines_by_hand() {
    let h100 = spec("h100-sxm");
    // 2 x 8192^3 = 1.0995 TFLOP at 798.5 TFLOP/s take 1,376.9 us.
    let large = h100.operator(&product(8192.0, 8192.0, 8192.0), &BF16);
    near("large", micros(large), 1376.9 + 3.77, 1e-4);
    assert_eq!(
        (large.bound, large.class),
        (Bound::Compute, KernelClass::Gemm)
    );
    // A row: 67,108,864 weights, 8,192 in and out, 2 bytes each: 134.25 MB at 2.9246 TB/s.
    let row = h100.operator(&product(1.0, 8192.0, 8192.0), &BF16);
    near("row", micros(row), 45.904 + 3.77, 1e-4);
    assert_eq!(row.bound, Bound::Memory);
    // 512 x 512 weights: 0.18 us of work.
    let tiny = h100.operator(&product(1.0, 512.0, 512.0), &BF16);
    near("tiny", micros(tiny), 0.18 + 3.77, 2e-3);
    assert_eq!(tiny.bound, Bound::Launch);
    // FP8 weights and inputs, 16-bit results; FP8 shares 0.556 of 1,979 TFLOP/s, 6.37 us.
    let fp8 = Precision {
        linear: NumberFormat::Fp8,
        ..BF16
    };
    let narrow = h100.operator(&product(8192.0, 8192.0, 8192.0), &fp8);
    near(
        "FP8",
        micros(narrow),
        1e6 * 1.099_511_6 / 1100.324 + 6.37,
        1e-4,
    );
    // The head stays in 16 bits.
    let head = Operator::Gemm {
        class: GemmClass::Head,
        pass: GemmPass::Forward,
        m: 64.0,
        n: 128_000.0,
        k: 8192.0,
        groups: 1.0,
    };
    assert_eq!(h100.operator(&head, &fp8), h100.operator(&head, &BF16));
}

#[test]
fn attention_by_hand() {
    let h100 = spec("h100-sxm");
    // 1,633 query tokens reach half of 0.838 of the peak: 414.6 TFLOP/s.
    let half = h100.prefill_attention(Ops::new(1e12), Bytes::new(1e6), 1633.0);
    near("prefill", micros(half), 1e6 / 414.6 + 3.77, 1e-3);
    assert_eq!(
        (half.bound, half.class),
        (Bound::Compute, KernelClass::Prefill)
    );
    // 30.6 MB of cache reach half of 0.879 of 3.35 TB/s: 20.8 us.
    let cache = h100.decode_attention(Ops::new(1e6), Bytes::new(30.6e6), NumberFormat::Bf16);
    near("decode", micros(cache), 30.6 / 1.4723 + 3.77, 1e-3);
    assert_eq!(
        (cache.bound, cache.class),
        (Bound::Memory, KernelClass::Decode)
    );
}

/// An elementwise kernel costs half the fixed time of a product; adding to the residual stream is
/// part of the norm that follows, so that it costs its bytes alone.
#[test]
fn elementwise_by_hand() {
    let h100 = spec("h100-sxm");
    let work = |what, elements| {
        let operator = Operator::Elementwise {
            what,
            read: elements,
            written: elements,
            cache: 0.0,
        };
        h100.operator(&operator, &BF16)
    };
    // 40 MB in 16 bits: 80 MB moved at 0.89 of 3.35 TB/s.
    let norm = work(ElementwiseKind::Norm, 20e6);
    near("norm", micros(norm), 80.0 / 2.9815 + 3.77 / 2.0, 1e-4);
    assert_eq!(norm.bound, Bound::Memory);
    let residual = work(ElementwiseKind::Residual, 20e6);
    near("residual", micros(residual), 80.0 / 2.9815, 1e-4);
    assert_eq!(residual.bound, Bound::Memory);
    let small = work(ElementwiseKind::Norm, 1e3);
    near("small", micros(small), 3.77 / 2.0, 2e-3);
    assert_eq!(small.bound, Bound::Launch);
    assert_eq!(small.class, KernelClass::Stream);
}

/// Weight gradients reach 0.94 of the rate of the other products, grouped ones 0.80; attention
/// backward 63/73 of forward.
#[test]
fn backward_kernels_are_less_efficient() {
    let h100 = spec("h100-sxm");
    let gemm = |class, pass| {
        let operator = Operator::Gemm {
            class,
            pass,
            m: 8192.0,
            n: 8192.0,
            k: 8192.0,
            groups: 1.0,
        };
        let launch = if class == GemmClass::Expert {
            12.4
        } else {
            3.77
        };
        micros(h100.operator(&operator, &BF16)) - launch
    };
    let dense = |pass| gemm(GemmClass::FeedForward, pass);
    near(
        "dense",
        dense(GemmPass::Forward) / dense(GemmPass::WeightGradient),
        0.94,
        1e-6,
    );
    near(
        "data",
        dense(GemmPass::Forward),
        dense(GemmPass::DataGradient),
        1e-12,
    );
    let grouped = |pass| gemm(GemmClass::Expert, pass);
    near(
        "grouped",
        grouped(GemmPass::Forward) / grouped(GemmPass::WeightGradient),
        0.80,
        1e-6,
    );
    let attention = |phase, ops: f64| {
        let operator = Operator::Attention {
            phase,
            batch: 1.0,
            query_tokens: 8192.0,
            context: 8192.0,
            heads: 64.0,
            kv_heads: 8.0,
            qk_dim: 128.0,
            value_dim: 128.0,
            causal: true,
            window: None,
            ops: Ops::new(ops),
            cache_elements: 1e6,
        };
        micros(h100.operator(&operator, &BF16)) - 3.77
    };
    let forward = attention(AttentionPhase::Prefill, 1e12);
    near(
        "attention",
        forward / attention(AttentionPhase::Backward, 1e12),
        63.0 / 73.0,
        1e-6,
    );
}

/// Chips with enough figures resolve; the others say which one is missing.
#[test]
fn chips_resolve_or_say_what_is_missing() {
    let mut missing = Vec::new();
    for (id, entry) in &CATALOG.chips {
        let chip = &entry.value;
        let has_wide = chip.peak.contains_key(&NumberFormat::Bf16)
            || chip.peak.contains_key(&NumberFormat::Fp16);
        let wanted = [
            ("memory.capacity", chip.usable_memory().is_some()),
            ("memory.bandwidth", chip.memory.bandwidth.is_some()),
            ("tdp", chip.tdp.is_some()),
            ("peak.bf16", has_wide),
        ];
        let first = wanted.iter().find(|(_, known)| !known);
        match (resolve(id), first) {
            (Ok(spec), None) => {
                assert_eq!(spec.id, *id);
                assert!(spec.capacity.get() > 0.0 && spec.bandwidth.get() > 0.0);
                assert!(spec.rate(spec.wide_format()).get() > 0.0, "{id}");
            }
            (Err(message), Some((field, _))) => {
                assert!(
                    message.contains(field) && message.contains(id.as_str()),
                    "{message}"
                );
                missing.push(id.clone());
            }
            (found, wanted) => panic!("{id}: {found:?}, missing {wanted:?}"),
        }
    }
    assert!(SPECS.len() >= 34 && !missing.is_empty(), "{missing:?}");
    for system in CATALOG.systems.values() {
        assert!(resolve(&system.value.chip).is_ok(), "{}", system.value.id);
    }
}

#[test]
fn best_formats() {
    use NumberFormat::{Bf16, Fp4, Fp8, Fp16, Int8};
    let best = |id: &str, wanted: &[NumberFormat]| spec(id).best_format(wanted);
    assert_eq!(best("b200-sxm", &[Fp4, Fp8]), Fp4);
    assert_eq!(best("h100-sxm", &[Fp4, Fp8]), Fp8);
    assert_eq!(best("a100-80g-sxm", &[Fp8, Int8]), Int8);
    assert_eq!(best("a100-80g-sxm", &[Fp4, Fp8]), Bf16);
    assert_eq!(best("ascend-910c", &[Fp8]), Bf16);
    assert_eq!(
        best("h100-sxm", &[Fp16, Fp8]),
        Fp16,
        "the first that exists"
    );
    // Blackwell Ultra cut INT8 to 0.15 POP/s.
    assert_eq!(best("b300-sxm", &[Int8]), Bf16);
    assert_eq!(best("h100-sxm", &[]), Bf16);
}

/// A format without fast arithmetic runs in 16 bits: neither its rate nor its efficiency is that of
/// hardware which the chip lacks.
#[test]
fn formats_without_hardware_run_in_sixteen_bits() {
    let (ops, bytes) = (Ops::new(1e12), Bytes::new(1e6));
    for (id, narrow) in [
        ("ascend-910c", NumberFormat::Fp8),
        ("a100-80g-sxm", NumberFormat::Fp4),
        ("ascend-920", NumberFormat::Fp4),
        ("b300-sxm", NumberFormat::Int8),
    ] {
        let chip = spec(id);
        assert_eq!(chip.rate(narrow), chip.rate(chip.wide_format()), "{id}");
        for grouped in [false, true] {
            let wide = chip.gemm(ops, bytes, chip.wide_format(), grouped);
            assert_eq!(chip.gemm(ops, bytes, narrow, grouped), wide, "{id}");
        }
    }
}

#[test]
fn energy_lies_between_idle_and_design_power() {
    let time = Seconds::new(10.0);
    for chip in SPECS.iter() {
        let id = &chip.id;
        assert!(
            chip.idle() > Power::ZERO && chip.idle() <= chip.tdp / 3.0,
            "{id}"
        );
        let draw = |compute, memory, communication| {
            let energy = chip.energy(PowerDraw {
                compute,
                memory,
                communication,
            });
            energy / time
        };
        let zero = Seconds::ZERO;
        let powers = [
            draw(time, zero, zero),
            draw(zero, time, zero),
            draw(zero, zero, time),
        ];
        for power in powers {
            assert!(chip.idle() <= power && power <= chip.tdp, "{id}: {power}");
        }
        assert!(
            powers[0] >= powers[1] && powers[1] >= powers[2],
            "{id}: {powers:?}"
        );
        let parts: Power = powers.into_iter().sum();
        near(id, draw(time, time, time).get(), parts.get(), 1e-12);
        assert!(chip.energy(PowerDraw::default()).get() <= 0.0);
    }
    // H100: 0.98 of 700 W for a second.
    let second = PowerDraw {
        compute: Seconds::new(1.0),
        ..PowerDraw::default()
    };
    near("H100", spec("h100-sxm").energy(second).get(), 686.0, 1e-9);
}

const CLASSES: [KernelClass; 5] = [
    KernelClass::Gemm,
    KernelClass::GroupedGemm,
    KernelClass::Prefill,
    KernelClass::Decode,
    KernelClass::Stream,
];

#[test]
fn spreads_are_positive_and_wider_when_borrowed() {
    for chip in SPECS.iter() {
        let mut own = chip.clone();
        own.borrowed = false;
        let mut borrowed = chip.clone();
        borrowed.borrowed = true;
        for class in CLASSES {
            for format in NumberFormat::ALL {
                let (own, borrowed) = (own.spread(class, format), borrowed.spread(class, format));
                let what = format!("{} {class:?} {format}: {own} {borrowed}", chip.id);
                assert!(own > 0.0 && own < 1.0, "{what}");
                assert!(borrowed > own && borrowed <= own + 0.15, "{what}");
            }
        }
    }
    // H100 BF16: 0.058 x 1.282/0.674, nominal figures of grade A.
    let spread = spec("h100-sxm").spread(KernelClass::Gemm, NumberFormat::Bf16);
    near("H100", spread, 0.058 * 1.282 / 0.674, 1e-9);
}

#[test]
fn a_scale_moves_the_compute_share_within_reason() {
    for chip in SPECS.iter() {
        let ops = Ops::new(1e15);
        let time = chip.gemm(ops, Bytes::ZERO, chip.wide_format(), false).total;
        let share = ops / chip.rate(chip.wide_format()) / time;
        assert!((0.2..=0.98).contains(&share), "{}: {share}", chip.id);
    }
}

fn operator() -> impl Strategy<Value = Operator> {
    let size = || (0.0..14.0_f64).prop_map(libm::exp2);
    let class = prop_oneof![
        Just(GemmClass::Attention),
        Just(GemmClass::FeedForward),
        Just(GemmClass::Expert),
        Just(GemmClass::Head),
    ];
    let pass = prop_oneof![
        Just(GemmPass::Forward),
        Just(GemmPass::DataGradient),
        Just(GemmPass::WeightGradient),
    ];
    let phase = prop_oneof![
        Just(AttentionPhase::Prefill),
        Just(AttentionPhase::Decode),
        Just(AttentionPhase::Backward),
    ];
    let what = prop_oneof![Just(ElementwiseKind::Norm), Just(ElementwiseKind::Residual)];
    prop_oneof![
        (class, pass, size(), size(), size(), 1.0..256.0_f64).prop_map(
            |(class, pass, m, n, k, groups)| Operator::Gemm {
                class,
                pass,
                m,
                n,
                k,
                groups
            }
        ),
        (phase, size(), size(), 0.0..45.0_f64, 0.0..36.0_f64).prop_map(
            |(phase, batch, query_tokens, ops, cache)| Operator::Attention {
                phase,
                batch,
                query_tokens,
                context: query_tokens,
                heads: 32.0,
                kv_heads: 8.0,
                qk_dim: 128.0,
                value_dim: 128.0,
                causal: true,
                window: None,
                ops: Ops::new(libm::exp2(ops)),
                cache_elements: libm::exp2(cache),
            }
        ),
        (what, 0.0..34.0_f64).prop_map(|(what, elements)| Operator::Elementwise {
            what,
            read: libm::exp2(elements),
            written: libm::exp2(elements),
            cache: 0.0,
        }),
    ]
}

fn precision() -> impl Strategy<Value = Precision> {
    let format = || prop::sample::select(NumberFormat::ALL.to_vec());
    (format(), format()).prop_map(|(linear, cache)| Precision { linear, cache })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// More compute, more bandwidth or shorter launches are never slower; time is positive.
    #[test]
    fn more_is_never_slower(
        which in 0..SPECS.len(), operator in operator(), precision in precision(),
        compute in 1.0..8.0_f64, bandwidth in 1.0..8.0_f64, launch in 0.0..1.0_f64,
    ) {
        let chip = &SPECS[which];
        let better = chip.scaled(ChipScale { compute, bandwidth, launch, capacity: 1.0 });
        let (before, after) = (chip.operator(&operator, &precision), better.operator(&operator, &precision));
        prop_assert!(after.total.get() > 0.0 && before.total.get().is_finite());
        prop_assert!(after.total <= before.total * (1.0 + 1e-12), "{before:?} {after:?}");
        prop_assert_eq!(before.class, after.class);
    }

    /// Twice of everything takes half the time; the bound names the resource that helps.
    #[test]
    fn scaling_is_exact(which in 0..SPECS.len(), operator in operator(), precision in precision()) {
        let chip = &SPECS[which];
        let twice = chip.scaled(ChipScale { compute: 2.0, bandwidth: 2.0, launch: 0.5, capacity: 2.0 });
        let time = chip.operator(&operator, &precision);
        let half = twice.operator(&operator, &precision);
        prop_assert!((half.total * 2.0 / time.total - 1.0).abs() < 1e-12);
        prop_assert_eq!(half.bound, time.bound);
        prop_assert_eq!(&chip.scaled(ChipScale::default()), chip);
        let only = |scale| chip.scaled(scale).operator(&operator, &precision).total;
        let helps = match time.bound {
            Bound::Compute => only(ChipScale { compute: 1.1, ..ChipScale::default() }),
            Bound::Memory => only(ChipScale { bandwidth: 1.1, ..ChipScale::default() }),
            Bound::Launch => only(ChipScale { launch: 0.9, ..ChipScale::default() }),
        };
        prop_assert!(helps < time.total, "{time:?}");
    }

    /// Longer queries never lower the rate of attention, larger caches never the bandwidth.
    #[test]
    fn larger_attention_is_never_less_efficient(
        which in 0..SPECS.len(), query in 1.0..1e5_f64, cache in 1e3..1e10_f64, factor in 1.0..10.0_f64,
    ) {
        let chip = &SPECS[which];
        let prefill = |query| chip.prefill_attention(Ops::new(1e12), Bytes::ZERO, query).total;
        prop_assert!(prefill(query * factor) <= prefill(query));
        for format in NumberFormat::ALL {
            let rate = |cache: f64| cache / chip.decode_attention(Ops::ZERO, Bytes::new(cache), format).total.get();
            prop_assert!(rate(cache * factor) >= rate(cache) * (1.0 - 1e-12));
        }
    }

    /// More operations or bytes are never faster.
    #[test]
    fn more_work_is_never_faster(
        which in 0..SPECS.len(), ops in 0.0..45.0_f64, bytes in 0.0..36.0_f64, factor in 1.0..4.0_f64,
        grouped in any::<bool>(), format in prop::sample::select(NumberFormat::ALL.to_vec()),
    ) {
        let chip = &SPECS[which];
        let (ops, bytes) = (Ops::new(libm::exp2(ops)), Bytes::new(libm::exp2(bytes)));
        let kernels = |ops, bytes| [
            chip.gemm(ops, bytes, format, grouped),
            chip.prefill_attention(ops, bytes, 1000.0),
            chip.decode_attention(ops, bytes, format),
            chip.stream(bytes),
        ];
        let base = kernels(ops, bytes);
        for more in [kernels(ops * factor, bytes), kernels(ops, bytes * factor)] {
            for (base, more) in base.iter().zip(more) {
                prop_assert!(more.total >= base.total * (1.0 - 1e-12), "{base:?} {more:?}");
            }
        }
    }
}
