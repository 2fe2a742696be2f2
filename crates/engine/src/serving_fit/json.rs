//! Values of a JSON file with the way to them, so that a message names the field.

use chokepoint_diag::{Code, Diagnostic, nearest};
use serde_json::Value;

/// Largest number that a benchmark reports of anything.
const MOST: f64 = 1e12;

/// A value in a file.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    file: &'a str,
    text: &'a str,
    /// Keys to it, as `benchmarks[0].metrics`.
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The value of a whole document.
    pub(super) fn root(file: &'a str, text: &'a str, value: &'a Value) -> Self {
        Self {
            file,
            text,
            path: String::new(),
            value,
        }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// A field, where there is one that is not null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        Some(Self {
            path,
            value,
            ..self.clone()
        })
    }

    /// A field of a field, where all are there.
    pub(super) fn at(&self, keys: &[&str]) -> Option<Self> {
        keys.iter()
            .try_fold(self.clone(), |node, key| node.get(key))
    }

    /// The values of a list; none of anything else.
    pub(super) fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten();
        let node = |(at, value)| Self {
            path: format!("{}[{at}]", self.path),
            value,
            ..self.clone()
        };
        items.enumerate().map(node).collect()
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// When it is not, with the nearest names that are.
    pub(super) fn need(&self, key: &str, expected: &str) -> Result<Self, Diagnostic> {
        self.get(key).ok_or_else(|| {
            let missing = if self.path.is_empty() {
                key.to_owned()
            } else {
                format!("{}.{key}", self.path)
            };
            let message = format!("{}: {missing} is missing; expected {expected}", self.file);
            let known = self
                .value
                .as_object()
                .into_iter()
                .flat_map(|map| map.keys());
            let near = nearest(key, known.map(String::as_str));
            let problem = Diagnostic::new(Code::Field, message);
            if near.is_empty() {
                problem
            } else {
                problem.help(format!("did you mean {}?", near.join(", ")))
            }
        })
    }

    /// A number above zero.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn positive(&self, expected: &str) -> Result<f64, Diagnostic> {
        self.number()
            .filter(|number| *number > 0.0)
            .ok_or_else(|| self.wrong(&format!("{expected}, above zero")))
    }

    /// A number above zero of a field; nothing where it is absent or zero, as benchmarks write what
    /// they did not measure.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn measured(&self, key: &str, expected: &str) -> Result<Option<f64>, Diagnostic> {
        let Some(node) = self.get(key) else {
            return Ok(None);
        };
        match node.number() {
            Some(number) if number > 0.0 => Ok(Some(number)),
            Some(_) => Ok(None),
            None => Err(node.wrong(expected)),
        }
    }

    /// A number from zero on that can be meant.
    fn number(&self) -> Option<f64> {
        self.value
            .as_f64()
            .filter(|number| (0.0..=MOST).contains(number))
    }

    /// What is wrong with the value, at its key where that is written once.
    pub(super) fn wrong(&self, expected: &str) -> Diagnostic {
        let found = match self.value {
            Value::Array(list) => format!("a list of {}", list.len()),
            Value::Object(_) => "an object".to_owned(),
            value => value.to_string().chars().take(40).collect(),
        };
        let path = if self.path.is_empty() {
            self.file
        } else {
            &self.path
        };
        let message = format!("{path} is {found}; expected {expected}");
        let key = self.path.rsplit('.').next().unwrap_or_default();
        let quoted = format!("\"{key}\"");
        let mut places = self.text.match_indices(&quoted);
        let place = match (places.next(), places.next()) {
            (Some((start, _)), None) => start..start + quoted.len(),
            _ => 0..0,
        };
        Diagnostic::new(Code::Field, message).at(self.file, self.text, place)
    }
}
