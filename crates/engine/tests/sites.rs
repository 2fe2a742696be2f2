//! A run over several sites: a case worked by hand and what must hold whatever the figures.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use chokepoint_engine::units::{Bandwidth, NumberFormat, Seconds};
use chokepoint_engine::{
    Data, Resource, RunFound, RunRequest, RunSites, SitesOptions, run_training,
};

/// Parameters of Llama 3.1 8B (`crates/model/tests/model/parameters.rs`).
const PARAMETERS: f64 = 8_030_261_248.0;

const TWO: SitesOptions = SitesOptions {
    sites: Some(2),
    wan: Some(Bandwidth::new(12.5e9)),
    round_trip: Some(Seconds::new(0.03)),
    wan_overlap: None,
    local_steps: None,
    exchange_bits: None,
    fragments: None,
    delay: None,
};

fn request(sites: SitesOptions) -> RunRequest {
    RunRequest {
        formats: vec![NumberFormat::Bf16],
        others: 2,
        sites,
        ..RunRequest::new("llama-3.1-8b", "hgx-h100", 128)
    }
}

fn run(request: &RunRequest) -> RunFound {
    let data = Data::load(&[]).unwrap();
    let run = run_training(request, &data).unwrap();
    run.found.unwrap_or_else(|| panic!("{:?}", run.reason))
}

fn split(request: &RunRequest) -> RunSites {
    run(request).sites.unwrap()
}

fn near(name: &str, value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() < 1e-9,
        "{name}: {value} instead of {expected}"
    );
}

/// Two sites, 100 Gb/s: each sends half of 8.03 billion 32-bit gradients and then the other half,
/// 32.1 GB at 12.5 GB/s, and 2 x 15 ms.
#[test]
fn two_sites_by_hand() {
    let found = run(&request(TWO));
    let split = found.sites.as_ref().unwrap();
    let exchange = PARAMETERS * 4.0 / 12.5e9 + 0.03;
    near("exchange", split.exchange_seconds, exchange);
    near("exposed", split.exposed_seconds_per_step, exchange);
    let step = split.site_step_seconds + exchange;
    near("step", split.run.step_seconds, step);
    near("lost", split.lost_share, exchange / step);
    let rate = 1024.0 * 4096.0 / step;
    near("rate", split.run.tokens_per_second, rate);
    near("days", split.run.days, 1e12 / rate / 86_400.0);
    // A site by itself is the same run of half the chips, batch and tokens.
    let half = RunRequest {
        chips: 64,
        batch: 512,
        tokens: 0.5e12,
        ..request(SitesOptions::default())
    };
    let half = run(&half);
    near(
        "site",
        split.site_step_seconds,
        half.outcome.metrics["step_seconds"],
    );
    assert_eq!(half.outcome.plan, split.run.plan);
    // The single site is the run of all chips without options.
    let whole = run(&request(SitesOptions::default()));
    let single = split.single.as_ref().unwrap();
    assert_eq!(single.plan, whole.outcome.plan);
    near(
        "single",
        single.step_seconds,
        whole.outcome.metrics["step_seconds"],
    );
    near(
        "single with failures",
        single.days_with_failures.unwrap(),
        whole.goodput.as_ref().unwrap().days,
    );
    assert!(whole.sites.is_none());
    // Money is for all chips and the whole time.
    let hourly = found.outcome.hourly.unwrap().total.get();
    let usd = hourly * 128.0 * split.run.days * 24.0;
    near("usd", split.run.usd.unwrap(), usd);
    let sum: f64 = found.outcome.breakdown.iter().map(|(_, time)| time).sum();
    near("parts", sum, step);
    assert!(
        split.run.days_with_failures.unwrap() > split.run.days && found.outcome.chips_used == 128
    );
    let wan = found.outcome.elasticities.iter();
    let wan = wan.filter(|(resource, _)| *resource == Resource::WideAreaBandwidth);
    assert_eq!(wan.count(), 1);
}

/// Every 100 steps, 16 bits: 16.06 GB at 12.5 GB/s and 30 ms, a hundredth of it for each step.
#[test]
fn local_steps_by_hand() {
    let asked = RunRequest {
        extra_tokens: 0.05,
        ..request(SitesOptions {
            local_steps: Some(100),
            exchange_bits: Some(16),
            ..TWO
        })
    };
    let split = split(&asked);
    let exchange = PARAMETERS * 2.0 / 12.5e9 + 0.03;
    let step = split.site_step_seconds + exchange / 100.0;
    near("exchange", split.exchange_seconds, exchange);
    near("step", split.run.step_seconds, step);
    near("equivalent", split.step_equivalent_seconds, step * 1.05);
    near("tokens", split.run.tokens, 1.05e12);
    near(
        "days",
        split.run.days,
        1.05e12 / split.run.tokens_per_second / 86_400.0,
    );
    // The single site and the synchronous step need no further tokens, and exchange 32 bits.
    near("single", split.single.unwrap().tokens, 1e12);
    let synchronous = split.site_step_seconds + PARAMETERS * 4.0 / 12.5e9 + 0.03;
    near("synchronous", split.synchronous_step_seconds, synchronous);
    let gain = synchronous - split.site_step_seconds * 1.05;
    let even = (exchange * 1.05 / gain).ceil().max(1.0);
    assert_eq!(split.break_even_inner_steps, Some(even as u64));
    assert!((split.loss_ratio.unwrap() - 1.0).abs() < 0.01);
}

/// One site has no exchange, whatever the line.
#[test]
fn one_site_has_no_line() {
    let none = run(&request(SitesOptions::default()));
    let one = run(&request(SitesOptions {
        sites: Some(1),
        ..TWO
    }));
    assert_eq!(one, none);
}

#[test]
fn further_tokens_lengthen_the_run_alone() {
    let none = run(&request(SitesOptions::default()));
    let more = run(&RunRequest {
        extra_tokens: 0.2,
        ..request(SitesOptions::default())
    });
    for key in ["run_days", "usd_per_run", "energy_kilowatt_hours"] {
        let ratio = more.outcome.metrics[key] / none.outcome.metrics[key];
        near(key, ratio, 1.2);
    }
    near(
        "step",
        more.outcome.metrics["step_seconds"],
        none.outcome.metrics["step_seconds"],
    );
}

#[test]
fn more_of_a_line_is_never_slower() {
    let with = |change: &dyn Fn(&mut SitesOptions)| {
        let mut options = TWO;
        change(&mut options);
        split(&RunRequest {
            plan: Some("tp=2 recompute=selective".to_owned()),
            ..request(options)
        })
        .run
        .days_with_failures
        .unwrap()
    };
    let mut last = f64::INFINITY;
    for gigabytes in [0.125, 1.25, 12.5, 125.0, 1250.0] {
        let days = with(&|o| {
            o.wan = Some(Bandwidth::new(gigabytes * 1e9));
            o.wan_overlap = Some(0.5);
        });
        assert!(days <= last, "{gigabytes}");
        last = days;
    }
    let base = with(&|_| ());
    assert!(with(&|o| o.wan_overlap = Some(1.0)) < base);
    assert!(with(&|o| o.round_trip = Some(Seconds::ZERO)) < base);
    assert!(with(&|o| o.exchange_bits = Some(16)) < base);
    let local = with(&|o| o.local_steps = Some(50));
    assert!(local < base);
    assert!(with(&|o| o.local_steps = Some(500)) < local);
    let streamed = with(&|o| {
        o.local_steps = Some(50);
        o.fragments = Some(5);
        o.delay = Some(1);
    });
    assert!(streamed <= local);
}
