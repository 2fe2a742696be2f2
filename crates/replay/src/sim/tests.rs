//! What holds inside a replay at its end.

use chokepoint_units::Seconds;
use proptest::prelude::*;

use super::{Load, Sim};
use crate::config::{Engine, Fleet, Preemption, RandomFailures};
use crate::request::{Record, Request};
use crate::step::Affine;
use crate::synthetic::{Lengths, Process, Synthetic};

const TIME: Affine = Affine::MADE_UP;

#[test]
fn memory_follows_the_requests_at_once_not_their_number() {
    let fleet = Fleet::of(1, Engine::with_blocks(16_384), &TIME);
    let synthetic = Synthetic {
        requests: 100_000,
        process: Process::AtOnce,
        input: Lengths::from_share(512, 0.8),
        output: Lengths::from_share(64, 0.8),
        seed: 1,
    };
    let load = Load::Closed {
        requests: synthetic.draw().unwrap(),
        concurrency: 64,
    };
    let mut observer = |_: &Record| {};
    let mut sim = Sim::new(&fleet, load, &mut observer).unwrap();
    sim.run().unwrap();
    assert!(sim.live.places() <= 64, "{}", sim.live.places());
    assert!(sim.instances[0].entries() <= 64 + 64);
    assert!(sim.timers.is_empty() && sim.restless.capacity() <= 64);
}

proptest! {
    #[test]
    fn blocks_and_tokens_all_come_back(
        blocks in 40_u64..200, rate in 1.0..60.0_f64, swap in any::<bool>(), failing in any::<bool>(),
        seed in any::<u64>(), families in 1_u64..6,
    ) {
        let preemption = if swap {
            Preemption::Swap { host_blocks: 30, block_time: Seconds::new(1e-4) }
        } else {
            Preemption::Recompute
        };
        let mut fleet = Fleet::of(2, Engine { preemption, ..Engine::with_blocks(blocks) }, &TIME);
        fleet.hash_tokens = 32;
        fleet.random_failures = failing.then_some(RandomFailures {
            mean_time_between: Seconds::new(1.0),
            repair: Seconds::new(0.1),
            seed,
        });
        let synthetic = Synthetic {
            requests: 60,
            process: Process::Poisson { rate },
            input: Lengths { least: 1, most: 300 },
            output: Lengths { least: 0, most: 200 },
            seed,
        };
        let requests = synthetic.draw().unwrap().enumerate().map(|(number, request)| {
            let family = number as u64 % families;
            let hash_ids = (0..10).map(|depth| family * 100 + depth).collect();
            request.map(|request| Request { hash_ids, ..request })
        });
        let mut observer = |_: &Record| {};
        let mut sim = Sim::new(&fleet, Load::Timed(requests), &mut observer).unwrap();
        sim.run().unwrap();
        prop_assert_eq!(sim.live.len(), 0);
        for instance in &sim.instances {
            prop_assert!(instance.at_rest());
        }
    }
}
