//! A validated table as table, JSON and CSV.

mod csv;
mod json;
mod network;
mod serving;
mod table;

pub use self::csv::validation_csv;
pub use json::validation_json;
pub use network::{network_csv, network_json, network_table};
pub use serving::{serving_csv, serving_json, serving_table};
pub use table::{Shown, validation_table};

#[cfg(test)]
mod tests;

use chokepoint_engine::ValidationRow;

/// `predicted` or `skipped`.
const fn status(row: &ValidationRow) -> &'static str {
    if row.prediction.is_some() {
        "predicted"
    } else {
        "skipped"
    }
}
