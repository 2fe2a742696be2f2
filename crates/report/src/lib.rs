//! Results for reading and for programs, in English and Chinese: a comparison as terminal table,
//! JSON, CSV and one self-contained HTML page; a training run, a serving run, a validated table and a
//! network as the first three, the pipeline, the front and the network also as SVG. Pure: a report is a function of the result and the
//! language; no files, clock or
//! printing, and no model mathematics.
//!
//! Left out for now: Parquet, and translations of the reasoning behind export verdicts, which
//! quotes the rules in English.

mod answer;
mod chart;
mod collective;
mod export;
mod figures;
mod fit;
mod grid;
mod html;
mod json;
mod messages;
mod notes;
mod number;
mod palette;
mod records;
mod replay;
mod run;
mod serve;
mod svg;
mod tables;
mod terminal;
mod topology;
mod validation;
mod view;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use collective::{
    collective_csv, collective_json, collective_table, imported_table, share_csv, share_json,
    share_table,
};
pub use fit::fit_table;
pub use html::html;
pub use json::json;
pub use messages::{Language, Messages};
pub use records::csv;
pub use replay::{
    RecordTable, record_columns, record_line, replay_csv, replay_json, replay_svg, replay_table,
};
pub use run::{run_csv, run_json, run_svg, run_table};
pub use serve::{serve_csv, serve_json, serve_svg, serve_table};
pub use terminal::table;
pub use topology::{topology_csv, topology_json, topology_svg, topology_table};
pub use validation::{
    Shown, network_csv, network_json, network_table, serving_csv, serving_json, serving_table,
    validation_csv, validation_json, validation_table,
};
