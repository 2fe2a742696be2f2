//! Training over several sites: cases worked by hand, published losses, and what must always hold.

use chokepoint_train::{
    LocalPlan, Wan, break_even_inner_steps, diloco_loss_ratio, local_steps, synchronous_step,
    tokens_for_loss,
};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use proptest::prelude::*;

/// Two sites, 10 Gb/s and a round trip of 20 ms: the slow network of Charles et al. appendix A.3.
const SLOW: Wan = Wan {
    sites: 2,
    bandwidth: Bandwidth::new(1.25e9),
    round_trip: Seconds::new(0.02),
};

/// 10 billion parameters, 16 bits, every 100 steps, all at once.
const PLAIN: LocalPlan = LocalPlan {
    inner_steps: 100,
    parameters: 10e9,
    bits: 16.0,
    fragments: 1,
    overlap_steps: 0,
    tokens_multiplier: 1.0,
};

const STEP: Seconds = Seconds::new(4.0);

fn near(name: &str, value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() <= 1e-9,
        "{name}: {value} instead of {expected}"
    );
}

#[test]
fn an_all_reduce_over_the_ring() {
    // Two sites: each sends half and then the other half, 2.5 GB at 1.25 GB/s, and 2 x 10 ms.
    let two = SLOW.all_reduce(Bytes::new(2.5e9));
    near("two sites", two.get(), 2.0 + 0.02);
    // Five sites: 2 x 4/5 of it, and 8 messages.
    let five = Wan { sites: 5, ..SLOW }.all_reduce(Bytes::new(2.5e9));
    near("five sites", five.get(), 3.2 + 0.08);
    let one = Wan { sites: 1, ..SLOW }.all_reduce(Bytes::new(2.5e9));
    assert_eq!(one, Seconds::ZERO);
}

#[test]
fn a_synchronous_step_by_hand() {
    // 20 GB of 16-bit gradients: 16.02 s, of which 0.5 x 2.6 s hide.
    let gradients = Bytes::new(20e9);
    let run = |backward, overlap| {
        synchronous_step(&SLOW, gradients, STEP, Seconds::new(backward), overlap).unwrap()
    };
    let half = run(2.6, 0.5);
    near("exchange", half.exchange.get(), 16.02);
    near("exposed", half.exposed.get(), 14.72);
    near("step", half.step.get(), 18.72);
    near("lost", half.lost_share, 14.72 / 18.72);
    // Where computation abounds, the latency of the last gradients stays.
    let wide = Wan {
        bandwidth: Bandwidth::new(100e9),
        ..SLOW
    };
    let hidden = synchronous_step(&wide, gradients, STEP, Seconds::new(2.6), 1.0).unwrap();
    near("latency", hidden.exposed.get(), 0.02);
}

#[test]
fn local_steps_by_hand() {
    // 20 GB: 16.02 s after every 100 steps of 4 s.
    let plain = local_steps(&SLOW, &PLAIN, STEP).unwrap();
    near("exchange", plain.exchange.get(), 16.02);
    near("exposed", plain.exposed.get(), 16.02);
    near("step", plain.step.get(), 4.1602);
    near("lost", plain.lost_share, 0.1602 / 4.1602);
    // A twentieth more tokens for the same loss.
    let more = LocalPlan {
        tokens_multiplier: 1.05,
        ..PLAIN
    };
    let more = local_steps(&SLOW, &more, STEP).unwrap();
    near("equivalent", more.step_equivalent.get(), 4.36821);
    // Four fragments of 4 bits: 1.25 GB, 1.02 s each, under one step of 0.9 s.
    let streaming = LocalPlan {
        bits: 4.0,
        fragments: 4,
        overlap_steps: 1,
        ..PLAIN
    };
    let short = Seconds::new(0.9);
    let streamed = local_steps(&SLOW, &streaming, short).unwrap();
    near("exchange", streamed.exchange.get(), 4.08);
    near("exposed", streamed.exposed.get(), 0.48);
    near("step", streamed.step.get(), 0.9048);
    let hidden = local_steps(&SLOW, &streaming, STEP).unwrap();
    assert_eq!(hidden.exposed, Seconds::ZERO);
    assert_eq!(hidden.step, STEP);
}

#[test]
fn break_even_by_hand() {
    let gradients = Bytes::new(20e9);
    let synchronous = synchronous_step(&SLOW, gradients, STEP, Seconds::new(2.6), 0.5).unwrap();
    let even = |multiplier| {
        let plan = LocalPlan {
            tokens_multiplier: multiplier,
            ..PLAIN
        };
        break_even_inner_steps(&SLOW, &plan, STEP, &synchronous).unwrap()
    };
    // 16.02 / (18.72 - 4) = 1.09; at twice the tokens 32.04 / (18.72 - 8) = 2.99; at four times
    // 64.08 / (18.72 - 16) = 23.6; at five times the tokens cost more than the link.
    assert_eq!(even(1.0), Some(2));
    assert_eq!(even(2.0), Some(3));
    assert_eq!(even(4.0), Some(24));
    assert_eq!(even(5.0), None);
    let streaming = LocalPlan {
        fragments: 4,
        overlap_steps: 10,
        ..PLAIN
    };
    let even = break_even_inner_steps(&SLOW, &streaming, STEP, &synchronous).unwrap();
    assert_eq!(even, Some(40));
}

/// Charles et al. 2025, tables 4 (to 2.4B) and 5: losses of data parallelism and of 1, 2, 4 and 8
/// replicas.
#[test]
fn loss_ratios_are_near_the_published_ones() {
    let rows: [(f64, f64, &[f64]); 9] = [
        (35e6, 3.485, &[3.482, 3.508, 3.554, 3.621]),
        (90e6, 3.167, &[3.162, 3.182, 3.213, 3.265]),
        (180e6, 2.950, &[2.943, 2.957, 2.981, 3.019]),
        (335e6, 2.784, &[2.777, 2.788, 2.808, 2.841]),
        (550e6, 2.653, &[2.645, 2.657, 2.673, 2.698]),
        (1.3e9, 2.460, &[2.451, 2.464, 2.472, 2.493]),
        (2.4e9, 2.326, &[2.317, 2.323, 2.332, 2.351]),
        (4e9, 2.224, &[2.219, 2.220, 2.230]),
        (10e9, 2.090, &[2.086, 2.086, 2.096]),
    ];
    for (parameters, data_parallel, losses) in rows {
        for (loss, replicas) in losses.iter().zip([1, 2, 4, 8]) {
            let ratio = diloco_loss_ratio(parameters, replicas).unwrap();
            let error = ratio * data_parallel / loss - 1.0;
            let within = if parameters > 4e9 { 0.007 } else { 0.003 };
            assert!(error.abs() < within, "{parameters:e}, {replicas}: {error}");
        }
    }
    assert_eq!(diloco_loss_ratio(405e9, 2), None);
    assert_eq!(diloco_loss_ratio(1e9, 3), None);
    // A loss that falls as tokens^-0.1: a hundredth of loss is a tenth of tokens.
    near(
        "tokens",
        tokens_for_loss(1.01, 0.1).unwrap(),
        1.104_622_125_411_205,
    );
    near("none", tokens_for_loss(1.0, 0.05).unwrap(), 1.0);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |wan: Wan, plan: LocalPlan, words: &str| {
        let error = local_steps(&wan, &plan, STEP).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let no_bandwidth = Wan {
        bandwidth: Bandwidth::ZERO,
        ..SLOW
    };
    refused(no_bandwidth, PLAIN, "bandwidth of a site");
    refused(Wan { sites: 0, ..SLOW }, PLAIN, "sites");
    let with = |change: &dyn Fn(&mut LocalPlan)| {
        let mut plan = PLAIN;
        change(&mut plan);
        plan
    };
    refused(SLOW, with(&|p| p.inner_steps = 0), "inner steps");
    refused(SLOW, with(&|p| p.fragments = 0), "fragments");
    refused(
        SLOW,
        with(&|p| p.bits = f64::NAN),
        "bytes of the outer exchange",
    );
    refused(
        SLOW,
        with(&|p| p.tokens_multiplier = 0.0),
        "tokens multiplier",
    );
    let crowded = with(&|p| {
        p.fragments = 30;
        p.overlap_steps = 5;
    });
    refused(SLOW, crowded, "steps of overlap");
    let long = synchronous_step(&SLOW, Bytes::new(1.0), STEP, STEP * 2.0, 0.0);
    assert!(long.unwrap_err().to_string().contains("within the step"));
    assert!(tokens_for_loss(1.01, 0.0).is_err());
}

proptest! {
    #[test]
    fn more_of_a_link_is_never_slower(
        sites in 2..20_u64,
        gigabytes in 0.1..200.0_f64,
        round_trip in 0.0..0.3_f64,
        step in 0.1..60.0_f64,
        inner in 1..1000_u64,
        overlap in 0..3_u64,
        more in 1.0..10.0_f64,
    ) {
        let wan = Wan {
            sites,
            bandwidth: Bandwidth::new(gigabytes * 1e9),
            round_trip: Seconds::new(round_trip),
        };
        let wider = Wan { bandwidth: wan.bandwidth * more, ..wan };
        let step = Seconds::new(step);
        let plan = LocalPlan { inner_steps: inner.max(overlap), overlap_steps: overlap, ..PLAIN };
        let now = local_steps(&wan, &plan, step).unwrap();
        prop_assert!(local_steps(&wider, &plan, step).unwrap().step <= now.step);
        prop_assert!(now.step >= step && (0.0..1.0).contains(&now.lost_share));
        let rarer = LocalPlan { inner_steps: plan.inner_steps * 2, ..plan };
        prop_assert!(local_steps(&wan, &rarer, step).unwrap().step <= now.step);

        let gradients = Bytes::new(20e9);
        let sync = |wan: &Wan, overlap| synchronous_step(wan, gradients, step, step / 2.0, overlap);
        let synchronous = sync(&wan, 0.5).unwrap();
        prop_assert!(sync(&wider, 0.5).unwrap().step <= synchronous.step);
        prop_assert!(sync(&wan, 0.8).unwrap().step <= synchronous.step);

        // At the break-even local steps are as fast, one step earlier they are not.
        if let Some(even) = break_even_inner_steps(&wan, &plan, step, &synchronous).unwrap() {
            let at = |inner_steps| {
                local_steps(&wan, &LocalPlan { inner_steps, ..plan }, step).unwrap().step_equivalent
            };
            let slack = 1.0 + 1e-12;
            prop_assert!(at(even) <= synchronous.step * slack);
            if even > overlap.max(1) {
                prop_assert!(at(even - 1) * slack > synchronous.step);
            }
        }
    }
}
