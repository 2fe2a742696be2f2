//! From a row to a case: what it says, and what is assumed where it says nothing.

use chokepoint_catalog::{Catalog, ServingEngine};
use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_units::Power;

use super::case::{Formats, Lengths, Load, Mode, Parallelism, Predicted, ServingCase, Speculation};
use super::layout::parallelism;
use super::load::{lengths, load, mode, most_sequences, speculation};
use super::model::model;
use super::numbers::formats;
use crate::Data;
use crate::resolve::{SystemParts, system_parts};
use crate::validate::assumed::Assumed;
use crate::validate::case::system_of;
use crate::validate::row::Row;

/// Everything that a prediction of a row needs.
pub(super) struct Setup<'a> {
    pub architecture: Architecture,
    pub chip: ChipSpec,
    pub fabric: Fabric,
    pub engine: &'a ServingEngine,
    /// Curves that the chip's efficiency comes from.
    pub curves: String,
    pub formats: Formats,
    pub parallelism: Parallelism,
    pub mode: Mode,
    pub lengths: Lengths,
    pub load: Load,
    pub most_sequences: Option<f64>,
    pub speculation: Option<Speculation>,
    /// Chips that the row counts.
    pub chips: u64,
    /// Power beside the chips that the row's power holds; absent where it is not known.
    pub host: Option<Power>,
    pub assumed: Assumed,
}

impl Setup<'_> {
    pub(super) fn case(&self) -> ServingCase<'_> {
        ServingCase {
            architecture: &self.architecture,
            chip: &self.chip,
            fabric: &self.fabric,
            engine: self.engine,
            curves: &self.curves,
            formats: self.formats,
            parallelism: self.parallelism,
            mode: self.mode,
            lengths: self.lengths,
            load: self.load,
            most_sequences: self.most_sequences,
            speculation: self.speculation,
            sent: None,
        }
    }

    /// A prediction with the power that the row measures.
    pub(super) fn as_measured(&self, found: Predicted) -> Predicted {
        let power = found.power.zip(self.host);
        Predicted {
            power: power.map(|(chips, host)| chips + host),
            ..found
        }
    }
}

/// Power beside the chips in a row's power: none where the chips' own meters were read (NVML), else
/// that of the nodes, since MLPerf measures at the wall.
fn host(row: &Row, parts: &SystemParts, chips: u64) -> Option<Power> {
    if row.lower("notes").contains("nvml") {
        return Some(Power::ZERO);
    }
    let node = parts.system.power.host.as_ref()?.value;
    Some(node * chips.div_ceil(parts.system.node.chips) as f64)
}

/// Reads a row; a text says why it cannot be predicted.
pub(super) fn setup<'a>(data: &'a Data, row: &Row) -> Result<Setup<'a>, String> {
    let mut assumed = Assumed::default();
    let parts = place(&data.catalog, row)?;
    let chip = parts.spec.clone().map_err(|error| error.message)?;
    let engine = engine(&data.catalog, row, &mut assumed)?;
    let architecture = model(data, row, &mut assumed)?;
    let formats = formats(row, &chip, &mut assumed)?;
    // Sources of Huawei's packages of two count ranks in dies; of others they count packages.
    let dies = match parts.chip.die.count {
        Some(dies) if parts.chip.vendor == "Huawei" => dies,
        _ => 1,
    };
    let parallelism = parallelism(row, architecture.experts(), dies, &mut assumed)?;
    let chips = row.count("n_chips").unwrap_or_else(|| parallelism.chips());
    let mode = mode(row)?;
    Ok(Setup {
        host: host(row, &parts, chips),
        lengths: lengths(row, mode, &mut assumed)?,
        load: load(row, mode, chips, &mut assumed)?,
        most_sequences: most_sequences(row),
        speculation: speculation(row, &mut assumed)?,
        architecture,
        chip,
        fabric: parts.fabric,
        engine,
        curves: parts.chip.calibration.curve.clone(),
        formats,
        parallelism,
        mode,
        chips,
        assumed,
    })
}

/// The system of a row: by its own label, else by that of its chip.
fn place(catalog: &Catalog, row: &Row) -> Result<SystemParts, String> {
    let label = row.text("chip").ok_or("chip is not given")?;
    let id = system_of(catalog, row.text_or_blank("system"))
        .or_else(|| system_of(catalog, label))
        .ok_or_else(|| format!("no system of the catalogue is known by the chip \"{label}\""))?;
    system_parts(catalog, id).map_err(|error| error.message)
}

/// The engine of a row.
fn engine<'a>(
    catalog: &'a Catalog,
    row: &Row,
    assumed: &mut Assumed,
) -> Result<&'a ServingEngine, String> {
    let name = row.text_or_blank("engine");
    let release = row.text_or_blank("engine_version");
    if let Some(engine) = catalog.engine_named(name, release) {
        return Ok(engine);
    }
    assumed.note("an unknown engine, taken as current vLLM");
    catalog.engine("vllm").map_err(|error| error.message)
}
