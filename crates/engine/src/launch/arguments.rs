//! Flags with their values, as a shell or a YAML list has them.

use std::fmt::{Display, Write as _};

/// Flags of a command in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments(Vec<(&'static str, Option<String>)>);

impl Arguments {
    /// A flag without a value.
    pub(super) fn flag(&mut self, name: &'static str) {
        self.0.push((name, None));
    }

    /// A flag without a value, where a condition holds.
    pub(super) fn flag_if(&mut self, on: bool, name: &'static str) {
        if on {
            self.flag(name);
        }
    }

    /// A flag with a value.
    pub(super) fn put(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, Some(value.to_string())));
    }

    /// A flag with a value, where a condition holds.
    pub(super) fn put_if(&mut self, on: bool, name: &'static str, value: impl Display) {
        if on {
            self.put(name, value);
        }
    }

    /// Each on a line of its own, as a shell reads them; JSON stands in single quotes.
    pub(super) fn shell(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            let _ = write!(out, " \\\n  {name}");
            if let Some(value) = value {
                let quote = if value.starts_with('{') { "'" } else { "" };
                let _ = write!(out, " {quote}{value}{quote}");
            }
        }
        out
    }

    /// Each word as an item of a YAML list with so many spaces before it.
    pub(super) fn yaml(&self, indent: usize) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            let _ = writeln!(out, "{:indent$}- {name}", "");
            if let Some(value) = value {
                let _ = writeln!(out, "{:indent$}- '{value}'", "");
            }
        }
        out
    }
}

/// Lines as comments.
pub(super) fn comments<'a>(lines: impl IntoIterator<Item = &'a String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("# {line}\n"))
        .collect()
}
