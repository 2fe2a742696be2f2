//! A serving run as table, JSON, CSV and a drawing of its front.

mod csv;
mod drawing;
mod json;
mod table;

pub use self::csv::serve_csv;
pub use drawing::serve_svg;
pub use json::serve_json;
pub use table::serve_table;

#[cfg(test)]
mod tests;
