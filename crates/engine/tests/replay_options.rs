//! What instances of a replay may do: swap, start and stop, fail, draft, go in stages.

#[path = "../../../tests/support/replayed.rs"]
mod replayed;

use chokepoint_engine::trace::{Outcome, Preemption, Record, Request, Router};
use chokepoint_engine::units::{Bandwidth, Bytes, NumberFormat, Seconds};
use chokepoint_engine::{
    Failures, ReplayFailures, ReplayFound, ReplayRequest, ReplayScaling, ReplaySource,
};
use proptest::prelude::*;

use replayed::{found, replayed};

fn of_trace() -> ReplayRequest {
    let source = ReplaySource::Trace {
        name: "in memory".to_owned(),
        rate_scale: 1.0,
        limit: None,
    };
    ReplayRequest {
        plan: Some("tp=1".to_owned()),
        ..ReplayRequest::new("llama-3.1-8b", "hgx-h100", source)
    }
}

fn at_intervals(count: u32, interval: f64, input: u32, output: u32) -> Vec<Request> {
    (0..count)
        .map(|number| Request {
            arrival: Seconds::new(f64::from(number) * interval),
            input_tokens: input,
            output_tokens: output,
            ..Request::default()
        })
        .collect()
}

fn preempted(records: &[Record]) -> u32 {
    records.iter().map(|record| record.preemptions).sum()
}

/// Answers that outgrow the memory of a chip: one way and the other all are finished, and what comes
/// back from the host computes no prompt twice.
#[test]
fn swapped_sequences_compute_no_prompt_again() {
    // Weights in 16 bits leave 64 GB of the 80 GB: half a million tokens.
    let mut recompute = of_trace();
    recompute.formats = vec![NumberFormat::Bf16];
    let trace = at_intervals(260, 0.0, 500, 3000);
    let swap = ReplayRequest {
        swap: Some(Bytes::new(256e9)),
        ..recompute.clone()
    };
    let little = ReplayRequest {
        swap: Some(Bytes::ZERO),
        ..recompute.clone()
    };
    let prompts = 260 * 500;
    let computed = |found: &ReplayFound| found.summary.instances[0].computed_tokens;
    let (again, records) = found(&recompute, &trace);
    assert!(preempted(&records) > 0);
    assert!(computed(&again) > prompts);
    let (swapped, records) = found(&swap, &trace);
    assert!(preempted(&records) > 0);
    assert_eq!(computed(&swapped), prompts);
    assert!(matches!(swapped.engine.preemption, Preemption::Swap { .. }));
    for found in [&again, &swapped] {
        assert_eq!(
            (found.summary.finished, found.summary.output_tokens),
            (260, 780_000)
        );
    }
    // Without room on the host they are computed again as well.
    assert_eq!(computed(&found(&little, &trace).0), computed(&again));
    // A block of 16 tokens of 131,072 bytes crosses 63 GB/s.
    let Preemption::Swap {
        block_time,
        host_blocks,
    } = swapped.engine.preemption
    else {
        panic!("{:?}", swapped.engine);
    };
    assert!((block_time.get() / (16.0 * 131_072.0 / 63e9) - 1.0).abs() < 1e-9);
    assert_eq!(host_blocks, (256e9_f64 / (16.0 * 131_072.0)) as u64);
}

#[test]
fn a_chip_without_a_known_host_link_cannot_swap() {
    let mut request = of_trace();
    request.system = "cloudmatrix384".to_owned();
    request.swap = Some(Bytes::new(4e9));
    let problem = replayed(&request, &at_intervals(3, 1.0, 10, 10)).unwrap_err();
    assert!(problem.message.contains("host is not known"), "{problem:?}");
}

#[test]
fn instances_that_fail_lose_no_request() {
    let mut request = of_trace();
    request.instances = Some(3);
    request.failures = ReplayFailures::Every {
        between: Seconds::new(20.0),
        repair: Seconds::new(5.0),
    };
    let trace = at_intervals(600, 0.1, 1000, 200);
    let (failing, records) = found(&request, &trace);
    assert!(failing.failed() >= 5, "{}", failing.failed());
    assert!(records.iter().any(|record| record.retries > 0));
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Finished)
    );
    assert!(records.iter().all(|record| record.made_tokens == 200));
    assert!(failing.mean_up().unwrap() < 3.0);
    request.failures = ReplayFailures::Ignored;
    let (sound, _) = found(&request, &trace);
    let whole = |found: &ReplayFound| found.summary.whole.unwrap().mean_seconds;
    assert!(whole(&sound) < whole(&failing));
    assert_eq!((sound.failed(), sound.failures), (0, None));
    let up = sound.mean_up().unwrap();
    assert!((up - 3.0).abs() < 1e-9, "{up}");
}

/// Llama 3 states 0.00379 failures of a node of eight a day: an instance of four fails every 528 days.
#[test]
fn published_failures_carry_over_by_chip() {
    let mut request = of_trace();
    request.plan = Some("tp=4".to_owned());
    request.failures = ReplayFailures::Published(Failures::Of("meta-llama3-h100".to_owned()));
    let trace = at_intervals(3, 1.0, 100, 10);
    let (between, repair) = found(&request, &trace).0.failures.unwrap();
    assert!((between.get() / (86_400.0 * 2.0 / 0.00379) - 1.0).abs() < 1e-9);
    assert_eq!(repair, Seconds::new(600.0));
    request.failures = ReplayFailures::Published(Failures::Nearest);
    let (run, _) = replayed(&request, &trace).unwrap();
    assert_eq!(run.found.unwrap().failures.unwrap().0, between);
    assert!(
        run.notes
            .iter()
            .any(|note| note.key == "failures-same-chip")
    );
    request.failures = ReplayFailures::Published(Failures::Of("meta-lama3".to_owned()));
    assert!(replayed(&request, &trace).is_err());
}

const SCALING: ReplayScaling = ReplayScaling {
    least: 1,
    most: 4,
    target: Some(8.0),
    interval: Seconds::new(2.0),
    loading: Bandwidth::new(4e9),
    beside: Seconds::new(1.5),
};

/// 8.03 billion parameters of 16 bits at 4 GB/s, and what a start takes beside.
#[test]
fn a_start_takes_the_time_to_read_the_weights() {
    let mut request = of_trace();
    request.formats = vec![NumberFormat::Bf16];
    request.scaling = Some(SCALING);
    let trace = at_intervals(400, 0.05, 1000, 200);
    let (scaled, records) = found(&request, &trace);
    let start_up = scaled.start_up.unwrap().get();
    assert!(
        (start_up / (16.06 / 4.0 + 1.5) - 1.0).abs() < 0.01,
        "{start_up}"
    );
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Finished)
    );
    let up = scaled.mean_up().unwrap();
    assert!(up > 1.1 && up < 4.0, "{up}");
    // Two chips of a node read twice as much for one instance, and half of it each.
    request.plan = Some("tp=2".to_owned());
    let both = found(&request, &trace).0.start_up.unwrap().get();
    assert!((both / start_up - 1.0).abs() < 0.01, "{both} {start_up}");
    // One instance alone is slower, four from the start are faster.
    let mean =
        |request: &ReplayRequest| found(request, &trace).0.summary.whole.unwrap().mean_seconds;
    request.plan = Some("tp=1".to_owned());
    let fixed = |instances| ReplayRequest {
        scaling: None,
        instances: Some(instances),
        ..request.clone()
    };
    let scaled = mean(&request);
    assert!(mean(&fixed(4)) < scaled && scaled < mean(&fixed(1)));
}

#[test]
fn accepted_drafts_shorten_answers() {
    let mut request = of_trace();
    let trace = at_intervals(100, 0.2, 500, 200);
    let plain = found(&request, &trace).0;
    (request.drafted_tokens, request.accepted_tokens) = (Some(3), Some(2.0));
    let drafted = found(&request, &trace).0;
    assert!((drafted.engine.tokens_per_iteration - 3.0).abs() < 1e-9);
    let tpot = |found: &ReplayFound| found.summary.token_interval.unwrap().mean_seconds;
    let gain = tpot(&plain) / tpot(&drafted);
    assert!((1.5..3.0).contains(&gain), "{gain}");
    request.accepted_tokens = None;
    let problem = replayed(&request, &trace).unwrap_err();
    assert!(problem.message.contains("--accepted"), "{problem:?}");
}

/// Two stages hold twice the tokens of one chip with the weights of half the layers each.
#[test]
fn stages_have_the_room_of_all_their_chips() {
    let trace = at_intervals(50, 0.2, 500, 100);
    let mut request = of_trace();
    let one = found(&request, &trace).0;
    request.plan = Some("tp=1 pp=2".to_owned());
    let (two, records) = found(&request, &trace);
    assert_eq!((two.chips(), two.instances()), (2, 1));
    assert!(two.room_tokens() > one.room_tokens() * 2);
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Finished)
    );
    assert_eq!(two.layouts(), "tp=1 pp=2");
}

/// Keys and values that leave when the prompt is computed come later than layer by layer.
#[test]
fn transfers_are_whole_or_by_layer() {
    let mut request = of_trace();
    request.disaggregate = Some((1, 1));
    let trace = at_intervals(40, 1.0, 8000, 20);
    let mean =
        |request: &ReplayRequest| found(request, &trace).0.summary.whole.unwrap().mean_seconds;
    let layered = mean(&request);
    request.layerwise_transfer = false;
    assert!(mean(&request) > layered);
}

#[test]
fn whole_plans_say_pools_batches_and_formats() {
    let mut request = of_trace();
    let trace = at_intervals(100, 0.02, 500, 50);
    request.plan = Some("prefill 2x[tp=2 batch=2] decode 3x[tp=1 batch=16] bf16 kv=fp8".to_owned());
    let (pools, records) = found(&request, &trace);
    assert_eq!((pools.instances(), pools.chips()), (5, 7));
    assert_eq!(pools.layouts(), "prefill tp=2, decode tp=1");
    assert_eq!(pools.plan.precision.cache, NumberFormat::Fp8);
    assert_eq!(pools.engine.max_sequences, 16);
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Finished)
    );
    request.plan = Some("[tp=1 batch=4]".to_owned());
    request.instances = Some(2);
    let two = found(&request, &trace).0;
    assert_eq!((two.instances(), two.engine.max_sequences), (2, 4));
    request.plan = Some("2x[tp=1]".to_owned());
    let problem = replayed(&request, &trace).unwrap_err();
    assert!(
        problem.message.contains("how many instances"),
        "{problem:?}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_its_option() {
    let trace = at_intervals(3, 1.0, 100, 10);
    let changed = |change: &dyn Fn(&mut ReplayRequest)| {
        let mut request = of_trace();
        change(&mut request);
        replayed(&request, &trace).unwrap_err().message
    };
    let scaled =
        |scaling: ReplayScaling| changed(&move |it: &mut ReplayRequest| it.scaling = Some(scaling));
    let every = |between, repair| {
        changed(&move |it: &mut ReplayRequest| {
            let (between, repair) = (Seconds::new(between), Seconds::new(repair));
            it.failures = ReplayFailures::Every { between, repair };
        })
    };
    let wrong = [
        (changed(&|it| it.block_tokens = 0), "--block-size"),
        (changed(&|it| it.block_tokens = 48), "512 tokens"),
        (
            changed(&|it| it.swap = Some(Bytes::new(f64::NAN))),
            "--swap-space",
        ),
        (changed(&|it| it.drafted_tokens = Some(0)), "--drafted"),
        (changed(&|it| it.accepted_tokens = Some(1.0)), "--drafted"),
        (
            changed(&|it| it.targets.whole = Some(Seconds::ZERO)),
            "--latency",
        ),
        (every(0.1, 1.0), "--mtbf"),
        (every(f64::NAN, 1.0), "--mtbf"),
        (every(10.0, -1.0), "--repair"),
        (
            scaled(ReplayScaling {
                target: Some(0.0),
                ..SCALING
            }),
            "--scale-target",
        ),
        (
            scaled(ReplayScaling {
                loading: Bandwidth::ZERO,
                ..SCALING
            }),
            "--load-bandwidth",
        ),
        (
            scaled(ReplayScaling {
                interval: Seconds::ZERO,
                ..SCALING
            }),
            "--scale-interval",
        ),
        (
            changed(&|it| (it.scaling, it.instances) = (Some(SCALING), Some(2))),
            "--autoscale",
        ),
    ];
    for (message, option) in wrong {
        assert!(message.contains(option), "{option}: {message}");
    }
}

/// Anything that can be asked for at once.
fn requests() -> impl Strategy<Value = ReplayRequest> {
    let plan = prop::sample::select(vec!["tp=1", "tp=2", "tp=1 pp=2", "[tp=1 batch=3]"]);
    let kind = 0..3_u8;
    let failing = prop::option::of((5.0..60.0, 0.0..20.0));
    let host = prop::option::of(0.0..8e9);
    let drafts = prop::option::of((1..5_u64, 0.0..1.0));
    let block = prop::sample::select(vec![1_u32, 16, 64, 512]);
    let horizon = prop::option::of(1.0..40.0);
    (
        plan,
        kind,
        failing,
        host,
        drafts,
        block,
        any::<[bool; 2]>(),
        horizon,
    )
        .prop_map(
            |(plan, kind, failing, host, drafts, block, [cache, layers], horizon)| ReplayRequest {
                plan: Some(plan.to_owned()),
                disaggregate: (kind == 1).then_some((2, 1)),
                scaling: (kind == 2).then_some(SCALING),
                instances: (kind == 0).then_some(2),
                failures: failing.map_or(ReplayFailures::Ignored, |(between, repair)| {
                    let (between, repair) = (Seconds::new(between), Seconds::new(repair));
                    ReplayFailures::Every { between, repair }
                }),
                swap: host.map(Bytes::new),
                drafted_tokens: drafts.map(|it| it.0),
                accepted_tokens: drafts.map(|it| it.0 as f64 * it.1),
                block_tokens: block,
                prefix_cache: cache,
                layerwise_transfer: layers,
                router: Router::RoundRobin,
                horizon: horizon.map(Seconds::new),
                ..of_trace()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every request finishes, is rejected or is unfinished, once; the same request gives the same bytes.
    #[test]
    fn none_is_lost_and_none_told_twice(
        request in requests(),
        lengths in prop::collection::vec((0..200_u32, 0..6000_u32, 0..300_u32, 0..3_u8), 1..120),
    ) {
        let mut at = 0.0;
        let trace: Vec<Request> = lengths.iter().map(|&(gap, input, output, class)| {
            at += f64::from(gap) / 1000.0;
            Request {
                arrival: Seconds::new(at),
                input_tokens: input,
                output_tokens: output,
                class,
                hash_ids: vec![u64::from(class)],
            }
        }).collect();
        let (found, mut records) = found(&request, &trace);
        let again = self::found(&request, &trace);
        prop_assert_eq!(format!("{found:?}{records:?}"), format!("{:?}{:?}", again.0, again.1));
        let summary = &found.summary;
        let ended = summary.finished + summary.rejected + summary.unfinished;
        prop_assert_eq!((ended, records.len() as u64), (summary.requests, summary.requests));
        if request.horizon.is_none() {
            prop_assert_eq!((summary.requests, summary.unfinished), (trace.len() as u64, 0));
        }
        records.sort_by_key(|record| record.request);
        for (number, record) in records.iter().enumerate() {
            prop_assert_eq!(record.request, number as u64);
            let whole = record.made_tokens == record.output_tokens;
            prop_assert!(record.outcome != Outcome::Finished || whole, "{:?}", record);
            prop_assert_eq!(record.class, trace[number].class);
        }
    }
}
