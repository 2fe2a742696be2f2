//! A kind of link inside scale-up domains, with the switch chip that it ends in.

use chokepoint_units::{Bandwidth, Power, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A file of `links/`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainLink {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Rate of one link, per direction.
    pub rate: Figure<Bandwidth>,
    /// Time over one link and the switch at its start, without software.
    pub hop: Figure<Seconds>,
    /// Differential pairs of one link, both directions.
    #[serde(default)]
    pub pairs: Option<Figure<f64>>,
    /// The switch chip, where there is one.
    #[serde(default)]
    pub switch: Option<SwitchChip>,
}

/// A switch chip of a scale-up domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchChip {
    /// Name.
    pub name: String,
    /// Ports at the rate of the link.
    #[serde(default)]
    pub ports: Option<Figure<f64>>,
    /// Power of one chip.
    #[serde(default)]
    pub power: Option<Figure<Power>>,
}

impl DomainLink {
    /// Every figure of the link, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows = vec![self.rate.row("rate"), self.hop.row("hop")];
        rows.extend(self.pairs.iter().map(|figure| figure.row("pairs")));
        if let Some(switch) = &self.switch {
            rows.extend(switch.ports.iter().map(|f| f.row("switch.ports")));
            rows.extend(switch.power.iter().map(|f| f.row("switch.power")));
        }
        rows
    }
}
