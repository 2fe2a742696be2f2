//! Reading a Hugging Face `config.json`.

mod blocks;
mod families;
mod locate;
mod quantization;
mod reader;
mod spread;

use chokepoint_diag::{Code, Diagnostic, from_json, nearest};
use serde_json::{Map, Value};

use crate::Architecture;
use families::Family;
use locate::locate;
use reader::Reader;

/// The supported values of `model_type`, in order of the alphabet.
pub const SUPPORTED: [&str; 12] = [
    "deepseek_v2",
    "deepseek_v3",
    "gpt2",
    "gpt_oss",
    "kimi_k2",
    "llama",
    "minimax_m2",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "qwen3_moe",
];

/// Classes of `architectures` with the `model_type` that they have; used when `model_type` is
/// absent.
const CLASSES: [(&str, &str); 11] = [
    ("DeepseekV2ForCausalLM", "deepseek_v2"),
    ("DeepseekV3ForCausalLM", "deepseek_v3"),
    ("GPT2LMHeadModel", "gpt2"),
    ("GptOssForCausalLM", "gpt_oss"),
    ("LlamaForCausalLM", "llama"),
    ("MiniMaxM2ForCausalLM", "minimax_m2"),
    ("MistralForCausalLM", "mistral"),
    ("MixtralForCausalLM", "mixtral"),
    ("Qwen2ForCausalLM", "qwen2"),
    ("Qwen3ForCausalLM", "qwen3"),
    ("Qwen3MoeForCausalLM", "qwen3_moe"),
];

/// What known architectures have that is not modelled, by the start of `model_type`.
const NOT_MODELLED: [(&str, &str); 12] = [
    ("deepseek_v32", "its sparse attention with an indexer"),
    (
        "deepseek_v4",
        "its compressed sparse attention and hyper-connections",
    ),
    ("gemma", "its norms and scaled embeddings"),
    ("glm_moe_dsa", "its sparse attention with an indexer"),
    ("kimi_k25", "its vision tower"),
    ("kimi_linear", "its linear attention"),
    ("llama4", "its chunked attention and vision tower"),
    ("mamba", "its state-space layers"),
    ("nemotron_h", "its state-space layers"),
    ("qwen3_5", "its linear attention and gated output"),
    ("qwen3_next", "its linear attention and gated output"),
    ("minimax_m3", "its sparse attention"),
];

impl Architecture {
    /// Reads the text of a Hugging Face `config.json`; `file` names it in complaints, and its
    /// folder names the model. Unknown fields are ignored, as Hugging Face does.
    ///
    /// Only architectures that follow exactly from the configuration are read, those in
    /// [`SUPPORTED`]. MiniMax-M2 announces multi-token-prediction modules without their shape, and
    /// no released checkpoint holds them (MiniMax-M2 issue 47): they are not counted.
    ///
    /// # Errors
    /// When the text is not JSON, the architecture is not modelled, or a field is missing, of the
    /// wrong kind, or contradicts another.
    pub fn from_config(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value =
            serde_json::from_str(text).map_err(|error| from_json(file, text, &error))?;
        let Value::Object(fields) = &value else {
            let message = "a model configuration must be a JSON object";
            return Err(Diagnostic::new(Code::Field, message).at(file, text, 0..text.len().min(1)));
        };
        let (key, name) = declared_name(file, text, fields)?;
        let Some(family) = Family::of(name) else {
            return Err(not_modelled(file, text, fields, key, name));
        };
        let reader = Reader::new(file, text, fields, family.name());
        let mut architecture = family.read(&reader)?;
        architecture.name = model_name(file);
        Ok(architecture)
    }
}

/// The key that names the architecture, and its `model_type`.
fn declared_name<'a>(
    file: &str,
    text: &str,
    fields: &'a Map<String, Value>,
) -> Result<(&'static str, &'a str), Diagnostic> {
    if let Some(name) = fields.get("model_type").and_then(Value::as_str) {
        return Ok(("model_type", name));
    }
    let class = fields
        .get("architectures")
        .and_then(|classes| classes.get(0))
        .and_then(Value::as_str);
    if let Some(class) = class {
        let known = CLASSES.iter().find(|(name, _)| *name == class);
        return Ok(("architectures", known.map_or(class, |(_, name)| name)));
    }
    let span = locate(text, "model_type").unwrap_or(0..text.len().min(1));
    let message = "the configuration names no architecture: neither \"model_type\" nor a class in \"architectures\"";
    Err(Diagnostic::new(Code::Field, message)
        .at(file, text, span)
        .help(supported_help(None)))
}

fn not_modelled(
    file: &str,
    text: &str,
    fields: &Map<String, Value>,
    key: &str,
    name: &str,
) -> Diagnostic {
    let reason = NOT_MODELLED
        .iter()
        .find(|(start, _)| name.starts_with(start))
        .map_or(String::new(), |(_, reason)| format!(": {reason}"));
    let inner = fields
        .get("text_config")
        .and_then(|inner| inner.get("model_type"))
        .and_then(Value::as_str)
        .filter(|inner| Family::of(inner).is_some());
    let help = match inner {
        Some(inner) => format!(
            "its text_config is of the supported architecture \"{inner}\": saved as a file of its own it can be read"
        ),
        None => supported_help(Some(name)),
    };
    Diagnostic::new(
        Code::Model,
        format!("architecture \"{name}\" is not modelled{reason}"),
    )
    .at(file, text, locate(text, key).unwrap_or(0..0))
    .help(help)
}

/// The supported names, the nearest first: the longest that begins the unknown name, or else the
/// most similar.
fn supported_help(name: Option<&str>) -> String {
    let all = SUPPORTED.join(", ");
    let near = name.and_then(|name| {
        let begins = SUPPORTED
            .into_iter()
            .filter(|known| name.starts_with(known));
        let similar = || nearest(name, SUPPORTED).first().copied();
        begins.max_by_key(|known| known.len()).or_else(similar)
    });
    match near {
        Some(near) => format!("the nearest modelled one is {near}; modelled are {all}"),
        None => format!("modelled are {all}"),
    }
}

/// The folder of a `config.json`, or the stem of any other file.
fn model_name(file: &str) -> String {
    let mut parts = file.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    let last = parts.next().unwrap_or(file);
    let stem = last.strip_suffix(".json").unwrap_or(last);
    match parts.next() {
        Some(folder) if stem == "config" => folder.to_owned(),
        _ => stem.to_owned(),
    }
}
