//! Dragonflies (Kim, Dally, Scott and Abts 2008): groups of routers that are all joined, and
//! links between all groups.
//!
//! Routing is minimal: at most one link inside the first group, one between groups, one inside the
//! last. Links between two groups lie at the channels of the relative arrangement: channel
//! (j - i - 1) mod g of group i leads to group j. Limits: no detours around busy links (Valiant,
//! UGAL), which adversarial traffic needs; the choice only picks among parallel links of two
//! groups.

use super::{Link, Network};

/// Numbers of a dragonfly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    /// Chips at a router.
    pub chips: u32,
    /// Routers in a group.
    pub routers: u32,
    /// Links of a router to other groups.
    pub global: u32,
}

impl Groups {
    /// Chips in a group.
    #[must_use]
    pub const fn group(self) -> u32 {
        self.chips.saturating_mul(self.routers)
    }

    /// Most groups: one link to each other group.
    #[must_use]
    pub const fn most(self) -> u32 {
        self.routers.saturating_mul(self.global).saturating_add(1)
    }

    /// Ports of a router.
    #[must_use]
    pub const fn radix(self) -> u32 {
        self.chips + self.routers.saturating_sub(1) + self.global
    }

    /// Groups that hold a number of chips; absent where they are too many.
    #[must_use]
    pub fn needed(self, chips: u32) -> Option<u32> {
        let group = self.group();
        let groups = (group > 0 && chips > 0).then(|| chips.div_ceil(group))?;
        (groups <= self.most()).then_some(groups)
    }

    /// Parallel links between two of a number of groups.
    #[must_use]
    pub const fn parallel(self, groups: u32) -> u32 {
        if groups < 2 {
            0
        } else {
            self.routers * self.global / (groups - 1)
        }
    }
}

/// A dragonfly over a number of chips. Its routers take no part in collectives, hence no further
/// vertices.
#[derive(Debug, Clone, PartialEq)]
pub struct Dragonfly {
    chips: u32,
    numbers: Groups,
    groups: u32,
    links: Vec<Link>,
}

impl Dragonfly {
    /// A dragonfly of whole groups; `chip` joins a chip to its router, `router` two routers.
    /// Absent where the groups do not reach all chips or ids do not fit 32 bits.
    #[must_use]
    pub fn new(chips: u32, numbers: Groups, chip: Link, router: Link) -> Option<Self> {
        let groups = numbers.needed(chips)?;
        let local = numbers
            .routers
            .checked_mul(numbers.routers - 1)?
            .checked_mul(groups)?;
        let global = groups
            .checked_mul(groups - 1)?
            .checked_mul(numbers.parallel(groups))?;
        let ends = chips.checked_mul(2)?;
        let all = ends.checked_add(local)?.checked_add(global)?;
        let mut links = vec![chip; ends as usize];
        links.resize(all as usize, router);
        Some(Self {
            chips,
            numbers,
            groups,
            links,
        })
    }

    /// Groups.
    #[must_use]
    pub const fn groups(&self) -> u32 {
        self.groups
    }

    /// First link inside groups, and first link between them; those of chips come before.
    #[must_use]
    pub const fn first_links(&self) -> (u32, u32) {
        let local = self.chips * 2;
        let routers = self.numbers.routers;
        (local, local + self.groups * routers * (routers - 1))
    }

    /// The link of the other direction.
    #[must_use]
    pub fn back(&self, link: u32) -> u32 {
        let (local, global) = self.first_links();
        if link < local {
            return (link + self.chips) % local;
        }
        if link < global {
            let width = self.numbers.routers - 1;
            let (router, at) = ((link - local) / width, (link - local) % width);
            let (group, own) = (router / self.numbers.routers, router % self.numbers.routers);
            let other = at + u32::from(at >= own);
            return self.local(group, other, own);
        }
        let parallel = self.numbers.parallel(self.groups);
        let width = parallel * (self.groups - 1);
        let (group, at) = ((link - global) / width, (link - global) % width);
        let other = (group + at / parallel + 1) % self.groups;
        self.global(other, group, at % parallel)
    }

    fn local(&self, group: u32, from: u32, to: u32) -> u32 {
        let routers = self.numbers.routers;
        let row = group * routers + from;
        self.first_links().0 + row * (routers - 1) + to - u32::from(to > from)
    }

    /// Channel of a group that leads to another.
    const fn channel(&self, from: u32, to: u32, lane: u32) -> u32 {
        let offset = (to + self.groups - from - 1) % self.groups;
        offset * self.numbers.parallel(self.groups) + lane
    }

    fn global(&self, from: u32, to: u32, lane: u32) -> u32 {
        let width = self.numbers.parallel(self.groups) * (self.groups - 1);
        self.first_links().1 + from * width + self.channel(from, to, lane)
    }
}

impl Network for Dragonfly {
    fn chips(&self) -> u32 {
        self.chips
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        if from == to {
            return;
        }
        let routers = self.numbers.routers;
        let place = |chip: u32| {
            let router = chip / self.numbers.chips;
            (router / routers, router % routers)
        };
        let ((group, mut router), (target, last)) = (place(from), place(to));
        path.push(from);
        if group != target {
            let parallel = self.numbers.parallel(self.groups).max(1);
            let lane = (choice % u64::from(parallel)) as u32;
            let out = self.channel(group, target, lane) / self.numbers.global;
            if out != router {
                path.push(self.local(group, router, out));
            }
            path.push(self.global(group, target, lane));
            router = self.channel(target, group, lane) / self.numbers.global;
        }
        if router != last {
            path.push(self.local(target, router, last));
        }
        path.push(self.chips + to);
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Seconds};

    use super::*;

    const LINK: Link = Link {
        rate: Bandwidth::new(50e9),
        latency: Seconds::new(1e-6),
    };

    const SMALL: Groups = Groups {
        chips: 2,
        routers: 4,
        global: 2,
    };

    fn path(network: &Dragonfly, from: u32, to: u32, choice: u64) -> Vec<u32> {
        let mut path = Vec::new();
        network.route(from, to, choice, &mut path);
        path
    }

    /// The balanced dragonfly of the paper's figure 5: p = 2, a = 4, h = 2, hence 9 groups and 72
    /// chips, 7 ports a router.
    #[test]
    fn the_example_of_the_paper() {
        assert_eq!((SMALL.radix(), SMALL.most(), SMALL.group()), (7, 9, 8));
        let network = Dragonfly::new(72, SMALL, LINK, LINK).unwrap();
        assert_eq!(network.groups(), 9);
        // 144 to and from chips, 9 groups of 4 x 3, 9 x 8 between them.
        assert_eq!(network.links().len(), 144 + 108 + 72);
        assert!(Dragonfly::new(73, SMALL, LINK, LINK).is_none());
        // Under one router, in one group, and to group 1 over channel 0 of router 0, which ends
        // at channel 7 of group 1, router 3.
        assert_eq!(path(&network, 0, 1, 0), [0, 73]);
        assert_eq!(path(&network, 0, 2, 0), [0, 144, 74]);
        assert_eq!(path(&network, 0, 14, 0), [0, 252, 72 + 14]);
        assert_eq!(path(&network, 2, 8, 0).len(), 5);
    }

    #[test]
    fn few_groups_have_parallel_links() {
        let network = Dragonfly::new(16, SMALL, LINK, LINK).unwrap();
        assert_eq!(SMALL.parallel(network.groups()), 8);
        assert_ne!(path(&network, 0, 8, 0), path(&network, 0, 8, 3));
        assert_eq!(path(&network, 0, 8, 0), path(&network, 0, 8, 8));
    }

    #[test]
    fn back_and_forth() {
        for chips in [5, 16, 72] {
            let network = Dragonfly::new(chips, SMALL, LINK, LINK).unwrap();
            for link in 0..network.links().len() as u32 {
                assert_eq!(network.back(network.back(link)), link, "{chips}");
                assert_ne!(network.back(link), link, "{chips}");
            }
        }
    }
}
