//! Which kind each layer has.

use chokepoint_diag::{Code, Diagnostic};
use serde_json::Value;

use super::reader::Reader;
use crate::LayerKind;

/// The distinct kinds and the kind of each of `count` layers.
pub(super) fn spread(
    count: u64,
    kind_of: impl Fn(u64) -> LayerKind,
) -> (Vec<LayerKind>, Vec<usize>) {
    let mut kinds: Vec<LayerKind> = Vec::new();
    let mut layers = Vec::new();
    for layer in 0..count {
        let kind = kind_of(layer);
        let known = kinds.iter().position(|other| *other == kind);
        layers.push(known.unwrap_or(kinds.len()));
        if known.is_none() {
            kinds.push(kind);
        }
    }
    (kinds, layers)
}

/// Whether each layer has a sliding window, from `layer_types`; absent when the field is.
pub(super) fn sliding_layers(reader: &Reader, count: u64) -> Result<Option<Vec<bool>>, Diagnostic> {
    const KEY: &str = "layer_types";
    let Some(value) = reader.value(KEY) else {
        return Ok(None);
    };
    let Some(types) = value.as_array() else {
        let message = "field \"layer_types\" must be a list of texts";
        return Err(reader.fail(Code::Field, KEY, message));
    };
    if types.len() as u64 != count {
        let message = format!(
            "\"layer_types\" has {} entries for {count} layers",
            types.len()
        );
        return Err(reader.nonsense(KEY, message));
    }
    let sliding = |entry: &Value| match entry.as_str() {
        Some("sliding_attention") => Ok(true),
        Some("full_attention") => Ok(false),
        _ => Err(reader.not_modelled(KEY, &format!("layer type {entry}"))),
    };
    types
        .iter()
        .map(sliding)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The layers named by a list of whole numbers; none when the field is absent.
pub(super) fn listed_layers(reader: &Reader, key: &str) -> Result<Vec<u64>, Diagnostic> {
    let Some(value) = reader.value(key) else {
        return Ok(Vec::new());
    };
    let numbers = value
        .as_array()
        .and_then(|list| list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>());
    numbers.ok_or_else(|| {
        let message = format!("field \"{key}\" must be a list of layer numbers");
        reader.fail(Code::Field, key, message)
    })
}
