//! What training frameworks and serving engines must satisfy: rates within what software can change,
//! on chips that have curves, and parameters of engines within what engines have.

use chokepoint_diag::{Code, Diagnostic};

use crate::check::{band, plain_band, provenance, reference};
use crate::{Catalog, Rate, ServingEngine};

/// Everything wrong with the software of a catalogue.
pub(crate) fn software(catalog: &Catalog, found: &mut Vec<Diagnostic>) {
    for entry in catalog.frameworks.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), found);
        rates(catalog, &entry.file, &entry.value.rates.each(), found);
    }
    for entry in catalog.engines.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), found);
        rates(catalog, &entry.file, &entry.value.rates.each(), found);
        engine(&entry.file, &entry.value, found);
    }
}

/// Rates of software within what it can change, on chips that have curves.
fn rates(catalog: &Catalog, file: &str, rates: &[(&str, &Rate)], found: &mut Vec<Diagnostic>) {
    for (field, rate) in rates {
        for curves in rate.on.keys() {
            reference(catalog.calibration(curves).err(), file, found);
        }
        for figure in std::iter::once(&rate.all).chain(rate.on.values()) {
            if !(0.1..=2.0).contains(&figure.value) {
                let message = format!(
                    "{file}: rates.{field}: {} is outside 0.1 to 2 of the chip's rate",
                    figure.value
                );
                found.push(Diagnostic::new(Code::Value, message));
            }
        }
    }
}

/// Parameters of a serving engine within what engines have.
fn engine(file: &str, engine: &ServingEngine, found: &mut Vec<Diagnostic>) {
    for (field, figure) in engine.counts() {
        let range = match field {
            "memory_share" => 0.3..=1.0,
            "graph_batch" => 0.0..=65_536.0,
            _ => 1.0..=1e6,
        };
        plain_band(file, field, figure, range, found);
    }
    for (field, figure) in engine.host_times() {
        band(file, field, Some(figure), 0.0..=1.0, found);
    }
}
