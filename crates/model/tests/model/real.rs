//! Configurations as published, which lie beside the project and are not part of it.

use std::io::Write;

use chokepoint_diag::Code;
use chokepoint_model::Architecture;

use crate::common::{model, near};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/models");

/// The text of a published configuration; absent, and said so, where the folder is.
fn published(repository: &str) -> Option<String> {
    let path = format!("{FOLDER}/{repository}/config.json");
    let file = std::fs::OpenOptions::new().read(true).open(&path);
    let text = file.and_then(std::io::read_to_string).ok();
    if text.is_none() {
        let note = format!("skipped: there is no {path}\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
    text
}

#[test]
fn supported_ones_have_the_published_sizes() {
    // Sizes of the Hugging Face model pages, without multi-token prediction; MiniMax-M2: 229 B,
    // Kimi K2: 1.03 T in its checkpoint (1 T published), gpt-oss-20b: 20.9 B.
    for (repository, parameters, active) in [
        ("meta-llama--Meta-Llama-3.1-8B", 8.030e9, None),
        ("meta-llama--Meta-Llama-3.1-70B", 70.554e9, None),
        ("meta-llama--Meta-Llama-3.1-405B", 405.853e9, None),
        ("Qwen--Qwen3-32B", 32.762e9, None),
        ("Qwen--Qwen3-30B-A3B", 30.532e9, Some(3.0e9)),
        ("Qwen--Qwen3-235B-A22B", 235.094e9, Some(22e9)),
        ("mistralai--Mixtral-8x7B-v0.1", 46.703e9, Some(12.9e9)),
        ("mistralai--Mixtral-8x22B-v0.1", 140.621e9, Some(39e9)),
        ("deepseek-ai--DeepSeek-V3", 671.026e9, Some(37e9)),
        ("deepseek-ai--DeepSeek-R1", 671.026e9, Some(37e9)),
        ("moonshotai--Kimi-K2-Instruct", 1.026_408e12, Some(32e9)),
        ("openai--gpt-oss-120b", 116.829e9, Some(5.13e9)),
        ("openai--gpt-oss-20b", 20.915e9, Some(3.61e9)),
        ("MiniMaxAI--MiniMax-M2.5", 228.690e9, Some(10e9)),
    ] {
        let Some(text) = published(repository) else {
            continue;
        };
        let read = Architecture::from_config(repository, &text).unwrap();
        let found = read.parameters_main() as f64;
        assert!(near(found, parameters, 1e-4), "{repository}: {found}");
        if let Some(active) = active {
            let found = read.active_parameters() as f64;
            assert!(near(found, active, 0.05), "{repository}: {found}");
        }
    }
}

#[test]
fn our_files_describe_the_same_models() {
    for (id, repository) in [
        ("llama-3.1-8b", "meta-llama--Meta-Llama-3.1-8B"),
        ("llama-3.1-70b", "meta-llama--Meta-Llama-3.1-70B"),
        ("llama-3.1-405b", "meta-llama--Meta-Llama-3.1-405B"),
        ("mixtral-8x7b", "mistralai--Mixtral-8x7B-v0.1"),
        ("qwen3-235b-a22b", "Qwen--Qwen3-235B-A22B"),
        ("deepseek-v3", "deepseek-ai--DeepSeek-V3"),
        ("deepseek-r1", "deepseek-ai--DeepSeek-R1"),
        ("gpt-oss-120b", "openai--gpt-oss-120b"),
    ] {
        let Some(text) = published(repository) else {
            continue;
        };
        let mut read = Architecture::from_config(repository, &text).unwrap();
        read.name = id.to_owned();
        assert_eq!(read, model(id));
    }
}

#[test]
fn unsupported_ones_say_what_is_not_modelled() {
    for (repository, name, reason) in [
        (
            "deepseek-ai--DeepSeek-V3.2",
            "deepseek_v32",
            "sparse attention",
        ),
        (
            "deepseek-ai--DeepSeek-V4-Pro",
            "deepseek_v4",
            "compressed sparse attention",
        ),
        ("Qwen--Qwen3.5-397B-A17B", "qwen3_5_moe", "linear attention"),
        (
            "meta-llama--Llama-4-Maverick-17B-128E-Instruct",
            "llama4",
            "chunked attention",
        ),
        ("zai-org--GLM-5", "glm_moe_dsa", "sparse attention"),
        ("moonshotai--Kimi-K2.5", "kimi_k25", "vision tower"),
    ] {
        let Some(text) = published(repository) else {
            continue;
        };
        let error = Architecture::from_config(repository, &text).unwrap_err();
        assert_eq!(error.code, Code::Model);
        assert!(
            error.message.contains(name) && error.message.contains(reason),
            "{error}"
        );
        assert!(error.place.is_some() && error.help.is_some());
    }
}
