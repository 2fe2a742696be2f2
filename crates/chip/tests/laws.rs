//! What the time and energy of kernels must always satisfy, and numbers by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::LazyLock;

use chokepoint_catalog::Catalog;
use chokepoint_chip::{
    Bound, CacheRead, ChipScale, ChipSpec, KernelClass, KernelTime, PowerDraw, Precision, Product,
    Scores,
};
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

const BF16: Precision = Precision::uniform(NumberFormat::Bf16, NumberFormat::Bf16);

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

/// Adds times that overlap in part: the n-th root of the sum of n-th powers.
fn norm(n: f64, times: [f64; 2]) -> f64 {
    libm::pow(times.iter().map(|t| libm::pow(*t, n)).sum(), 1.0 / n)
}

/// H100: 132 processors, 989.5 TFLOP/s, 3.35 TB/s; BF16 shares 0.856 and 0.877, 2.46 us, 140 of
/// depth; pieces of 3,182.
#[test]
fn products_by_hand() {
    let h100 = spec("h100-sxm");
    // A processor takes 2 x 64 x 64 x (k + 140) operations a tile at 6.417 TFLOP/s.
    let tile = |depth: f64| 8192.0 * (depth + 140.0) / (989.5e6 * 0.856 / 132.0);
    let memory = |elements: f64| 2.0 * elements / (3.35e6 * 0.877);
    // 128 x 128 tiles are 124.12 waves, counted as 124.56.
    let large = h100.operator(&product(8192.0, 8192.0, 8192.0), &BF16);
    let work = norm(
        3.0,
        [124.5606 * tile(8192.0), memory(3.0 * 8192.0 * 8192.0)],
    );
    near("large", micros(large), work + 2.46, 1e-5);
    assert_eq!(
        (large.bound, large.class),
        (Bound::Compute, KernelClass::Gemm)
    );
    // A row: 128 tiles of 64 rows in one wave; 132 processors share their depth, but 128 / 132 of
    // it is more than a piece.
    let row = h100.operator(&product(1.0, 8192.0, 8192.0), &BF16);
    let depth = 8192.0 * 128.0 / 132.0;
    let work = norm(3.0, [tile(depth), memory(8192.0 * 8194.0)]);
    near("row", micros(row), work + 2.46, 1e-5);
    assert_eq!(row.bound, Bound::Memory);
    // 8 tiles: idle processors share the depth down to pieces of 3,182.
    let few = h100.operator(&product(64.0, 512.0, 8192.0), &BF16);
    let work = norm(3.0, [tile(3182.0), memory(576.0 * 8192.0 + 64.0 * 512.0)]);
    near("few", micros(few), work + 2.46, 1e-5);
    // 512 x 512 weights: 0.8 us of work in 8 tiles.
    let tiny = h100.operator(&product(1.0, 512.0, 512.0), &BF16);
    near("tiny", micros(tiny), 0.83 + 2.46, 1e-2);
    assert_eq!(tiny.bound, Bound::Launch);
    // The head stays in 16 bits.
    let fp8 = Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16);
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

/// H100 FP8: shares 0.750 and 0.825, 4.24 us, 269 of depth; the input is narrowed at 0.622 of the
/// bandwidth, reading 2 bytes and writing 1; weights and inputs of 8 bits, results of 16.
#[test]
fn narrow_products_narrow_their_input() {
    let h100 = spec("h100-sxm");
    let fp8 = Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16);
    let size = 8192.0 * 8192.0;
    let compute = 124.5606 * 8192.0 * (8192.0 + 269.0) / (1979e6 * 0.750 / 132.0);
    let work = norm(3.0, [compute, 4.0 * size / (3.35e6 * 0.825)]);
    let narrowing = 3.0 * size / (3.35e6 * 0.622);
    let forward = product(8192.0, 8192.0, 8192.0);
    let time = micros(h100.operator(&forward, &fp8));
    near("FP8", time, work + narrowing + 4.24, 1e-5);
    // The operands of a weight gradient are there already; its results are 4 bytes.
    let gradient = h100.operator(&as_weight_gradient(forward), &fp8);
    let work = norm(3.0, [compute / 0.96, 6.0 * size / (3.35e6 * 0.825)]);
    near("gradient", micros(gradient), work + 4.24, 1e-5);
}

fn as_weight_gradient(mut operator: Operator) -> Operator {
    if let Operator::Gemm { pass, .. } = &mut operator {
        *pass = GemmPass::WeightGradient;
    }
    operator
}

/// An expert pays for whole tiles: 8 rows compute as long as 64. Forward, a group has m / groups
/// rows; in a weight gradient it has k / groups of depth.
#[test]
fn experts_pay_for_whole_tiles() {
    let h100 = spec("h100-sxm");
    let product = |rows, depth| Product {
        rows,
        columns: 2048.0,
        depth,
        groups: 64.0,
        bytes: Bytes::ZERO,
        narrowed: 0.0,
        efficiency: 1.0,
    };
    let time = |product: &Product| h100.gemm(product, NumberFormat::Bf16, true).total;
    assert_eq!(time(&product(8.0, 4096.0)), time(&product(64.0, 4096.0)));
    assert!(time(&product(65.0, 4096.0)) > time(&product(64.0, 4096.0)) * 1.5);
    // 64 groups of 32 x 32 tiles of the weights, 496.48 waves counted as 496.74; 0.856 of the
    // peak, 0.935 of the bandwidth, 140 of depth, 12.5 us.
    let expert = |pass, m, k| Operator::Gemm {
        class: GemmClass::Expert,
        pass,
        m,
        n: 2048.0,
        k,
        groups: 64.0,
    };
    let bytes = (2.0 * 4096.0 * 65_536.0) + 4.0 * 64.0 * 2048.0 * 2048.0;
    let gradient = expert(GemmPass::WeightGradient, 2048.0, 65_536.0);
    let compute = 496.7424 * 8192.0 * (1024.0 + 140.0) / (989.5e6 * 0.856 * 0.80 / 132.0);
    let work = norm(2.0, [compute, bytes / (3.35e6 * 0.935)]);
    near(
        "gradient",
        micros(h100.operator(&gradient, &BF16)),
        work + 12.5,
        1e-5,
    );
    // 65,536 rows over 64 experts: 16 x 32 tiles each, 248.24 waves counted as 248.62.
    let forward = expert(GemmPass::Forward, 65_536.0, 4096.0);
    let bytes = 2.0 * (65_536.0 * 6144.0 + 64.0 * 2048.0 * 4096.0);
    let compute = 248.6212 * 8192.0 * (4096.0 + 140.0) / (989.5e6 * 0.856 / 132.0);
    let work = norm(2.0, [compute, bytes / (3.35e6 * 0.935)]);
    near(
        "forward",
        micros(h100.operator(&forward, &BF16)),
        work + 12.5,
        1e-5,
    );
}

#[test]
fn attention_by_hand() {
    let h100 = spec("h100-sxm");
    // 32 heads of 8,192 queries: 2,048 tiles of 128 are 15.515 waves, counted as 15.758; half of the
    // keys are seen on average. 0.928 of the peak, 87 keys, 136 of width, 10.4 us.
    let scores = Scores {
        heads: 32.0,
        query: 8192.0,
        keys: 4096.0,
        width: 256.0,
        passes: 1.0,
        bytes: Bytes::new(1e6),
    };
    let compute = 15.7576 * 256.0 * 4183.0 * 392.0 / (989.5e6 * 0.928 / 132.0);
    let memory = 1.0 / (3.35 * 0.393);
    let forward = h100.prefill_attention(&scores);
    near(
        "prefill",
        micros(forward),
        norm(2.0, [compute, memory]) + 10.4,
        1e-5,
    );
    assert_eq!(
        (forward.bound, forward.class),
        (Bound::Compute, KernelClass::Prefill)
    );
    // 30.6 MB of cache reach 30.6 / (30.6 + 18.2) of 0.922 of 3.35 TB/s: 15.80 us. Two sequences and
    // key heads for each of 132 processors hold them 6.8 us.
    let read = |tiles: f64| {
        h100.decode_attention(&CacheRead {
            ops: Ops::new(1e6),
            bytes: Bytes::new(30.6e6),
            tiles,
            format: NumberFormat::Bf16,
        })
    };
    let cache = read(0.0);
    near("decode", micros(cache), 15.80 + 4.09, 1e-3);
    let held = libm::sqrt(15.80 * 15.80 + 6.8 * 6.8);
    near("tiles", micros(read(264.0)), held + 4.09, 1e-3);
    assert_eq!(
        (cache.bound, cache.class),
        (Bound::Memory, KernelClass::Decode)
    );
}

/// An elementwise kernel costs 1.8 us beside its bytes; adding to the residual stream is
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
    near("norm", micros(norm), 80.0 / 2.9815 + 1.8, 1e-4);
    assert_eq!(norm.bound, Bound::Memory);
    let residual = work(ElementwiseKind::Residual, 20e6);
    near("residual", micros(residual), 80.0 / 2.9815, 1e-4);
    assert_eq!(residual.bound, Bound::Memory);
    let small = work(ElementwiseKind::Norm, 1e3);
    near("small", micros(small), 1.8, 2e-3);
    assert_eq!(small.bound, Bound::Launch);
    assert_eq!(small.class, KernelClass::Stream);
}

/// Attention backward takes 2.5 times the operations at 63/73 of the rate of forward.
#[test]
fn attention_backward_is_less_efficient() {
    let h100 = spec("h100-sxm");
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
        micros(h100.operator(&operator, &BF16)) - 10.4
    };
    let forward = attention(AttentionPhase::Prefill, 1e12);
    near(
        "attention",
        attention(AttentionPhase::Backward, 2.5e12) / forward,
        2.5 * 73.0 / 63.0,
        2e-2,
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
    let work = Product {
        rows: 4096.0,
        columns: 4096.0,
        depth: 4096.0,
        groups: 1.0,
        bytes: Bytes::new(1e6),
        narrowed: 1e6,
        efficiency: 1.0,
    };
    for (id, narrow) in [
        ("ascend-910c", NumberFormat::Fp8),
        ("a100-80g-sxm", NumberFormat::Fp4),
        ("ascend-920", NumberFormat::Fp4),
        ("b300-sxm", NumberFormat::Int8),
    ] {
        let chip = spec(id);
        assert_eq!(chip.rate(narrow), chip.rate(chip.wide_format()), "{id}");
        for grouped in [false, true] {
            let wide = chip.gemm(&work, chip.wide_format(), grouped);
            assert_eq!(chip.gemm(&work, narrow, grouped), wide, "{id}");
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
        let power = |draw: PowerDraw| chip.energy(draw) / draw.time();
        let kernels = |compute: f64, memory: f64| {
            power(PowerDraw {
                busy: time,
                compute: time * compute,
                memory: time * memory,
                ..PowerDraw::default()
            })
        };
        let waiting = power(PowerDraw {
            waiting: time,
            ..PowerDraw::default()
        });
        let communicating = power(PowerDraw {
            communication: time,
            ..PowerDraw::default()
        });
        near(id, waiting.get(), chip.idle().get(), 1e-12);
        let rising = [
            waiting,
            kernels(0.0, 0.0),
            kernels(0.0, 0.5),
            kernels(0.2, 0.5),
            kernels(0.7, 0.5),
            kernels(1.0, 1.0),
        ];
        assert!(rising.is_sorted(), "{id}: {rising:?}");
        for power in rising.into_iter().chain([communicating]) {
            assert!(chip.idle() <= power && power <= chip.tdp, "{id}: {power}");
        }
        assert!(chip.energy(PowerDraw::default()).get() <= 0.0);
    }
}

/// Kernels measured alone, as shares of the limit (`aiconfigurator` tables with power; `tco.md` 3.2):
/// large products, decode attention at 0.85 of the bandwidth on H200 (which draws less than products at
/// the same bandwidth do; one share stands for both), grouped products on B200 with little traffic and
/// at 0.6 of the bandwidth.
#[test]
fn kernels_draw_what_was_measured() {
    for (chip, compute, memory, share, tolerance) in [
        ("h200-sxm", 0.75, 0.10, 0.98, 0.02),
        ("h200-sxm", 0.02, 0.85, 0.67, 0.25),
        ("b200-sxm", 0.75, 0.10, 0.98, 0.02),
        ("b200-sxm", 0.01, 0.05, 0.40, 0.20),
        ("b200-sxm", 0.05, 0.60, 0.92, 0.07),
    ] {
        let chip = spec(chip);
        let power = chip.energy(PowerDraw {
            busy: Seconds::new(1.0),
            compute: Seconds::new(compute),
            memory: Seconds::new(memory),
            ..PowerDraw::default()
        });
        near(&chip.id, power.get(), chip.tdp.get() * share, tolerance);
    }
}

/// Published kernels of H20, which is not in the tables behind the curves of H100: attention of 16 heads
/// of 128 over 2 x 2,048 tokens without a mask, 126 (`FlashAttention`-3) to 129 TFLOP/s (cuDNN)
/// (Dao-AILab/flash-attention, issue 1310); latent attention of 128 x 3 queries of 64 heads over 8,192
/// tokens, 129 (deepseek-ai/FlashMLA, issue 30).
#[test]
fn slower_tensor_units_leave_less_to_lose() {
    let rate = |ops: f64, time: KernelTime| ops / time.total.get() / 1e12;
    for (chip, attention, latent) in [("h20-96g", 127.0, 129.0), ("h20-141g", 127.0, 129.0)] {
        let chip = spec(chip);
        let pairs = 2.0 * 16.0 * 2048.0 * 2048.0;
        let prefill = chip.prefill_attention(&Scores {
            heads: 2.0 * 16.0,
            query: 2048.0,
            keys: 2048.0,
            width: 256.0,
            passes: 1.0,
            bytes: Bytes::new(4.0 * 2.0 * 2048.0 * 16.0 * 128.0 * 2.0),
        });
        near(
            &chip.id,
            rate(2.0 * pairs * 256.0, prefill),
            attention,
            0.10,
        );
        let ops = 2.0 * 128.0 * 3.0 * 64.0 * 8192.0 * (576.0 + 512.0);
        let decode = chip.latent_attention(&CacheRead {
            ops: Ops::new(ops),
            bytes: Bytes::new(128.0 * 8192.0 * 576.0 * 2.0),
            tiles: 128.0,
            format: NumberFormat::Bf16,
        });
        near(&chip.id, rate(ops, decode), latent, 0.10);
    }
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
    // H100 BF16: 0.046 x 1.282/0.674, nominal figures of grade A.
    let spread = spec("h100-sxm").spread(KernelClass::Gemm, NumberFormat::Bf16);
    near("H100", spread, 0.046 * 1.282 / 0.674, 1e-9);
}

#[test]
fn a_scale_moves_the_compute_share_within_reason() {
    for chip in SPECS.iter() {
        let large = product(65_536.0, 65_536.0, 65_536.0);
        let rate = chip.rate(chip.wide_format());
        let share = large.ops() / rate / chip.operator(&large, &BF16).total;
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
    (format(), format()).prop_map(|(linear, cache)| Precision::uniform(linear, cache))
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

    /// Larger caches never lower the bandwidth of attention over them.
    #[test]
    fn larger_caches_are_never_less_efficient(
        which in 0..SPECS.len(), cache in 1e3..1e10_f64, factor in 1.0..10.0_f64,
    ) {
        let chip = &SPECS[which];
        for format in NumberFormat::ALL {
            let rate = |cache: f64| {
                let read = CacheRead { ops: Ops::ZERO, bytes: Bytes::new(cache), tiles: 8.0, format };
                let times = [chip.decode_attention(&read), chip.latent_attention(&read)];
                times.map(|time| cache / time.total.get())
            };
            for (more, less) in rate(cache * factor).into_iter().zip(rate(cache)) {
                prop_assert!(more >= less * (1.0 - 1e-12));
            }
        }
    }

    /// A product that is larger in any of its sizes is never faster, nor is attention.
    #[test]
    fn more_work_is_never_faster(
        which in 0..SPECS.len(), sizes in prop::array::uniform4(0.0..16.0_f64), bytes in 0.0..36.0_f64,
        longer in 0..6_usize, factor in 1.0..4.0_f64, grouped in any::<bool>(),
        format in prop::sample::select(NumberFormat::ALL.to_vec()),
    ) {
        let chip = &SPECS[which];
        let [rows, columns, depth, groups] = sizes.map(libm::exp2);
        let base = [rows, columns, depth, groups, libm::exp2(bytes), rows * depth];
        let mut more = base;
        more[longer] *= factor;
        let times = |[rows, columns, depth, groups, bytes, narrowed]: [f64; 6]| {
            let bytes = Bytes::new(bytes);
            let product = Product { rows, columns, depth, groups, bytes, narrowed, efficiency: 1.0 };
            let scores = Scores { heads: rows, query: columns, keys: depth, width: groups, passes: 1.0, bytes };
            let ops = Ops::new(depth * rows * columns);
            let read = CacheRead { ops, bytes, tiles: groups, format };
            [
                chip.gemm(&product, format, grouped),
                chip.prefill_attention(&scores),
                chip.decode_attention(&read),
                chip.latent_attention(&read),
                chip.stream(bytes),
            ]
        };
        for (base, more) in times(base).iter().zip(times(more)) {
            prop_assert!(more.total >= base.total * (1.0 - 1e-12), "{base:?} {more:?}");
        }
    }

    /// No product beats the peak or the bandwidth.
    #[test]
    fn nothing_beats_the_limits(which in 0..SPECS.len(), operator in operator(), precision in precision()) {
        let chip = &SPECS[which];
        if let Operator::Gemm { .. } = operator {
            let fastest = NumberFormat::ALL.iter().filter_map(|format| chip.peak(*format));
            let peak = fastest.fold(chip.rate(chip.wide_format()), |best, rate| if rate > best { rate } else { best });
            prop_assert!(chip.operator(&operator, &precision).total >= operator.ops() / peak);
        }
    }
}
