//! The fast replay against a slow, obvious one: every request's first token, end, instance,
//! cached tokens and preemptions, to the femtosecond.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod planning;
mod slow;

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    DecodeTime, Engine, Fleet, Iteration, Line, Load, Order, Outcome, Preemption, Record, Request,
    Router, StepTime, replay,
};
use chokepoint_units::Seconds;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use slow::{Case, Fate, Slow, Times};

const FEMTO: f64 = 1e-15;

/// The same times through the trait.
struct Fast(Times);

impl StepTime for Fast {
    fn mixed(&self, iteration: &Iteration<'_>) -> Seconds {
        let tokens: u128 = iteration
            .chunks
            .iter()
            .map(|c| u128::from(c.new_tokens))
            .sum();
        let time = self.0.iteration
            + self.0.prompt_token * tokens
            + self.0.context_token * iteration.context_tokens as u128;
        Seconds::new(time as f64 * FEMTO)
    }

    fn decode(&self, _decodes: u32, context_tokens: f64) -> DecodeTime {
        let line = |&(base, slope): &(u128, u128)| Line {
            base: Seconds::new(base as f64 * FEMTO),
            per_token: Seconds::new(slope as f64 * FEMTO),
        };
        let lines: Vec<Line> = self.0.lines.iter().map(line).collect();
        // Asked again every 100 tokens, as a curve would be.
        let from = (context_tokens / 100.0).floor() * 100.0;
        DecodeTime::largest_of(&lines)
            .unwrap()
            .within(from, from + 100.0)
    }
}

#[derive(Debug, Clone)]
struct World {
    engine: Engine,
    router: Router,
    instances: u32,
    times: Times,
    cases: Vec<Case>,
}

const HASH_TOKENS: u32 = 8;

fn fast(world: &World, longest_run: u64) -> Vec<Fate> {
    let time = Fast(world.times.clone());
    let mut fleet = Fleet::of(world.instances, world.engine, &time);
    fleet.router = world.router;
    fleet.hash_tokens = HASH_TOKENS;
    fleet.longest_run = longest_run;
    let requests = world.cases.iter().map(|case| {
        Ok::<_, Diagnostic>(Request {
            arrival: Seconds::new(case.arrival as f64 * FEMTO),
            input_tokens: case.input as u32,
            output_tokens: case.output as u32,
            class: case.class,
            hash_ids: case.ids.clone(),
        })
    });
    let femtos = |time: Seconds| (time.get() / FEMTO).round() as u128;
    let mut fates = Vec::new();
    let summary = replay(&fleet, Load::Timed(requests), &mut |r: &Record| {
        if r.outcome == Outcome::Finished {
            assert_eq!(r.made_tokens, r.output_tokens);
        }
        fates.push(Fate {
            request: r.request as usize,
            finished: r.outcome == Outcome::Finished,
            first: r.first_token.map(femtos),
            end: femtos(r.end),
            instance: r.instance.map(|i| i as usize),
            cached: u64::from(r.cached_tokens),
            preemptions: u64::from(r.preemptions),
        });
    })
    .unwrap();
    assert_eq!(summary.requests, world.cases.len() as u64);
    assert_eq!(summary.finished + summary.rejected, summary.requests);
    let made: u64 = summary.instances.iter().map(|i| i.made_tokens).sum();
    assert_eq!(made, summary.output_tokens, "every token is made once");
    fates.sort_by_key(|fate| fate.request);
    fates
}

fn oracle(world: &World) -> Vec<Fate> {
    let hash = u64::from(HASH_TOKENS);
    let slow = Slow::new(
        world.engine,
        &world.times,
        hash,
        world.router,
        world.instances as usize,
    );
    let mut fates = slow.run(&world.cases);
    fates.sort_by_key(|fate| fate.request);
    fates
}

/// Requests whose prompts are paths in a tree of hash blocks, so that prefixes are shared.
fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (
        0_u64..400,
        1_u64..60,
        0_u64..40,
        0_u8..3,
        0_u64..4,
        0_u64..6,
    );
    proptest::collection::vec(case, 1..40).prop_map(|all| {
        let mut arrival = 0;
        all.into_iter()
            .map(|(gap, input, output, class, family, branch)| {
                // Whole microseconds, some of them at once.
                arrival += u128::from(gap.saturating_sub(100)) * 1_000_000_000;
                let blocks = input.div_ceil(u64::from(HASH_TOKENS));
                let ids = (0..blocks).map(|depth| {
                    let branch = if depth < branch { 0 } else { branch + 1 };
                    family * 10_000 + branch * 100 + depth
                });
                Case {
                    arrival,
                    input,
                    output,
                    class,
                    ids: ids.collect(),
                }
            })
            .collect()
    })
}

fn engines() -> impl Strategy<Value = Engine> {
    let sizes = (1_u32..12, 0_u32..60, 0_u32..4, 20_u64..160, 0_u64..6);
    let choices = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0_u32..3,
        0_u64..30,
    );
    (sizes, choices).prop_map(|(sizes, choices)| {
        let (max_sequences, more, block, tokens, watermark_blocks) = sizes;
        let (chunked_prefill, mixed, prefix_cache, preemption, host_blocks) = choices;
        let block_tokens = 1 << block;
        Engine {
            max_sequences,
            max_tokens: max_sequences + more,
            chunked_prefill,
            order: if mixed {
                Order::Mixed
            } else {
                Order::PrefillFirst
            },
            block_tokens,
            blocks: tokens.div_ceil(u64::from(block_tokens)),
            watermark_blocks,
            prefix_cache,
            preemption: if preemption == 0 {
                let block_time = Seconds::new(3e-6);
                Preemption::Swap {
                    host_blocks,
                    block_time,
                }
            } else {
                Preemption::Recompute
            },
            tokens_per_iteration: 1.0,
        }
    })
}

fn worlds() -> impl Strategy<Value = World> {
    let lines = proptest::collection::vec((1_u128..60_000_000_000, 0_u128..2_000_000_000), 1..4);
    let router = prop_oneof![
        Just(Router::RoundRobin),
        Just(Router::LeastLoaded),
        (0.0..3.0_f64).prop_map(|prefill_weight| Router::KvAware { prefill_weight }),
    ];
    (engines(), router, 1_u32..4, lines, cases()).prop_map(
        |(engine, router, instances, lines, cases)| World {
            engine,
            router,
            instances,
            times: Times {
                iteration: 20_000_000_000,
                prompt_token: 1_000_000_000,
                context_token: 100_000_000,
                lines,
                copy_block: 3_000_000_000,
            },
            cases,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn fast_is_slow(world in worlds()) {
        let wanted = oracle(&world);
        prop_assert_eq!(&fast(&world, u64::MAX), &wanted);
        prop_assert_eq!(&fast(&world, 1), &wanted);
        prop_assert_eq!(&fast(&world, 3), &wanted);
    }
}

/// The worlds drawn above meet what they are meant to test.
#[test]
fn worlds_meet_preemption_swapping_sharing_and_rejection() {
    let mut runner = TestRunner::deterministic();
    let mut met = [0; 5];
    for _ in 0..400 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let fates = oracle(&world);
        let any = |f: fn(&Fate) -> bool| usize::from(fates.iter().any(f));
        let swaps = matches!(world.engine.preemption, Preemption::Swap { .. });
        met[0] += any(|f| f.preemptions > 0);
        met[1] += any(|f| f.preemptions > 0) * usize::from(swaps);
        met[2] += any(|f| f.cached > 0);
        met[3] += any(|f| !f.finished);
        met[4] += any(|f| f.finished && f.first.is_none());
    }
    assert!(met.iter().all(|&count| count >= 10), "{met:?}");
}
