//! Where a row was measured: system, network and group of ranks; the curves that a prediction may
//! use.

use chokepoint_catalog::{Calibration, Catalog, Chip, Network, System};
use chokepoint_fabric::{Fabric, Group};

use super::operation::Operation;
use crate::resolve::{SystemParts, measured_on, system_parts};
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// The place of a row.
pub(super) struct Place {
    pub parts: SystemParts,
    pub network: Network,
    pub ranks: u64,
    pub group: Group,
    pub span: &'static str,
}

impl Place {
    /// Reads the place of a row; a text says why it is not known.
    pub(super) fn of(catalog: &Catalog, row: &Row, assumed: &mut Assumed) -> Result<Self, String> {
        let label = row.text("system").ok_or("system is not given")?;
        let id = system_of(catalog, label)
            .ok_or_else(|| format!("no system of the catalogue is known by \"{label}\""))?;
        let parts = system_parts(catalog, id).map_err(|error| error.message)?;
        let ranks = row.count("ranks").filter(|ranks| *ranks > 1);
        let ranks = ranks.ok_or("the number of ranks is not given")?;
        let network = network_of(catalog, row).map_or_else(
            || parts.network.clone(),
            |network| {
                assumed.note(&format!("network {}", network.id));
                network.clone()
            },
        );
        let span = span(&parts.system, row, ranks);
        let group = group(&parts.system, row, ranks, assumed);
        Ok(Self {
            parts,
            network,
            ranks,
            group,
            span,
        })
    }

    /// The fabric with all curves of the system's chip.
    pub(super) fn fabric(&self, catalog: &Catalog) -> Result<Fabric, String> {
        let curves = self.curves(catalog)?;
        Ok(self.with(curves, measured_on(catalog, &curves.id)))
    }

    /// The fabric without the curves of a rank count.
    pub(super) fn fabric_without(&self, catalog: &Catalog, ranks: u64) -> Result<Fabric, String> {
        let mut curves = self.curves(catalog)?.clone();
        curves.collective.retain(|curve| curve.ranks != ranks);
        Ok(self.with(&curves, measured_on(catalog, &curves.id)))
    }

    /// The fabric with the curves of another chip, the one nearest in link bandwidth among those
    /// joined in the same way.
    pub(super) fn fabric_of_other(&self, catalog: &Catalog) -> Option<Fabric> {
        let own = self.curves(catalog).ok()?;
        let wanted = self.parts.system.domain.bandwidth.value;
        let other = catalog
            .calibrations
            .values()
            .map(|entry| &entry.value)
            .filter(|other| other.id != own.id && !other.collective.is_empty())
            .filter_map(|other| {
                let chip = measured_on(catalog, &other.id)?;
                let joined = catalog.systems.values().any(|entry| {
                    entry.value.chip == chip.id
                        && entry.value.domain.topology == self.parts.system.domain.topology
                });
                let link = chip.scale_up.as_ref()?.bandwidth.as_ref()?.value;
                let distance = libm::fabs(libm::log(link / wanted));
                joined.then_some((distance, other, chip))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(self.with(other.1, Some(other.2)))
    }

    fn curves<'a>(&self, catalog: &'a Catalog) -> Result<&'a Calibration, String> {
        let id = &self.parts.chip.calibration.curve;
        catalog.calibration(id).map_err(|error| error.message)
    }

    fn with(&self, curves: &Calibration, chip: Option<&Chip>) -> Fabric {
        Fabric::new(&self.parts.system, &self.network, curves, chip)
    }
}

/// Whether the curves of the row's own rank count hold the row or its like: those of NCCL and
/// TensorRT-LLM, which were measured together. Kernels of other libraries are in no curve.
pub(super) fn is_in_curves(row: &Row, operation: &Operation) -> bool {
    match operation {
        Operation::Collective(..) | Operation::Ring(_) | Operation::OneShot(_) => true,
        Operation::Experts(_) | Operation::FewTokens(_) => {
            row.text_or_blank("library").starts_with("TensorRT-LLM")
        }
    }
}

/// The system whose labels have a text, or which has that id.
fn system_of<'a>(catalog: &'a Catalog, label: &str) -> Option<&'a str> {
    let labelled = catalog
        .systems
        .iter()
        .find(|(id, entry)| *id == label || entry.value.labels.iter().any(|known| known == label));
    labelled.map(|(id, _)| id.as_str())
}

/// The network that the row names by one of its labels, where ranks are on several nodes.
fn network_of<'a>(catalog: &'a Catalog, row: &Row) -> Option<&'a Network> {
    row.count("nodes").filter(|nodes| *nodes > 1)?;
    let text = format!(
        "{} {}",
        row.text_or_blank("system"),
        row.text_or_blank("fabric")
    );
    let networks = catalog.networks.values().map(|entry| &entry.value);
    networks.into_iter().find(|network| {
        let labels = &network.labels;
        labels.iter().any(|label| text.contains(label.as_str()))
    })
}

/// Ranks as neighbours; the first release of `DeepEP`, which pplx-kernels quote, sent all copies over
/// the network, those within a node too, as if each rank were alone in its domain.
fn group(system: &System, row: &Row, ranks: u64, assumed: &mut Assumed) -> Group {
    if row.text_or_blank("algorithm").contains("as quoted there") {
        assumed.note("the first release: all copies over the network");
        return Group {
            size: ranks,
            stride: system.domain.chips,
        };
    }
    Group::adjacent(ranks)
}

/// What the ranks span.
fn span(system: &System, row: &Row, ranks: u64) -> &'static str {
    let nodes = row
        .count("nodes")
        .unwrap_or_else(|| ranks.div_ceil(system.node.chips.max(1)));
    if ranks > system.domain.chips {
        "domains"
    } else if nodes > 1 {
        "domain"
    } else {
        "node"
    }
}
