//! One training run: what must hold whatever the figures.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_engine::train::PlanChunks;
use chokepoint_engine::{
    Data, Failures, RunFound, RunRequest, SpaceChoice, Target, TrainingRun, emit, run_training,
};

fn request(model: &str, system: &str, chips: u64) -> RunRequest {
    RunRequest {
        others: 3,
        ..RunRequest::new(model, system, chips)
    }
}

fn found(run: &TrainingRun) -> &RunFound {
    run.found
        .as_ref()
        .unwrap_or_else(|| panic!("{:?}", run.reason))
}

fn metric(found: &RunFound, key: &str) -> f64 {
    found.outcome.metrics[key]
}

/// No step is shorter than its own pipeline, laid out operation by operation, in any space: the
/// closed forms are of the schedule's own order, and where they are not exact they err by little.
#[test]
fn no_step_is_shorter_than_its_pipeline() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips, space) in [
        ("llama-3.1-405b", "hgx-h100", 2048, SpaceChoice::Mainstream),
        ("llama-3.1-405b", "hgx-h100", 16_384, SpaceChoice::Published),
        ("llama-3.1-405b", "dgx-a100", 8192, SpaceChoice::Published),
        ("llama-3.1-70b", "dgx-a100", 32_768, SpaceChoice::Published),
        ("deepseek-v3", "hgx-h100", 4096, SpaceChoice::Published),
        ("gpt-oss-120b", "hgx-b200", 1024, SpaceChoice::Mainstream),
        (
            "qwen3-235b-a22b",
            "atlas-800t-a2",
            512,
            SpaceChoice::Mainstream,
        ),
    ] {
        let asked = RunRequest {
            space,
            failures: Failures::Ignored,
            ..RunRequest::new(model, system, chips)
        };
        let run = run_training(&asked, &data).unwrap();
        let best = found(&run);
        let pipeline = best.timeline.as_ref().unwrap().timeline.step().get();
        let step = metric(best, "step_seconds");
        assert!(
            pipeline <= 1.01 * step,
            "{model} on {chips} {system}: {}: {pipeline} in {step}",
            best.outcome.plan
        );
    }
}

#[test]
fn parts_sum_and_the_best_plan_given_again_is_as_fast() {
    let data = Data::load(&[]).unwrap();
    let asked = request("deepseek-v3", "gb200-nvl72", 512);
    let run = run_training(&asked, &data).unwrap();
    let best = found(&run);
    let step = metric(best, "step_seconds");
    let sum: f64 = best.outcome.breakdown.iter().map(|(_, time)| time).sum();
    assert!((sum / step - 1.0).abs() < 1e-9);
    assert!(best.others.len() == 3 && best.others.iter().all(|other| other.slower >= 0.0));
    let left = best.goodput.as_ref().unwrap();
    let shares: f64 = left.causes.iter().map(|(_, share)| share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert!((left.days * left.share / metric(best, "run_days") - 1.0).abs() < 1e-9);
    assert!(left.usd.unwrap() > metric(best, "usd_per_run"));
    let again = RunRequest {
        plan: Some(best.outcome.plan.clone()),
        ..asked
    };
    let again = run_training(&again, &data).unwrap();
    assert!((metric(found(&again), "step_seconds") / step - 1.0).abs() < 1e-12);
    assert_eq!(found(&again).chunks.chunks, best.chunks.chunks);
    assert_eq!(found(&again).chunks.layers, best.chunks.layers);
}

/// The timeline holds what the closed forms sum: micro-batches, bubble and transfers. The limits
/// of the closed forms (`pipeline::pace`) are 9%.
#[test]
fn the_timeline_takes_about_the_predicted_time() {
    let data = Data::load(&[]).unwrap();
    for (model, plan) in [
        ("llama-3.1-70b", "tp=8 pp=4 bf16 recompute=selective"),
        ("llama-3.1-70b", "tp=8 pp=4 vp=5 bf16 recompute=selective"),
        (
            "llama-3.1-70b",
            "tp=8 pp=4 balanced bf16 recompute=selective",
        ),
        ("llama-3.1-70b", "tp=8 pp=8 zb-h1 bf16 recompute=selective"),
        (
            "deepseek-v3",
            "pp=8 ep=32 dualpipe overlap=ep recompute=modules",
        ),
        (
            "deepseek-v3",
            "pp=8 vp=2 ep=32 dualpipev overlap=ep recompute=modules",
        ),
    ] {
        let asked = RunRequest {
            plan: Some(plan.to_owned()),
            batch: 8192,
            ..request(model, "gb200-nvl72", 1024)
        };
        let run = run_training(&asked, &data).unwrap();
        let best = found(&run);
        let beside = ["data_parallel", "offload", "optimizer"];
        let parts = best.outcome.breakdown.iter();
        let piped: f64 = parts
            .filter(|(part, _)| !beside.contains(part))
            .map(|(_, time)| time)
            .sum();
        let timeline = &best.timeline.as_ref().unwrap().timeline;
        let ratio = timeline.step().get() / piped;
        assert!((0.9..1.1).contains(&ratio), "{plan}: {ratio}");
    }
}

#[test]
fn chunks_hold_all_layers_once() {
    let data = Data::load(&[]).unwrap();
    for plan in ["pp=4", "pp=4 vp=3", "pp=4 balanced", "pp=8 vp=2 zb-v"] {
        let asked = RunRequest {
            plan: Some(format!("tp=8 bf16 recompute=full {plan}")),
            ..request("llama-3.1-70b", "hgx-h200", 256)
        };
        let run = run_training(&asked, &data).unwrap();
        let PlanChunks { layers, chunks, .. } = &found(&run).chunks;
        assert_eq!(layers.iter().sum::<u64>(), 80, "{plan}");
        assert!(
            chunks.iter().all(|chunk| chunk.forward.get() > 0.0),
            "{plan}"
        );
    }
}

#[test]
fn what_is_searched_for_a_framework_can_be_written_for_it() {
    let data = Data::load(&[]).unwrap();
    for (target, model, system) in [
        (Target::Megatron, "deepseek-v3", "gb200-nvl72"),
        (Target::Megatron, "llama-3.1-405b", "hgx-h100"),
        (Target::Megatron, "gpt-oss-120b", "hgx-h200"),
        (Target::Torchtitan, "llama-3.1-70b", "hgx-h100"),
        (Target::Torchtitan, "qwen3-235b-a22b", "gb200-nvl72"),
    ] {
        let asked = RunRequest {
            target: Some(target),
            ..request(model, system, 1024)
        };
        let run = run_training(&asked, &data).unwrap();
        let text = emit(target, &run.job().unwrap()).unwrap();
        assert!(text.contains("1024"), "{text}");
        if target == Target::Torchtitan {
            let file: toml::Table = toml::from_str(&text).unwrap();
            let parallelism = file["parallelism"].as_table().unwrap();
            let degree = |key: &str| parallelism[key].as_integer().unwrap();
            let chips = degree("data_parallel_replicate_degree")
                * degree("data_parallel_shard_degree")
                * degree("context_parallel_degree")
                * degree("tensor_parallel_degree")
                * degree("pipeline_parallel_degree");
            assert_eq!(chips, 1024, "{text}");
        }
    }
}

#[test]
fn what_a_framework_lacks_is_refused() {
    let data = Data::load(&[]).unwrap();
    let cases = [
        (
            Target::Megatron,
            "pp=8 ep=32 dualpipe overlap=ep",
            "dualpipe",
        ),
        (
            Target::Megatron,
            "tp=2 pp=8 ep=32 tensor=sequence-kept",
            "gathered",
        ),
        (
            Target::Megatron,
            "pp=8 ep=32 split-vocabulary",
            "vocabulary",
        ),
        (Target::Torchtitan, "pp=8 ep=32", "multi-token"),
    ];
    for (target, plan, expected) in cases {
        let asked = RunRequest {
            plan: Some(format!("{plan} recompute=modules")),
            batch: 4096,
            ..request("deepseek-v3", "gb200-nvl72", 2048)
        };
        let run = run_training(&asked, &data).unwrap();
        let error = emit(target, &run.job().unwrap()).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert!(error.help.is_some());
    }
}

/// A run with a plan, whose traffic is simulated.
fn contended(model: &str, chips: u64, plan: &str) -> TrainingRun {
    let asked = RunRequest {
        plan: Some(plan.to_owned()),
        contention: true,
        failures: Failures::Ignored,
        ..request(model, "hgx-h100", chips)
    };
    run_training(&asked, &Data::load(&[]).unwrap()).unwrap()
}

/// What shares no wires is as fast as alone: a node's tensor parallelism beside transfers and
/// gradients between nodes. Those two share each card, both all the time: with messages of equal
/// time each takes twice as long, of which a step has what the other sends in it at most.
#[test]
fn traffic_on_the_same_cards_takes_turns() {
    let run = contended("llama-3.1-405b", 2048, "tp=8 pp=16 vp=8 mbs=1 bf16");
    let beside = found(&run).contention.as_ref().unwrap();
    let of = |kind: &str| {
        let row = beside.rows.iter().find(|row| row.kind == kind).unwrap();
        *row.found.as_ref().unwrap()
    };
    assert!((of("tensor_parallel").factor - 1.0).abs() < 1e-6);
    let sends = of("pipeline_transfer");
    let data = of("data_parallel");
    for found in [sends, data] {
        assert!((1.85..2.1).contains(&found.factor), "{found:?}");
        assert!(found.in_step >= 1.0 && found.in_step <= found.factor);
        assert!(((found.together / found.alone) - found.factor).abs() < 1e-9);
    }
    assert!(data.in_step < data.factor, "{data:?}");
    let (alone, most) = (beside.alone.get(), beside.step.unwrap().get());
    assert!(most > alone && most < 1.2 * alone, "{most} {alone}");
    assert!((alone / metric(found(&run), "step_seconds") - 1.0).abs() < 1e-12);
}

/// Without overlap nothing runs at once on a chip, and without a pipeline nothing elsewhere.
#[test]
fn a_step_without_overlap_has_no_contention() {
    let run = contended("llama-3.1-70b", 64, "tp=8 dp=8 mbs=1 bf16 overlap=none");
    let beside = found(&run).contention.as_ref().unwrap();
    assert_eq!(beside.chips, (64, 64));
    assert_eq!(beside.rows.len(), 2);
    for row in &beside.rows {
        assert!((row.found.as_ref().unwrap().factor - 1.0).abs() < 1e-12);
    }
    assert_eq!(beside.step, Some(beside.alone));
}

/// Failures that leave the network slower: of 2,048 uplinks that fail once in 1 / 1.87e-5 days and are
/// back after 4, one is down in 1 - exp(-0.153) of the time; a chip without its only port, and a leaf
/// without which 32 chips are cut off, stop the job. The time goes from work, by the mean slowdown.
#[test]
fn a_degraded_network_takes_its_part_of_a_run() {
    let asked = |degraded_network| RunRequest {
        plan: Some("tp=2 pp=4 vp=8 dp=256 ep=32 mbs=1 fp8 recompute=modules".to_owned()),
        degraded_network,
        ..request("deepseek-v3", "hgx-h100", 2048)
    };
    let data = Data::load(&[]).unwrap();
    let (plain, run) = (
        run_training(&asked(false), &data).unwrap(),
        run_training(&asked(true), &data).unwrap(),
    );
    let degraded = found(&run).degraded.as_ref().unwrap();
    let rows: Vec<_> = degraded
        .rows
        .iter()
        .map(|row| (row.part, row.there, row.slowdown.is_ok()))
        .collect();
    let expected = [
        ("uplink", 2048, true),
        ("port", 2048, false),
        ("leaf", 64, false),
        ("spine", 32, true),
    ];
    assert_eq!(rows, expected);
    let down = 1.0 - libm::exp(-2048.0 * 1.87e-5 * 4.0);
    assert!((degraded.rows[0].share / down - 1.0).abs() < 1e-12);
    let slower = |at: usize| {
        let row = &degraded.rows[at];
        row.share * (row.slowdown.as_ref().unwrap() - 1.0)
    };
    assert!(degraded.slowdown > 1.0 && degraded.slowdown < 1.05);
    assert!((degraded.slowdown - 1.0 - slower(0) - slower(3)).abs() < 1e-12);
    let share = |run: &TrainingRun, cause: &str| {
        let causes = found(run).goodput.as_ref().unwrap().causes.clone();
        causes.iter().find(|(key, _)| *key == cause).unwrap().1
    };
    assert!(share(&plain, "degraded_network").abs() < 1e-15);
    let (before, after) = (share(&plain, "work"), share(&run, "work"));
    assert!((before / after / degraded.slowdown - 1.0).abs() < 1e-12);
    assert!((before - after - share(&run, "degraded_network")).abs() < 1e-12);
}
