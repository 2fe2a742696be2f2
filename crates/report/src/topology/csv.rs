//! The network of a system as CSV.

use chokepoint_engine::TopologyRun;
use chokepoint_engine::catalog::Media;
use chokepoint_engine::fabric::topology::Stage;
use chokepoint_engine::units::Bandwidth;
use csv::{Error, Writer};

use crate::messages::{Language, Words};
use crate::records::text;

const HEADS: [&str; 14] = [
    "system",
    "chips",
    "place",
    "level",
    "switches",
    "ports_of_a_switch",
    "ports_used_of_a_switch",
    "cables",
    "cable_bytes_per_second",
    "media",
    "optical_modules",
    "copper_pairs",
    "oversubscription",
    "reason",
];

/// The network as CSV: a line for each level, lowest first; without a network one line with the
/// reason. Unknown is empty.
///
/// # Errors
/// When a record cannot be written.
pub fn topology_csv(run: &TopologyRun, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    let mut write = |cells: [String; 12]| {
        let chips = run.chips.to_string();
        let first = [run.system.clone(), chips];
        writer.write_record(first.iter().chain(&cells))
    };
    let Some(built) = &run.built else {
        let mut cells: [String; 12] = Default::default();
        let reason = run.reason.as_ref();
        cells[11] = reason.map_or_else(String::new, |reason| words.statement(reason));
        write(cells)?;
        return text(writer);
    };
    for stage in &built.stages {
        write(level(stage))?;
    }
    text(writer)
}

fn level(stage: &Stage) -> [String; 12] {
    let count = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let domain = stage.role.in_domain();
    [
        if domain { "domain" } else { "scale-out" }.to_owned(),
        stage.role.name().to_owned(),
        count(stage.switches),
        count(stage.ports),
        count(stage.ports_used),
        count(stage.links),
        number(stage.rate.map(Bandwidth::get)),
        stage.media.map_or("", Media::name).to_owned(),
        count(stage.modules),
        count(stage.pairs),
        number(stage.oversubscription),
        String::new(),
    ]
}
