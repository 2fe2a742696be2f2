//! Serving one model on one system: what must hold whatever the figures.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{
    Ask, Data, Goal, Launcher, ServeFound, ServeRequest, ServingRun, evaluate, jobs, launch,
    resolve, run_serving,
};

fn request(model: &str, system: &str, chips: u64) -> ServeRequest {
    ServeRequest::new(model, system, chips, 2048, 512)
}

fn given(plan: &str, request: ServeRequest) -> ServeRequest {
    ServeRequest {
        ask: Ask::Given(plan.to_owned()),
        ..request
    }
}

fn found(run: &ServingRun) -> &ServeFound {
    let reason = || panic!("{}: {:?}", run.model, run.reason);
    run.found.as_ref().unwrap_or_else(reason)
}

fn metric(found: &ServeFound, key: &str) -> f64 {
    found.outcome.metrics[key]
}

fn close(a: f64, b: f64, by: f64) -> bool {
    (a / b - 1.0).abs() < by
}

const CASES: [(&str, &str, u64); 6] = [
    ("deepseek-v3", "hgx-h200", 32),
    ("llama-3.1-70b", "hgx-h100", 16),
    ("llama-3.1-8b", "hgx-h20", 8),
    ("gpt-oss-120b", "gb200-nvl72", 72),
    ("qwen3-235b-a22b", "cloudmatrix384", 64),
    ("mixtral-8x7b", "mi300x-8", 8),
];

#[test]
fn parts_sum_and_the_best_plan_given_again_yields_the_same() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips) in CASES {
        let asked = request(model, system, chips);
        let run = run_serving(&asked, &data).unwrap();
        let best = found(&run);
        let sum: f64 = best.outcome.breakdown.iter().map(|(_, time)| time).sum();
        assert!(close(sum, metric(best, "tpot_seconds"), 1e-9), "{model}");
        assert!(close(sum, best.outcome.whole, 1e-9), "{model}");
        let held: f64 = best.outcome.memory.iter().map(|(_, bytes)| bytes).sum();
        assert!(close(held, metric(best, "memory_bytes"), 1e-9), "{model}");
        assert!(held <= metric(best, "memory_usable_bytes"), "{model}");
        let (low, high) = best.outcome.interval;
        let rate = metric(best, "output_tokens_per_second");
        assert!(low < rate && rate < high, "{model}");
        for other in &best.others {
            assert!(other.metrics["output_tokens_per_second"] <= rate, "{model}");
        }
        let again = run_serving(&given(&best.outcome.plan, asked), &data).unwrap();
        assert_eq!(
            found(&again).outcome.metrics,
            best.outcome.metrics,
            "{model}"
        );
        assert_eq!(found(&again).outcome.memory, best.outcome.memory, "{model}");
    }
}

/// Each measure follows from others by its unit: an hour has 3,600 seconds, a watt a joule a second.
#[test]
fn measures_follow_from_each_other() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips) in CASES {
        let run = run_serving(&request(model, system, chips), &data).unwrap();
        let best = found(&run);
        let of = |key: &str| metric(best, key);
        let rate = of("output_tokens_per_second");
        let equal = |a: f64, b: f64| assert!(close(a, b, 1e-12), "{model}: {a} {b}");
        equal(of("tokens_per_second_per_user") * of("tpot_seconds"), 1.0);
        equal(of("requests_per_second") * 512.0, rate);
        equal(of("output_tokens_per_second_per_chip") * chips as f64, rate);
        equal(of("joules_per_output_token") * rate, of("power_watts"));
        let hours = of("chip_hours_per_million_output_tokens");
        equal(hours * 3600.0 / 1e6 * rate, chips as f64);
        if let Some(hourly) = best.outcome.hourly {
            equal(
                of("usd_per_million_output_tokens"),
                hours * hourly.total.get(),
            );
        }
    }
}

/// Llama 3.1 8B by hand: 32 layers, hidden 4,096, 32 heads and 8 key-value heads of 128, networks
/// of 14,336, vocabulary 128,256.
#[test]
fn memory_of_a_small_model_by_hand() {
    let data = Data::load(&[]).unwrap();
    let asked = given(
        "1x[tp=1 batch=10] fp8 kv=bf16",
        request("llama-3.1-8b", "hgx-h100", 1),
    );
    let run = run_serving(&asked, &data).unwrap();
    let memory = &found(&run).outcome.memory;
    let attention = 4096.0 * (4096.0 + 1024.0 + 1024.0 + 4096.0);
    let network = 3.0 * 4096.0 * 14_336.0;
    let ends = 2.0 * 128_256.0 * 4096.0;
    let norms = 2.0 * 4096.0;
    // A byte each in FP8; embedding, head and norms have two.
    let weights = 32.0 * (attention + network + norms * 2.0) + ends * 2.0;
    assert!(
        close(memory[0].1, weights, 1e-4),
        "{} {weights}",
        memory[0].1
    );
    // Keys and values of 8 heads of 128 in 32 layers, two bytes each: 128 KiB a token; ten
    // sequences of the prompt and half of the answer.
    let cache = 131_072.0 * 10.0 * (2048.0 + 256.0);
    assert!(close(memory[1].1, cache, 1e-12), "{} {cache}", memory[1].1);
}

/// One path: a run and the row of a comparison have the same plan and the same measures.
#[test]
fn a_run_is_the_row_of_a_comparison() {
    for (model, system, chips) in [CASES[0], CASES[1], CASES[3]] {
        let scenario = format!(
            "schema = 1\ntitle = \"one\"\ndate = \"2026-11-24\"\nprices = \"retail-2025\"\n\
             systems = [\"{system}\"]\nequal = {{ chips = {chips} }}\n\
             [[serving]]\nid = \"serve\"\nmodel = \"{model}\"\ninput = 2048\noutput = 512\n\
             ttft = \"2 s\"\ntpot = \"50 ms\"\n"
        );
        let data = Data::load(&[]).unwrap();
        let run = run_serving(&request(model, system, chips), &data).unwrap();
        let resolved = resolve("scenario.toml", &scenario, data).unwrap();
        let row = evaluate(&resolved, jobs(&resolved)[0]);
        let row = row.outcome.unwrap();
        let best = &found(&run).outcome;
        assert_eq!(row.plan, best.plan);
        for (key, value) in &row.metrics {
            assert_eq!(
                best.metrics[key].to_bits(),
                value.to_bits(),
                "{model}: {key}"
            );
        }
        assert_eq!(row.breakdown, best.breakdown);
        assert_eq!(row.elasticities, best.elasticities);
    }
}

/// The cheapest and the most frugal plan are no worse than the best of any number of units.
#[test]
fn no_number_of_units_is_cheaper_or_takes_less_energy() {
    let data = Data::load(&[]).unwrap();
    for (model, system, unit, units) in [
        ("deepseek-v3", "hgx-h200", 8, 6),
        ("llama-3.1-70b", "hgx-h100", 8, 4),
    ] {
        for (goal, key) in [
            (Goal::Cost, "usd_per_million_output_tokens"),
            (Goal::Energy, "joules_per_output_token"),
        ] {
            let asked = ServeRequest {
                ask: Ask::Best(goal),
                ..request(model, system, unit * units)
            };
            let run = run_serving(&asked, &data).unwrap();
            let best = found(&run);
            let chips = run.chips.unwrap();
            assert!(
                chips.is_multiple_of(unit) && chips <= unit * units,
                "{model}: {chips}"
            );
            assert!(best.outcome.chips_used <= chips);
            for count in 1..=units {
                let other = run_serving(&request(model, system, unit * count), &data).unwrap();
                if let Some(other) = &other.found {
                    assert!(
                        metric(best, key) <= metric(other, key),
                        "{model} {count} {key}"
                    );
                }
            }
            for pair in best.others.windows(2) {
                assert!(pair[0].metrics[key] <= pair[1].metrics[key]);
            }
        }
    }
}

#[test]
fn the_fewest_chips_serve_a_rate_and_one_unit_less_does_not() {
    let data = Data::load(&[]).unwrap();
    let (model, system, unit) = ("llama-3.1-70b", "hgx-h100", 8);
    for rate in [1.0, 20.0, 100.0] {
        let asked = ServeRequest {
            ask: Ask::Rate(rate),
            chips: None,
            ..request(model, system, 1)
        };
        let run = run_serving(&asked, &data).unwrap();
        let chips = run.chips.unwrap();
        assert!(chips.is_multiple_of(unit) && chips <= 16 * unit, "{chips}");
        assert!(metric(found(&run), "requests_per_second") >= rate);
        if chips > unit {
            let less = run_serving(&request(model, system, chips - unit), &data).unwrap();
            let less = less.found.map(|best| metric(&best, "requests_per_second"));
            assert!(less.is_none_or(|served| served < rate), "{rate} {less:?}");
        }
        let limited = ServeRequest {
            chips: Some(chips.max(unit * 2) - unit),
            ..asked
        };
        let short = run_serving(&limited, &data).unwrap();
        if chips > unit {
            assert_eq!(short.reason.unwrap().key, "rate-short");
            assert_eq!(short.chips, None);
        }
    }
    let asked = ServeRequest {
        ask: Ask::Rate(1.0),
        ..request(model, system, 4)
    };
    let run = run_serving(&asked, &data).unwrap();
    assert_eq!(run.reason.unwrap().key, "unit-above-chips");
}

#[test]
fn no_plan_of_the_front_beats_another_in_both() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips) in [CASES[0], CASES[1], CASES[5]] {
        let asked = ServeRequest {
            front: true,
            ..request(model, system, chips)
        };
        let run = run_serving(&asked, &data).unwrap();
        assert!(run.front.len() > 3, "{model}: {}", run.front.len());
        let rates = |index: usize| {
            let metrics = &run.front[index].metrics;
            (
                metrics["tokens_per_second_per_user"],
                metrics["output_tokens_per_second_per_chip"],
            )
        };
        for index in 1..run.front.len() {
            let (before, after) = (rates(index - 1), rates(index));
            assert!(after.0 <= before.0 && after.1 > before.1, "{model} {index}");
        }
        for plan in &run.front {
            assert!(
                plan.metrics["ttft_seconds"] <= 2.0 * (1.0 + 1e-9),
                "{}",
                plan.plan
            );
        }
    }
}

/// The number that follows a flag.
fn flag(text: &str, name: &str) -> u64 {
    let mut words = text.split_whitespace();
    let value = words.find(|word| *word == name).and_then(|_| words.next());
    value.map_or(1, |value| value.parse().unwrap())
}

/// Every engine is either given arguments that add up to the chips of the plan, or says what it lacks.
#[test]
fn arguments_add_up_to_the_chips_of_the_plan() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips) in CASES {
        for drafted in [None, Some(2)] {
            for launcher in Launcher::ALL {
                let mut asked = request(model, system, chips);
                asked.launcher = Some(launcher);
                asked.serving.drafted_tokens = drafted;
                asked.serving.accepted_tokens = drafted.map(|_| 1.2);
                let run = run_serving(&asked, &data).unwrap();
                let Some(plan) = run.launch() else {
                    let key = run.reason.unwrap().key;
                    assert_eq!(key, "launch-chip", "{model} {launcher:?}");
                    continue;
                };
                let text = launch(launcher, &plan).unwrap();
                let (tp, dp, pp) = match launcher {
                    Launcher::Vllm => (
                        "--tensor-parallel-size",
                        "--data-parallel-size",
                        "--pipeline-parallel-size",
                    ),
                    Launcher::Sglang => ("--tp-size", "-", "--pp-size"),
                    Launcher::Trtllm => ("--tp_size", "-", "--pp_size"),
                    Launcher::Dynamo => continue,
                };
                let pools = [plan.plan.prefill, Some(plan.plan.decode)];
                let start = if launcher == Launcher::Sglang {
                    "sglang.launch_server"
                } else {
                    "serve MODEL"
                };
                let commands: Vec<&str> = text.split(start).skip(1).collect();
                let pools: Vec<_> = pools.into_iter().flatten().collect();
                assert_eq!(commands.len(), pools.len(), "{text}");
                for (command, pool) in commands.iter().zip(&pools) {
                    let of = |name| flag(command, name);
                    assert_eq!(of(tp) * of(dp) * of(pp), pool.layout.chips(), "{text}");
                    assert!(
                        text.contains(&format!("{} instances", pool.instances)),
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_an_engine_lacks_is_a_reason() {
    let data = Data::load(&[]).unwrap();
    let reason = |plan: &str, request: ServeRequest, launcher| {
        let mut asked = given(plan, request);
        asked.launcher = Some(launcher);
        asked.serving.tpot = chokepoint_engine::units::Seconds::new(1.0);
        let run = run_serving(&asked, &data).unwrap();
        assert!(run.found.is_none());
        run.reason.unwrap().key
    };
    let mixture = || request("deepseek-v3", "hgx-h200", 32);
    let staged = "1x[tp=1 dp=8 pp=2 ep=8 batch=8]";
    let mut drafting = mixture();
    drafting.serving.drafted_tokens = Some(1);
    drafting.serving.accepted_tokens = Some(0.8);
    for launcher in [Launcher::Vllm, Launcher::Sglang, Launcher::Dynamo] {
        assert_eq!(
            reason(staged, drafting.clone(), launcher),
            "launch-drafts-in-stages"
        );
        let pools = format!("prefill 2x[tp=8 batch=1] decode {staged}");
        assert_eq!(
            reason(&pools, mixture(), launcher),
            "launch-cache-of-stages"
        );
    }
    let split = "1x[tp=8 ep=4 etp=2 batch=8]";
    assert_eq!(
        reason(split, mixture(), Launcher::Vllm),
        "launch-split-experts"
    );
    let both = "1x[tp=2 dp=4 ep=8 batch=8]";
    assert_eq!(
        reason(both, mixture(), Launcher::Trtllm),
        "launch-split-attention"
    );
    let cache = "1x[tp=8 batch=8] kv=int8";
    assert_eq!(reason(cache, mixture(), Launcher::Sglang), "launch-cache");
    let wide = request("llama-3.1-8b", "hgx-h100", 8);
    assert_eq!(
        reason("1x[tp=8 batch=8] tf32", wide, Launcher::Vllm),
        "launch-format"
    );
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let data = Data::load(&[]).unwrap();
    for (model, plan) in [
        ("llama-3.1-8b", "1x[tp=3]"),
        ("llama-3.1-8b", "1x[tp=1 dp=2]"),
        ("llama-3.1-8b", "1x[tp=1 pp=33]"),
        ("llama-3.1-8b", "2000000x[tp=1]"),
        ("llama-3.1-8b", "1000000x[tp=8]"),
        ("deepseek-v3", "1x[tp=1 dp=3 ep=3]"),
        ("deepseek-v3", "1x[tp=4 dp=2 ep=4]"),
        ("deepseek-v3", "1x[tp=4 dp=2 ep=4 etp=2]"),
        ("deepseek-v3", "prefill 1x[tp=3] decode 1x[tp=8]"),
    ] {
        let asked = ServeRequest {
            chips: None,
            ..given(plan, request(model, "hgx-h200", 1))
        };
        assert!(run_serving(&asked, &data).is_err(), "{model} {plan}");
    }
}

#[test]
fn latency_and_memory_that_are_missed_are_reasons() {
    let data = Data::load(&[]).unwrap();
    let reason = |request: &ServeRequest| run_serving(request, &data).unwrap().reason.unwrap().key;
    let small = given(
        "1x[tp=1 batch=1] bf16",
        request("llama-3.1-70b", "hgx-h100", 8),
    );
    assert_eq!(reason(&small), "memory-short");
    let mut hasty = request("llama-3.1-70b", "hgx-h100", 8);
    hasty.serving.tpot = chokepoint_engine::units::Seconds::new(1e-4);
    hasty.serving.formats = vec![NumberFormat::Bf16];
    assert_eq!(reason(&hasty), "tpot-missed");
}
