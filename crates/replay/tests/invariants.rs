//! What holds for every fleet and load.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Affine, Curves, Engine, Failure, Fleet, Iteration, Lengths, Load, Order, Outcome, Pool,
    Preemption, Process, RandomFailures, Record, Request, Role, Router, Scaling, StepTime, Summary,
    Synthetic, Targets, Transfer, replay,
};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use proptest::prelude::*;

const TIME: Affine = Affine::MADE_UP;

/// Everything at once: what a fleet can have.
#[derive(Debug, Clone)]
struct World {
    engine: Engine,
    router: Router,
    instances: u32,
    split: bool,
    overlapped_layers: Option<u32>,
    scaling: bool,
    failures: Vec<(u32, u32, u32)>,
    random_failures: bool,
    horizon: Option<u32>,
    requests: Vec<Request>,
}

impl World {
    fn fleet(&self, longest_run: u64) -> Fleet<'_> {
        let mut fleet = Fleet::of(self.instances, self.engine, &TIME);
        fleet.router = self.router;
        fleet.longest_run = longest_run;
        fleet.hash_tokens = 32;
        fleet.horizon = self
            .horizon
            .map(|tenths| Seconds::new(f64::from(tenths) / 10.0));
        fleet.targets = Targets {
            whole: Some(Seconds::new(2.0)),
            ..Targets::default()
        };
        if self.split {
            let pool = |role| Pool {
                role,
                ..fleet.pools[0]
            };
            fleet.pools = vec![pool(Role::Prefill), pool(Role::Decode)];
            fleet.transfer = Some(Transfer {
                bandwidth: Bandwidth::new(1e9),
                bytes_per_token: Bytes::new(1e5),
                latency: Seconds::new(1e-3),
                overlapped_layers: self.overlapped_layers,
            });
        } else if self.scaling {
            fleet.scaling = Some(Scaling {
                least: 1,
                target_requests: 3.0,
                interval: Seconds::new(0.25),
                start_up: Seconds::new(0.4),
            });
        }
        let tenths = |t: u32| Seconds::new(f64::from(t) / 10.0);
        let count = fleet.instances() as u32;
        let failures = self.failures.iter().map(|&(instance, at, repair)| Failure {
            instance: instance % count,
            at: tenths(at),
            repair: tenths(repair),
        });
        fleet.failures = failures.collect();
        fleet.random_failures = self.random_failures.then_some(RandomFailures {
            mean_time_between: Seconds::new(3.0),
            repair: Seconds::new(0.5),
            seed: 9,
        });
        fleet
    }

    fn run(&self, longest_run: u64) -> (Vec<Record>, Summary) {
        let requests = self.requests.iter().cloned().map(Ok::<_, Diagnostic>);
        let mut records = Vec::new();
        let fleet = self.fleet(longest_run);
        let summary = replay(&fleet, Load::Timed(requests), &mut |record: &Record| {
            records.push(record.clone());
        });
        (records, summary.unwrap())
    }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = (0_u32..300, 1_u32..400, 0_u32..120, 0_u8..2, 0_u64..5);
    proptest::collection::vec(request, 1..40).prop_map(|all| {
        let mut arrival = 0.0;
        let request =
            |(gap, input_tokens, output_tokens, class, family): (u32, u32, u32, u8, u64)| {
                arrival += f64::from(gap.saturating_sub(50)) / 1000.0;
                Request {
                    arrival: Seconds::new(arrival),
                    input_tokens,
                    output_tokens,
                    class,
                    hash_ids: (0..13).map(|depth| family * 100 + depth).collect(),
                }
            };
        all.into_iter().map(request).collect()
    })
}

fn engines() -> impl Strategy<Value = Engine> {
    let tokens = prop_oneof![Just(1.0), 1.0..5.0_f64];
    let all = (
        1_u32..10,
        1_u32..300,
        10_u64..80,
        any::<[bool; 4]>(),
        tokens,
    );
    all.prop_map(
        |(max_sequences, more, blocks, flags, tokens_per_iteration)| {
            let [chunked_prefill, mixed, prefix_cache, swap] = flags;
            Engine {
                max_sequences,
                max_tokens: max_sequences + more,
                chunked_prefill,
                order: if mixed {
                    Order::Mixed
                } else {
                    Order::PrefillFirst
                },
                prefix_cache,
                preemption: if swap {
                    let block_time = Seconds::new(1e-4);
                    Preemption::Swap {
                        host_blocks: 20,
                        block_time,
                    }
                } else {
                    Preemption::Recompute
                },
                tokens_per_iteration,
                ..Engine::with_blocks(blocks)
            }
        },
    )
}

fn worlds() -> impl Strategy<Value = World> {
    let router = prop_oneof![
        Just(Router::RoundRobin),
        Just(Router::LeastLoaded),
        (0.0..3.0_f64).prop_map(|prefill_weight| Router::KvAware { prefill_weight }),
    ];
    let layers = proptest::option::of(1_u32..80);
    let failures = proptest::collection::vec((0_u32..8, 0_u32..60, 0_u32..20), 0..4);
    let horizon = proptest::option::of(1_u32..80);
    let rest = (any::<[bool; 3]>(), layers, failures, horizon);
    (engines(), router, 1_u32..4, rest, requests()).prop_map(
        |(engine, router, instances, (flags, overlapped_layers, failures, horizon), requests)| {
            let [split, scaling, random_failures] = flags;
            World {
                engine,
                router,
                instances,
                split,
                overlapped_layers,
                scaling,
                failures,
                random_failures,
                horizon,
                requests,
            }
        },
    )
}

fn check_records(
    world: &World,
    records: &[Record],
    summary: &Summary,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(records.len() as u64, summary.requests);
    let count = |wanted: fn(Outcome) -> bool| {
        records
            .iter()
            .filter(|record| wanted(record.outcome))
            .count() as u64
    };
    prop_assert_eq!(count(|o| o == Outcome::Finished), summary.finished);
    prop_assert_eq!(count(|o| o == Outcome::Unfinished), summary.unfinished);
    prop_assert_eq!(
        summary.finished + summary.rejected + summary.unfinished,
        summary.requests
    );
    prop_assert!(summary.good <= summary.finished);
    if world.horizon.is_none() {
        prop_assert_eq!(
            (summary.requests, summary.unfinished),
            (world.requests.len() as u64, 0)
        );
    }
    let made: u64 = records
        .iter()
        .map(|record| u64::from(record.made_tokens))
        .sum();
    let by_instances: u64 = summary.instances.iter().map(|i| i.made_tokens).sum();
    prop_assert_eq!(made, by_instances);
    for record in records {
        prop_assert!(record.made_tokens <= record.output_tokens);
        let first = record.first_token.unwrap_or(record.arrival);
        prop_assert!(record.arrival <= first && first <= record.end);
        if record.outcome == Outcome::Finished {
            prop_assert_eq!(record.made_tokens, record.output_tokens);
            prop_assert_eq!(record.first_token.is_some(), record.output_tokens > 0);
        }
    }
    for instance in &summary.instances {
        prop_assert!(instance.most_blocks <= world.engine.blocks);
        prop_assert!(instance.utilisation <= 1.0 + 1e-9);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn requests_and_tokens_are_conserved_and_runs_change_nothing(world in worlds()) {
        let (records, summary) = world.run(u64::MAX);
        check_records(&world, &records, &summary)?;
        for longest_run in [1, 7] {
            let (step_by_step, step_summary) = world.run(longest_run);
            prop_assert_eq!(&step_by_step, &records);
            prop_assert_eq!(&step_summary, &summary);
        }
    }

    #[test]
    fn beyond_room_for_all_more_room_changes_nothing(
        requests in requests(), more in 1_u64..5000, prefix_cache in any::<bool>(),
    ) {
        // Below that there is no such law: with more room more is admitted, and more preempted.
        let blocks = |r: &Request| u64::from((r.input_tokens + r.output_tokens).div_ceil(16));
        let all: u64 = requests.iter().map(blocks).sum();
        let run = |blocks| {
            let engine = Engine { prefix_cache, ..Engine::with_blocks(blocks) };
            let mut fleet = Fleet::of(1, engine, &TIME);
            fleet.hash_tokens = 32;
            let load = Load::Timed(requests.iter().cloned().map(Ok::<_, Diagnostic>));
            let mut records = Vec::new();
            let mut observer = |record: &Record| records.push(record.clone());
            let summary = replay(&fleet, load, &mut observer).unwrap();
            (records, summary)
        };
        let (records, summary) = run(all);
        prop_assert_eq!(&run(all + more), &(records, summary.clone()));
        let instance = &summary.instances[0];
        prop_assert_eq!((instance.preemptions, instance.evicted), (0, 0));
        // Every token of a prompt is computed once or found.
        let prompts: u64 = requests.iter().map(|r| u64::from(r.input_tokens)).sum();
        prop_assert_eq!(instance.computed_tokens + instance.cached_tokens, prompts);
        prop_assert!(prefix_cache || instance.cached_tokens == 0);
    }
}

#[test]
fn curves_give_what_their_formulas_give() {
    let curves = Curves {
        mixed: |iteration: &Iteration<'_>| TIME.mixed(iteration),
        decode: |decodes, context: f64| {
            let line = TIME.decode(decodes, context).lines()[0];
            line.base + line.per_token * context
        },
    };
    let synthetic = Synthetic {
        requests: 3000,
        process: Process::Poisson { rate: 8.0 },
        input: Lengths {
            least: 1,
            most: 900,
        },
        output: Lengths {
            least: 0,
            most: 300,
        },
        seed: 4,
    };
    let run = |time: &dyn StepTime, longest_run| {
        let mut fleet = Fleet::of(1, Engine::with_blocks(3000), time);
        fleet.longest_run = longest_run;
        let load = Load::Timed(synthetic.draw().unwrap());
        replay(&fleet, load, &mut |_: &Record| {}).unwrap()
    };
    let (formula, curve) = (run(&TIME, u64::MAX), run(&curves, u64::MAX));
    let mean = |summary: &Summary| summary.whole.unwrap().mean_seconds.get();
    assert!((mean(&curve) / mean(&formula) - 1.0).abs() < 1e-9);
    assert_eq!(
        curve.instances[0].iterations,
        formula.instances[0].iterations
    );
    assert_eq!(
        run(&curves, 1),
        curve,
        "pieces of a curve are the same step by step"
    );
}

fn bytes(seed: u64) -> String {
    let engine = Engine {
        max_sequences: 8,
        ..Engine::with_blocks(300)
    };
    let mut fleet = Fleet::of(3, engine, &TIME);
    let (mean_time_between, repair) = (Seconds::new(20.0), Seconds::new(5.0));
    fleet.random_failures = Some(RandomFailures {
        mean_time_between,
        repair,
        seed,
    });
    let synthetic = Synthetic {
        requests: 2000,
        process: Process::Gamma {
            rate: 10.0,
            variation: 2.0,
        },
        input: Lengths {
            least: 1,
            most: 900,
        },
        output: Lengths { least: 0, most: 90 },
        seed,
    };
    let mut text = String::new();
    let summary = replay(
        &fleet,
        Load::Timed(synthetic.draw().unwrap()),
        &mut |r: &Record| {
            text.push_str(&serde_json::to_string(r).unwrap());
            text.push('\n');
        },
    );
    text.push_str(&serde_json::to_string(&summary.unwrap()).unwrap());
    text
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    assert!(bytes(1).contains("\"first_token_seconds\""));
}
