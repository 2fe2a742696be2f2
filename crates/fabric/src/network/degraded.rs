//! A network some of whose links are slow or failed.

use std::collections::BTreeMap;

use chokepoint_units::Bandwidth;

use super::{Link, Network};

/// Other choices that are tried for a message whose path has a failed link.
const TRIES: u64 = 64;

/// A network with rate factors on some links: 1 is whole, 0 has failed.
///
/// A message whose path has a failed link takes the path of the next choice, as ECMP leaves failed
/// members out. Where none of 64 choices avoids failed links the path still has one, with a rate
/// of zero; [`Degraded::joins`] tells.
///
/// Limits: no detour longer than the network's own routes.
#[derive(Debug, Clone, PartialEq)]
pub struct Degraded<N> {
    network: N,
    factors: BTreeMap<u32, f64>,
    links: Vec<Link>,
    failed: bool,
}

impl<N: Network> Degraded<N> {
    /// With factors by link; those of a link that is named twice multiply. Ids that name no link
    /// are left out.
    #[must_use]
    pub fn new(network: N, factors: impl IntoIterator<Item = (u32, f64)>) -> Self {
        let mut links = network.links().to_vec();
        let mut kept: BTreeMap<u32, f64> = BTreeMap::new();
        for (link, factor) in factors {
            if (link as usize) < links.len() {
                *kept.entry(link).or_insert(1.0) *= factor.clamp(0.0, 1.0);
            }
        }
        for (link, factor) in &kept {
            links[*link as usize].rate = links[*link as usize].rate * *factor;
        }
        let failed = kept.values().any(|factor| *factor <= 0.0);
        Self {
            network,
            factors: kept,
            links,
            failed,
        }
    }

    /// The network as built.
    #[must_use]
    pub const fn network(&self) -> &N {
        &self.network
    }

    /// Links that are not whole, with the share of their rate that is left.
    #[must_use]
    pub const fn factors(&self) -> &BTreeMap<u32, f64> {
        &self.factors
    }

    /// Whether a message can go from one vertex to another.
    #[must_use]
    pub fn joins(&self, from: u32, to: u32) -> bool {
        let mut path = Vec::new();
        self.route(from, to, 0, &mut path);
        self.whole(&path)
    }

    fn whole(&self, path: &[u32]) -> bool {
        path.iter()
            .all(|link| self.links[*link as usize].rate > Bandwidth::ZERO)
    }
}

impl<N: Network> Network for Degraded<N> {
    fn chips(&self) -> u32 {
        self.network.chips()
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        let start = path.len();
        self.network.route(from, to, choice, path);
        if !self.failed || self.whole(&path[start..]) {
            return;
        }
        for other in 1..TRIES {
            path.truncate(start);
            self.network
                .route(from, to, choice.wrapping_add(other), path);
            if self.whole(&path[start..]) {
                return;
            }
        }
        path.truncate(start);
        self.network.route(from, to, choice, path);
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Seconds};

    use super::*;
    use crate::network::{Level, Routing, Tree};

    fn tree(routing: Routing) -> Tree {
        let level = |children, parents| Level {
            children,
            parents,
            rate: Bandwidth::new(50e9),
            latency: Seconds::new(1e-6),
        };
        Tree::new(8, vec![level(4, 1), level(2, 2)], routing).unwrap()
    }

    fn path(network: &impl Network, choice: u64) -> Vec<u32> {
        let mut path = vec![99];
        network.route(1, 6, choice, &mut path);
        assert_eq!(path.remove(0), 99, "what was in the path stays");
        path
    }

    #[test]
    fn a_bundle_with_a_failed_member_is_slower() {
        let slow = Degraded::new(tree(Routing::Spray), [(8, 0.5), (8, 0.5), (77, 0.1)]);
        assert_eq!(slow.links()[8].rate, Bandwidth::new(25e9));
        assert_eq!(slow.factors().len(), 1);
        assert_eq!(path(&slow, 0), path(slow.network(), 0));
        assert!(slow.joins(1, 6));
    }

    /// Links 8 and 9 are the two ways up from the first leaf.
    #[test]
    fn a_message_avoids_a_failed_path() {
        let failed = Degraded::new(tree(Routing::Single), [(8, 0.0)]);
        assert_eq!(path(&failed, 0), [1, 9, 12 + 11, 12 + 6]);
        let cut = Degraded::new(tree(Routing::Single), [(8, 0.0), (9, 0.0)]);
        assert!(!cut.joins(1, 6));
        assert!(cut.joins(6, 1), "the other direction is whole");
        assert_eq!(path(&cut, 1), [1, 9, 12 + 11, 12 + 6]);
    }
}
