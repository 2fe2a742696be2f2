//! Runs made by hand.

use chokepoint_engine::fabric::algorithm::Collective;
use chokepoint_engine::model::Architecture;
use chokepoint_engine::train::{
    Chunk, Plan, PlanChunks, Schedule, Scheduler, Software, Timeline, Workload,
};
use chokepoint_engine::units::{Bytes, NumberFormat, Seconds};
use chokepoint_engine::{
    ContentionFound, ContentionRow, DegradedRow, Kind, Local, RunContention, RunDegraded,
    RunFigures, RunFound, RunGoodput, RunPlan, RunSites, RunTimeline, Statement, TrainingRun,
};

use super::{contention, degraded};
use crate::messages::Words;
use crate::sample::outcome;
use crate::terminal::drawn;
use crate::{Language, run_csv, run_json, run_svg, run_table};

const CONFIG: &str = r#"{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1000,
  "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 8, "num_attention_heads": 4,
  "num_key_value_heads": 4, "max_position_embeddings": 4096, "tie_word_embeddings": false
}"#;

/// A pipeline of equal ranks: forward 10 ms, both gradients 20 ms.
fn chunks(schedule: Schedule, pp: u64, micro_batches: u64) -> PlanChunks {
    let chunk = Chunk {
        forward: Seconds::new(0.010),
        input_gradient: Seconds::new(0.010),
        weight_gradient: Seconds::new(0.010),
        activations: Bytes::new(1e9),
    };
    PlanChunks {
        plan: Plan {
            pp,
            schedule,
            ..Plan::one(NumberFormat::Bf16)
        },
        micro_batches,
        chunks: vec![chunk; pp as usize],
        layers: vec![2; pp as usize],
        transfer: Seconds::ZERO,
    }
}

fn timeline(chunks: &PlanChunks) -> Timeline {
    Scheduler::new().run(&chunks.pipeline()).unwrap().clone()
}

fn plan(text: &str, slower: f64) -> RunPlan {
    RunPlan {
        plan: text.to_owned(),
        plan_fields: [("tp", serde_json::json!(4))].into(),
        step_seconds: 12.0 * (1.0 + slower),
        slower,
        memory_bytes: 90e9,
    }
}

fn infeasible() -> TrainingRun {
    TrainingRun {
        model: "model <1>".to_owned(),
        system: "hgx-h200".to_owned(),
        system_name: "HGX H200, 8 GPUs".to_owned(),
        chips: 2048,
        prices: "retail-2025".to_owned(),
        framework: None,
        workload: Workload::pretraining(4096, 1024, 1e12, vec![NumberFormat::Bf16]),
        architecture: Architecture::from_config("config.json", CONFIG).unwrap(),
        extra_tokens: 0.0,
        software: Software::CURRENT,
        evaluated: 1200,
        pruned: 34_000,
        reason: Some(Statement::new("no-plan", [])),
        found: None,
        notes: vec![Statement::new("price-unknown", [])],
    }
}

fn sample(schedule: Schedule, pp: u64, micro_batches: u64) -> TrainingRun {
    let chunks = chunks(schedule, pp, micro_batches);
    let goodput = RunGoodput {
        experience: "meta-llama3-h100".to_owned(),
        name: "Llama 3 405B".to_owned(),
        days: 28.0,
        share: 0.875,
        mtbf_hours: Some(24.7),
        interval_minutes: Some(43.0),
        checkpoint_bytes: 5.7e12,
        spare_chips: 104,
        causes: vec![("work", 0.875), ("stragglers", 0.1), ("lost", 0.025)],
        usd: Some(3.8e6),
    };
    let timeline = RunTimeline {
        micro_batches,
        timeline: timeline(&chunks),
    };
    TrainingRun {
        reason: None,
        found: Some(RunFound {
            outcome: outcome(Kind::Training, 1.0),
            others: vec![plan("tp=4 pp=8 dp=64 mbs=1 fp8", 0.02)],
            front: vec![plan("tp=8 pp=8 dp=32 mbs=1 fp8", 0.0)],
            contention: None,
            degraded: None,
            sites: None,
            goodput: Some(goodput),
            chunks,
            timeline: Some(timeline),
        }),
        ..infeasible()
    }
}

fn figures(slower: f64, tokens: f64) -> RunFigures {
    RunFigures {
        plan: "tp=8 pp=4 dp=32 mbs=1 fp8".to_owned(),
        step_seconds: 12.0 * slower,
        tokens_per_second: 4.0e6 / slower,
        tokens,
        days: 42.0 * slower,
        usd: Some(4.13e6 * slower),
        days_with_failures: Some(48.0 * slower),
        usd_with_failures: Some(4.8e6 * slower),
    }
}

fn split(local: Option<Local>) -> TrainingRun {
    let mut run = sample(Schedule::OneForwardOneBackward, 1, 8);
    if let Some(found) = &mut run.found {
        found.sites = Some(RunSites {
            sites: 2,
            chips_per_site: 1024,
            batch_per_site: 512,
            bandwidth: 12.5e9,
            round_trip_seconds: 0.03,
            exchange_bits: 32,
            exchange_bytes: 32e9,
            overlap: 0.25,
            local,
            extra_tokens: local.map_or(0.0, |_| 0.05),
            site_step_seconds: 12.0,
            exchange_seconds: 2.59,
            exposed_seconds: 2.4,
            exposed_seconds_per_step: 2.4,
            step_equivalent_seconds: 15.12,
            lost_share: 1.0 / 6.0,
            synchronous_step_seconds: 14.4,
            break_even_inner_steps: local.map(|_| 7),
            loss_ratio: local.map(|_| 0.998_2),
            run: figures(1.2, 1.05e12),
            single: match local {
                Some(_) => Ok(figures(1.0, 1e12)),
                None => Err(Statement::new("no-plan", [])),
            },
        });
    }
    run
}

/// The lines from the title of the split to the title of the failures.
fn of_sites(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.contains("Gb/s"));
    let lines = lines.take_while(|line| !line.contains("Llama 3 405B"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn sites_read_as_recorded() {
    let local = Local {
        inner_steps: 100,
        fragments: 4,
        delay: 5,
    };
    let streamed = split(Some(local));
    let synchronous = split(None);
    for (name, language) in [("en", Language::En), ("zh", Language::Zh)] {
        let shown = of_sites(&run_table(&streamed, language));
        insta::assert_snapshot!(format!("sites_local_{name}"), shown);
        let shown = of_sites(&run_table(&synchronous, language));
        insta::assert_snapshot!(format!("sites_synchronous_{name}"), shown);
        for key in ["sites.", "site-step", "statement."] {
            assert!(!shown.contains(key), "{key}: {shown}");
        }
    }
    let read = |run| -> serde_json::Value {
        serde_json::from_str(&run_json(run, 0.25, Language::En).unwrap()).unwrap()
    };
    let sites = serde_json::to_string_pretty(&read(&streamed)["sites"]).unwrap();
    insta::assert_snapshot!("sites_json", sites);
    assert!(read(&synchronous)["sites"]["single_site"].is_null());
    assert!(read(&sample(Schedule::OneForwardOneBackward, 1, 8))["sites"].is_null());
}

#[test]
fn runs_read_as_recorded() {
    let run = sample(Schedule::OneForwardOneBackward, 4, 8);
    insta::assert_snapshot!("run_table_en", run_table(&run, Language::En));
    insta::assert_snapshot!("run_table_zh", run_table(&run, Language::Zh));
    insta::assert_snapshot!("run_json_en", run_json(&run, 0.25, Language::En).unwrap());
    insta::assert_snapshot!("run_csv_en", run_csv(&run, Language::En).unwrap());
    let drawing = run_svg(&run, Language::En).unwrap();
    insta::assert_snapshot!("run_svg_en", drawing.replace("><", ">\n<"));
}

#[test]
fn deep_and_long_pipelines_are_cut() {
    let run = sample(Schedule::ZeroBubbleH1, 20, 400);
    let text = run_table(&run, Language::En);
    let ranks: Vec<&str> = text.lines().filter(|line| line.contains(" … ")).collect();
    assert_eq!(ranks.len(), 17, "16 ranks and the legend: {text}");
    assert!(
        ranks
            .iter()
            .take(16)
            .all(|line| line.chars().count() <= 100)
    );
    assert!(text.contains("\n  …\n"), "ranks are left out: {text}");
    let drawing = run_svg(&run, Language::Zh).unwrap();
    assert!(drawing.len() < 400_000, "{}", drawing.len());
    assert!(drawing.contains("model &lt;1&gt;") && !drawing.contains("model <1>"));
}

#[test]
fn without_a_result_there_is_no_drawing() {
    for language in Language::ALL {
        assert_eq!(run_svg(&infeasible(), language), None);
        let one = sample(Schedule::OneForwardOneBackward, 1, 8);
        assert!(
            run_svg(&one, language)
                .unwrap()
                .contains("class=\"op forward\"")
        );
        let text = run_table(&infeasible(), language);
        assert!(
            text.contains("HGX H200") && text.lines().count() == 5,
            "{text}"
        );
        let csv = run_csv(&infeasible(), language).unwrap();
        assert_eq!(csv.lines().count(), 2);
    }
}

#[test]
fn nothing_falls_back_to_a_key() {
    for language in Language::ALL {
        for schedule in [Schedule::OneForwardOneBackward, Schedule::ZeroBubbleH1] {
            let run = sample(schedule, 4, 8);
            let text = run_table(&run, language) + &run_svg(&run, language).unwrap();
            for key in [
                "run.",
                "cause.",
                "statement.",
                "column.",
                "metric.",
                "checkpoint\n",
            ] {
                assert!(!text.contains(key), "{key}: {text}");
            }
        }
    }
}

/// Traffic beside itself, of which one kind was not run; a step where all were.
#[test]
fn contention_reads_as_recorded() {
    let row = |kind, collective, found| ContentionRow {
        kind,
        collective,
        message: Bytes::new(58_720_256.0),
        groups: (32, 8, 1),
        found,
    };
    let found = ContentionFound {
        alone: Seconds::new(80e-6),
        together: Seconds::new(120e-6),
        factor: 1.5,
        in_step: 1.25,
    };
    let mut beside = RunContention {
        chips: (256, 1024),
        rows: vec![row("tensor_parallel", Collective::AllGather, Ok(found))],
        alone: Seconds::new(1.6),
        step: Some(Seconds::new(1.8)),
    };
    let shown = |beside: &RunContention, language| {
        let words = Words::new(language);
        let grid = contention::grid(&words, beside);
        let lines = contention::lines(&words, beside);
        format!("{}\n{}\n{lines}", grid.title, drawn(&grid, 140))
    };
    insta::assert_snapshot!("contention_en", shown(&beside, Language::En));
    let mut run = sample(Schedule::OneForwardOneBackward, 1, 8);
    if let Some(found) = &mut run.found {
        found.contention = Some(beside.clone());
    }
    let text = run_json(&run, 0.5, Language::En).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let key = &json["contention"];
    assert_eq!(key["step_seconds_at_most"], 1.8);
    assert_eq!(key["traffic"][0]["factor_in_step"], 1.25);
    assert!(run_csv(&run, Language::En).unwrap().contains(",1.8\n"));
    assert!(run_table(&run, Language::En).contains("stretched"));
    let reason = Statement::new("ranks-uneven", []);
    let data = row("data_parallel", Collective::ReduceScatter, Err(reason));
    beside.rows.push(data);
    beside.step = None;
    insta::assert_snapshot!("contention_zh", shown(&beside, Language::Zh));
}

/// Parts of which one slows a step and the other stops the job.
#[test]
fn a_degraded_network_reads_as_recorded() {
    let row = |part, slowdown| DegradedRow {
        part,
        there: 2048,
        share: 0.14,
        slowdown,
    };
    let found = RunDegraded {
        chips: (1024, 2048),
        rows: vec![
            row("uplink", Ok(1.02)),
            row("port", Err(Statement::new("cut-off", []))),
        ],
        slowdown: 1.0028,
    };
    let words = [Language::En, Language::Zh].map(Words::new);
    let shown = words.map(|words| {
        let grid = degraded::grid(&words, &found);
        let line = degraded::line(&words, &found);
        format!("{}\n{}\n{line}", grid.title, drawn(&grid, 140))
    });
    insta::assert_snapshot!("degraded", shown.join("\n\n"));
    let json = degraded::json(&found);
    assert_eq!(json["parts"][0]["slowdown"], 1.02);
    assert_eq!(json["parts"][1]["reason"]["key"], "cut-off");
    let mut run = sample(Schedule::OneForwardOneBackward, 1, 8);
    if let Some(result) = &mut run.found {
        result.degraded = Some(found);
    }
    assert!(run_table(&run, Language::En).contains("Uplink"));
    let text = run_json(&run, 0.5, Language::En).unwrap();
    assert!(text.contains("mean_slowdown"));
}
