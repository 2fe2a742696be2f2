//! What is refused, and how.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::{Architecture, Attention, FeedForward, SUPPORTED};
use chokepoint_units::NumberFormat;

use crate::common::{MODELS, model};

fn refuse(text: &str) -> Diagnostic {
    Architecture::from_config("models/x/config.json", text).unwrap_err()
}

/// A model file with one line replaced, or taken away where `with` is empty.
fn edited(id: &str, key: &str, with: &str) -> String {
    let (_, text) = MODELS.iter().find(|(known, _)| *known == id).unwrap();
    let start = format!("  \"{key}\":");
    let mut lines: Vec<String> = Vec::new();
    let mut found = false;
    for line in text.lines() {
        if !line.starts_with(&start) {
            lines.push(line.to_owned());
            continue;
        }
        found = true;
        if !with.is_empty() {
            lines.push(format!(
                "{start} {with}{}",
                if line.ends_with(',') { "," } else { "" }
            ));
        }
    }
    assert!(found, "{id} has no {key}");
    lines.join("\n")
}

/// (model, field, new value, code, part of the message); a place at the field.
const WRONG: &[(&str, &str, &str, Code, &str)] = &[
    (
        "llama-3.1-8b",
        "hidden_size",
        "0",
        Code::Value,
        "field \"hidden_size\" is 0, it must be at least 1",
    ),
    (
        "llama-3.1-8b",
        "hidden_size",
        "-4096",
        Code::Field,
        "field \"hidden_size\" must be a whole number of at least 0, found -4096",
    ),
    (
        "llama-3.1-8b",
        "hidden_size",
        "4096.5",
        Code::Field,
        "must be a whole number of at least 0, found 4096.5",
    ),
    (
        "llama-3.1-8b",
        "hidden_size",
        "\"4096\"",
        Code::Field,
        "must be a whole number of at least 0, as a number, found \"4096\"",
    ),
    (
        "llama-3.1-8b",
        "hidden_size",
        "[4096]",
        Code::Field,
        "as a number, found [4096]",
    ),
    (
        "llama-3.1-8b",
        "num_hidden_layers",
        "2000000",
        Code::Value,
        "is 2000000, more than any model has (1000000)",
    ),
    (
        "llama-3.1-8b",
        "num_hidden_layers",
        "0",
        Code::Value,
        "\"num_hidden_layers\" is 0",
    ),
    (
        "llama-3.1-8b",
        "num_attention_heads",
        "48",
        Code::Value,
        "\"num_attention_heads\" = 48 does not divide \"hidden_size\" = 4096",
    ),
    (
        "llama-3.1-8b",
        "num_key_value_heads",
        "5",
        Code::Value,
        "\"num_key_value_heads\" = 5 does not divide \"num_attention_heads\" = 32",
    ),
    (
        "llama-3.1-8b",
        "vocab_size",
        "18446744073709551615",
        Code::Value,
        "more than any model has",
    ),
    (
        "llama-3.1-8b",
        "attention_bias",
        "\"no\"",
        Code::Field,
        "field \"attention_bias\" must be true or false, found \"no\"",
    ),
    (
        "llama-3.1-8b",
        "intermediate_size",
        "1e5",
        Code::Field,
        "must be a whole number",
    ),
    (
        "mixtral-8x7b",
        "num_experts_per_tok",
        "9",
        Code::Value,
        "\"num_experts_per_tok\" = 9 exceeds \"num_local_experts\" = 8",
    ),
    (
        "deepseek-v3",
        "n_group",
        "7",
        Code::Value,
        "\"n_group\" = 7 does not divide \"n_routed_experts\" = 256",
    ),
    (
        "deepseek-v3",
        "topk_group",
        "9",
        Code::Value,
        "\"topk_group\" = 9 exceeds \"n_group\" = 8",
    ),
    (
        "deepseek-v3",
        "num_experts_per_tok",
        "200",
        Code::Value,
        "\"num_experts_per_tok\" = 200 exceeds the experts of 4 of 8 groups",
    ),
    (
        "deepseek-v3",
        "topk_method",
        "3",
        Code::Field,
        "field \"topk_method\" must be a text, found 3",
    ),
    (
        "deepseek-v3",
        "quantization_config",
        "{\"quant_method\": \"awq\"}",
        Code::Model,
        "quantization method \"awq\" is not modelled",
    ),
    (
        "deepseek-v3",
        "quantization_config",
        "{}",
        Code::Field,
        "must name its \"quant_method\"",
    ),
    (
        "qwen3-235b-a22b",
        "mlp_only_layers",
        "[\"first\"]",
        Code::Field,
        "field \"mlp_only_layers\" must be a list of layer numbers",
    ),
    (
        "gpt-3-175b",
        "n_head",
        "97",
        Code::Value,
        "\"n_head\" = 97 does not divide \"n_embd\" = 12288",
    ),
    (
        "gpt-3-175b",
        "resid_pdrop",
        "1.5",
        Code::Field,
        "field \"resid_pdrop\" must be from 0 to below 1, found 1.5",
    ),
    (
        "gpt-3-175b",
        "model_type",
        "\"gtp2\"",
        Code::Model,
        "architecture \"gtp2\" is not modelled",
    ),
];

#[test]
fn wrong_values_are_refused_at_their_line() {
    for (id, key, value, code, message) in WRONG {
        let text = edited(id, key, value);
        let error = refuse(&text);
        assert!(error.message.contains(message), "{key} = {value}: {error}");
        assert_eq!(error.code, *code, "{error}");
        let place = error.place.clone().unwrap();
        assert_eq!(place.file, "models/x/config.json");
        let line = text.lines().nth(place.line_column().0 - 1).unwrap();
        assert!(line.contains(&format!("\"{key}\"")), "{error} at {line}");
    }
}

#[test]
fn a_missing_field_is_named_with_the_architecture_that_needs_it() {
    for (id, key, family) in [
        ("llama-3.1-8b", "hidden_size", "llama"),
        ("llama-3.1-8b", "vocab_size", "llama"),
        ("mixtral-8x7b", "num_key_value_heads", "mixtral"),
        ("deepseek-v3", "kv_lora_rank", "deepseek_v3"),
        ("deepseek-v3", "intermediate_size", "deepseek_v3"),
        ("qwen3-235b-a22b", "moe_intermediate_size", "qwen3_moe"),
        ("gpt-oss-120b", "sliding_window", "gpt_oss"),
        ("gpt-3-175b", "n_layer", "gpt2"),
    ] {
        let text = edited(id, key, "");
        let error = refuse(&text);
        let expected = format!("field \"{key}\" is missing, which architecture \"{family}\" needs");
        assert_eq!(error.message, expected);
        assert_eq!(error.code, Code::Field);
        let line = error.place.unwrap().line_column().0;
        assert!(
            text.lines()
                .nth(line - 1)
                .unwrap()
                .contains("\"model_type\"")
        );
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    for (text, code, message) in [
        ("", Code::Syntax, "EOF"),
        ("{\"model_type\": \"llama\",", Code::Syntax, "EOF"),
        ("{\"model_type\": llama}", Code::Syntax, "expected value"),
        (
            "[1, 2]",
            Code::Field,
            "a model configuration must be a JSON object",
        ),
        ("{}", Code::Field, "names no architecture"),
        ("{\"model_type\": 3}", Code::Field, "names no architecture"),
        (
            "{\"architectures\": []}",
            Code::Field,
            "names no architecture",
        ),
        (
            "{\"architectures\": [\"BertModel\"]}",
            Code::Model,
            "architecture \"BertModel\" is not modelled",
        ),
    ] {
        let error = refuse(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.code, code, "{error}");
        assert!(error.place.is_some());
    }
    let deep = format!("{{\"model_type\": {}", "[".repeat(10_000));
    assert_eq!(refuse(&deep).code, Code::Syntax);
}

#[test]
fn absurd_sizes_are_refused_together() {
    let text = r#"{"model_type": "mixtral", "hidden_size": 100000000, "num_hidden_layers": 1000000,
      "num_attention_heads": 100000000, "num_key_value_heads": 1, "head_dim": 100000000,
      "num_local_experts": 100000000, "num_experts_per_tok": 1, "intermediate_size": 100000000,
      "vocab_size": 100000000}"#;
    let error = refuse(text);
    assert!(
        error
            .message
            .contains("parameters, more than any model has"),
        "{error}"
    );
}

#[test]
fn unmodelled_architectures_say_why_and_what_is_nearest() {
    for (name, reason, nearest) in [
        (
            "deepseek_v32",
            "sparse attention with an indexer",
            "deepseek_v3",
        ),
        ("qwen3_5_moe", "linear attention", "qwen3"),
        ("llama4", "chunked attention", "llama"),
        ("qwen3_nxt", "is not modelled", "qwen3"),
    ] {
        let error = refuse(&format!("{{\"model_type\": \"{name}\"}}"));
        assert_eq!(error.code, Code::Model);
        assert!(
            error.message.contains(name) && error.message.contains(reason),
            "{error}"
        );
        let help = error.help.unwrap();
        assert!(
            help.contains(&format!("nearest modelled one is {nearest}")),
            "{help}"
        );
        assert!(SUPPORTED.iter().all(|known| help.contains(known)), "{help}");
    }
    let wrapped = r#"{"model_type": "kimi_k25", "text_config": {"model_type": "kimi_k2"}}"#;
    let help = refuse(wrapped).help.unwrap();
    assert!(
        help.contains("text_config is of the supported architecture \"kimi_k2\""),
        "{help}"
    );
    let linear = edited(
        "gpt-oss-120b",
        "sliding_window",
        "128,\n  \"layer_types\": [\"linear_attention\"]",
    );
    let message = refuse(&linear).message;
    assert!(
        message.contains("\"layer_types\" has 1 entries for 36 layers"),
        "{message}"
    );
    let window = edited(
        "qwen3-235b-a22b",
        "decoder_sparse_step",
        "1,\n  \"use_sliding_window\": true",
    );
    assert!(
        refuse(&window)
            .message
            .contains("a sliding window is not modelled")
    );
}

#[test]
fn latent_attention_has_no_key_value_heads_of_its_own() {
    let text = edited(
        "deepseek-v3",
        "q_lora_rank",
        "1536,\n  \"num_key_value_heads\": 64",
    );
    let message = refuse(&text).message;
    assert!(
        message.contains("\"num_key_value_heads\" = 64 differs"),
        "{message}"
    );
}

#[test]
fn a_class_stands_in_for_the_type() {
    let text = edited(
        "llama-3.1-8b",
        "model_type",
        "null,\n  \"architectures\": [\"LlamaForCausalLM\"]",
    );
    let read = Architecture::from_config("config.json", &text).unwrap();
    assert_eq!(read.parameters(), model("llama-3.1-8b").parameters());
    assert_eq!(read.name, "config");
    let named = Architecture::from_config("C:\\models\\mine\\config.json", &text).unwrap();
    assert_eq!(named.name, "mine");
    assert_eq!(
        Architecture::from_config("a/b.json", &text).unwrap().name,
        "b"
    );
}

#[test]
fn variants_of_families_are_read() {
    let windowed = r#"{"model_type": "qwen2", "hidden_size": 1024, "num_hidden_layers": 4,
      "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 4096,
      "vocab_size": 1000, "use_sliding_window": true, "sliding_window": 64, "max_window_layers": 3}"#;
    let qwen = Architecture::from_config("q/config.json", windowed).unwrap();
    assert_eq!(qwen.layers, [0, 0, 0, 1]);
    assert_eq!(qwen.kinds[1].attention.window(), Some(64));
    let direct = edited("deepseek-v3", "q_lora_rank", "null");
    let direct = Architecture::from_config("d/config.json", &direct).unwrap();
    assert!(matches!(
        direct.kinds[0].attention,
        Attention::Latent { q_rank: None, .. }
    ));
    assert!(direct.parameters() > model("deepseek-v3").parameters());
    let mixed = edited(
        "qwen3-235b-a22b",
        "mlp_only_layers",
        "[0, 5],\n  \"intermediate_size\": 12288",
    );
    let mixed = Architecture::from_config("m/config.json", &mixed).unwrap();
    let dense = |layer: usize| {
        matches!(
            mixed.kinds[mixed.layers[layer]].feed_forward,
            FeedForward::Dense { .. }
        )
    };
    assert_eq!([dense(0), dense(1), dense(5)], [true, false, true]);
    let sparse = edited(
        "qwen3-235b-a22b",
        "decoder_sparse_step",
        "2,\n  \"intermediate_size\": 12288",
    );
    let sparse = Architecture::from_config("s/config.json", &sparse).unwrap();
    assert_eq!(sparse.layers[..4], [0, 1, 0, 1]);
    assert_eq!(sparse.kinds[0].feed_forward.experts(), None);
    assert_eq!(model("deepseek-v3").native_format, Some(NumberFormat::Fp8));
    assert_eq!(model("gpt-oss-120b").native_format, Some(NumberFormat::Fp4));
    assert_eq!(model("llama-2-70b").native_format, None);
    assert!(model("gpt-3-175b").dropout && !model("llama-2-70b").dropout);
}

#[test]
fn every_supported_name_is_known() {
    for name in SUPPORTED {
        let error = refuse(&format!("{{\"model_type\": \"{name}\"}}"));
        let needs = format!("is missing, which architecture \"{name}\" needs");
        assert!(error.message.contains(&needs), "{error}");
    }
}
