//! The fabric of a system: what the collectives need to know, resolved from the catalogue.

use chokepoint_catalog::{Calibration, Chip, CollectiveKind, Figure, Network, System, Topology};
use chokepoint_units::{Bandwidth, Seconds};

use crate::Group;
use crate::carry::Curves;
use crate::curve::LinkScale;
use crate::own::Own;

/// Share of link bandwidth that collectives of chips without measured curves reach inside a
/// domain; NCCL on A100, H100 and B200 reaches 0.68 to 0.78 in all-gather at 512 MiB
/// (`data/calibration`), xGMI all-reduce 0.70 (MI300X, Azure acceptance 314 of 448 GB/s).
const UNMEASURED_SHARE: f64 = 0.70;

/// Software time of a smallest message inside a domain when the catalogue has none: the median
/// of the smallest two-rank times of NCCL on A100, H100 and B200, less the launch.
const UNMEASURED_LATENCY: Seconds = Seconds::new(5e-6);

/// A time of the catalogue; nothing where it has none.
fn time(figure: Option<&Figure<Seconds>>) -> Seconds {
    figure.map_or(Seconds::ZERO, |figure| figure.value)
}

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
    /// Ranks of a domain whose ports one collective uses, at most.
    pub(crate) rails: f64,
    /// What kernels for few tokens take beyond the link: over two ranks, for each doubling.
    pub(crate) expert_start: (Seconds, Seconds),
    pub(crate) one_shot: Option<OneShotKernel>,
    /// What was measured on the system itself.
    pub(crate) own: Own,
    pub(crate) curves: Curves,
    /// From the measured chip's link to this system's.
    pub(crate) link: LinkScale,
}

/// A measured all-reduce kernel of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OneShotKernel {
    /// Time of a smallest message between two ranks.
    pub launch: Seconds,
    /// Time of each further peer.
    pub peer: Seconds,
    /// Share of the link bandwidth reached.
    pub share: f64,
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
        let shape = (system.domain.chips, system.node.chips);
        let mut fabric = Self {
            own: Own::within(&system.collective, shape),
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
            rails: system
                .scale_out
                .rails
                .as_ref()
                .map_or(f64::INFINITY, |figure| figure.value),
            expert_start: (
                time(system.domain.expert_start.as_ref()),
                time(system.domain.expert_level.as_ref()),
            ),
            one_shot: curves
                .one_shot
                .as_ref()
                .filter(|_| usable)
                .map(|kernel| OneShotKernel {
                    launch: kernel.launch,
                    peer: kernel.peer,
                    share: kernel.share,
                }),
            curves: Curves::new(
                if usable { &curves.collective } else { &[] },
                system.node.chips,
            ),
            link: LinkScale {
                transfer: reference / bandwidth,
                latency: 1.0,
            },
        };
        let mut own = fabric.own.clone();
        own.add_beyond(&system.collective, fabric.domain, |kind, ranks, size| {
            fabric.collective(kind, Group::adjacent(ranks), size)
        });
        fabric.own = own;
        fabric
    }

    /// Whether collectives inside a domain follow measured curves, of this chip or of the one
    /// whose calibration it borrows.
    #[must_use]
    pub const fn has_curves(&self) -> bool {
        !self.curves.is_empty()
    }

    /// Rank counts of the measured curves that a collective of some ranks of a domain rests on.
    #[must_use]
    pub fn curve_ranks(&self, kind: CollectiveKind, ranks: u64) -> Vec<u64> {
        self.curves.ranks_of(kind, ranks)
    }

    /// The same of an expert dispatch.
    #[must_use]
    pub fn dispatch_curve_ranks(&self, ranks: u64) -> Vec<u64> {
        if self.curves.has_dispatch() {
            self.curves.ranks_of_dispatch(ranks)
        } else {
            self.curve_ranks(CollectiveKind::AllToAll, ranks)
        }
    }

    /// The same fabric by latency and bandwidth alone.
    #[must_use]
    pub fn without_curves(&self) -> Self {
        Self {
            own: Own::none(),
            curves: Curves::new(&[], 1),
            ..self.clone()
        }
    }

    /// The same fabric with scaled resources.
    #[must_use]
    pub fn scaled(&self, scale: FabricScale) -> Self {
        let mut fabric = self.clone();
        fabric.own = self.own.scaled(scale.domain_bandwidth, scale.latency);
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
        let (start, level) = self.expert_start;
        fabric.expert_start = (start * scale.latency, level * scale.latency);
        fabric.one_shot = self.one_shot.map(|kernel| OneShotKernel {
            launch: kernel.launch * scale.latency,
            peer: kernel.peer * scale.latency,
            ..kernel
        });
        fabric
    }

    /// Bandwidth of one chip among a number of ranks of its domain, as its links state it: a mesh
    /// gives each pair only its share of the links.
    #[must_use]
    pub fn inside_nominal(&self, ranks: u64) -> Bandwidth {
        let share = match self.topology {
            Topology::Mesh if self.domain > 1 => {
                ranks.saturating_sub(1) as f64 / (self.domain - 1) as f64
            }
            _ => 1.0,
        };
        self.domain_bandwidth * share
    }

    /// What collectives of chips without measured curves reach of it.
    #[must_use]
    pub(crate) fn inside_bandwidth(&self, ranks: u64) -> Bandwidth {
        self.inside_nominal(ranks) * UNMEASURED_SHARE
    }
}
