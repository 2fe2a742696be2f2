//! A system: chip, node, scale-up domain, scale-out network and power; something one can buy.

use chokepoint_units::{Bandwidth, Power, Seconds};
use serde::Deserialize;

use crate::wiring::{DomainWiring, ScaleOutWiring};
use crate::{CollectiveCurve, Figure, FigureRow, Status};

/// A system file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name as sold.
    pub name: String,
    /// Who sells it.
    pub vendor: String,
    /// Whether one can buy it.
    pub status: Status,
    /// Id of its chip.
    pub chip: String,
    /// Names under which published measurements give a chip in this system.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Rows of `collective_measurements.csv` that its figures were fitted on, as "coll-7" or
    /// "coll-7 to coll-9".
    #[serde(default)]
    pub fitted_on: Vec<String>,
    /// The server or tray.
    pub node: Node,
    /// The scale-up domain.
    pub domain: Domain,
    /// The network beyond the domain.
    pub scale_out: ScaleOut,
    /// Power beyond the chips.
    #[serde(default)]
    pub power: SystemPower,
    /// Collectives measured on this system itself: before the curves of its chip, and over several
    /// domains.
    #[serde(default)]
    pub collective: Vec<CollectiveCurve>,
}

/// One server or tray.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Chips in it.
    pub chips: u64,
    /// Host processors.
    #[serde(default)]
    pub cpu: Option<String>,
    /// Host processors in it.
    #[serde(default)]
    pub cpus: Option<u64>,
    /// Nodes in a rack.
    #[serde(default)]
    pub per_rack: Option<u64>,
}

/// How the chips of a domain are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// One level of switches: every pair at full link bandwidth.
    Switched,
    /// Two levels of switches without oversubscription.
    TwoLevelSwitched,
    /// Direct links between every pair; a pair has only its share of the bandwidth.
    Mesh,
    /// PCI Express through the host or a PCIe switch.
    Pcie,
    /// Torus of direct links.
    Torus,
}

/// The scale-up domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Chips in it.
    pub chips: u64,
    /// How they are joined.
    pub topology: Topology,
    /// Bandwidth of one chip into the domain, per direction.
    pub bandwidth: Figure<Bandwidth>,
    /// Time of a smallest message between two chips, software included.
    #[serde(default)]
    pub latency: Option<Figure<Seconds>>,
    /// What kernels for few tokens take beyond the link before an expert's rank has them all, over
    /// two ranks, where it was measured.
    #[serde(default)]
    pub expert_start: Option<Figure<Seconds>>,
    /// The same for each doubling of the ranks.
    #[serde(default)]
    pub expert_level: Option<Figure<Seconds>>,
    /// Switches add and multicast (NVLink SHARP).
    #[serde(default)]
    pub in_switch_reduction: bool,
    /// Switch chips in the domain.
    #[serde(default)]
    pub switch_chips: Option<Figure<f64>>,
    /// Copper cables in the domain.
    #[serde(default)]
    pub copper_cables: Option<Figure<f64>>,
    /// Optical modules in the domain.
    #[serde(default)]
    pub optical_modules: Option<Figure<f64>>,
    /// Its links, where they are described.
    #[serde(default)]
    pub wiring: Option<DomainWiring>,
}

/// The network beyond the domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleOut {
    /// Id of the network.
    pub network: String,
    /// Bandwidth of one chip into it, per direction.
    pub bandwidth: Figure<Bandwidth>,
    /// Its cabling; a fat tree without oversubscription where it is not described.
    #[serde(default)]
    pub wiring: Option<ScaleOutWiring>,
    /// Chips of a domain whose ports one collective uses at once, where fewer than all do.
    #[serde(default)]
    pub rails: Option<Figure<f64>>,
}

/// Power beyond the chips.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPower {
    /// Power of a node that is not its chips: processors, network cards, fans, conversion.
    #[serde(default)]
    pub host: Option<Figure<Power>>,
    /// Rated power of a node.
    #[serde(default)]
    pub node_rated: Option<Figure<Power>>,
    /// Rated power of a rack.
    #[serde(default)]
    pub rack_rated: Option<Figure<Power>>,
    /// Rated power of the whole system, where it is sold as one.
    #[serde(default)]
    pub system_rated: Option<Figure<Power>>,
    /// Power to provision at the utility for each chip, network and cooling included.
    #[serde(default)]
    pub provisioned_per_chip: Option<Figure<Power>>,
}

impl System {
    /// Every figure of the system, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows = vec![self.domain.bandwidth.row("domain.bandwidth")];
        let times = [
            ("domain.latency", &self.domain.latency),
            ("domain.expert_start", &self.domain.expert_start),
            ("domain.expert_level", &self.domain.expert_level),
        ];
        rows.extend(
            times
                .into_iter()
                .filter_map(|(name, f)| f.as_ref().map(|f| f.row(name))),
        );
        let counts = [
            ("domain.switch_chips", &self.domain.switch_chips),
            ("domain.copper_cables", &self.domain.copper_cables),
            ("domain.optical_modules", &self.domain.optical_modules),
        ];
        rows.extend(
            counts
                .into_iter()
                .filter_map(|(name, f)| f.as_ref().map(|f| f.row(name))),
        );
        let wiring = self.domain.wiring.iter();
        rows.extend(wiring.flat_map(DomainWiring::figures));
        rows.push(self.scale_out.bandwidth.row("scale_out.bandwidth"));
        let wiring = self.scale_out.wiring.iter();
        rows.extend(wiring.flat_map(ScaleOutWiring::figures));
        rows.extend(
            self.scale_out
                .rails
                .iter()
                .map(|f| f.row("scale_out.rails")),
        );
        let powers = [
            ("power.host", &self.power.host),
            ("power.node_rated", &self.power.node_rated),
            ("power.rack_rated", &self.power.rack_rated),
            ("power.system_rated", &self.power.system_rated),
            (
                "power.provisioned_per_chip",
                &self.power.provisioned_per_chip,
            ),
        ];
        rows.extend(
            powers
                .into_iter()
                .filter_map(|(name, f)| f.as_ref().map(|f| f.row(name))),
        );
        rows
    }
}
