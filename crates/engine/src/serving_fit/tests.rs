//! Fits of results that the model itself made, and the three forms of result files.

use chokepoint_replay::Process;
use chokepoint_units::{NumberFormat, Seconds};
use proptest::prelude::*;

use super::predicted::Setting;
use super::*;
use crate::validate::serving::case::{Load, Mode};

/// One after the other.
fn each(count: usize, predict: &(dyn Fn(usize) -> Answer + Sync)) -> Vec<Answer> {
    (0..count).map(predict).collect()
}

fn request() -> ServingFitRequest {
    ServingFitRequest {
        model: "llama-3.1-8b".to_owned(),
        system: "hgx-h200".to_owned(),
        plan: "tp=1".to_owned(),
        instances: 1,
        engine: "vllm-0-8".to_owned(),
        formats: vec![NumberFormat::Bf16],
        cache_format: NumberFormat::Bf16,
    }
}

/// Clients or a rate, tokens of a prompt and of an answer.
type Run = (BenchmarkLoad, f64, f64);

fn clients(number: f64, input: f64, output: f64) -> Run {
    (BenchmarkLoad::Clients(number), input, output)
}

fn rate(rate: f64, input: f64, output: f64) -> Run {
    let process = Process::Poisson { rate };
    (BenchmarkLoad::Rate(process), input, output)
}

/// A result file in the form of `vllm bench serve` with what the model predicts with some host times.
fn made(data: &Data, runs: &[Run], times: &[f64]) -> BenchmarkFile {
    let request = request();
    let setting = Setting::new(&request, data).unwrap();
    let engine = with_times(data.catalog.engine(&request.engine).unwrap(), times);
    let documents: Vec<String> = runs
        .iter()
        .map(|&(load, input, output)| {
            let (load, requests) = match load {
                BenchmarkLoad::Clients(number) => (
                    format!(r#""request_rate": "inf", "max_concurrency": {number}"#),
                    number * 8.0,
                ),
                BenchmarkLoad::Rate(Process::Poisson { rate }) => {
                    (format!(r#""request_rate": {rate}"#), 200.0)
                }
                other => panic!("{other:?} is not made"),
            };
            let text = |ttft: f64, tpot: f64, rate: f64| {
                format!(
                    r#"{{"backend": "vllm", "num_prompts": {requests}, {load}, "completed": {requests}, "total_input_tokens": {}, "total_output_tokens": {}, "mean_ttft_ms": {ttft}, "mean_tpot_ms": {tpot}, "output_throughput": {rate}}}"#,
                    requests * input,
                    requests * output
                )
            };
            let blank = BenchmarkFile::parse("blank.json", &text(1.0, 1.0, 1.0)).unwrap();
            let found = setting.predict(&blank.points[0], &engine).unwrap();
            text(found[0], found[1], found[2])
        })
        .collect();
    BenchmarkFile::parse("made.json", &documents.join("\n")).unwrap()
}

/// Host times as no engine of the catalogue has them come back from what the model predicts with them.
#[test]
fn changed_host_times_are_recovered() {
    let data = Data::load(&[]).unwrap();
    let runs = [
        clients(1.0, 500.0, 60.0),
        clients(4.0, 500.0, 60.0),
        clients(16.0, 500.0, 60.0),
        clients(32.0, 64.0, 200.0),
        clients(8.0, 2000.0, 40.0),
        rate(20.0, 100.0, 100.0),
        rate(5.0, 200.0, 50.0),
    ];
    let given = data.catalog.engine("vllm-0-8").unwrap();
    let launch = given.launch.value.get();
    let truth = [2.5e-3, 60e-6, 60e-3, launch, 60e-6];
    let file = made(&data, &runs, &truth);
    assert_eq!(file.points.len(), runs.len());
    let found = fit_serving(&request(), vec![file], &data, &each).unwrap();
    for (time, truth) in found.times.iter().zip(truth) {
        if time.field == "launch" {
            assert_eq!(time.verdict, Verdict::NoEffect, "all decodes run in graphs");
            assert_eq!(time.fitted, time.given);
        } else {
            assert_eq!(time.verdict, Verdict::Fitted, "{time:?}");
            assert!((time.fitted.get() / truth - 1.0).abs() < 0.03, "{time:?}");
        }
    }
    for error in &found.errors {
        assert!(error.runs == runs.len() && error.after < 0.01, "{error:?}");
        assert!(error.before > 10.0 * error.after, "{error:?}");
    }
    written(&data, &found);
}

/// The file of a fit is an engine of a catalogue, and all that was not fitted is as it was.
fn written(data: &Data, found: &ServingFit) {
    let name = "engines/vllm-0-8.toml";
    let files = crate::embedded();
    let (_, text) = files.iter().find(|(file, _)| *file == name).unwrap();
    let text = engine_file(found, "my-vllm", text, "2026-11-25").unwrap();
    let file = ("engines/my-vllm.toml".to_owned(), text.clone());
    let own = Data::load(&[file]).unwrap();
    assert_eq!(chokepoint_catalog::check(&own.catalog), Vec::new());
    let (engine, given) = (
        own.catalog.engine("my-vllm").unwrap(),
        data.catalog.engine("vllm-0-8").unwrap(),
    );
    assert_eq!(engine.rates, given.rates);
    assert_eq!(engine.launch, given.launch);
    assert_eq!(engine.iteration_host.source, "own-measurement");
    assert_eq!(engine.iteration_host.as_of.as_deref(), Some("2026-11-25"));
    let place = engine.iteration_host.place.as_deref().unwrap();
    assert!(place.contains("made.json") && place.contains(&found.files[0].sha256[..12]));
    assert!(text.contains(&found.files[0].sha256));
    assert!(text.contains("over 7 runs"), "{text}");
    // A published run of vLLM 0.9 is still one of the engine that was fitted.
    assert_eq!(own.catalog.engine_named("vLLM", "0.9.1"), Some(given));
    for (id, said) in [("My", "no id"), ("vllm-0-8", "replace")] {
        let error = engine_file(found, id, "", "2026-11-25").unwrap_err();
        assert!(error.message.contains(said), "{error}");
    }
    assert!(engine_file(found, "mine", "id = [\n]", "2026-11-25").is_err());
}

/// One run says one thing: of all host times one is fitted, and the others are left.
#[test]
fn one_run_fits_one_time() {
    let data = Data::load(&[]).unwrap();
    let file = made(
        &data,
        &[clients(4.0, 300.0, 40.0)],
        &[3e-3, 30e-6, 5e-3, 5e-6, 40e-6],
    );
    let found = fit_serving(&request(), vec![file], &data, &each).unwrap();
    let fitted = found.times.iter().filter(|time| time.verdict.is_fitted());
    assert_eq!(fitted.count(), 1, "{:?}", found.times);
}

/// Requests at a rate are replayed as they come: near the rate's share of a free server their first
/// tokens wait longer.
#[test]
fn a_rate_is_replayed() {
    let data = Data::load(&[]).unwrap();
    let setting = Setting::new(&request(), &data).unwrap();
    let engine = data.catalog.engine("vllm-0-8").unwrap();
    let first = |rate: f64| {
        let text = format!(
            r#"{{"request_rate": {rate}, "burstiness": 1.0, "max_concurrency": null, "completed": 200, "total_input_tokens": 200000, "total_output_tokens": 10000, "mean_ttft_ms": 1.0}}"#
        );
        let file = BenchmarkFile::parse("rate.json", &text).unwrap();
        assert_eq!(
            file.points[0].load,
            BenchmarkLoad::Rate(Process::Poisson { rate })
        );
        setting.predict(&file.points[0], engine).unwrap()[0]
    };
    let (slow, fast, flooded) = (first(1.0), first(20.0), first(1000.0));
    assert!(
        slow < fast && fast < flooded / 3.0,
        "{slow} {fast} {flooded}"
    );
}

#[test]
fn vllm_results_are_read() {
    let text = include_str!("../../../../tests/benchmarks/vllm.json");
    let file = BenchmarkFile::parse("vllm.json", text).unwrap();
    assert_eq!(file.tool, BenchmarkTool::Vllm);
    assert_eq!(
        file.said,
        [
            "vllm",
            "meta-llama/Llama-3.1-8B-Instruct",
            "20251104-101500"
        ]
    );
    let point = file.points[0];
    assert_eq!(point.load, BenchmarkLoad::Clients(16.0));
    assert_eq!((point.input_tokens, point.output_tokens), (1024.0, 128.0));
    assert_eq!(point.requests, Some(160.0));
    assert!((point.ttft.unwrap().get() - 0.0892).abs() < 1e-12);
    assert!((point.tpot.unwrap().get() - 0.00913).abs() < 1e-12);
    assert_eq!(point.output_rate, Some(1630.5));
    let burst = text
        .replace("\"inf\"", "4.0")
        .replace("\"burstiness\": 1.0", "\"burstiness\": 0.25");
    let point = BenchmarkFile::parse("burst.json", &burst).unwrap().points[0];
    let process = Process::Gamma {
        rate: 4.0,
        variation: 2.0,
    };
    assert_eq!(point.load, BenchmarkLoad::Rate(process));
    assert_eq!(point.cap, Some(16.0));
}

#[test]
fn aiperf_and_genai_perf_results_are_read() {
    let text = include_str!("../../../../tests/benchmarks/aiperf.json");
    let file = BenchmarkFile::parse("aiperf.json", text).unwrap();
    assert_eq!(file.tool, BenchmarkTool::Aiperf);
    assert_eq!(file.said[0], "0.13.0");
    let point = file.points[0];
    assert_eq!(point.load, BenchmarkLoad::Clients(32.0));
    assert_eq!((point.input_tokens, point.output_tokens), (550.0, 150.0));
    assert_eq!((point.requests, point.failed), (Some(320.0), 2.0));
    assert!((point.ttft.unwrap().get() - 0.120).abs() < 1e-12);
    let text = include_str!("../../../../tests/benchmarks/genai-perf.json");
    let file = BenchmarkFile::parse("genai-perf.json", text).unwrap();
    assert_eq!(file.tool, BenchmarkTool::GenaiPerf);
    let rate = Process::Uniform { rate: 5.0 };
    assert_eq!(file.points[0].load, BenchmarkLoad::Rate(rate));
    // The unit beside a figure counts.
    let seconds = text.replace(
        "\"unit\": \"ms\", \"avg\": 95.0",
        "\"unit\": \"s\", \"avg\": 0.095",
    );
    assert_ne!(seconds, text);
    let other = BenchmarkFile::parse("genai-perf.json", &seconds).unwrap();
    let time = |file: &BenchmarkFile| file.points[0].ttft.map(Seconds::get).unwrap();
    assert!((time(&other) - time(&file)).abs() < 1e-12);
}

#[test]
fn guidellm_results_are_read() {
    let text = include_str!("../../../../tests/benchmarks/guidellm.json");
    let file = BenchmarkFile::parse("benchmarks.json", text).unwrap();
    assert_eq!((file.tool, file.points.len()), (BenchmarkTool::Guidellm, 3));
    let loads: Vec<BenchmarkLoad> = file.points.iter().map(|point| point.load).collect();
    assert_eq!(
        loads,
        [
            BenchmarkLoad::Clients(1.0),
            BenchmarkLoad::Clients(8.0),
            BenchmarkLoad::Rate(Process::Poisson { rate: 2.5 }),
        ]
    );
    assert_eq!(file.points[1].requests, Some(80.0));
    assert!((file.points[1].tpot.unwrap().get() - 0.0095).abs() < 1e-12);
}

#[test]
fn loads_become_those_of_a_case() {
    let text = include_str!("../../../../tests/benchmarks/vllm.json");
    let all = text.replace("\"max_concurrency\": 16", "\"max_concurrency\": null");
    let point = BenchmarkFile::parse("all.json", &all).unwrap().points[0];
    assert_eq!(point.load, BenchmarkLoad::AtOnce);
    let (mode, load, sent) = predicted::sent(&point);
    assert_eq!((mode, load), (Mode::AllAtOnce, Load::AtOnce(160.0)));
    assert!((sent.requests - 160.0).abs() < f64::EPSILON);
}

proptest! {
    /// Whatever a file holds, reading it ends with points that can be, or a message.
    #[test]
    fn no_text_breaks_the_readers(
        file in 0_usize..4,
        cut in 0.0..1.0_f64,
        from in "[\"a-z_0-9:.,{}\\[\\]-]{0,3}",
        to in "\\PC{0,6}",
    ) {
        let texts = [
            include_str!("../../../../tests/benchmarks/vllm.json"),
            include_str!("../../../../tests/benchmarks/aiperf.json"),
            include_str!("../../../../tests/benchmarks/genai-perf.json"),
            include_str!("../../../../tests/benchmarks/guidellm.json"),
        ];
        let text = texts[file];
        let place = (text.len() as f64 * cut) as usize;
        let whole = if from.is_empty() { text.to_owned() } else { text.replacen(&from, &to, 1 + place % 5) };
        for text in [&whole, &text[..place].to_owned(), &to] {
            if let Ok(read) = BenchmarkFile::parse("any.json", text) {
                for point in &read.points {
                    prop_assert!(point.input_tokens > 0.0 && point.output_tokens.is_finite());
                }
            }
        }
    }
}
