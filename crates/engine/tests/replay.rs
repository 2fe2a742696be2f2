//! Replay through the serving model: against its steady state, conservation, refusals.

#[path = "../../../tests/support/replayed.rs"]
mod replayed;

use chokepoint_engine::trace::{Lengths, Outcome, Process, Record, Request, Synthetic};
use chokepoint_engine::units::Seconds;
use chokepoint_engine::{ReplayRequest, ReplaySource};
use proptest::prelude::*;

use replayed::{found, replayed};

/// A closed loop of some clients.
fn closed(clients: u32, requests: u64, input: u32, output: Lengths) -> ReplaySource {
    ReplaySource::Synthetic {
        drawn: Synthetic {
            requests,
            process: Process::AtOnce,
            input: Lengths::fixed(input),
            output,
            seed: 7,
        },
        concurrency: Some(clients),
    }
}

fn request(model: &str, system: &str, source: ReplaySource) -> ReplayRequest {
    ReplayRequest::new(model, system, source)
}

/// So many requests, one every tenth of a second, of which pairs share all full blocks but the last.
fn trace(requests: u32) -> Vec<Request> {
    (0..requests)
        .map(|number| Request {
            arrival: Seconds::new(f64::from(number) * 0.1),
            input_tokens: 1500,
            output_tokens: 20,
            class: 0,
            hash_ids: vec![u64::from(number / 2), u64::from(number) + 1000],
        })
        .collect()
}

fn of_trace() -> ReplayRequest {
    let source = ReplaySource::Trace {
        name: "in memory".to_owned(),
        rate_scale: 1.0,
        limit: None,
    };
    request("llama-3.1-8b", "hgx-h100", source)
}

#[test]
fn every_request_of_a_trace_ends_and_is_told() {
    let (found, records) = found(&of_trace(), &trace(200));
    let summary = &found.summary;
    assert_eq!(
        (summary.finished, summary.requests, records.len()),
        (200, 200, 200)
    );
    assert_eq!(summary.output_tokens, 200 * 20);
    // The host's 5 ms are in the mean as they are in each record.
    let first = |record: &Record| record.first_token.unwrap().get() - record.arrival.get();
    let mean = records.iter().map(first).sum::<f64>() / 200.0;
    let told = summary.first_token.unwrap().mean_seconds.get();
    assert!((mean / told - 1.0).abs() < 1e-6, "{mean} {told}");
    assert!(records.iter().all(|record| first(record) > 0.005));
}

#[test]
fn prefixes_are_shared_unless_they_are_not_to_be() {
    let shared = of_trace();
    let own = ReplayRequest {
        prefix_cache: false,
        ..of_trace()
    };
    let requests = trace(200);
    let (shared, _) = found(&shared, &requests);
    let (own, _) = found(&own, &requests);
    // Every second prompt finds 512 of its 1500 tokens.
    let wanted = 512.0 / 1500.0 / 2.0;
    assert!(
        (shared.cached_share() - wanted).abs() < 1e-3,
        "{}",
        shared.cached_share()
    );
    assert!(own.cached_share() < f64::MIN_POSITIVE);
    assert!(shared.energy < own.energy);
}

#[test]
fn the_columns_of_a_timeline_hold_all_that_was_computed() {
    let mut request = of_trace();
    request.instances = Some(2);
    let (found, _) = found(&request, &trace(400));
    for (columns, one) in found
        .activity
        .instances
        .iter()
        .zip(&found.summary.instances)
    {
        let prompts: f64 = columns.iter().map(|spent| spent.prompts.get()).sum();
        let decodes: f64 = columns.iter().map(|spent| spent.decodes.get()).sum();
        let with_prompts = (one.prefill_seconds + one.mixed_seconds).get();
        assert!(
            (prompts / with_prompts - 1.0).abs() < 1e-9,
            "{prompts} {with_prompts}"
        );
        assert!((decodes / one.decode_seconds.get() - 1.0).abs() < 1e-9);
        assert!(columns.len() <= 600);
        let width = found.activity.column;
        assert!(
            columns
                .iter()
                .all(|spent| spent.prompts + spent.decodes <= width * (1.0 + 1e-9))
        );
    }
}

#[test]
fn targets_count_good_requests() {
    let mut request = of_trace();
    let requests = trace(50);
    let (free, records) = found(&request, &requests);
    assert_eq!(free.summary.good, 50);
    let mut times: Vec<f64> = records
        .iter()
        .map(|record| record.first_token.unwrap().get() - record.arrival.get())
        .collect();
    times.sort_by(f64::total_cmp);
    let middle = f64::midpoint(times[24], times[25]);
    request.plan = Some(free.layouts());
    request.targets.first_token = Some(Seconds::new(middle));
    let within = times.iter().filter(|time| **time <= middle).count() as u64;
    assert_eq!(found(&request, &requests).0.summary.good, within);
}

#[test]
fn a_faster_trace_takes_less_time_and_a_horizon_cuts_it() {
    let requests = trace(300);
    let with = |rate_scale, limit, horizon: Option<f64>| {
        let mut request = of_trace();
        request.source = ReplaySource::Trace {
            name: String::new(),
            rate_scale,
            limit,
        };
        request.horizon = horizon.map(Seconds::new);
        found(&request, &requests).0.summary
    };
    let plain = with(1.0, None, None);
    let fast = with(4.0, None, None);
    assert!(fast.seconds.get() < plain.seconds.get() / 3.0);
    assert_eq!(with(1.0, Some(10), None).requests, 10);
    let cut = with(1.0, None, Some(5.05));
    assert_eq!(cut.requests, cut.finished + cut.rejected + cut.unfinished);
    assert!(cut.unfinished > 0 && cut.finished < 60, "{cut:?}");
}

#[test]
fn prefill_and_decode_instances_share_the_work() {
    let mut request = of_trace();
    request.disaggregate = Some((1, 2));
    let (found, records) = found(&request, &trace(200));
    assert_eq!(
        (found.instances(), found.plan.prefill.unwrap().instances),
        (3, 1)
    );
    let all = &found.summary.instances;
    assert!(all[0].decode_seconds == Seconds::ZERO && all[0].prefill_seconds > Seconds::ZERO);
    assert!(
        all[1..]
            .iter()
            .all(|one| one.prefill_seconds == Seconds::ZERO)
    );
    assert!(
        records
            .iter()
            .all(|record| record.outcome == Outcome::Finished)
    );
}

#[test]
fn energy_lies_between_idle_and_design_power() {
    for rate in [0.5, 50.0] {
        let drawn = Synthetic {
            requests: 400,
            process: Process::Poisson { rate },
            input: Lengths::fixed(1000),
            output: Lengths::fixed(100),
            seed: 3,
        };
        let source = ReplaySource::Synthetic {
            drawn,
            concurrency: None,
        };
        let (found, _) = found(&request("llama-3.1-8b", "hgx-h100", source), &[]);
        let watts = found.energy.get() / found.summary.seconds.get() / found.chips() as f64;
        assert!((70.0..=700.0).contains(&watts), "{rate}: {watts}");
    }
}

#[test]
fn what_does_not_fit_is_a_reason_and_what_makes_no_sense_an_error() {
    let at_once = || closed(8, 16, 512, Lengths::fixed(16));
    let mut large = request("deepseek-v3", "hgx-h100", at_once());
    large.chips = Some(8);
    let (run, records) = replayed(&large, &[]).unwrap();
    assert_eq!(run.found.unwrap_err().key, "memory-short");
    assert!(records.is_empty());
    let small = || request("llama-3.1-8b", "hgx-h100", at_once());
    for (field, value) in [
        ("plan", "tp=3"),
        ("plan", "tp=0"),
        ("plan", "dp=2"),
        ("plan", "pp=33"),
        ("plan", "2x[tp=1"),
        ("plan", "[tp=1] fp3"),
        ("plan", "speed=2"),
        ("engine", "trtllm-static"),
        ("engine", "vlm"),
    ] {
        let mut asked = small();
        match field {
            "plan" => asked.plan = Some(value.to_owned()),
            _ => asked.engine = value.to_owned(),
        }
        assert!(replayed(&asked, &[]).is_err(), "{field} {value}");
    }
    let mut few = small();
    (few.plan, few.chips, few.instances) = (Some("tp=4".to_owned()), Some(8), Some(3));
    assert!(
        replayed(&few, &[])
            .unwrap_err()
            .message
            .contains("--chips 8")
    );
    let nothing = replayed(&of_trace(), &[]).unwrap_err();
    assert!(nothing.message.contains("no requests"), "{nothing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same seed gives the same result to the last bit, and none is lost.
    #[test]
    fn a_seed_gives_one_result(seed in 0_u64..1000, rate in 1.0..80.0, most in 1_u32..600) {
        let drawn = Synthetic {
            requests: 120,
            process: Process::Gamma { rate, variation: 2.0 },
            input: Lengths { least: 1, most: 4000 },
            output: Lengths { least: 0, most },
            seed,
        };
        let mut asked = of_trace();
        asked.source = ReplaySource::Synthetic { drawn, concurrency: None };
        asked.instances = Some(2);
        let (first, records) = found(&asked, &[]);
        prop_assert_eq!(records.len(), 120);
        prop_assert_eq!(first.summary.finished + first.summary.rejected, 120);
        let (second, again) = found(&asked, &[]);
        prop_assert_eq!(format!("{first:?}{records:?}"), format!("{second:?}{again:?}"));
    }
}
