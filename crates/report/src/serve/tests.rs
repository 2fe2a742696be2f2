//! Runs made by hand.

use chokepoint_engine::model::Architecture;
use chokepoint_engine::serve::{Plan, Precision, Software, Workload};
use chokepoint_engine::units::{NumberFormat, Seconds};
use chokepoint_engine::{
    Ask, Goal, Kind, RandomArrivals, ServeFound, ServePlan, ServingRun, Statement,
};

use crate::sample::outcome;
use crate::{Language, serve_csv, serve_json, serve_svg, serve_table};

const CONFIG: &str = r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1000,
  "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4,
  "num_key_value_heads": 4, "max_position_embeddings": 4096, "tie_word_embeddings": false
}"#;

fn infeasible() -> ServingRun {
    ServingRun {
        model: "model <1>".to_owned(),
        system: "hgx-h200".to_owned(),
        system_name: "HGX H200, 8 GPUs".to_owned(),
        vendor: "NVIDIA".to_owned(),
        node_chips: 8,
        chips: Some(2048),
        prices: "retail-2025".to_owned(),
        ask: Ask::Best(Goal::Throughput),
        arrivals: None,
        workload: Workload {
            input: 4096,
            output: 1024,
            ttft: Seconds::new(2.0),
            tpot: Seconds::new(0.05),
            formats: vec![NumberFormat::Fp8],
            cache_format: NumberFormat::Bf16,
            imbalance: 1.0,
            prefix_hit: 0.0,
            speculation: None,
        },
        architecture: Architecture::from_config("config.json", CONFIG).unwrap(),
        software: Software::KERNELS,
        evaluated: 1200,
        pruned: 34_000,
        reason: Some(Statement::new("no-plan", [])),
        found: None,
        front: Vec::new(),
        notes: vec![Statement::new("engine-none", [])],
    }
}

/// A plan so many times as fast for a user and for all chips as the best.
fn beside(user: f64, all: f64) -> ServePlan {
    let best = outcome(Kind::Serving, all);
    let mut metrics = best.metrics;
    metrics.insert("tokens_per_second_per_user", 1.0 / 0.021 * user);
    metrics.insert("tpot_seconds", 0.021 / user);
    ServePlan {
        plan: "16x[tp=8 batch=\"12\"] fp8 kv=bf16".to_owned(),
        plan_fields: best.plan_fields,
        chips: 1024,
        metrics,
    }
}

fn sample() -> ServingRun {
    let best = outcome(Kind::Serving, 1.0);
    let rest = Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16);
    ServingRun {
        reason: None,
        found: Some(ServeFound {
            plan: Plan::parse(&best.plan, rest).unwrap(),
            outcome: best,
            others: vec![beside(0.9, 0.98), beside(1.1, 0.91)],
        }),
        front: vec![beside(3.0, 0.2), beside(1.5, 0.7), beside(0.5, 1.2)],
        ..infeasible()
    }
}

#[test]
fn runs_read_as_recorded() {
    let run = sample();
    insta::assert_snapshot!("serve_table_en", serve_table(&run, Language::En));
    insta::assert_snapshot!("serve_table_zh", serve_table(&run, Language::Zh));
    let json = serve_json(&run, 0.25, Language::En).unwrap();
    insta::assert_snapshot!("serve_json_en", json);
    insta::assert_snapshot!("serve_csv_en", serve_csv(&run, Language::En).unwrap());
    let drawing = serve_svg(&run, Language::En).unwrap();
    insta::assert_snapshot!("serve_svg_en", drawing.replace("><", ">\n<"));
}

/// The best plan under random arrivals.
fn random() -> ServingRun {
    let mut run = ServingRun {
        arrivals: Some(RandomArrivals {
            percent: 99.0,
            counted: 1000,
            seed: 1,
            replays: 42,
            untried: 20,
        }),
        notes: vec![Statement::new("percentile-held", [])],
        front: Vec::new(),
        ..sample()
    };
    let outcome = &mut run.found.as_mut().unwrap().outcome;
    outcome.breakdown = Vec::new();
    outcome.elasticities = Vec::new();
    outcome.metrics.extend([
        ("utilisation", 0.8125),
        ("steady_requests_per_second", 24.5),
        ("ttft_percentile_seconds", 1.9),
        ("tpot_percentile_seconds", 0.049),
    ]);
    run
}

#[test]
fn percentiles_read_as_recorded() {
    let run = random();
    insta::assert_snapshot!("percentile_table_en", serve_table(&run, Language::En));
    insta::assert_snapshot!("percentile_table_zh", serve_table(&run, Language::Zh));
    let json = serve_json(&run, 0.25, Language::En).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["percentile"]["percent"], 99.0);
    assert_eq!(json["percentile"]["replays"], 42);
    assert_eq!(json["best"]["metrics"]["utilisation"], 0.8125);
    let missed = Statement::new("percentile-missed", [("percent", "99".to_owned())]);
    let none = ServingRun {
        reason: Some(missed),
        found: None,
        ..random()
    };
    for language in Language::ALL {
        let text = serve_table(&none, language);
        assert!(
            text.contains("99%") && !text.contains("statement."),
            "{text}"
        );
    }
}

#[test]
fn a_reason_stands_where_there_is_no_result() {
    for language in Language::ALL {
        let text = serve_table(&infeasible(), language);
        assert!(
            text.contains("HGX H200") && text.lines().count() == 5,
            "{text}"
        );
        assert_eq!(serve_svg(&infeasible(), language), None);
        let csv = serve_csv(&infeasible(), language).unwrap();
        assert_eq!(csv.lines().count(), 2);
        assert!(csv.contains("none"));
        let json = serve_json(&infeasible(), 0.5, language).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["best"].is_null() && json["feasible"] == false);
        assert_eq!(json["reason_key"], "no-plan");
    }
}

#[test]
fn every_point_of_the_front_is_drawn_and_escaped() {
    let drawing = serve_svg(&sample(), Language::Zh).unwrap();
    assert_eq!(drawing.matches("class=\"bar\"").count(), 3);
    assert_eq!(drawing.matches("class=\"front\"").count(), 2);
    assert!(drawing.contains("batch=&quot;12&quot;") && drawing.contains("model &lt;1&gt;"));
    assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"));
}

#[test]
fn nothing_falls_back_to_a_key() {
    for language in Language::ALL {
        for ask in [
            Ask::Best(Goal::Throughput),
            Ask::Best(Goal::Cost),
            Ask::Best(Goal::Energy),
            Ask::Rate(12.5),
            Ask::Given("8x[tp=8]".to_owned()),
        ] {
            let run = ServingRun { ask, ..sample() };
            let text = serve_table(&run, language) + &serve_svg(&run, language).unwrap();
            for key in [
                "serve.",
                "statement.",
                "column.",
                "metric.",
                "_per_",
                "_seconds",
            ] {
                assert!(!text.contains(key), "{key}: {text}");
            }
        }
    }
}
