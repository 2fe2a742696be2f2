//! A collective, size by size.

mod csv;
mod imported;
mod json;
mod share;
mod table;
#[cfg(test)]
mod tests;
pub use csv::collective_csv;
pub use imported::imported_table;
pub use json::collective_json;
pub use share::{share_csv, share_json, share_table};
pub use table::collective_table;
