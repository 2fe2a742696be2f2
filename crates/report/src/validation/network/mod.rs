//! A validated table of collectives as table, JSON and CSV.

mod csv;
mod json;
mod table;

pub use self::csv::network_csv;
pub use json::network_json;
pub use table::network_table;

#[cfg(test)]
mod tests;

use chokepoint_engine::{NetworkPrediction, NetworkRow};

/// `predicted` or `skipped`.
const fn status(row: &NetworkRow) -> &'static str {
    if row.prediction.is_some() {
        "predicted"
    } else {
        "skipped"
    }
}

/// Rank counts of the curves behind a prediction, as "2+8"; blank without curves.
fn curves(found: &NetworkPrediction) -> String {
    let counts: Vec<String> = found.curves.iter().map(u64::to_string).collect();
    counts.join("+")
}
