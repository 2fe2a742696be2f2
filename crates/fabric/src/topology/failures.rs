//! Failed cables, cards and switches as rate factors of links, for
//! [`Degraded`](crate::network::Degraded).
//!
//! Both directions of a cable fail together. A link that stands for several cables keeps the share
//! of those that are left.

use std::ops::Range;

use super::domain::Inside;
use super::scale_out::Kind;
use super::system::{Outside, SystemNetwork};
use crate::network::{Network, Routing, Tree};

/// Links with the share of their rate that is left.
pub type Factors = Vec<(u32, f64)>;

impl SystemNetwork {
    /// First link of the scale-out network.
    #[must_use]
    pub fn first_outside(&self) -> u32 {
        let (inside, first) = self.inside(self.domains() - 1);
        first + inside.network().links().len() as u32
    }

    /// The links inside a domain.
    #[must_use]
    pub fn domain_links(&self, domain: u32) -> Range<usize> {
        let (inside, first) = self.inside(domain);
        let first = first as usize;
        first..first + inside.network().links().len()
    }

    /// The link of the same cables in the other direction.
    #[must_use]
    pub fn back(&self, link: u32) -> u32 {
        if link < self.first_outside() {
            let each = self.inside(0).0.network().links().len() as u32;
            let (inside, first) = self.inside((link / each.max(1)).min(self.domains() - 1));
            return first + inside.back(link - first);
        }
        let (outside, first) = self.outside();
        let part = first.partition_point(|first| *first <= link) - 1;
        let own = link - first[part];
        first[part]
            + match outside {
                Outside::Nothing => own,
                Outside::Trees(trees) => trees[part].back(own),
                Outside::Dragonfly(dragonfly) => dragonfly.back(own),
            }
    }

    /// Cables that a link stands for.
    #[must_use]
    pub fn cables(&self, link: u32) -> u32 {
        let rate = self.links()[link as usize].rate;
        let shape = self.scale_out();
        let one = if link < self.first_outside() {
            self.domain().cabling.map_or(rate, |cabling| cabling.rate)
        } else {
            let (outside, first) = self.outside();
            let part = first.partition_point(|first| *first <= link) - 1;
            let own = link - first[part];
            match outside {
                Outside::Trees(trees) => match (trees[part].level_of(own), &shape.line) {
                    (0, _) => shape.bandwidth / libm::ceil(shape.ports - 1e-9),
                    (level, Some(_)) if level + 1 == trees[part].levels().len() => rate,
                    _ => shape.cable,
                },
                Outside::Dragonfly(dragonfly) if own < dragonfly.first_links().0 => {
                    shape.bandwidth / libm::ceil(shape.ports - 1e-9)
                }
                _ => shape.cable,
            }
        };
        libm::round(rate / one).clamp(1.0, 1e9) as u32
    }

    /// Some of the ports of a chip's card fail.
    #[must_use]
    pub fn fail_card(&self, chip: u32, ports: u32) -> Factors {
        let all = libm::ceil(self.scale_out().ports - 1e-9);
        let mut factors = Vec::new();
        for (link, _) in self.card_links(chip) {
            let left = (1.0 - f64::from(ports) / all).max(0.0);
            factors.extend([(link, left), (self.back(link), left)]);
        }
        factors
    }

    /// One plane of the scale-out network fails.
    #[must_use]
    pub fn fail_plane(&self, plane: u32) -> Factors {
        let planes = self.scale_out().planes as u32;
        let (tree, own) = (plane / planes, plane % planes);
        let mut factors = Vec::new();
        for chip in 0..self.chips() {
            if self.placement().tree(chip) != tree {
                continue;
            }
            let links = self.card_links(chip);
            for (link, path) in links {
                let left = match path {
                    Some(path) if path != own => continue,
                    Some(_) => 0.0,
                    None => 1.0 - 1.0 / f64::from(planes),
                };
                factors.extend([(link, left), (self.back(link), left)]);
            }
        }
        factors
    }

    /// Switch chips at the top of a domain; none where they are not known.
    #[must_use]
    pub fn domain_switches(&self, domain: u32) -> u32 {
        let shape = self.domain();
        match self.inside(domain).0 {
            Inside::Tree(tree) if shape.switches.is_some() || shape.second.is_some() => {
                tree.paths(tree.levels().len())
            }
            _ => 0,
        }
    }

    /// One of the switch chips of a domain fails; none where they are not known.
    #[must_use]
    pub fn fail_domain_switch(&self, domain: u32) -> Factors {
        let (inside, first) = self.inside(domain);
        let Inside::Tree(tree) = inside else {
            return Vec::new();
        };
        let top = tree.levels().len();
        let left = 1.0 - 1.0 / f64::from(tree.paths(top));
        let mut factors = Vec::new();
        for subtree in 0..tree.subtrees(top - 1) {
            let link = tree.link_up(top - 1, subtree, 0);
            factors.extend([(first + link, left), (first + tree.back(link), left)]);
        }
        factors
    }

    /// One of the switches over a subtree of a scale-out tree fails: level 1 are leaves.
    #[must_use]
    pub fn fail_switch(&self, tree: u32, level: usize, subtree: u32, switch: u32) -> Factors {
        let Some(found) = self.trees().get(tree as usize) else {
            return Vec::new();
        };
        let there = (1..=found.levels().len()).contains(&level) && subtree < found.subtrees(level);
        if !there {
            return Vec::new();
        }
        let (places, all) = (found.paths(level), self.switches(tree, level));
        let place = |switch: u32| (u64::from(switch) * u64::from(places) / u64::from(all)) as u32;
        let failed = place(switch % all)..place(switch % all + 1);
        let mut factors = Vec::new();
        let reach = found.subtrees(level - 1);
        let children = found.levels()[level - 1].children;
        let below = subtree * children..((subtree + 1) * children).min(reach);
        for child in below {
            self.fail_paths(tree, level - 1, child, level, &failed, &mut factors);
        }
        if level < found.levels().len() {
            self.fail_paths(tree, level, subtree, level, &failed, &mut factors);
        }
        factors
    }

    /// Switches that stand over a subtree of a level, in all planes of its tree.
    pub(super) fn switches(&self, tree: u32, level: usize) -> u32 {
        let shape = self.scale_out();
        let Kind::Trees(trees) = &shape.kind else {
            return 1;
        };
        let found = &trees[tree as usize];
        let places = self.trees()[tree as usize].paths(level);
        let tiers = found.tiers() as usize;
        let built = found.switches().get(level - 1).copied().unwrap_or(1) * shape.planes;
        let only = level == tiers && level > 1;
        let all = if only { built as u32 } else { places };
        all.clamp(1, places)
    }

    /// Fails the links out of a subtree whose paths go over failed switches of a level.
    fn fail_paths(
        &self,
        tree: u32,
        at: usize,
        subtree: u32,
        level: usize,
        failed: &Range<u32>,
        factors: &mut Factors,
    ) {
        let (found, first) = (
            &self.trees()[tree as usize],
            self.outside().1[tree as usize],
        );
        let (places, width) = (found.paths(level), found.paths(at + 1));
        let mut fail = |link: u32, left: f64| {
            factors.extend([(first + link, left), (first + found.back(link), left)]);
        };
        match found.routing() {
            Routing::Spray => {
                let lost = f64::from(failed.end - failed.start) / f64::from(places);
                fail(found.link_up(at, subtree, 0), 1.0 - lost);
            }
            Routing::Single => {
                for path in 0..width {
                    if failed.contains(&(path % places)) {
                        fail(found.link_up(at, subtree, path), 0.0);
                    }
                }
            }
        }
    }

    /// Links of a chip into the scale-out network; the plane of each where they are told apart.
    fn card_links(&self, chip: u32) -> Vec<(u32, Option<u32>)> {
        let tree = self.placement().tree(chip);
        let place = self.placement().place(chip);
        let (outside, first) = self.outside();
        match outside {
            Outside::Nothing => Vec::new(),
            Outside::Dragonfly(_) => vec![(first[0] + place, None)],
            Outside::Trees(trees) => {
                let found: &Tree = &trees[tree as usize];
                let first = first[tree as usize];
                match found.routing() {
                    Routing::Spray => {
                        vec![(first + found.link_up(0, place, 0), None)]
                    }
                    Routing::Single => (0..found.paths(1))
                        .map(|path| (first + found.link_up(0, place, path), Some(path)))
                        .collect(),
                }
            }
        }
    }
}

/// A number from 0 to 1 by hashing (`SplitMix64`, Steele, Lea and Flood 2014).
pub(super) fn uniform(seed: u64, place: u64) -> f64 {
    let steps = place.wrapping_add(1);
    let mut hash = seed.wrapping_add(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
