//! A scale-out network: link, switch, latency; the parts of a fat tree.

use chokepoint_units::{Bandwidth, Power, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A network file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// Words by which published measurements name it.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Rows of `collective_measurements.csv` that its figures were fitted on, as "coll-7" or
    /// "coll-7 to coll-9".
    #[serde(default)]
    pub fitted_on: Vec<String>,
    /// One port and its media.
    pub link: Link,
    /// One switch box.
    pub switch: Switch,
    /// Time of a smallest message between two hosts under different leaf switches, software
    /// included.
    pub latency: Figure<Seconds>,
    /// Time over one link and the switch at its start, without software.
    pub hop: Figure<Seconds>,
    /// Time for a kernel on the chip to start a message, beyond `latency`.
    pub chip_started: Figure<Seconds>,
    /// Time to hand a segment from the stage of a collective inside a domain to the one between
    /// domains.
    pub handover: Figure<Seconds>,
    /// Share of the wire that large collectives reach.
    pub achieved: Figure<f64>,
}

/// One port and its media.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Rate of a port, per direction.
    pub rate: Figure<Bandwidth>,
    /// Power of one optical module, which terminates `ports_per_module` ports.
    #[serde(default)]
    pub module_power: Option<Figure<Power>>,
    /// Ports that one optical module terminates.
    pub ports_per_module: u64,
}

/// One switch box.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name as sold.
    pub name: String,
    /// Ports at the link rate.
    pub ports: Figure<f64>,
    /// Power of the box without modules.
    #[serde(default)]
    pub power: Option<Figure<Power>>,
}

impl Network {
    /// Every figure of the network, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows = vec![
            self.link.rate.row("link.rate"),
            self.switch.ports.row("switch.ports"),
            self.latency.row("latency"),
            self.hop.row("hop"),
            self.chip_started.row("chip_started"),
            self.handover.row("handover"),
            self.achieved.row("achieved"),
        ];
        rows.extend(
            self.link
                .module_power
                .iter()
                .map(|f| f.row("link.module_power")),
        );
        rows.extend(self.switch.power.iter().map(|f| f.row("switch.power")));
        rows
    }
}
