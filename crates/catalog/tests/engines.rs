//! Serving engines: which file a name and a release are, and what is wrong with a file.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "reads the data folder")]

use std::path::Path;

use chokepoint_catalog::{Batching, Catalog, MemoryShare, check};

fn catalog() -> Catalog {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let mut files = Vec::new();
    for folder in ["", "engines", "calibration"] {
        for entry in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                let name = path.strip_prefix(&data).unwrap().display().to_string();
                files.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    Catalog::load(
        files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
    .unwrap()
}

/// Names and releases as published tables write them.
#[test]
fn releases_are_known() {
    let catalog = catalog();
    for (name, release, id) in [
        ("vLLM", "", "vllm"),
        ("vLLM", "0.19.0", "vllm"),
        ("vLLM", "nightly-5b8c30d62b754b57", "vllm"),
        ("vLLM", "v0.11.0", "vllm-0-8"),
        ("vLLM", "0.12.0", "vllm-0-8"),
        ("vLLM", "0.6.3-0.6.4 (2024-11)", "vllm-0-6"),
        (
            "vLLM",
            "vLLM 0.6.5.dev964+mlperf50, Pytorch 2.7.0a0+git3a58512, ROCm",
            "vllm-0-6",
        ),
        ("vLLM-Ascend", "", "vllm-ascend"),
        ("vLLM (ML.ENERGY v3 harness)", "2025-2026", "vllm-0-8"),
        ("SGLang", "0.5.6.post2", "sglang"),
        ("SGLang default", "", "sglang"),
        ("TensorRT-LLM", "1.2.0rc6", "trtllm"),
        ("TensorRT-LLM", "0.14", "trtllm-cpp"),
        ("TensorRT-LLM (Triton)", "0.14", "trtllm-cpp"),
        (
            "TensorRT-LLM (gptSessionBenchmark)",
            "0.9.0",
            "trtllm-static",
        ),
        // Versions of Dynamo images, not of TensorRT-LLM.
        ("TensorRT-LLM", "0.8.1.post2", "trtllm"),
        ("TensorRT-LLM", "0.5.1-rc0.pre3", "trtllm"),
        ("MindIE", "2.1RC1", "mindie"),
        ("optimum-habana (SynapseAI)", "1.18.0", "optimum-habana"),
        ("CloudMatrix-Infer", "", "cloudmatrix-infer"),
    ] {
        let found = catalog.engine_named(name, release);
        assert_eq!(
            found.map(|engine| engine.id.as_str()),
            Some(id),
            "{name} {release}"
        );
    }
    assert!(catalog.engine_named("Abacus", "1").is_none());
}

/// The documented shares: vLLM gives 90% of the memory to all, TensorRT-LLM 90% of what is left to
/// the cache.
#[test]
fn shares_of_memory_are_those_documented() {
    let catalog = catalog();
    let share = |id: &str| {
        let engine = catalog.engine(id).unwrap();
        (engine.memory_share.value, engine.memory_share_of)
    };
    assert_eq!(share("vllm"), (0.9, MemoryShare::Whole));
    assert_eq!(share("trtllm"), (0.9, MemoryShare::Free));
    let batching = |id: &str| catalog.engine(id).unwrap().batching;
    assert_eq!(batching("trtllm-static"), Batching::Static);
    assert_eq!(batching("vllm"), Batching::Mixed);
}

#[test]
fn an_unknown_engine_gets_the_nearest() {
    let error = catalog().engine("vlm").unwrap_err();
    assert!(error.message.contains("vlm"), "{error:?}");
    assert!(format!("{error:?}").contains("vllm"), "{error:?}");
}

/// Every figure of a file is held to the range of its class, every rate to a known calibration.
#[test]
fn wrong_parameters_are_found() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/engines/vllm.toml");
    let good = std::fs::read_to_string(data).unwrap();
    for (old, new, words) in [
        (
            "memory_share = { value = 0.9",
            "memory_share = { value = 1.2",
            "memory_share",
        ),
        (
            "batched_tokens = { value = 8192",
            "batched_tokens = { value = 0",
            "batched_tokens",
        ),
        (
            "iteration_host = { value = \"1 ms\"",
            "iteration_host = { value = \"1 h\"",
            "iteration_host",
        ),
        ("all = { value = 1.0", "all = { value = 9.0", "rates.gemm"),
        (
            "[rates.grouped]",
            "[rates.gemm.on]\nabacus = { value = 1.0, source = \"memory\", grade = \"C\" }\n\n[rates.grouped]",
            "abacus",
        ),
        ("source = \"vllm-docs\"", "source = \"hearsay\"", "hearsay"),
    ] {
        assert!(good.contains(old), "{old}");
        let mut catalog = catalog();
        catalog
            .add("engines/vllm.toml", &good.replacen(old, new, 1))
            .unwrap();
        let found = check(&catalog);
        let found = found.iter().any(|problem| problem.message.contains(words));
        assert!(found, "{new}");
    }
}
