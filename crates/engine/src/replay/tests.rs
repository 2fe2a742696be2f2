//! A replay at moderate load against the steady state of the serving model.
//!
//! A closed loop of B clients holds B sequences of which nearly all decode, as [`Flow::of`] has it. Answers
//! have different lengths, so that prompts do not come in waves; the first and the last fifth of the
//! requests, in which the loop fills and empties, do not count.

use chokepoint_replay::{Lengths, Process, Record, Router, Synthetic};
use chokepoint_serve::{Batch, Case, Flow, Instance};

use super::{ReplayFound, ReplayRequest, ReplaySource, run_replay, workload};
use crate::Data;
use crate::fleet::instance;
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
    let source = ReplaySource::Synthetic {
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
    };
    ReplayRequest {
        engine: engine.to_owned(),
        instances: Some(1),
        plan: Some(plan.to_owned()),
        router: Router::RoundRobin,
        ..ReplayRequest::new(model, system, source)
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

/// Runs something on the instance that a load is replayed on.
fn on_instance<T>(
    load: &Load<'_>,
    data: &Data,
    found: &ReplayFound,
    of: impl Fn(&Instance) -> T,
) -> T {
    let asked = request(load);
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
    of(&instance(&case, &found.plan, &found.plan.decode))
}

/// A replay within 3% of a time for each token.
fn is_near(load: &Load<'_>, (rate, tpot): (f64, f64), wanted: f64) {
    let wanted_rate = f64::from(load.0) / wanted;
    for (replayed, wanted) in [(rate, wanted_rate), (tpot, wanted)] {
        let off = replayed / wanted - 1.0;
        assert!(off.abs() < 0.03, "{load:?}: {replayed} of {wanted}");
    }
}

#[test]
fn a_closed_loop_runs_at_the_rate_of_the_steady_state() {
    let data = Data::load(&[]).unwrap();
    for load in &LOADS {
        let (found, rate, tpot) = measured(&request(load), &data);
        let clients = f64::from(load.0);
        let mean = |it: &Instance| Flow::of(it, clients).mean.total().get();
        let steady = on_instance(load, &data, &found, mean);
        is_near(load, (rate, tpot), steady);
    }
}

/// Rounds take the time of a batch through all stages; a prompt in one batch holds up all others, so
/// that as many rounds carry prompts as clients send some, whatever the number of stages.
#[test]
fn a_pipeline_goes_in_rounds() {
    let data = Data::load(&[]).unwrap();
    for load in [
        (32, ["llama-3.1-70b", "hgx-h200", "vllm", "tp=2 pp=2"], 256),
        (48, ["llama-3.1-70b", "hgx-h100", "vllm", "tp=2 pp=4"], 256),
    ] {
        let (found, rate, tpot) = measured(&request(&load), &data);
        let clients = f64::from(load.0);
        let mean = |it: &Instance| {
            let context = f64::from(load.2) + 256.0;
            let decodes = Batch::decodes(clients / it.layout.pp as f64, context);
            let carrying = Batch::prompts(1.0, f64::from(load.2), 0.0).beside(&decodes);
            let without = libm::pow(1.0 - 1.0 / 511.0, clients);
            let time = |batch: &Batch| it.iteration(batch).total().get();
            time(&decodes) * without + time(&carrying) * (1.0 - without)
        };
        let wanted = on_instance(&load, &data, &found, mean);
        is_near(&load, (rate, tpot), wanted);
    }
}
