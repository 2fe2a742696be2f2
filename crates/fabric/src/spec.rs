//! The fabric of a system: what the collectives need to know, resolved from the catalogue.

use chokepoint_catalog::{Calibration, Chip, Network, System, Topology};
use chokepoint_units::{Bandwidth, Seconds};

use crate::curve::{Curve, LinkScale};

/// Share of link bandwidth that collectives of chips without measured curves reach inside a
/// domain; NCCL on A100, H100 and B200 reaches 0.68 to 0.78 in all-gather at 512 MiB
/// (`data/calibration`), xGMI all-reduce 0.70 (MI300X, Azure acceptance 314 of 448 GB/s).
const UNMEASURED_SHARE: f64 = 0.70;

/// Software time of a smallest message inside a domain when the catalogue has none: the median
/// of the smallest two-rank times of NCCL on A100, H100 and B200, less the launch.
const UNMEASURED_LATENCY: Seconds = Seconds::new(5e-6);

/// The network of a system between its chips.
#[derive(Debug, Clone, PartialEq)]
pub struct Fabric {
    /// Chips in a scale-up domain.
    pub domain: u64,
    /// How the domain is joined.
    pub topology: Topology,
    /// Bandwidth of a chip into its domain, per direction.
    pub domain_bandwidth: Bandwidth,
    /// Time of a smallest message inside the domain.
    pub domain_latency: Seconds,
    /// Bandwidth of a chip into the scale-out network, per direction, as reached by large
    /// collectives.
    pub out_bandwidth: Bandwidth,
    /// The same as its links state it.
    pub out_nominal: Bandwidth,
    /// Time of a smallest message across the scale-out network.
    pub out_latency: Seconds,
    /// Time to hand a segment from one stage of a collective to the next.
    pub(crate) handover: Seconds,
    /// Time for a kernel to start a message across the scale-out network.
    pub(crate) chip_started: Seconds,
    pub(crate) curves: Vec<Curve>,
    /// From the measured chip's link to this system's.
    pub(crate) link: LinkScale,
}

/// Factors on a fabric's resources, for elasticities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FabricScale {
    /// On the bandwidth inside a domain.
    pub domain_bandwidth: f64,
    /// On the bandwidth across domains.
    pub out_bandwidth: f64,
    /// On all latencies.
    pub latency: f64,
}

impl Default for FabricScale {
    fn default() -> Self {
        Self {
            domain_bandwidth: 1.0,
            out_bandwidth: 1.0,
            latency: 1.0,
        }
    }
}

impl Fabric {
    /// From a system, its network, its chip's curves and the chip the curves were measured on.
    #[must_use]
    pub fn new(
        system: &System,
        network: &Network,
        curves: &Calibration,
        measured_on: Option<&Chip>,
    ) -> Self {
        let bandwidth = system.domain.bandwidth.value;
        let reference = measured_on
            .and_then(|chip| chip.scale_up.as_ref())
            .and_then(|link| link.bandwidth.as_ref())
            .map_or(bandwidth, |figure| figure.value);
        let switched = matches!(
            (system.domain.topology, measured_on.is_some()),
            (
                Topology::Switched | Topology::TwoLevelSwitched | Topology::Pcie,
                true
            )
        );
        let usable = switched && system.domain.chips > 1;
        Self {
            domain: system.domain.chips,
            topology: system.domain.topology,
            domain_bandwidth: bandwidth,
            domain_latency: system
                .domain
                .latency
                .as_ref()
                .map_or(UNMEASURED_LATENCY, |f| f.value),
            out_bandwidth: system.scale_out.bandwidth.value * network.achieved.value,
            out_nominal: system.scale_out.bandwidth.value,
            out_latency: network.latency.value,
            handover: network.handover.value,
            chip_started: network.chip_started.value,
            curves: if usable {
                curves.collective.iter().map(Curve::new).collect()
            } else {
                Vec::new()
            },
            link: LinkScale {
                transfer: reference / bandwidth,
                latency: 1.0,
            },
        }
    }

    /// Whether collectives inside a domain follow measured curves, of this chip or of the one
    /// whose calibration it borrows.
    #[must_use]
    pub const fn has_curves(&self) -> bool {
        !self.curves.is_empty()
    }

    /// The same fabric with scaled resources.
    #[must_use]
    pub fn scaled(&self, scale: FabricScale) -> Self {
        let mut fabric = self.clone();
        fabric.domain_bandwidth = self.domain_bandwidth * scale.domain_bandwidth;
        fabric.link = LinkScale {
            transfer: self.link.transfer / scale.domain_bandwidth,
            latency: self.link.latency * scale.latency,
        };
        fabric.out_bandwidth = self.out_bandwidth * scale.out_bandwidth;
        fabric.out_nominal = self.out_nominal * scale.out_bandwidth;
        fabric.domain_latency = self.domain_latency * scale.latency;
        fabric.out_latency = self.out_latency * scale.latency;
        fabric.handover = self.handover * scale.latency;
        fabric.chip_started = self.chip_started * scale.latency;
        fabric
    }

    /// Bandwidth of one chip among a number of ranks of its domain: a mesh gives each pair only
    /// its share of the links.
    #[must_use]
    pub(crate) fn inside_bandwidth(&self, ranks: u64) -> Bandwidth {
        let share = match self.topology {
            Topology::Mesh if self.domain > 1 => {
                ranks.saturating_sub(1) as f64 / (self.domain - 1) as f64
            }
            _ => 1.0,
        };
        self.domain_bandwidth * (share * UNMEASURED_SHARE)
    }
}
