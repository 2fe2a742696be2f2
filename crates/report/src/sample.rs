//! A comparison made by hand, for tests.

use std::collections::BTreeMap;

use chokepoint_engine::cost::{Capital, HourlyCost, SystemPower};
use chokepoint_engine::fabric::FabricParts;
use chokepoint_engine::rules::{
    DISCLAIMER, Fact, Margin, Metric, Metrics, Outcome as Export, RuleKind, TraceStep, Truth,
    Verdict,
};
use chokepoint_engine::units::{NumberFormat, Power, Usd, UsdPerHour};
use chokepoint_engine::{Comparison, Kind, Outcome, Resource, Row, Statement};
use serde_json::json;

fn verdict(outcome: Export, tpp: Fact<f64>) -> Verdict {
    let ratio = tpp.scaled(1.0 / 4800.0);
    let open = outcome == Export::Undetermined;
    Verdict {
        outcome,
        possible: if open {
            vec![Export::NotControlled, outcome]
        } else {
            vec![outcome]
        },
        eccn: (!open).then(|| "3A090.a.1".to_owned()),
        rule_ids: vec!["us-2023-10".to_owned()],
        margins: vec![Margin {
            rule: "us-2023-10".to_owned(),
            eccn: "3A090.a.1".to_owned(),
            metric: Metric::Tpp,
            value: tpp,
            threshold: 4800.0,
            ratio,
        }],
        trace: vec![TraceStep {
            rule: "us-2023-10".to_owned(),
            kind: Some(RuleKind::Law),
            citation: "88 FR 73458".to_owned(),
            statement: "tpp >= 4800 & made for <data centers>".to_owned(),
            holds: if open { Truth::Unknown } else { Truth::True },
        }],
        open_conditions: vec!["end-use: to be checked".to_owned()],
        missing_facts: if open {
            vec!["die_area".to_owned()]
        } else {
            Vec::new()
        },
        metrics: Metrics {
            tpp,
            tpp_format: Some(NumberFormat::Fp8),
            performance_density: tpp.scaled(1.0 / 814.0),
            tpp_with_tf32_as_19_bits: None,
            per_format: Vec::new(),
        },
        as_of: "2026-11-24".parse().unwrap(),
        disclaimer: DISCLAIMER,
    }
}

/// A row without result, price and notes.
fn bare(system: &str, name: &str, kind: Kind) -> Row {
    Row {
        system: system.to_owned(),
        system_name: name.to_owned(),
        workload: if kind == Kind::Training {
            "train"
        } else {
            "serve"
        }
        .to_owned(),
        kind,
        chips: 2048,
        reason: Some(Statement::new(
            "memory-short",
            [
                ("plan", "tp=8 pp=16".to_owned()),
                ("needed", "97.1 GB".to_owned()),
                ("usable", "75.2 GB".to_owned()),
            ],
        )),
        outcome: None,
        capital: None,
        power: SystemPower {
            chip: Power::new(700.0),
            host: Power::ZERO,
            network: Power::new(35.0),
            provisioned: Power::new(735.0),
            host_unknown: true,
        },
        parts: FabricParts {
            tiers: 2,
            endpoints: 2048,
            switches: 96,
            links: 4096,
            modules: 8192,
            power: Some(Power::new(71_680.0)),
            as_priced: true,
        },
        domain_modules: 0,
        export: verdict(Export::Undetermined, Fact::Range(4000.0, f64::INFINITY)),
        notes: vec![
            Statement::new("price-unknown", []),
            Statement::new("collectives-not-measured", []),
        ],
    }
}

fn hourly() -> HourlyCost {
    let usd = UsdPerHour::new;
    HourlyCost {
        capital: usd(1.5),
        colocation: usd(0.25),
        electricity: usd(0.125),
        maintenance: usd(0.1),
        staff: usd(0.025),
        total: usd(2.0),
    }
}

/// Measures that both kinds of workload have.
fn common_metrics() -> BTreeMap<&'static str, f64> {
    BTreeMap::from([
        ("memory_bytes", 112e9),
        ("memory_usable_bytes", 132.5e9),
        ("memory_capacity_bytes", 141e9),
        ("chip_power_watts", 612.0),
    ])
}

/// A result `speed` times as fast as the base.
pub(crate) fn outcome(kind: Kind, speed: f64) -> Outcome {
    let mut metrics = common_metrics();
    let (interval, breakdown, plan);
    if kind == Kind::Training {
        let step = 12.0 / speed;
        let rate = 4.0e6 * speed;
        metrics.extend([
            ("step_seconds", step),
            ("tokens_per_second", rate),
            ("tokens_per_second_per_chip", rate / 2048.0),
            ("mfu", 0.354 * speed),
            ("run_days", 42.0 / speed),
            ("usd_per_run", 4.13e6 / speed),
            ("usd_per_million_tokens", 0.284 / speed),
        ]);
        interval = (step * 0.9, step * 1.1);
        breakdown = vec![
            ("gemm", step / 3.0),
            ("attention", step / 3.0),
            ("recompute", 0.0),
            ("tensor_parallel", step / 3.0),
        ];
        plan = "tp=8 pp=4 dp=64 mbs=1 fp8".to_owned();
    } else {
        let rate = 2.0e6 * speed;
        metrics.extend([
            ("ttft_seconds", 0.83),
            ("tpot_seconds", 0.021),
            ("tokens_per_second_per_user", 1.0 / 0.021),
            ("requests_per_second", rate / 1024.0),
            ("output_tokens_per_second", rate),
            ("output_tokens_per_second_per_chip", rate / 2048.0),
            ("usd_per_million_output_tokens", 0.57 / speed),
        ]);
        interval = (rate * 0.8, rate * 1.3);
        breakdown = vec![("gemm", 0.014), ("attention", 0.007), ("head", 0.0)];
        plan = "32x[tp=8 dp=8 ep=64 batch=96] fp8 kv=bf16".to_owned();
    }
    Outcome {
        whole: breakdown.iter().map(|(_, time)| time).sum(),
        plan,
        plan_fields: BTreeMap::from([("tp", json!(8)), ("format", json!("fp8"))]),
        chips_used: 2048,
        metrics,
        interval,
        breakdown,
        memory: vec![("weights", 80e9), ("activations", 32e9)],
        elasticities: vec![
            (Resource::Compute, 0.62),
            (Resource::ScaleUpBandwidth, 0.21),
            (Resource::MemoryCapacity, -0.01),
        ],
        alternatives: vec![("tp=4 pp=8 dp=64 mbs=1 fp8".to_owned(), 0.978)],
        hourly: Some(hourly()),
    }
}

fn good(system: &str, name: &str, kind: Kind, speed: f64) -> Row {
    let usd = |millions: f64| Usd::new(millions * 1e6);
    Row {
        reason: None,
        outcome: Some(outcome(kind, speed)),
        capital: Some(Capital {
            systems: usd(80.0),
            network: usd(8.0),
            storage: usd(2.0),
            total: usd(90.0),
            optics: usd(4.9),
            spread: 0.1,
        }),
        power: SystemPower {
            chip: Power::new(700.0),
            host: Power::new(300.0),
            network: Power::new(35.0),
            provisioned: Power::new(1035.0),
            host_unknown: false,
        },
        export: verdict(Export::LicenseCaseByCase, Fact::Known(15_832.0)),
        notes: vec![Statement::new("collectives-not-measured", [])],
        ..bare(system, name, kind)
    }
}

/// Three systems on a training and a serving workload; the last has no result.
pub(crate) fn comparison() -> Comparison {
    let rows = [Kind::Training, Kind::Serving]
        .into_iter()
        .flat_map(|kind| {
            [
                good("hgx-h200", "HGX H200, 8 GPUs", kind, 1.0),
                good("gb200-nvl72", "GB200 NVL72", kind, 2.5),
                bare("mine", "Mine <script>alert(1)</script> & co", kind),
            ]
        });
    Comparison {
        title: "Which one?".to_owned(),
        title_zh: Some("选哪一个？".to_owned()),
        date: "2026-11-24".to_owned(),
        destination: "CN".to_owned(),
        prices: "retail-2025".to_owned(),
        prices_as_of: "2025-12".to_owned(),
        held: vec![
            (
                "train".to_owned(),
                Statement::new("equal-chips", [("chips", "2048".to_owned())]),
            ),
            (
                "serve".to_owned(),
                Statement::new("equal-chips", [("chips", "2048".to_owned())]),
            ),
        ],
        rows: rows.collect(),
    }
}

/// The same without any result.
pub(crate) fn nothing_feasible() -> Comparison {
    let mut comparison = comparison();
    for row in &mut comparison.rows {
        *row = bare(&row.system, &row.system_name, row.kind);
    }
    comparison
}

/// The same with a deadline and a request rate held equal, so that chips differ.
pub(crate) fn deadline() -> Comparison {
    let mut comparison = comparison();
    comparison.held = vec![
        (
            "train".to_owned(),
            Statement::new("equal-deadline", [("days", "60".to_owned())]),
        ),
        (
            "serve".to_owned(),
            Statement::new("equal-rate", [("rate", "100".to_owned())]),
        ),
    ];
    for row in &mut comparison.rows {
        row.chips = if row.system == "gb200-nvl72" {
            576
        } else {
            1440
        };
        if row.outcome.is_none() {
            row.chips = 0;
        }
    }
    comparison
}
