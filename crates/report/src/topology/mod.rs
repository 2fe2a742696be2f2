//! The network of a system as table, JSON, CSV and drawing.

mod csv;
mod drawing;
mod figure;
mod json;
mod table;
mod totals;

pub use self::csv::topology_csv;
pub use drawing::topology_svg;
pub use json::topology_json;
pub use table::topology_table;

#[cfg(test)]
mod tests;
