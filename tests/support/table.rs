//! Reference tables, where they are there, and errors against them.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "helpers of tests read tables, fail the test, print and say what they skip"
)]

use std::collections::BTreeMap;
use std::path::Path;

/// Rows of a reference table by column, or nothing (and a message) where it is absent.
pub fn reference(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return None;
    };
    let mut lines = text.lines();
    let header = fields(lines.next().unwrap());
    Some(
        lines
            .map(|line| header.iter().cloned().zip(fields(line)).collect())
            .collect(),
    )
}

/// Splits one line of CSV; quotes protect commas.
fn fields(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        let last = found.len() - 1;
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => found[last].push(other),
        }
    }
    found
}

/// Relative errors of predictions, printed row by row.
#[derive(Default)]
pub struct Errors(Vec<f64>);

impl Errors {
    /// Adds one and prints it; the unit is the reader's.
    pub fn add(&mut self, what: &str, predicted: f64, measured: f64) {
        let error = predicted / measured - 1.0;
        println!(
            "{what:60} {predicted:12.5} {measured:12.5} {:+7.1}%",
            error * 100.0
        );
        self.0.push(error);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Median absolute error, printed.
    pub fn median(&self, what: &str) -> f64 {
        let mut sizes: Vec<f64> = self.0.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.len() / 2;
        let median = if sizes.len() % 2 == 1 {
            sizes[middle]
        } else {
            f64::midpoint(sizes[middle - 1], sizes[middle])
        };
        println!(
            "{what}: median absolute error {:.1}% of {} rows",
            median * 100.0,
            sizes.len()
        );
        median
    }

    /// Largest absolute error.
    pub fn worst(&self) -> f64 {
        self.0
            .iter()
            .fold(0.0, |worst, error| error.abs().max(worst))
    }
}
