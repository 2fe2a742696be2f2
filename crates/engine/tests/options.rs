//! How a model is trained, beside its batch and number formats: cases worked by hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use chokepoint_engine::train::{Optimizer, Scaling, Trained};
use chokepoint_engine::units::{Bandwidth, NumberFormat, Seconds};
use chokepoint_engine::{
    Data, Resource, RunFound, RunRequest, SitesOptions, Target, TrainingOptions, TrainingRun, emit,
    run_training,
};

/// Adapters of rank 16 in Llama 3.1 8B: 32 layers of hidden size 4,096, 32 query and 8 key-value
/// heads of 128; 16 x (4,096 + 6,144) beside query, key and value, 16 x (4,096 + 4,096) beside the
/// output.
const ADAPTERS: f64 = 32.0 * 16.0 * (4096.0 + 6144.0 + 4096.0 + 4096.0);

fn request(training: TrainingOptions) -> RunRequest {
    RunRequest {
        batch: 512,
        formats: vec![NumberFormat::Fp8],
        plan: Some("tp=2 pp=2 fp8".to_owned()),
        others: 0,
        training,
        ..RunRequest::new("llama-3.1-8b", "hgx-h100", 64)
    }
}

fn run(request: &RunRequest) -> TrainingRun {
    run_training(request, &Data::load(&[]).unwrap()).unwrap()
}

fn found(request: &RunRequest) -> RunFound {
    let run = run(request);
    run.found.unwrap_or_else(|| panic!("{:?}", run.reason))
}

fn memory(found: &RunFound, name: &str) -> f64 {
    let mut uses = found.outcome.memory.iter();
    uses.find(|(of, _)| *of == name).unwrap().1
}

fn step(found: &RunFound) -> f64 {
    found.outcome.metrics["step_seconds"]
}

fn near(name: &str, value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() < 1e-9,
        "{name}: {value} instead of {expected}"
    );
}

fn message(request: &RunRequest) -> String {
    let data = Data::load(&[]).unwrap();
    run_training(request, &data).unwrap_err().message
}

#[test]
fn state_takes_the_bytes_of_its_precision() {
    let usual = TrainingOptions::default();
    let base = found(&request(usual));
    for (optimizer, bytes) in [
        (Optimizer::AdamBf16Moments, 8.0),
        (Optimizer::AdamBf16, 4.0),
        (Optimizer::Muon, 8.0),
    ] {
        let less = found(&request(TrainingOptions {
            optimizer: Some(optimizer),
            ..usual
        }));
        let (less, all) = (memory(&less, "optimizer"), memory(&base, "optimizer"));
        near(optimizer.name(), less / all, bytes / 12.0);
    }
    let gradients = Some(NumberFormat::Bf16);
    let half = found(&request(TrainingOptions { gradients, ..usual }));
    let ratio = memory(&half, "gradients") / memory(&base, "gradients");
    near("gradients", ratio, 0.5);
    assert!(step(&half) <= step(&base));
    for scaling in [Scaling::Delayed, Scaling::Block] {
        let cast = found(&request(TrainingOptions { scaling, ..usual }));
        assert!(step(&cast) < step(&base), "{}", scaling.name());
    }
}

/// Frozen weights have no gradients: model FLOPs are two of three forward passes, three of three
/// for attention. Only the adapters are kept, 2 + 12 bytes a parameter, and cross the line between
/// sites, 4 bytes a parameter.
#[test]
fn adapters_by_hand() {
    let training = TrainingOptions {
        trained: Trained::Adapters { rank: 16 },
        ..TrainingOptions::default()
    };
    let all = found(&request(TrainingOptions::default()));
    let few = found(&request(training));
    assert!(step(&few) < step(&all));
    assert!(memory(&few, "gradients") + memory(&few, "optimizer") < 1.0);
    let bytes = few.goodput.as_ref().unwrap().checkpoint_bytes;
    near("checkpoint", bytes, ADAPTERS * 14.0);
    let forward = Data::load(&[]).unwrap().model("llama-3.1-8b").unwrap();
    let forward = forward.forward_flops(4096, true);
    let share = (forward.total() * 2.0 + forward.attention) / (forward.total() * 3.0);
    let flops = |found: &RunFound| found.outcome.metrics["mfu"] * step(found);
    near("model FLOPs", flops(&few) / flops(&all), share);
    let two = RunRequest {
        chips: 128,
        sites: SitesOptions {
            sites: Some(2),
            wan: Some(Bandwidth::new(12.5e9)),
            round_trip: Some(Seconds::new(0.03)),
            ..SitesOptions::default()
        },
        ..request(training)
    };
    let split = found(&two).sites.unwrap();
    near("exchange", split.exchange_bytes, ADAPTERS * 4.0);
    let streamed = RunRequest {
        sites: SitesOptions {
            local_steps: Some(50),
            ..two.sites
        },
        ..two
    };
    // The power laws of the loss are of pre-training.
    assert_eq!(found(&streamed).sites.unwrap().loss_ratio, None);
}

/// A line without latency on which everything is sent at once: the sites are as one of the same
/// chips, batch and tokens. What crosses it is as wide as the gradients, or 32 bits.
#[test]
fn a_line_without_limits_costs_nothing() {
    let gradients = Some(NumberFormat::Bf16);
    let training = TrainingOptions {
        gradients,
        ..TrainingOptions::default()
    };
    let line = |bandwidth, local_steps| RunRequest {
        chips: 128,
        batch: 1024,
        sites: SitesOptions {
            sites: Some(2),
            wan: Some(Bandwidth::new(bandwidth)),
            round_trip: Some(Seconds::ZERO),
            local_steps,
            ..SitesOptions::default()
        },
        ..request(training)
    };
    let one = found(&request(training));
    let two = found(&line(1e30, None));
    near("step", step(&two), step(&one));
    let rate = |found: &RunFound| found.outcome.metrics["tokens_per_second"];
    near("rate", rate(&two), 2.0 * rate(&one));
    near(
        "mfu",
        two.outcome.metrics["mfu"],
        one.outcome.metrics["mfu"],
    );
    assert_eq!(two.sites.unwrap().exchange_bits, 16);
    assert_eq!(found(&line(1e9, Some(10))).sites.unwrap().exchange_bits, 32);
}

/// What binds is what the step waits for: the bandwidth of the line, or its latency.
#[test]
fn the_line_binds_where_most_of_the_step_is_spent_on_it() {
    let over = |bandwidth, round_trip| {
        let asked = RunRequest {
            chips: 128,
            sites: SitesOptions {
                sites: Some(2),
                wan: Some(Bandwidth::new(bandwidth)),
                round_trip: Some(Seconds::new(round_trip)),
                ..SitesOptions::default()
            },
            ..request(TrainingOptions::default())
        };
        found(&asked).outcome.elasticities[0].0
    };
    assert_eq!(over(1e9, 0.03), Resource::WideAreaBandwidth);
    assert_eq!(over(1e15, 60.0), Resource::NetworkLatency);
    assert_eq!(over(1e15, 0.0), Resource::Compute);
}

#[test]
fn uneven_experts_are_slower_and_need_experts() {
    let of = |imbalance| RunRequest {
        model: "qwen3-235b-a22b".to_owned(),
        system: "gb200-nvl72".to_owned(),
        chips: 256,
        plan: Some("pp=8 ep=32 fp8 recompute=full".to_owned()),
        ..request(TrainingOptions {
            imbalance,
            ..TrainingOptions::default()
        })
    };
    let (even, uneven) = (run(&of(1.0)), run(&of(1.5)));
    let noted = |run: &TrainingRun| run.notes.iter().any(|note| note.key == "expert-imbalance");
    assert!(!noted(&even) && noted(&uneven));
    assert!(step(&uneven.found.unwrap()) > step(&even.found.unwrap()));
    for imbalance in [0.5, f64::NAN, 1e9] {
        let found = message(&of(imbalance));
        assert!(found.contains("--imbalance must"), "{found}");
    }
}

#[test]
fn what_cannot_be_adapted_is_refused() {
    let of = |model: &str, rank| RunRequest {
        model: model.to_owned(),
        plan: None,
        ..request(TrainingOptions {
            trained: Trained::Adapters { rank },
            ..TrainingOptions::default()
        })
    };
    for (model, rank, expected) in [
        ("llama-3.1-8b", 0, "between 1 and the hidden size 4096"),
        ("llama-3.1-8b", 4097, "between 1 and the hidden size 4096"),
        ("deepseek-v3", 8, "latent attention"),
    ] {
        let found = message(&of(model, rank));
        assert!(found.contains(expected), "{found}");
    }
    let wrong = TrainingOptions {
        gradients: Some(NumberFormat::Fp8),
        ..TrainingOptions::default()
    };
    assert!(message(&request(wrong)).contains("fp32 or bf16"));
}

#[test]
fn options_are_written_for_megatron_or_refused() {
    let usual = TrainingOptions::default();
    let written = |training, plan: Option<&str>| {
        let asked = RunRequest {
            plan: plan.map(str::to_owned),
            target: Some(Target::Megatron),
            ..request(training)
        };
        emit(Target::Megatron, &run(&asked).job().unwrap())
    };
    let optimizer = Some(Optimizer::AdamBf16Moments);
    let scaling = Scaling::Block;
    let gradients = Some(NumberFormat::Bf16);
    let text = written(
        TrainingOptions {
            optimizer,
            scaling,
            gradients,
            ..usual
        },
        None,
    )
    .unwrap();
    for expected in [
        "--exp-avg-sq-dtype bf16",
        "--use-distributed-optimizer",
        "--fp8-recipe blockwise",
        "--grad-reduce-in-bf16",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Muon goes with neither a distributed optimizer nor overlap there.
    let optimizer = Some(Optimizer::Muon);
    let muon = TrainingOptions { optimizer, ..usual };
    let text = written(muon, None).unwrap();
    assert!(text.contains("--optimizer muon"), "{text}");
    for refused in ["distributed-optimizer", "overlap-grad", "overlap-param"] {
        assert!(!text.contains(refused), "{refused}: {text}");
    }
    for (plan, expected) in [("tp=2", "split"), ("tp=2 sharding=none", "overlap")] {
        let error = written(muon, Some(plan)).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    let trained = Trained::Adapters { rank: 8 };
    let asked = RunRequest {
        plan: None,
        target: Some(Target::Torchtitan),
        ..request(TrainingOptions { trained, ..usual })
    };
    assert!(message(&asked).contains("low-rank adapters"));
}
