//! A validated table of serving runs as table, JSON and CSV.

mod csv;
mod json;
mod table;

pub use self::csv::serving_csv;
pub use json::serving_json;
pub use table::serving_table;

#[cfg(test)]
mod tests;

use chokepoint_engine::ServingRow;

/// `predicted` or `skipped`.
const fn status(row: &ServingRow) -> &'static str {
    if row.prediction.is_some() {
        "predicted"
    } else {
        "skipped"
    }
}
