//! Reading the fields of one configuration, with a place for every complaint.

use chokepoint_diag::{Code, Diagnostic};
use serde_json::{Map, Value};

use super::locate::locate;

/// Largest layer count that is not a mistake.
pub(super) const MOST_LAYERS: u64 = 1_000_000;
/// Largest width, rank or count of heads, experts or positions that is not a mistake.
pub(super) const MOST: u64 = 100_000_000;

/// The fields of a configuration of a known family.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    fields: &'a Map<String, Value>,
    /// Family, for messages.
    family: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(
        file: &'a str,
        text: &'a str,
        fields: &'a Map<String, Value>,
        family: &'static str,
    ) -> Self {
        Self {
            file,
            text,
            fields,
            family,
        }
    }

    /// A complaint about a field, placed at it, or at the name of the architecture when the field
    /// is not there.
    pub(super) fn fail(&self, code: Code, key: &str, message: impl Into<String>) -> Diagnostic {
        let span = locate(self.text, key)
            .or_else(|| locate(self.text, "model_type"))
            .or_else(|| locate(self.text, "architectures"))
            .unwrap_or(0..0);
        Diagnostic::new(code, message).at(self.file, self.text, span)
    }

    /// A value that contradicts another or makes no sense.
    pub(super) fn nonsense(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        self.fail(Code::Value, key, message)
    }

    /// Something that the configuration asks for and the model does not describe.
    pub(super) fn not_modelled(&self, key: &str, what: &str) -> Diagnostic {
        let message = format!(
            "{what} is not modelled for architecture \"{}\"",
            self.family
        );
        self.fail(Code::Model, key, message)
    }

    /// A field that is present and not null.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn missing(&self, key: &str) -> Diagnostic {
        let message = format!(
            "field \"{key}\" is missing, which architecture \"{}\" needs",
            self.family
        );
        self.fail(Code::Field, key, message)
    }

    /// A whole number of at least 0, absent when there is none.
    pub(super) fn optional_count(&self, key: &str, most: u64) -> Result<Option<u64>, Diagnostic> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let Some(number) = value.as_u64() else {
            let kind = if value.is_number() {
                ""
            } else {
                ", as a number"
            };
            let message = format!(
                "field \"{key}\" must be a whole number of at least 0{kind}, found {value}"
            );
            return Err(self.fail(Code::Field, key, message));
        };
        if number > most {
            let message = format!("field \"{key}\" is {number}, more than any model has ({most})");
            return Err(self.nonsense(key, message));
        }
        Ok(Some(number))
    }

    /// A whole number of at least 1, absent when there is none.
    pub(super) fn optional(&self, key: &str) -> Result<Option<u64>, Diagnostic> {
        match self.optional_count(key, MOST)? {
            Some(0) => {
                Err(self.nonsense(key, format!("field \"{key}\" is 0, it must be at least 1")))
            }
            other => Ok(other),
        }
    }

    /// A whole number of at least 1.
    pub(super) fn required(&self, key: &str) -> Result<u64, Diagnostic> {
        self.optional(key)?.ok_or_else(|| self.missing(key))
    }

    /// A number of layers, at least 1.
    pub(super) fn layers(&self, key: &str) -> Result<u64, Diagnostic> {
        let count = self.optional_count(key, MOST_LAYERS)?;
        match count {
            None => Err(self.missing(key)),
            Some(0) => {
                Err(self.nonsense(key, format!("field \"{key}\" is 0, it must be at least 1")))
            }
            Some(count) => Ok(count),
        }
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, Diagnostic> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => {
                let message = format!("field \"{key}\" must be true or false, found {other}");
                Err(self.fail(Code::Field, key, message))
            }
        }
    }

    /// A text, absent when there is none.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Diagnostic> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                let message = format!("field \"{key}\" must be a text, found {other}");
                Err(self.fail(Code::Field, key, message))
            }
        }
    }

    /// A probability of dropping an activation; whether it is above 0.
    pub(super) fn drops(&self, key: &str, default: f64) -> Result<bool, Diagnostic> {
        let Some(value) = self.value(key) else {
            return Ok(default > 0.0);
        };
        match value.as_f64() {
            Some(share) if (0.0..1.0).contains(&share) => Ok(share > 0.0),
            _ => {
                let message = format!("field \"{key}\" must be from 0 to below 1, found {value}");
                Err(self.fail(Code::Field, key, message))
            }
        }
    }

    /// Refuses a number that another does not divide.
    pub(super) fn divides(
        &self,
        (divisor, divisor_key): (u64, &str),
        (number, key): (u64, &str),
    ) -> Result<(), Diagnostic> {
        if number.is_multiple_of(divisor) {
            return Ok(());
        }
        let message = format!("\"{divisor_key}\" = {divisor} does not divide \"{key}\" = {number}");
        Err(self.nonsense(divisor_key, message))
    }
}
