//! The project's own model files, and small helpers.

use chokepoint_model::{Architecture, Operator};
use chokepoint_units::Ops;

macro_rules! models {
    ($($id:literal),* $(,)?) => {
        /// Every model file of the project: (id, text).
        pub const MODELS: &[(&str, &str)] = &[
            $(($id, include_str!(concat!("../../../../data/models/", $id, "/config.json")))),*
        ];
    };
}

models!(
    "declared-1.8t-moe",
    "deepseek-r1",
    "deepseek-v3",
    "gpt-3-175b",
    "gpt-oss-120b",
    "llama-2-70b",
    "llama-3.1-405b",
    "llama-3.1-70b",
    "llama-3.1-8b",
    "megatron-1t",
    "megatron-22b",
    "megatron-530b",
    "mixtral-8x7b",
    "qwen3-235b-a22b",
);

/// Qwen2.5-72B, of which there is no file: figures of Qwen/Qwen2.5-72B/config.json.
pub const QWEN25_72B: &str = r#"{"model_type": "qwen2", "hidden_size": 8192,
  "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
  "intermediate_size": 29568, "vocab_size": 152064, "tie_word_embeddings": false,
  "use_sliding_window": false, "sliding_window": 131072, "max_window_layers": 80}"#;

/// A model of the project.
pub fn model(id: &str) -> Architecture {
    let (_, text) = MODELS.iter().find(|(known, _)| *known == id).unwrap();
    Architecture::from_config(&format!("models/{id}/config.json"), text).unwrap()
}

/// All models of the project.
pub fn models() -> impl Iterator<Item = Architecture> {
    MODELS.iter().map(|(id, _)| model(id))
}

/// Within a share of what was expected.
pub fn near(found: f64, expected: f64, share: f64) -> bool {
    (found / expected - 1.0).abs() <= share
}

/// Sum of the operations.
pub fn sum_ops(operators: &[Operator]) -> Ops {
    operators.iter().map(Operator::ops).sum()
}
