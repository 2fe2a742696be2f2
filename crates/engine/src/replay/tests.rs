//! A replay at moderate load against the steady state of the serving model.
//!
//! A closed loop of B clients holds B sequences of which nearly all decode, as [`Flow::of`] has it. Answers
//! have different lengths, so that prompts do not come in waves; the first and the last fifth of the
//! requests, in which the loop fills and empties, do not count.

use chokepoint_replay::{Lengths, Process, Record, Router, Synthetic, Targets};
use chokepoint_serve::{Case, Flow, Instance};
use chokepoint_units::NumberFormat;

use super::{ReplayFound, ReplayRequest, ReplaySource, run_replay, workload};
use crate::Data;
use crate::resolve::system_parts;
use crate::serving_software::serving_software;

/// Clients; model, system, engine and plan; tokens of a prompt.
type Load<'a> = (u32, [&'a str; 4], u32);

const LOADS: [Load<'_>; 7] = [
    (32, ["llama-3.1-8b", "hgx-h100", "vllm", "tp=1"], 512),
    (64, ["llama-3.1-70b", "hgx-h200", "vllm", "tp=4"], 1024),
    (16, ["llama-3.1-70b", "hgx-h200", "sglang", "tp=8"], 1024),
    (32, ["llama-3.1-70b", "hgx-b200", "trtllm", "tp=4"], 512),
    (48, ["gpt-oss-120b", "hgx-h100", "vllm", "tp=4"], 1024),
    (32, ["gpt-oss-120b", "hgx-b200", "sglang", "tp=2"], 512),
    (24, ["deepseek-v3", "hgx-h200", "trtllm", "tp=8"], 512),
];

fn request(load: &Load<'_>) -> ReplayRequest {
    let (clients, [model, system, engine, plan], input) = *load;
    ReplayRequest {
        model: model.to_owned(),
        system: system.to_owned(),
        engine: engine.to_owned(),
        source: ReplaySource::Synthetic {
            drawn: Synthetic {
                requests: u64::from(clients) * 30,
                process: Process::AtOnce,
                input: Lengths::fixed(input),
                output: Lengths {
                    least: 384,
                    most: 640,
                },
                seed: 1,
            },
            concurrency: Some(clients),
        },
        instances: Some(1),
        chips: None,
        disaggregate: None,
        plan: Some(plan.to_owned()),
        formats: vec![NumberFormat::Fp8, NumberFormat::Bf16],
        cache_format: NumberFormat::Bf16,
        router: Router::RoundRobin,
        targets: Targets::default(),
        prefix_cache: true,
        horizon: None,
    }
}

/// Tokens a second and seconds for each later token of the requests between the first and the last fifth.
fn measured(request: &ReplayRequest, data: &Data) -> (ReplayFound, f64, f64) {
    let mut records: Vec<Record> = Vec::new();
    let mut observer = |record: &Record| records.push(record.clone());
    let mut open = || Ok(std::iter::empty());
    let run = run_replay(request, data, &mut open, &mut observer).unwrap();
    let (from, to) = (records.len() / 5, records.len() * 4 / 5);
    let span = records[to - 1].end - records[from - 1].end;
    let middle = &records[from..to];
    let tokens: u32 = middle.iter().map(|record| record.output_tokens).sum();
    let later = |record: &Record| {
        let time = record.end - record.first_token.unwrap();
        time.get() / f64::from(record.output_tokens - 1)
    };
    let tpot = middle.iter().map(later).sum::<f64>() / middle.len() as f64;
    (run.found.unwrap(), f64::from(tokens) / span.get(), tpot)
}

#[test]
fn a_closed_loop_runs_at_the_rate_of_the_steady_state() {
    let data = Data::load(&[]).unwrap();
    for load in &LOADS {
        let asked = request(load);
        let (found, rate, tpot) = measured(&asked, &data);
        let architecture = data.model(&asked.model).unwrap();
        let parts = system_parts(&data.catalog, &asked.system).unwrap();
        let engine = data.catalog.engine(&asked.engine).unwrap();
        let means = super::MeanLengths {
            requests: 0,
            input: f64::from(load.2),
            output: 512.0,
            shared: false,
        };
        let case = Case {
            architecture: &architecture,
            workload: &workload(&asked, &means),
            software: &serving_software(engine, &parts.chip.calibration.curve),
            chip: &parts.spec.as_ref().unwrap().under_load(),
            fabric: &parts.fabric,
            chips: u64::MAX,
        };
        let instance = Instance {
            case: &case,
            layout: found.layout,
            precision: found.precision,
        };
        let flow = Flow::of(&instance, f64::from(load.0));
        let steady = flow.mean.total().get();
        let steady_rate = f64::from(load.0) / steady;
        for (replayed, steady) in [(rate, steady_rate), (tpot, steady)] {
            let off = replayed / steady - 1.0;
            assert!(off.abs() < 0.03, "{load:?}: {replayed} of {steady}");
        }
    }
}
