//! How far chips are from one another: links and latency without load.

use chokepoint_units::Seconds;

use super::system::SystemNetwork;
use crate::network::Network;

/// Chips that are equally far from the first chip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// Links inside domains on the way.
    pub inside: u32,
    /// Links of the scale-out network on the way.
    pub outside: u32,
    /// Time over them, switches included, without software.
    pub latency: Seconds,
    /// Chips.
    pub chips: u64,
}

/// Distances of all other chips from the first, nearest first. They are those from any chip where
/// domains, leaves and groups are full.
#[must_use]
pub fn survey(network: &SystemNetwork) -> Vec<Reach> {
    let first = network.first_outside();
    let mut found: Vec<Reach> = Vec::new();
    let mut path = Vec::new();
    for to in 1..network.chips() {
        path.clear();
        network.route(0, to, 0, &mut path);
        let outside = path.iter().filter(|link| **link >= first).count() as u32;
        let inside = path.len() as u32 - outside;
        let links = path.iter().map(|link| network.links()[*link as usize]);
        let latency: Seconds = links.map(|link| link.latency).sum();
        let same = found
            .iter_mut()
            .find(|reach| (reach.inside, reach.outside) == (inside, outside));
        match same {
            Some(reach) => reach.chips += 1,
            None => found.push(Reach {
                inside,
                outside,
                latency,
                chips: 1,
            }),
        }
    }
    found.sort_by_key(|reach| (reach.outside, reach.inside));
    found
}
