//! Traces of the Mooncake schema: one JSON object in each line.

use chokepoint_diag::{Code, Diagnostic, nearest};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::instant;
use super::lines::Row;
use crate::request::Request;

/// Most tokens of a prompt or an answer.
const MOST_TOKENS: f64 = 1e9;

/// Fields of a line; others are not looked at.
#[derive(Deserialize)]
struct Fields {
    /// Milliseconds from the start of the trace.
    timestamp: f64,
    input_length: f64,
    output_length: f64,
    /// Each stands for 512 tokens of the prompt and all before them.
    #[serde(default)]
    hash_ids: Vec<u64>,
    #[serde(default)]
    priority: u8,
}

/// The request of a line, with its time in femtoseconds.
pub(super) fn request(row: Row<'_>) -> Result<(u128, Request), Diagnostic> {
    let fields: Fields = serde_json::from_str(row.text).map_err(|error| explain(row, &error))?;
    let time = instant::milliseconds(fields.timestamp)
        .ok_or_else(|| wrong(row, "timestamp", "milliseconds that are not negative"))?;
    Ok((
        time,
        Request {
            input_tokens: tokens(row, "input_length", fields.input_length)?,
            output_tokens: tokens(row, "output_length", fields.output_length)?,
            class: fields.priority,
            hash_ids: fields.hash_ids,
            ..Request::default()
        },
    ))
}

fn tokens(row: Row<'_>, name: &str, value: f64) -> Result<u32, Diagnostic> {
    if (0.0..=MOST_TOKENS).contains(&value) && value.fract() == 0.0 {
        Ok(value as u32)
    } else {
        Err(wrong(
            row,
            name,
            "a whole number of tokens from 0 to 1,000,000,000",
        ))
    }
}

/// A field with a value that cannot be.
fn wrong(row: Row<'_>, name: &str, expected: &str) -> Diagnostic {
    let at = row.text.find(&format!("\"{name}\"")).unwrap_or(0);
    let message = format!("{name} is not as expected: {expected}");
    row.wrong(Code::Value, &message, at..at + name.len() + 2)
}

/// Why a line is not a request: a field missing, of another kind, or no JSON at all.
fn explain(row: Row<'_>, error: &serde_json::Error) -> Diagnostic {
    const NEEDED: [&str; 3] = ["timestamp", "input_length", "output_length"];
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(row.text) else {
        let at = error.column().saturating_sub(1).min(row.text.len());
        let message = format!("the line is not a JSON object: {error}");
        return row.wrong(Code::Syntax, &message, at..at);
    };
    for name in NEEDED {
        if !fields.contains_key(name) {
            let names = fields.keys().map(String::as_str);
            let diagnostic = row.wrong(
                Code::Field,
                &format!("there is no field \"{name}\""),
                0..row.text.len(),
            );
            return match nearest(name, names).first() {
                Some(near) => {
                    diagnostic.help(format!("is \"{}\" meant?", super::table::shown(near)))
                }
                None => diagnostic.help(super::KNOWN),
            };
        }
        if !fields.get(name).is_some_and(Value::is_number) {
            return wrong(row, name, "a number");
        }
    }
    let class = fields.get("priority").map(Value::as_u64);
    if class.is_some_and(|class| class.is_none_or(|class| class > u64::from(u8::MAX))) {
        return wrong(
            row,
            "priority",
            "a whole number from 0 (most urgent) to 255",
        );
    }
    let at = error.column().saturating_sub(1).min(row.text.len());
    row.wrong(
        Code::Field,
        &format!("a field is not as expected: {error}"),
        at..at,
    )
}
