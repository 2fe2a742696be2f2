//! Measured curves on rank counts that were not measured, and kernels beside them: hand-worked
//! examples, and what always holds.

#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::LazyLock;

use chokepoint_catalog::{Calibration, Catalog, Chip, CollectiveCurve, CollectiveKind, CurvePoint};
use chokepoint_fabric::{Fabric, FabricScale, Group};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use proptest::prelude::*;
use shared::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);
static SYSTEMS: LazyLock<Vec<String>> = LazyLock::new(|| CATALOG.systems.keys().cloned().collect());

const KINDS: [CollectiveKind; 4] = [
    CollectiveKind::AllReduce,
    CollectiveKind::AllGather,
    CollectiveKind::ReduceScatter,
    CollectiveKind::AllToAll,
];

fn measured_on(curves: &Calibration) -> Option<&'static Chip> {
    let mut chips = CATALOG.chips.values().map(|entry| &entry.value);
    chips.find(|chip| chip.calibration.curve == curves.id && !chip.calibration.borrowed)
}

fn run(fabric: &Fabric, kind: CollectiveKind, group: Group, size: f64) -> f64 {
    let size = Bytes::new(size);
    let time = match kind {
        CollectiveKind::AllReduce => fabric.all_reduce(group, size),
        CollectiveKind::AllGather => fabric.all_gather(group, size),
        CollectiveKind::ReduceScatter => fabric.reduce_scatter(group, size),
        CollectiveKind::AllToAll => fabric.all_to_all(group, size),
    };
    time.get()
}

fn near(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value / expected - 1.0).abs() <= tolerance,
        "{what}: {value} instead of {expected}"
    );
}

/// A single curve of 8 ranks carried to others and to half the link: no second step count tells the
/// time of a hop, so that the latency stays; the rest goes by the shares of the message, n - 1 and
/// half of the own one, and by the rate of the link.
#[test]
fn a_single_curve_carries_by_bytes() {
    let chip = CATALOG.chip("h100-sxm").unwrap();
    let mut curves = CATALOG.calibration("h100-sxm").unwrap().clone();
    curves
        .collective
        .retain(|curve| curve.ranks == 8 && curve.kind == CollectiveKind::AllGather);
    let mut system = CATALOG.system("hgx-h100").unwrap().clone();
    let network = CATALOG.network("ib-ndr-400g").unwrap();
    let curve = &curves.collective[0];
    let point = curve.points[curve.points.len() - 1];
    let latency = curve.latency.get();
    let rest = point.size.get() * 7.0 / 8.0 / point.bus.get() - latency;
    for link in [1.0, 2.0] {
        system.domain.bandwidth.value = Bandwidth::new(450e9 / link);
        let fabric = Fabric::new(&system, network, &curves, Some(chip));
        // (3.5/4) and (1.5/2) of (7.5/8).
        for (ranks, bytes) in [(4, 14.0 / 15.0), (2, 0.8), (8, 1.0)] {
            let group = Group::adjacent(ranks);
            let time = run(&fabric, CollectiveKind::AllGather, group, point.size.get());
            let expected = latency + rest * bytes * link;
            near(&format!("{ranks} ranks"), time, expected, 1e-9);
        }
    }
}

/// A measured curve as nccl-tests would print it: a latency and some seconds of a byte.
fn made_up(kind: CollectiveKind, ranks: u64, latency: f64, per_byte: f64) -> CollectiveCurve {
    let share = (ranks - 1) as f64 / ranks as f64;
    let factor = if kind == CollectiveKind::AllReduce {
        2.0 * share
    } else {
        share
    };
    let points = [1e6, 1e9].map(|size| CurvePoint {
        size: Bytes::new(size),
        bus: Bandwidth::new(size * factor / (latency + size * per_byte)),
    });
    CollectiveCurve {
        kind,
        ranks,
        top_k: None,
        latency: Seconds::new(latency),
        source: "made-up".to_owned(),
        points: points.into(),
    }
}

/// By hand: launch 4 us and 1 us a hop, 100 GB/s, the own share at half. All-gather takes n - 1
/// hops and (n - 1/2)/n of the message, all-reduce 2(n - 1) hops and (2n - 3/2)/n.
#[test]
fn curves_carry_by_hops_and_shares() {
    let chip = CATALOG.chip("h100-sxm").unwrap();
    let mut curves = CATALOG.calibration("h100-sxm").unwrap().clone();
    let gather = |ranks: u64, hops: f64, share: f64| {
        made_up(
            CollectiveKind::AllGather,
            ranks,
            (4.0 + hops) * 1e-6,
            share / 100e9,
        )
    };
    let reduce = |ranks: u64, slower: f64| {
        let (hops, share) = (2.0 * (ranks - 1) as f64, (2 * ranks) as f64 - 1.5);
        let per_byte = slower * share / ranks as f64 / 100e9;
        made_up(
            CollectiveKind::AllReduce,
            ranks,
            (4.0 + hops) * 1e-6,
            per_byte,
        )
    };
    let system = CATALOG.system("hgx-h100").unwrap();
    let network = CATALOG.network("ib-ndr-400g").unwrap();
    let mut time = |measured: Vec<CollectiveCurve>, kind, ranks| {
        curves.collective = measured;
        let fabric = Fabric::new(system, network, &curves, Some(chip));
        run(&fabric, kind, Group::adjacent(ranks), 1e9)
    };
    let known = || vec![gather(2, 1.0, 0.75), gather(4, 3.0, 0.875), reduce(4, 1.0)];
    // 8 ranks: 4 + 7 us and 7.5/8 of 10 ms; 4 + 14 us and 14.5/8 of it. 2 ranks: 4 + 2, 2.5/2.
    let eight = time(known(), CollectiveKind::AllGather, 8);
    near("all-gather of 8", eight, 11e-6 + 9.375e-3, 1e-9);
    let eight = time(known(), CollectiveKind::AllReduce, 8);
    near("all-reduce of 8", eight, 18e-6 + 18.125e-3, 1e-9);
    let two = time(known(), CollectiveKind::AllReduce, 2);
    near("all-reduce of 2", two, 6e-6 + 12.5e-3, 1e-9);
    // 4 lies half way from 2 to 8: the geometric mean of both carried, 10 us and 6.5/4 of 10 ms,
    // that of 8 a fifth slower.
    let mut measured = known();
    measured.pop();
    measured.extend([gather(8, 7.0, 0.9375), reduce(2, 1.0), reduce(8, 1.2)]);
    let four = time(measured, CollectiveKind::AllReduce, 4);
    let mixed = libm::sqrt((10e-6 + 16.25e-3) * (10e-6 + 19.5e-3));
    near("all-reduce of 4", four, mixed, 1e-9);
}

/// By hand: 1 us at two ranks, 0.5 us for each further peer, half of 450 GB/s; 4 ranks read 3
/// messages.
#[test]
fn a_kernel_of_one_step_by_hand() {
    let chip = CATALOG.chip("h100-sxm").unwrap();
    let mut curves = CATALOG.calibration("h100-sxm").unwrap().clone();
    let kernel = curves.one_shot.as_mut().unwrap();
    kernel.launch = Seconds::new(1e-6);
    kernel.peer = Seconds::new(0.5e-6);
    kernel.share = 0.5;
    let system = CATALOG.system("hgx-h100").unwrap();
    let network = CATALOG.network("ib-ndr-400g").unwrap();
    let fabric = Fabric::new(system, network, &curves, Some(chip));
    let time = |ranks, size| {
        let group = Group::adjacent(ranks);
        (
            fabric.all_reduce_one_shot(group, Bytes::new(size)).get(),
            fabric.all_reduce(group, Bytes::new(size)).get(),
        )
    };
    // 1 + 2 x 0.5 us, then 3 x 225 kB at 225 GB/s.
    near("4 ranks", time(4, 225e3).0, 5e-6, 1e-9);
    // 8 ranks would read 7 GB: the library is faster. Across domains it is all there is.
    for (ranks, size) in [(8, 1e9), (16, 225e3)] {
        let (kernel, library) = time(ranks, size);
        near("library", kernel, library, 1e-12);
    }
}

/// A size from 1 B to 64 GiB, even in its logarithm.
fn size() -> impl Strategy<Value = f64> {
    (0.0..36.0_f64).prop_map(libm::exp2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without the curves of a rank count the carried times stay positive and rise with the size, on
    /// any rank count, and more bandwidth does not slow them.
    #[test]
    fn carried_curves_keep_the_laws(
        which in 0..SYSTEMS.len(), left_out in prop_oneof![Just(2_u64), Just(4), Just(8), Just(72)],
        ranks in 2_u64..=384, size in size(), factor in 1.0..4.0_f64, wider in 1.0..8.0_f64,
    ) {
        let system = CATALOG.system(&SYSTEMS[which]).unwrap();
        let network = CATALOG.network(&system.scale_out.network).unwrap();
        let chip = CATALOG.chip(&system.chip).unwrap();
        let mut curves = CATALOG.calibration(&chip.calibration.curve).unwrap().clone();
        curves.collective.retain(|curve| curve.ranks != left_out);
        let fabric = Fabric::new(system, network, &curves, measured_on(&curves));
        let better = fabric.scaled(FabricScale { domain_bandwidth: wider, ..FabricScale::default() });
        let group = Group::adjacent(ranks);
        for kind in KINDS {
            let time = run(&fabric, kind, group, size);
            prop_assert!(time > 0.0 && time.is_finite(), "{kind:?}: {time}");
            prop_assert!(run(&fabric, kind, group, size * factor) >= time);
            prop_assert!(run(&better, kind, group, size) <= time * (1.0 + 1e-12));
        }
    }
}
