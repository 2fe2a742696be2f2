//! Power of a system: what must be provisioned for it.

use chokepoint_catalog::System;
use chokepoint_fabric::FabricParts;
use chokepoint_units::Power;
use serde::Serialize;

/// Power of one chip's share of a system, in watts of IT load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SystemPower {
    /// The package at its thermal design power.
    pub chip: Power,
    /// Share of host processors, network cards, fans and conversion.
    pub host: Power,
    /// Share of scale-out switches and optical modules.
    pub network: Power,
    /// All of it: what the building must be able to deliver.
    pub provisioned: Power,
    /// Whether the host share is unknown and therefore missing.
    pub host_unknown: bool,
}

/// Provisioned IT power of each chip: the rating of the rack or the whole system where it is sold
/// as one, else design power plus host share; plus the scale-out network's switches and modules.
///
/// A rating covers everything in the rack or system; the part above the chips counts as host. A
/// rack's rating holds only where the rack is no larger than a domain: racks of loose nodes are
/// packed as the room allows.
///
/// Limits: host power is that of full load; a network whose parts state no power counts as nothing,
/// which `FabricParts::power` tells.
#[must_use]
pub fn system_power(system: &System, tdp: Power, parts: &FabricParts, chips: u64) -> SystemPower {
    let network = parts
        .power
        .map_or(Power::ZERO, |power| power / chips.max(1) as f64);
    let node_chips = system.node.chips.max(1) as f64;
    let rated = rated_per_chip(system);
    let host = match (&system.power.host, rated) {
        (_, Some(rated)) => (rated - tdp).max(Power::ZERO),
        (Some(host), None) => host.value / node_chips,
        (None, None) => Power::ZERO,
    };
    SystemPower {
        chip: tdp,
        host,
        network,
        provisioned: tdp + host + network,
        host_unknown: system.power.host.is_none() && rated.is_none(),
    }
}

/// Rated power of one chip's share where the whole domain or rack has a rating.
fn rated_per_chip(system: &System) -> Option<Power> {
    let domain = system.domain.chips.max(1) as f64;
    let rack = system
        .node
        .per_rack
        .map(|nodes| (nodes * system.node.chips).max(1) as f64);
    match (&system.power.system_rated, &system.power.rack_rated, rack) {
        (Some(system), _, _) => Some(system.value / domain),
        (None, Some(rated), Some(chips)) if chips <= domain => Some(rated.value / chips),
        _ => None,
    }
}
