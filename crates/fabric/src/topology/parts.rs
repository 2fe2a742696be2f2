//! The parts of a scale-out network: switches, links and optical modules.

use chokepoint_catalog::{Media, Network, System};
use chokepoint_units::{Bandwidth, Power};

use super::clos::Clos;
use super::scale_out::{Kind, ScaleOut};
use crate::network::Groups;

/// Parts of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FabricParts {
    /// Levels of switches; 0 when nothing needs to be joined.
    pub tiers: u32,
    /// Ports that the chips occupy.
    pub endpoints: u64,
    /// Switch boxes.
    pub switches: u64,
    /// Links between hosts and switches and between switches.
    pub links: u64,
    /// Optical modules, at both ends of every link that is optical.
    pub modules: u64,
    /// Power of switches and modules; absent parts of the catalogue count as unknown, and then
    /// the power is absent.
    pub power: Option<Power>,
    /// Whether it is what price books price by endpoint and tiers: optical trees without
    /// oversubscription.
    pub as_priced: bool,
}

/// Parts of the scale-out network that joins a number of chips of a system.
///
/// Modules end `ports_per_module` ports each, at both ends of every link that is not copper.
///
/// Limits: more endpoints than three tiers join are counted as three tiers of larger switches,
/// and a cabling that does not fit the system as a plain fat tree; the short links of
/// chips are counted as optical where nothing says that they are copper, which overstates modules; a chip occupies at least one
/// port, however little it needs of it; no spare ports, storage or management network, and no line
/// between sites.
#[must_use]
pub fn scale_out_parts(system: &System, network: &Network, chips: u64) -> FabricParts {
    let shape = ScaleOut::new(system, network, chips);
    shape.map_or_else(
        |_| fat_tree(network, chips, system.scale_out.bandwidth.value),
        |shape| count(&shape, network),
    )
}

/// Parts of a fat tree without oversubscription for a number of chips with a given bandwidth each.
#[must_use]
pub fn fat_tree(network: &Network, chips: u64, bandwidth: Bandwidth) -> FabricParts {
    count(&ScaleOut::plain(network, chips, bandwidth), network)
}

/// Parts of a network whose shape is known.
pub(super) fn count(shape: &ScaleOut, network: &Network) -> FabricParts {
    let (endpoints, switches, links) = match &shape.kind {
        Kind::Trees(trees) => {
            let planes = shape.planes;
            let sum = |of: fn(&Clos) -> u64| trees.iter().map(of).sum::<u64>() * planes;
            (
                sum(Clos::endpoints),
                sum(|tree| tree.switches().iter().sum()),
                sum(|tree| tree.links().iter().sum()),
            )
        }
        Kind::Dragonfly { numbers, groups } => {
            let endpoints = shape.chips * libm::ceil(shape.ports - 1e-9) as u64;
            let routers = groups * u64::from(numbers.routers);
            let (local, global) = dragonfly_links(*numbers, *groups);
            (endpoints, routers, endpoints + local + global)
        }
    };
    let chips_in_fibre = shape.chip_media == Media::Optics || shape.tiers() == 0;
    let optical = if chips_in_fibre {
        links
    } else {
        links - endpoints
    };
    let modules = (2 * optical).div_ceil(network.link.ports_per_module.max(1));
    let power = match (&network.switch.power, &network.link.module_power) {
        (Some(switch), Some(module)) => {
            Some(switch.value * switches as f64 + module.value * modules as f64)
        }
        _ => None,
    };
    let oversubscribed = |tree: &Clos| tree.oversubscription().iter().any(|ratio| *ratio > 1.0);
    FabricParts {
        tiers: shape.tiers(),
        endpoints,
        switches,
        links,
        modules,
        power,
        as_priced: matches!(shape.kind, Kind::Trees(_))
            && !shape.trees().iter().any(oversubscribed),
    }
}

/// Cables inside the groups of a dragonfly and between them: where there are several groups, all
/// global ports are cabled.
pub(super) fn dragonfly_links(numbers: Groups, groups: u64) -> (u64, u64) {
    let routers = u64::from(numbers.routers);
    let local = groups * routers * (routers - 1) / 2;
    let global = if groups > 1 {
        groups * routers * u64::from(numbers.global) / 2
    } else {
        0
    };
    (local, global)
}
