//! Notes of a comparison, each once with the systems that it concerns.

use chokepoint_engine::{Comparison, Row, Statement};

use crate::messages::Words;

/// Notes of a row, with those that follow from its figures.
pub(crate) fn of_row(row: &Row) -> Vec<Statement> {
    let mut notes = row.notes.clone();
    if row.power.host_unknown {
        notes.push(Statement::new("host-power-unknown", []));
    }
    notes
}

/// Each note once, in the order of first appearance, with the names of its systems.
pub(crate) fn collected(words: &Words, comparison: &Comparison) -> Vec<(String, Vec<String>)> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for row in &comparison.rows {
        for statement in of_row(row) {
            let text = words.statement(&statement);
            let place = notes
                .iter()
                .position(|(known, _)| *known == text)
                .unwrap_or_else(|| {
                    notes.push((text, Vec::new()));
                    notes.len() - 1
                });
            let systems = &mut notes[place].1;
            if !systems.contains(&row.system_name) {
                systems.push(row.system_name.clone());
            }
        }
    }
    notes
}
