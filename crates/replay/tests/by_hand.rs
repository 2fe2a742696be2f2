//! Replays worked out on paper.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use chokepoint_replay::{
    Affine, Engine, Failure, Fleet, Load, Observer, Order, Outcome, Pool, Preemption, Record, Role,
    Router, Scaling, Span, Transfer, replay,
};
use chokepoint_units::{Bandwidth, Bytes, Seconds};
use common::{Case, run, seconds, whole_seconds};

/// Iterations: 10 s, 1 s for each token of a prompt, 0.01 s for each token of context.
const TIME: Affine = Affine {
    iteration: Seconds::new(10.0),
    prompt_token: Seconds::new(1.0),
    prompt_pair: Seconds::ZERO,
    sequence: Seconds::ZERO,
    context_token: Seconds::new(0.01),
};

/// The same without the contexts.
const FLAT: Affine = Affine {
    context_token: Seconds::ZERO,
    ..TIME
};

fn engine(blocks: u64) -> Engine {
    Engine {
        max_sequences: 4,
        max_tokens: 100,
        block_tokens: 4,
        prefix_cache: false,
        ..Engine::with_blocks(blocks)
    }
}

#[test]
fn three_requests_step_by_step() {
    // A (20 in, 3 out) at 0, B (30 in, 2 out) at 25, C (10 in, 1 out) at 61.
    //  0 .. 30      A's prompt                               -> A 1
    // 30 .. 70.21   B's prompt, A decodes with 21 tokens     -> A 2, B 1
    // 70.21 .. 90.74 C's prompt, A with 22, B with 31 tokens -> A 3 and B 2 end, C 1 ends
    let fleet = Fleet::of(1, engine(100), &TIME);
    let cases = [(0, 20, 3), (25, 30, 2), (61, 10, 1)].map(Case::of);
    let (records, summary) = run(&fleet, &cases);
    let first: Vec<f64> = records
        .iter()
        .map(|r| r.first_token.unwrap().get())
        .collect();
    let end: Vec<f64> = records.iter().map(|r| r.end.get()).collect();
    assert_eq!(first, [30.0, 70.21, 90.74]);
    assert_eq!(end, [90.74, 90.74, 90.74]);
    assert_eq!(summary.output_tokens, 6);
    assert_eq!(summary.instances[0].iterations, 3);
    assert_eq!(summary.instances[0].computed_tokens, 60);
    assert!(seconds(summary.instances[0].mixed_seconds, 60.74));
    assert!(seconds(summary.instances[0].prefill_seconds, 30.0));
}

#[test]
fn prompts_in_parts_leave_decoding_running() {
    // 10 tokens an iteration. A (4 in, 4 out) at 0; B (20 in, 1 out) at 1.
    //  0 .. 14  A's prompt            -> A 1
    // 14 .. 33  9 of B, A decodes     -> A 2
    // 33 .. 52  9 of B, A decodes     -> A 3
    // 52 .. 64  2 of B, A decodes     -> A 4 ends, B 1 ends
    let engine = Engine {
        max_tokens: 10,
        ..engine(100)
    };
    let cases = [(0, 4, 4), (1, 20, 1)].map(Case::of);
    let (records, summary) = run(&Fleet::of(1, engine, &FLAT), &cases);
    assert_eq!(whole_seconds(&records), [(14, 64), (64, 64)]);
    assert_eq!(summary.instances[0].prompt_iterations, 4);

    // Not in parts, B's prompt is longer than an iteration and goes as its only prompt:
    // 14 .. 44, with A beside it; then A alone 44 .. 54 .. 64.
    let whole = Engine {
        chunked_prefill: false,
        ..engine
    };
    let (records, _) = run(&Fleet::of(1, whole, &FLAT), &cases);
    assert_eq!(whole_seconds(&records), [(14, 64), (44, 44)]);

    // Prompts first: A waits while B's parts take 20, 20 (14 .. 54), then 54 .. 64 .. 74 .. 84.
    let first = Engine {
        order: Order::PrefillFirst,
        ..engine
    };
    let (records, _) = run(&Fleet::of(1, first, &FLAT), &cases);
    assert_eq!(whole_seconds(&records), [(14, 84), (54, 54)]);
}

#[test]
fn the_last_admitted_is_preempted_and_computes_again() {
    // Five blocks of four tokens. A and B (8 in, 4 out each) take two each.
    //  0 .. 26  both prompts                       -> A 1, B 1
    // 26        each needs a third block, one is free: B goes
    // 26 .. 36 .. 46 .. 56  A decodes              -> A 4 ends
    // 56 .. 75  B's 8 + 1 tokens again             -> B 2
    // 75 .. 85 .. 95        B decodes              -> B 4 ends
    let cases = [(0, 8, 4), (0, 8, 4)].map(Case::of);
    let (records, summary) = run(&Fleet::of(1, engine(5), &FLAT), &cases);
    assert_eq!(whole_seconds(&records), [(26, 56), (26, 95)]);
    assert_eq!((records[0].preemptions, records[1].preemptions), (0, 1));
    assert_eq!(summary.instances[0].computed_tokens, 25);
    assert_eq!(summary.instances[0].most_blocks, 4);

    // Swapped, at 1 s a block: out before A's iteration (2 s), in before B's (2 s).
    // 26 .. 28 copies, A 28 .. 58; 58 .. 60 copies, B 60 .. 90.
    let swap = Preemption::Swap {
        host_blocks: 2,
        block_time: Seconds::new(1.0),
    };
    let swapping = Engine {
        preemption: swap,
        ..engine(5)
    };
    let (records, summary) = run(&Fleet::of(1, swapping, &FLAT), &cases);
    assert_eq!(whole_seconds(&records), [(26, 58), (26, 90)]);
    assert!(seconds(summary.instances[0].copy_seconds, 4.0));
    // A replay that ends at 27 has copied for one second.
    let mut short = Fleet::of(1, swapping, &FLAT);
    short.horizon = Some(Seconds::new(27.0));
    let (_, summary) = run(&short, &cases);
    assert!(seconds(summary.instances[0].copy_seconds, 1.0));
    assert!(seconds(summary.instances[0].lost_seconds, 0.0));

    // The more urgent stays, though it came last.
    let urgent = [
        Case {
            class: 1,
            ..cases[0].clone()
        },
        cases[1].clone(),
    ];
    let (records, _) = run(&Fleet::of(1, engine(5), &FLAT), &urgent);
    assert_eq!(whole_seconds(&records), [(26, 95), (26, 56)]);
}

#[test]
fn prompts_share_what_was_computed_before() {
    // Hash blocks of 8 tokens; B's first two are A's. B computes 20 - 16 tokens.
    let mut fleet = Fleet::of(
        1,
        Engine {
            prefix_cache: true,
            ..engine(100)
        },
        &FLAT,
    );
    fleet.hash_tokens = 8;
    let cases = [
        Case {
            ids: vec![1, 2, 3],
            ..Case::of((0, 20, 1))
        },
        Case {
            ids: vec![1, 2, 4],
            ..Case::of((50, 20, 1))
        },
        // All full blocks are there, but one token at least is computed: 16 - 8.
        Case {
            ids: vec![1, 2],
            ..Case::of((100, 16, 1))
        },
    ];
    let (records, summary) = run(&fleet, &cases);
    assert_eq!(whole_seconds(&records), [(30, 30), (64, 64), (118, 118)]);
    assert_eq!(
        records.iter().map(|r| r.cached_tokens).collect::<Vec<_>>(),
        [0, 16, 8]
    );
    assert_eq!(summary.instances[0].cached_tokens, 24);

    // On two instances the router that sees the cache sends B after A.
    fleet.pools[0].instances = 2;
    for (router, instance) in [
        (Router::RoundRobin, 1),
        (
            Router::KvAware {
                prefill_weight: 1.0,
            },
            0,
        ),
    ] {
        fleet.router = router;
        let (records, _) = run(&fleet, &cases);
        assert_eq!(records[1].instance, Some(instance));
    }
}

#[test]
fn keys_and_values_travel_from_prefill_to_decode() {
    // 2 s a token (1 B/token at 0.5 B/s) and 3 s. A (20 in, 3 out), B (10 in, 2 out) at 0.
    //  0 .. 40  both prompts. A's transfer 40 .. 80, there at 83; B's 80 .. 100, there at 103.
    // A decodes 83 .. 93 .. 103, B 103 .. 113.
    let pool = |role| Pool {
        role,
        instances: 1,
        engine: engine(100),
        time: &FLAT,
    };
    let mut fleet = Fleet::of(1, engine(100), &FLAT);
    fleet.pools = vec![pool(Role::Prefill), pool(Role::Decode)];
    let transfer = Transfer {
        bandwidth: Bandwidth::new(0.5),
        bytes_per_token: Bytes::new(1.0),
        latency: Seconds::new(3.0),
        overlapped_layers: None,
    };
    fleet.transfer = Some(transfer);
    let cases = [(0, 20, 3), (0, 10, 2)].map(Case::of);
    let (records, _) = run(&fleet, &cases);
    assert_eq!(whole_seconds(&records), [(40, 103), (40, 113)]);
    assert_eq!(records[0].instance, Some(1));

    // By layers, of which there are 10: A's starts at 0 and could end at 40, but its last layer
    // takes 4 s after the iteration: 44. B's 44 .. 64. There at 47 and 67.
    fleet.transfer = Some(Transfer {
        overlapped_layers: Some(10),
        ..transfer
    });
    let (records, _) = run(&fleet, &cases);
    assert_eq!(whole_seconds(&records), [(40, 67), (40, 77)]);
}

#[test]
fn a_failure_sends_requests_elsewhere_with_what_they_made() {
    // Round robin: A (20 in, 4 out) on 0: prompt 0 .. 30, decodes 30 .. 40 .. 50; 0 fails at 45
    // with two tokens made. On 1: 22 tokens again 45 .. 77 -> 3, then 77 .. 87 -> 4.
    let mut fleet = Fleet::of(2, engine(100), &FLAT);
    fleet.router = Router::RoundRobin;
    let failure = Failure {
        instance: 0,
        at: Seconds::new(45.0),
        repair: Seconds::new(100.0),
    };
    fleet.failures = vec![failure];
    let cases = [Case::of((0, 20, 4))];
    let (records, summary) = run(&fleet, &cases);
    assert_eq!(whole_seconds(&records), [(30, 87)]);
    assert_eq!((records[0].instance, records[0].retries), (Some(1), 1));
    assert!(seconds(summary.instances[0].lost_seconds, 5.0));
    assert!(seconds(summary.instances[0].up_seconds, 45.0));

    // A single instance: the request waits for the repair at 145.
    fleet.pools[0].instances = 1;
    let (records, _) = run(&fleet, &cases);
    assert_eq!(whole_seconds(&records), [(30, 187)]);

    fleet.most_retries = 0;
    let (records, summary) = run(&fleet, &cases);
    assert_eq!(records[0].outcome, Outcome::RejectedRetries);
    assert_eq!((records[0].made_tokens, summary.rejected), (2, 1));
}

#[test]
fn instances_follow_the_load() {
    // One of three at the start, one request for each, decisions every 20 s, 15 s to start.
    // Three requests at 0: all go to instance 0. Decision at 20: three wanted, up at 35.
    // Decision at 40, two under way: instance 2 goes. Then D arrives and goes to instance 1.
    let one = Engine {
        max_sequences: 1,
        ..engine(100)
    };
    let mut fleet = Fleet::of(3, one, &FLAT);
    fleet.scaling = Some(Scaling {
        least: 1,
        target_requests: 1.0,
        interval: Seconds::new(20.0),
        start_up: Seconds::new(15.0),
    });
    let cases = [
        (0, 20, 1),
        (0, 20, 1),
        (0, 20, 1),
        (40, 20, 1),
        (300, 20, 1),
    ]
    .map(Case::of);
    let (records, summary) = run(&fleet, &cases);
    assert_eq!(
        whole_seconds(&records),
        [(30, 30), (60, 60), (90, 90), (70, 70), (330, 330)]
    );
    assert_eq!(records[3].instance, Some(1));
    let up: Vec<f64> = summary
        .instances
        .iter()
        .map(|i| i.up_seconds.get())
        .collect();
    // At 60 two are under way; at 80 one, and instance 1 goes.
    assert_eq!(up, [330.0, 45.0, 5.0]);
}

#[test]
fn instances_that_have_not_started_are_the_first_to_go() {
    // Three requests at 0, all on instance 0. Decision at 20: two more, up at 120. At 40 two are under
    // way and at 60 one: those that start are called off, and instance 0 stays.
    let one = Engine {
        max_sequences: 1,
        ..engine(100)
    };
    let mut fleet = Fleet::of(3, one, &FLAT);
    fleet.scaling = Some(Scaling {
        least: 1,
        target_requests: 1.0,
        interval: Seconds::new(20.0),
        start_up: Seconds::new(100.0),
    });
    let cases = [(0, 20, 1), (0, 20, 1), (0, 20, 1), (200, 20, 1)].map(Case::of);
    let (records, summary) = run(&fleet, &cases);
    assert_eq!(
        whole_seconds(&records),
        [(30, 30), (60, 60), (90, 90), (230, 230)]
    );
    let up = summary.instances.iter().map(|i| i.up_seconds.get());
    assert_eq!(up.collect::<Vec<f64>>(), [230.0, 0.0, 0.0]);
}

#[test]
fn speculation_makes_several_tokens_an_iteration() {
    // 2.5 tokens an iteration: 11 tokens are the first and 10 more in 4 iterations.
    let fast = Engine {
        tokens_per_iteration: 2.5,
        ..engine(100)
    };
    let (records, summary) = run(&Fleet::of(1, fast, &FLAT), &[Case::of((0, 20, 11))]);
    assert_eq!(whole_seconds(&records), [(30, 70)]);
    assert_eq!(summary.instances[0].iterations, 5);
    // 20 + 10 tokens are stored: eight blocks of four.
    assert_eq!(summary.instances[0].most_blocks, 8);
}

#[test]
fn what_cannot_be_served_is_said() {
    let fleet = Fleet::of(1, engine(5), &FLAT);
    // 17 + 4 stored tokens are six blocks, 17 + 3 are five; no tokens is a prompt only.
    let cases = [(0, 17, 5), (0, 17, 4), (0, 0, 4), (0, 8, 0)].map(Case::of);
    let (records, summary) = run(&fleet, &cases);
    let outcomes: Vec<Outcome> = records.iter().map(|r| r.outcome).collect();
    let wanted = [
        Outcome::RejectedTooLong,
        Outcome::Finished,
        Outcome::RejectedEmpty,
        Outcome::Finished,
    ];
    assert_eq!(outcomes, wanted);
    assert_eq!(records[3].first_token, None);
    assert_eq!((summary.finished, summary.rejected), (2, 2));

    let mut short = Fleet::of(1, engine(100), &FLAT);
    short.horizon = Some(Seconds::new(45.0));
    let (records, summary) = run(&short, &[(0, 20, 9), (44, 4, 1), (45, 4, 1)].map(Case::of));
    assert_eq!(records.len(), 2, "the third arrives at the horizon");
    assert_eq!(records[0].outcome, Outcome::Unfinished);
    assert_eq!((records[0].made_tokens, summary.unfinished), (2, 2));
    assert!(seconds(summary.seconds, 45.0));
}

/// Keeps the spans.
struct Spans(Vec<(u32, u32, u64, u64, u64)>);

impl Observer for Spans {
    fn request(&mut self, _: &Record) {}

    fn span(&mut self, span: &Span) {
        let whole = |time: Seconds| time.get().round() as u32;
        let (start, end) = (whole(span.start), whole(span.end));
        let row = (
            start,
            end,
            span.iterations,
            span.decoding,
            span.prompt_tokens,
        );
        self.0.push(row);
    }
}

#[test]
fn a_timeline_tells_iterations_with_prompts_and_runs() {
    // A (20 in, 6 out) at 0, B (10 in, 2 out) at 45, which waits for the iteration's end at 50.
    let cases = [Case::of((0, 20, 6)), Case::of((45, 10, 2))];
    let requests = cases.iter().map(|case| Ok(case.request()));
    let mut spans = Spans(Vec::new());
    let fleet = Fleet::of(1, engine(100), &FLAT);
    replay(&fleet, Load::Timed(requests), &mut spans).unwrap();
    let wanted = [
        (0, 30, 1, 0, 20),
        (30, 50, 2, 1, 0),
        (50, 70, 1, 1, 10),
        (70, 80, 1, 2, 0),
        (80, 90, 1, 1, 0),
    ];
    assert_eq!(spans.0, wanted);
}

#[test]
fn a_closed_loop_keeps_its_number() {
    // Two at once, each 10 in and 2 out: prompts of both 0 .. 30, both end at 40, and so on.
    let fleet = Fleet::of(1, engine(100), &FLAT);
    let requests = (0..6).map(|_| Ok(Case::of((7, 10, 2)).request()));
    let mut ends = Vec::new();
    let load = Load::Closed {
        requests,
        concurrency: 2,
    };
    let summary = replay(&fleet, load, &mut |r: &Record| {
        ends.push((r.arrival.get() as u64, r.end.get() as u64));
    });
    assert_eq!(
        ends,
        [(0, 40), (0, 40), (40, 80), (40, 80), (80, 120), (80, 120)]
    );
    assert!(seconds(summary.unwrap().seconds, 120.0));
}
