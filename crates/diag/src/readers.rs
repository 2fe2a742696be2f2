//! Turns the errors of the TOML and JSON readers into diagnostics.

use crate::{Code, Diagnostic, nearest};

/// A diagnostic for a TOML text that could not be read.
#[must_use]
pub fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    described(error.message()).at(file, text, span)
}

/// A diagnostic for a JSON text that could not be read.
#[must_use]
pub fn from_json(file: &str, text: &str, error: &serde_json::Error) -> Diagnostic {
    let start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = (start + error.column().saturating_sub(1)).min(text.len());
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let mut diagnostic = described(message);
    if error.is_syntax() || error.is_eof() {
        diagnostic.code = Code::Syntax;
    }
    diagnostic.at(file, text, at..at)
}

/// Classifies a reader's message; an unknown name gets the nearest of the names it lists.
fn described(message: &str) -> Diagnostic {
    let message = message
        .trim_end_matches('.')
        .replace('\n', "; ")
        .replace("expected u64", "expected a whole number of at least 0")
        .replace(
            "invalid type: map, expected a sequence",
            "found one table, expected a list: write [[name]]",
        );
    for kind in ["unknown field", "unknown variant"] {
        if let Some(rest) = message.strip_prefix(kind) {
            let mut quoted = rest.split('`').skip(1).step_by(2);
            let found = quoted.next().unwrap_or_default().to_owned();
            let known: Vec<&str> = quoted.collect();
            let diagnostic = Diagnostic::new(Code::Field, message.clone());
            return match nearest(&found, known.iter().copied()).first() {
                Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
                None => diagnostic,
            };
        }
    }
    let code = if message.starts_with("invalid value") {
        Code::Value
    } else if message.contains("unit") || message.contains("bare number") {
        Code::Unit
    } else if [
        "missing field",
        "found one table",
        "invalid type",
        "duplicate field",
        "data did not match",
        "invalid length",
    ]
    .iter()
    .any(|known| message.contains(known))
    {
        Code::Field
    } else if message.starts_with("expected") && message.contains("such as") {
        Code::Unit
    } else if [
        "expected",
        "invalid",
        "key with no value",
        "extra",
        "unclosed",
        "duplicate key",
        "unexpected",
        "missing",
    ]
    .iter()
    .any(|known| message.starts_with(known))
    {
        Code::Syntax
    } else {
        Code::Value
    };
    Diagnostic::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_mistake_has_its_line() {
        let text = "{\n  \"a\": 1,\n  \"b\": \n}";
        let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        let diagnostic = from_json("config.json", text, &error);
        assert_eq!(diagnostic.code, Code::Syntax);
        assert_eq!(diagnostic.place.unwrap().line_column().0, 4);
    }

    #[test]
    fn an_unknown_field_gets_the_nearest_name() {
        let diagnostic =
            described("unknown field `bandwith`, expected one of `bandwidth`, `capacity`");
        assert_eq!(
            diagnostic.help.as_deref(),
            Some("did you mean `bandwidth`?")
        );
    }
}
