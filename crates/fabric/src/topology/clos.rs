//! Counts of a fat tree of equal switches: folded Clos networks of one to three tiers.
//!
//! A switch of radix r has d ports down and u up with d / u the oversubscription; without one,
//! d = u = r/2 and the tree is that of Al-Fares et al. (2008): r endpoints in one tier, r^2/2 in
//! two, r^3/4 in three. Leaves that are not full have as many links up as their chips need.
//!
//! Limits: leaves are counted by ports, as if those of a chip could end in two of them; the levels
//! for simulators have whole chips at a leaf, and a few leaves more where ports do not divide.

use crate::network::Level;
use chokepoint_units::{Bandwidth, Seconds};

/// Ports of a switch by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Towards the chips.
    pub down: u64,
    /// Away from them.
    pub up: u64,
}

impl Split {
    /// Of a radix, with an oversubscription of at least one.
    fn new(radix: u64, oversubscription: f64) -> Self {
        let up = (radix as f64 / (1.0 + oversubscription)) as u64;
        let up = up.clamp(1, (radix - 1).max(1));
        let down = (up as f64 * oversubscription + 1e-9) as u64;
        Self {
            down: down.clamp(1, radix - up),
            up,
        }
    }

    /// Bandwidth from below over that to above.
    #[must_use]
    pub fn oversubscription(self) -> f64 {
        self.down as f64 / self.up as f64
    }

    /// Links above for links below.
    fn above(self, below: u64) -> u64 {
        (below * self.up).div_ceil(self.down)
    }
}

/// A fat tree for a number of chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clos {
    /// Ports of a switch.
    pub radix: u64,
    /// Chips.
    pub chips: u64,
    /// Ports of a chip.
    pub ports: f64,
    /// Ports of a leaf.
    pub leaf: Split,
    /// Ports of a switch of the second of three tiers.
    pub spine: Split,
}

impl Clos {
    /// Switches of a radix over chips with a number of ports each, at least one.
    #[must_use]
    pub fn new(radix: u64, chips: u64, ports: f64, leaf: f64, spine: f64) -> Self {
        let radix = radix.max(2);
        Self {
            radix,
            chips,
            ports: ports.max(1.0),
            leaf: Split::new(radix, leaf.max(1.0)),
            spine: Split::new(radix, spine.max(1.0)),
        }
    }

    /// Ports of all chips.
    #[must_use]
    pub fn endpoints(&self) -> u64 {
        libm::ceil(self.chips as f64 * self.ports - 1e-9) as u64
    }

    /// Whole chips of a full leaf, where there are several tiers.
    #[must_use]
    pub fn chips_of_leaf(&self) -> u64 {
        ((self.leaf.down as f64 / self.ports + 1e-9) as u64).max(1)
    }

    /// Leaves, where there are several tiers.
    fn leaves(&self) -> u64 {
        self.endpoints().div_ceil(self.leaf.down)
    }

    /// Tiers of switches; 0 where nothing needs to be joined. A tree larger than [`Self::reach`]
    /// is counted as three tiers of larger switches in the core.
    #[must_use]
    pub fn tiers(&self) -> u32 {
        if self.chips <= 1 {
            0
        } else if self.endpoints() <= self.radix {
            1
        } else if self.leaves() <= self.radix {
            2
        } else {
            3
        }
    }

    /// Most chips of three tiers.
    #[must_use]
    pub fn reach(&self) -> u64 {
        let ports = self.radix * self.spine.down * self.leaf.down;
        (ports as f64 / self.ports + 1e-9) as u64
    }

    /// Switches of each tier, leaves first.
    #[must_use]
    pub fn switches(&self) -> Vec<u64> {
        let leaves = self.leaves();
        let above = leaves * self.leaf.up;
        match self.tiers() {
            0 => Vec::new(),
            1 => vec![1],
            2 => vec![leaves, above.div_ceil(self.radix)],
            _ => {
                let spines = above.div_ceil(self.spine.down);
                let cores = (spines * self.spine.up).div_ceil(self.radix);
                vec![leaves, spines, cores]
            }
        }
    }

    /// Links below each tier, those of chips first.
    #[must_use]
    pub fn links(&self) -> Vec<u64> {
        let first = self.endpoints();
        let second = self.leaf.above(first);
        let third = self.spine.above(second);
        [first, second, third][..self.tiers() as usize].to_vec()
    }

    /// Oversubscription of each tier but the last, leaves first.
    #[must_use]
    pub fn oversubscription(&self) -> Vec<f64> {
        let all = [self.leaf, self.spine].map(Split::oversubscription);
        all[..(self.tiers() as usize).saturating_sub(1)].to_vec()
    }

    /// Links up of a full leaf of whole chips.
    fn uplinks(&self) -> u64 {
        let below = libm::ceil(self.chips_of_leaf() as f64 * self.ports - 1e-9) as u64;
        self.leaf.above(below).max(1)
    }

    /// Most ports that a switch of each tier uses.
    #[must_use]
    pub fn ports_used(&self) -> Vec<u64> {
        let links = self.links();
        let switches = self.switches();
        let leaf = self.endpoints().min(self.leaf.down);
        let leaf = leaf + self.leaf.above(leaf);
        match self.tiers() {
            0 => Vec::new(),
            1 => links,
            2 => vec![leaf, links[1].div_ceil(switches[1])],
            _ => vec![
                leaf,
                self.spine.down + self.spine.up,
                links[2].div_ceil(switches[2]),
            ],
        }
    }

    /// The tree as levels, with `planes` trees of this kind over the same chips; `into` is the
    /// bandwidth of a chip into all planes. Links between switches are levels of single cables:
    /// a switch above stands in it as many times as it has cables to one below.
    ///
    /// Absent where counts do not fit 32 bits.
    pub(super) fn levels(
        &self,
        planes: u64,
        into: Bandwidth,
        cable: Bandwidth,
        hop: Seconds,
    ) -> Option<Vec<Level>> {
        let level = |children: u64, parents: u64, rate: Bandwidth| {
            Some(Level {
                children: u32::try_from(children).ok()?,
                parents: u32::try_from(parents).ok()?,
                rate,
                latency: hop,
            })
        };
        let chip = into / planes as f64;
        let leaf = self.chips_of_leaf();
        let leaves = self.chips.div_ceil(leaf);
        Some(match self.tiers() {
            0 | 1 => vec![level(self.chips, planes, chip)?],
            2 => vec![
                level(leaf, planes, chip)?,
                level(leaves, self.uplinks(), cable)?,
            ],
            _ => vec![
                level(leaf, planes, chip)?,
                level(self.spine.down, self.uplinks(), cable)?,
                level(leaves.div_ceil(self.spine.down), self.spine.up, cable)?,
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 3 of "Insights into DeepSeek-V3" (arXiv 2505.09343), 64-port switches: two tiers join
    /// 2,048 endpoints with 96 switches and 2,048 links between switches, three 65,536 with 5,120
    /// and 131,072.
    #[test]
    fn published_trees() {
        let two = Clos::new(64, 2048, 1.0, 1.0, 1.0);
        assert_eq!(two.switches(), [64, 32]);
        assert_eq!(two.links(), [2048, 2048]);
        let three = Clos::new(64, 65_536, 1.0, 1.0, 1.0);
        assert_eq!(three.switches().iter().sum::<u64>(), 5120);
        assert_eq!(three.links()[1..].iter().sum::<u64>(), 131_072);
        assert_eq!(three.reach(), 65_536);
        assert_eq!(three.ports_used(), [64, 64, 64]);
    }

    /// 3:1 of 64 ports: 48 down, 16 up.
    #[test]
    fn oversubscription_takes_ports_from_above() {
        let tree = Clos::new(64, 3072, 1.0, 3.0, 1.0);
        assert_eq!(tree.leaf, Split { down: 48, up: 16 });
        assert_eq!(tree.switches(), [64, 16]);
        assert_eq!(tree.links(), [3072, 1024]);
        assert_eq!(tree.oversubscription(), [3.0]);
    }

    /// 300 ports fill 10 leaves of 32; a leaf of 10 whole chips uses 30 of them.
    #[test]
    fn ports_that_do_not_divide() {
        let tree = Clos::new(64, 100, 3.0, 1.0, 1.0);
        assert_eq!(tree.chips_of_leaf(), 10);
        assert_eq!(tree.switches(), [10, 5]);
        assert_eq!((tree.uplinks(), tree.links()), (30, vec![300, 300]));
    }
}
