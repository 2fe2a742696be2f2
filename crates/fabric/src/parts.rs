//! The parts of a scale-out network: switches, links and optical modules of a non-blocking fat
//! tree.

use chokepoint_catalog::Network;
use chokepoint_units::{Bandwidth, Power};

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
    /// Optical modules; every link is taken as optical at both ends.
    pub modules: u64,
    /// Power of switches and modules; absent parts of the catalogue count as unknown, and then
    /// the power is absent.
    pub power: Option<Power>,
}

/// A non-blocking fat tree (folded Clos; Al-Fares et al. 2008) for a number of chips with a given
/// bandwidth each: one tier up to r endpoints, two up to r^2/2, three up to r^3/4 for radix r.
///
/// Links of t tiers are t for each endpoint, since every tier passes the full bandwidth on. Modules
/// end `ports_per_module` ports each, at both ends of every link.
///
/// Limits: more than r^3/4 endpoints are counted as three tiers of larger planes; the short
/// host links are counted as optical, which overstates modules where copper reaches; a chip occupies
/// at least one port, however little it needs of it; no spare ports, storage or management network.
#[must_use]
pub fn fat_tree(network: &Network, chips: u64, bandwidth: Bandwidth) -> FabricParts {
    let ports_per_chip = (bandwidth / network.link.rate.value).max(1.0);
    let endpoints = libm::ceil(chips as f64 * ports_per_chip - 1e-9) as u64;
    let radix = (network.switch.ports.value as u64).max(2);
    let half = radix / 2;
    let (tiers, switches, links) = if chips <= 1 {
        (0, 0, 0)
    } else if endpoints <= radix {
        (1, 1, endpoints)
    } else if endpoints <= radix * half {
        let leaves = endpoints.div_ceil(half);
        (2, leaves + (leaves * half).div_ceil(radix), 2 * endpoints)
    } else {
        let leaves = endpoints.div_ceil(half);
        (
            3,
            2 * leaves + (leaves * half).div_ceil(radix),
            3 * endpoints,
        )
    };
    let modules = (2 * links).div_ceil(network.link.ports_per_module.max(1));
    let power = match (&network.switch.power, &network.link.module_power) {
        (Some(switch), Some(module)) => {
            Some(switch.value * switches as f64 + module.value * modules as f64)
        }
        _ => None,
    };
    FabricParts {
        tiers,
        endpoints,
        switches,
        links,
        modules,
        power,
    }
}
