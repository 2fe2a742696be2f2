//! Validation row by row, so that a shell may evaluate rows in any order or at once.

use chokepoint_diag::Diagnostic;

use super::row::{Row, TRAINING, rows};
use super::{Validation, ValidationRow, summary, validate_row};
use crate::Data;

/// A table of published training runs, read and not yet predicted.
#[derive(Debug, Clone)]
pub struct TrainingTable {
    rows: Vec<Row>,
}

impl TrainingTable {
    /// Reads a table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        rows(file, text, &TRAINING).map(|rows| Self { rows })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Predicts one row; nothing of a row that there is not.
    #[must_use]
    pub fn validate(&self, row: usize, data: &Data) -> Option<ValidationRow> {
        self.rows.get(row).map(|row| validate_row(row, data))
    }
}

impl Validation {
    /// Rows, in the order of the table, with their statistics.
    #[must_use]
    pub fn of(rows: Vec<ValidationRow>) -> Self {
        let summary = summary::summaries(&rows);
        Self { rows, summary }
    }
}
