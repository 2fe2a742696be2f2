//! A comparison as terminal table, JSON, CSV and one self-contained HTML page, in English and
//! Chinese. Pure: a report is a function of the comparison and the language; no files, clock or
//! printing, and no model mathematics.
//!
//! Left out for now: Parquet, and translations of the reasoning behind export verdicts, which
//! quotes the rules in English.

mod answer;
mod chart;
mod export;
mod figures;
mod grid;
mod html;
mod json;
mod messages;
mod notes;
mod number;
mod palette;
mod records;
mod svg;
mod tables;
mod terminal;
mod view;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use html::html;
pub use json::json;
pub use messages::{Language, Messages};
pub use records::csv;
pub use terminal::table;
