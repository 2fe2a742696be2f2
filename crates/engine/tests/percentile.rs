//! Targets as percentiles under random arrivals: the plan that is found meets them when it is replayed
//! from its printed text, and more requests a second do not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use chokepoint_engine::trace::{Drawn, Lengths, Process, Record, Synthetic};
use chokepoint_engine::units::Seconds;
use chokepoint_engine::{
    Ask, Data, Goal, ReplayRequest, ReplaySource, ServeRequest, ServingRun, run_replay, run_serving,
};

const INPUT: u64 = 1024;
const OUTPUT: u64 = 256;

fn asked(model: &str, chips: u64) -> ServeRequest {
    let mut request = ServeRequest::new(model, "hgx-h100", chips, INPUT, OUTPUT);
    request.serving.engine = Some("vllm".to_owned());
    request.percentile = Some(99.0);
    request
}

fn found(request: &ServeRequest) -> ServingRun {
    run_serving(request, &Data::load(&[]).unwrap()).unwrap()
}

fn metric(run: &ServingRun, key: &str) -> f64 {
    run.found.as_ref().unwrap().outcome.metrics[key]
}

/// The 99th percentiles of a plan of one group of instances, replayed from its text at a rate: of 1,000
/// requests after as many as it has under way, and before as many again.
fn replayed(model: &str, run: &ServingRun, rate: f64) -> (f64, f64) {
    let found = run.found.as_ref().unwrap();
    let pools = found.plan.prefill.iter().chain([&found.plan.decode]);
    let under_way = pools.map(|pool| {
        let layout = pool.layout;
        pool.instances * layout.dp * layout.pp * pool.batch
    });
    let around: u64 = under_way.sum();
    assert!(around < 1000, "{around}");
    let drawn = Synthetic {
        requests: around * 2 + 1000,
        process: Process::Poisson { rate },
        input: Lengths::fixed(INPUT as u32),
        output: Lengths::fixed(OUTPUT as u32),
        seed: 1,
    };
    let source = ReplaySource::Synthetic {
        drawn,
        concurrency: None,
    };
    let mut request = ReplayRequest::new(model, "hgx-h100", source);
    request.plan = Some(found.outcome.plan.clone());
    let (mut first, mut later) = (Vec::new(), Vec::new());
    let mut watch = |record: &Record| {
        if (around..around + 1000).contains(&record.request) {
            let at = record.first_token.unwrap();
            first.push((at - record.arrival).get());
            later.push((record.end - at).get() / (OUTPUT - 1) as f64);
        }
    };
    let mut open = || -> Result<Drawn, _> { drawn.draw() };
    let data = Data::load(&[]).unwrap();
    let run = run_replay(&request, &data, &mut open, &mut watch).unwrap();
    assert_eq!(run.found.unwrap().summary.finished, drawn.requests);
    let high = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[989]
    };
    (high(first), high(later))
}

/// `replay` reads the plan that `serve` prints and gives the percentiles that it printed.
#[test]
fn the_plan_meets_the_percentiles_and_a_tenth_more_does_not() {
    for (model, chips, ttft, tpot) in [
        ("llama-3.1-8b", 1, 0.5, 0.02),
        ("llama-3.1-70b", 4, 0.8, 0.03),
        ("gpt-oss-120b", 2, 0.5, 0.02),
    ] {
        let mut request = asked(model, chips);
        if model == "gpt-oss-120b" {
            request.ask = Ask::Given("1x[tp=2 batch=128] fp8".to_owned());
        }
        request.serving.ttft = Seconds::new(ttft);
        request.serving.tpot = Seconds::new(tpot);
        let run = found(&request);
        let utilisation = metric(&run, "utilisation");
        assert!((0.05..0.9).contains(&utilisation), "{model}: {utilisation}");
        let rate = metric(&run, "requests_per_second");
        let steady = metric(&run, "steady_requests_per_second");
        assert!((rate / steady / utilisation - 1.0).abs() < 1e-9);
        let (first, later) = replayed(model, &run, rate);
        let told = (
            metric(&run, "ttft_percentile_seconds"),
            metric(&run, "tpot_percentile_seconds"),
        );
        assert!((first / told.0 - 1.0).abs() < 1e-6, "{first} {told:?}");
        assert!((later / told.1 - 1.0).abs() < 1e-6, "{later} {told:?}");
        assert!(first <= ttft && later <= tpot, "{model}: {first} {later}");
        let (first, later) = replayed(model, &run, rate * 1.1);
        assert!(first > ttft || later > tpot, "{model}: {first} {later}");
    }
}

#[test]
fn higher_percentiles_and_tighter_targets_serve_no_more() {
    let rate = |percent: f64, tpot: f64| {
        let mut request = asked("llama-3.1-8b", 4);
        request.percentile = Some(percent);
        request.serving.tpot = Seconds::new(tpot);
        metric(&found(&request), "requests_per_second")
    };
    let (half, most, all) = (rate(50.0, 0.02), rate(90.0, 0.02), rate(99.0, 0.02));
    assert!(
        half >= most && most >= all && all > 0.0,
        "{half} {most} {all}"
    );
    let (loose, tight) = (rate(99.0, 0.03), rate(99.0, 0.01));
    assert!(loose >= all && all >= tight, "{loose} {all} {tight}");
}

#[test]
fn a_search_gives_the_same_twice_and_serves_no_more_than_in_the_mean() {
    let request = asked("llama-3.1-70b", 16);
    let (first, second) = (found(&request), found(&request));
    assert_eq!(first, second);
    let arrivals = first.arrivals.unwrap();
    assert_eq!((arrivals.counted, arrivals.seed), (1000, 1));
    assert!(arrivals.replays > 10, "{arrivals:?}");
    let mean = ServeRequest {
        percentile: None,
        ..request
    };
    let mean = metric(&found(&mean), "requests_per_second");
    let share = metric(&first, "requests_per_second") / mean;
    assert!((0.2..=1.0).contains(&share), "{share}");
}

#[test]
fn a_given_plan_is_replayed_and_what_no_rate_meets_is_a_reason() {
    let mut request = asked("llama-3.1-8b", 2);
    request.ask = Ask::Given("2x[tp=1 batch=64] fp8".to_owned());
    request.serving.prefix_hit = 0.5;
    let run = found(&request);
    assert!(metric(&run, "utilisation") > 0.1);
    request.serving.prefix_hit = 0.0;
    let whole = found(&request);
    let rate = |run: &ServingRun| metric(run, "requests_per_second");
    assert!(rate(&run) > rate(&whole), "{} {}", rate(&run), rate(&whole));
    request.serving.tpot = Seconds::new(1e-4);
    let none = found(&request);
    assert!(none.found.is_none());
    assert_eq!(none.reason.unwrap().key, "percentile-missed");
    request.percentile = Some(99.9);
    assert_eq!(found(&request).arrivals.unwrap().counted, 10_000);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = Data::load(&[]).unwrap();
    for (percent, ask) in [
        (100.0, Ask::Best(Goal::Throughput)),
        (f64::NAN, Ask::Best(Goal::Throughput)),
        (99.0, Ask::Best(Goal::Cost)),
        (99.0, Ask::Rate(3.0)),
    ] {
        let mut request = asked("llama-3.1-8b", 8);
        (request.percentile, request.ask) = (Some(percent), ask);
        let problem = run_serving(&request, &data).unwrap_err();
        assert!(problem.message.contains("--percentile"), "{problem:?}");
    }
}
