//! What a table does not say of a run and the prediction takes.

use std::fmt::Display;

/// Assumptions of one row, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Assumed(Vec<String>);

impl Assumed {
    /// A blank column took a value.
    pub(super) fn taken(&mut self, column: &str, value: impl Display) {
        self.0.push(format!("{column} = {value}"));
    }

    /// A blank column was searched, and this was fastest.
    pub(super) fn searched(&mut self, column: &str, value: impl Display) {
        self.0.push(format!("{column} = {value} (searched)"));
    }

    /// Something else.
    pub(super) fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    /// All of them.
    pub(super) fn take(self) -> Vec<String> {
        self.0
    }
}
