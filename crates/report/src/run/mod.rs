//! A training run as table, JSON, CSV and a drawing of its pipeline.

mod contention;
mod csv;
mod degraded;
mod drawing;
mod gantt;
mod json;
mod lines;
mod sites;
mod table;

pub use self::csv::run_csv;
pub use drawing::run_svg;
pub(crate) use json::best;
pub use json::run_json;
pub use table::run_table;
pub(crate) use table::{chokepoint, line, memory, pairs, parts, table};

#[cfg(test)]
mod tests;
