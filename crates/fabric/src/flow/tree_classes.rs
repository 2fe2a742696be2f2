//! Classes of an all-to-all on a sprayed fat tree, without any flow written down.
//!
//! Two subtrees are alike when their links up and down have the same rates and they hold the same
//! numbers of each kind of subtree; two chips when their links and labels are. Merging like
//! subtrees under each parent, from the root, gives a small tree. Its leaves are the kinds of
//! chips, and a class of flows is a pair of kinds and the level at which their paths meet: the
//! orbits of the tree's symmetries on pairs of chips, so the partition is equitable. A slow link
//! splits only the kinds that it touches.
//!
//! Limit: the uplinks of a subtree are one bundle. That a spine with a failed link to one leaf is
//! of no use to others that send to that leaf is not seen; hashed paths on single links see it.

use std::collections::BTreeMap;

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::classes::{Classes, FlowClass, LinkClass};
use super::run::Overlay;
use crate::network::{Network, Routing, Tree};

/// The bundles of links from a subtree of a sprayed tree to the level above and back, by number.
#[must_use]
pub fn bundles(tree: &Tree, level: usize, subtree: u32) -> (u32, u32) {
    // Links up have the numbers of the vertices that they leave.
    let up = tree.switch(level, subtree);
    (up, up + tree.links().len() as u32 / 2)
}

/// Classes of flows from each chip to each other.
///
/// `labels` tells chips apart, one for each; without any, chips are alike. `size` gives bytes by
/// the labels of source and destination; there is no flow where it is 0. Absent for trees with
/// single paths, labels of another number than chips, and numbers beyond 32 bits.
#[must_use]
pub fn all_to_all(
    tree: &Tree,
    overlay: &Overlay,
    labels: &[u32],
    size: impl Fn(u32, u32) -> Bytes,
) -> Option<Classes> {
    let labelled = labels.is_empty() || labels.len() == tree.chips() as usize;
    if tree.routing() != Routing::Spray || !labelled {
        return None;
    }
    let kinds = Kinds::new(tree, overlay, labels);
    let merged = Merged::new(&kinds);
    let mut classes = Classes {
        links: merged.links(&kinds),
        ..Classes::default()
    };
    for from in &merged.chips {
        for to in &merged.chips {
            let (one, other) = (kinds.label(*from), kinds.label(*to));
            let bytes = size(one, other);
            if bytes != Bytes::ZERO {
                merged.meetings(*from, *to, |path, copies, meet| {
                    let class = FlowClass {
                        from: one,
                        to: other,
                        copies,
                        size: bytes,
                        latency: kinds.latency[meet],
                    };
                    classes.push(path, class)
                })?;
            }
        }
    }
    Some(classes)
}

/// What tells a subtree from another: rates up and down, its label if a chip, kinds under it.
type Likeness = (u64, u64, u32, Vec<(u32, u64)>);

/// The kind of each subtree.
struct Kinds<'a> {
    tree: &'a Tree,
    overlay: &'a Overlay,
    labels: &'a [u32],
    /// Kinds by level from 1 and subtree.
    kind: Vec<Vec<u32>>,
    /// Kinds of chips; those not in it are of kind 0 where there are no labels.
    chip: BTreeMap<u32, u32>,
    numbers: BTreeMap<Likeness, u32>,
    /// Latency of a path that meets at a level.
    latency: Vec<Seconds>,
}

impl<'a> Kinds<'a> {
    fn new(tree: &'a Tree, overlay: &'a Overlay, labels: &'a [u32]) -> Self {
        let mut kinds = Self {
            tree,
            overlay,
            labels,
            kind: Vec::new(),
            chip: BTreeMap::new(),
            numbers: BTreeMap::new(),
            latency: vec![Seconds::ZERO],
        };
        kinds.number((u64::MAX, u64::MAX, 0, Vec::new()));
        kinds.tell_chips();
        for level in 1..=tree.levels().len() {
            let there_and_back = tree.levels()[level - 1].latency * 2.0;
            let below = kinds.latency[level - 1];
            kinds.latency.push(below + there_and_back);
            kinds.tell_switches(level);
        }
        kinds
    }

    fn number(&mut self, likeness: Likeness) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(likeness).or_insert(next)
    }

    fn label(&self, chip: u32) -> u32 {
        self.labels.get(chip as usize).copied().unwrap_or(0)
    }

    fn rate(&self, link: u32) -> Bandwidth {
        let given = self.overlay.get(&link);
        given.map_or(self.tree.links()[link as usize].rate, |rate| *rate)
    }

    /// Bits of the rates of a subtree's links up and down; the root has none.
    fn rates(&self, level: usize, subtree: u32) -> (u64, u64) {
        if level == self.tree.levels().len() {
            return (0, 0);
        }
        let (up, down) = bundles(self.tree, level, subtree);
        (
            self.rate(up).get().to_bits(),
            self.rate(down).get().to_bits(),
        )
    }

    /// Chips of a kind of their own: all where there are labels, else those in the overlay.
    fn tell_chips(&mut self) {
        let (chips, half) = (self.tree.chips(), self.tree.links().len() as u32 / 2);
        let special: Vec<u32> = if self.labels.is_empty() {
            let ups = self.overlay.range(..chips);
            let downs = self.overlay.range(half..half + chips);
            ups.chain(downs).map(|(link, _)| link % half).collect()
        } else {
            (0..chips).collect()
        };
        let usual = self.tree.links()[0].rate.get().to_bits();
        for chip in special {
            let (up, down) = self.rates(0, chip);
            if !self.labels.is_empty() || (up, down) != (usual, usual) {
                let kind = self.number((up, down, self.label(chip), Vec::new()));
                self.chip.insert(chip, kind);
            }
        }
    }

    fn tell_switches(&mut self, level: usize) {
        let mut kinds = Vec::new();
        let mut last: Option<(Likeness, u32)> = None;
        for subtree in 0..self.tree.subtrees(level) {
            let (up, down) = self.rates(level, subtree);
            let under = self.under(level, subtree);
            let counts = under.into_iter().map(|(kind, (count, _))| (kind, count));
            let likeness = (up, down, 0, counts.collect());
            let kind = match &last {
                Some((other, kind)) if *other == likeness => *kind,
                _ => self.number(likeness.clone()),
            };
            last = Some((likeness, kind));
            kinds.push(kind);
        }
        self.kind.push(kinds);
    }

    /// Kinds of subtrees right under a subtree, with how many there are and the first.
    fn under(&self, level: usize, subtree: u32) -> Vec<(u32, (u64, u32))> {
        let width = self.tree.levels()[level - 1].children;
        let first = subtree * width;
        let end = (first.saturating_add(width)).min(self.tree.subtrees(level - 1));
        let mut under: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
        let mut add = |kind, at, number| {
            let entry = under.entry(kind).or_insert((0, at));
            entry.0 += number;
            entry.1 = entry.1.min(at);
        };
        if level == 1 {
            let mut plain = first;
            let mut plains = u64::from(end - first);
            for (chip, kind) in self.chip.range(first..end) {
                add(*kind, *chip, 1);
                plains -= 1;
                plain += u32::from(*chip == plain);
            }
            if plains > 0 {
                add(0, plain, plains);
            }
        } else {
            for at in first..end {
                add(self.kind[level - 2][at as usize], at, 1);
            }
        }
        under.into_iter().collect()
    }
}

/// A kind of subtree under a kind of parent.
struct Node {
    level: usize,
    /// One of them.
    subtree: u32,
    /// How many in all.
    copies: u64,
    parent: usize,
}

/// The tree of kinds, root first.
struct Merged {
    nodes: Vec<Node>,
    /// Nodes from each kind of chip to the root.
    above: BTreeMap<u32, Vec<usize>>,
    /// One chip of each kind.
    chips: Vec<u32>,
}

impl Merged {
    fn new(kinds: &Kinds) -> Self {
        let mut nodes = vec![Node {
            level: kinds.tree.levels().len(),
            subtree: 0,
            copies: 1,
            parent: 0,
        }];
        let (mut above, mut chips) = (BTreeMap::new(), Vec::new());
        let mut at = 0;
        while let Some(Node {
            level,
            subtree,
            copies,
            ..
        }) = nodes.get(at)
        {
            let (level, subtree, copies) = (*level, *subtree, *copies);
            if level == 0 {
                let mut chain = vec![at];
                while let Some(last) = chain.last().filter(|last| **last > 0) {
                    chain.push(nodes[*last].parent);
                }
                above.insert(subtree, chain);
                chips.push(subtree);
            } else {
                for (_, (number, first)) in kinds.under(level, subtree) {
                    nodes.push(Node {
                        level: level - 1,
                        subtree: first,
                        copies: copies * number,
                        parent: at,
                    });
                }
            }
            at += 1;
        }
        Self {
            nodes,
            above,
            chips,
        }
    }

    /// Classes of links: up and down from each node but the root.
    fn links(&self, kinds: &Kinds) -> Vec<LinkClass> {
        let nodes = self.nodes.iter().skip(1);
        nodes
            .flat_map(|node| {
                let (up, down) = bundles(kinds.tree, node.level, node.subtree);
                [up, down].map(|link| LinkClass {
                    link,
                    copies: node.copies,
                    rate: kinds.rate(link),
                })
            })
            .collect()
    }

    /// Calls back with path, number of flows and level for each way in which chips of two kinds
    /// meet.
    fn meetings(
        &self,
        from: u32,
        to: u32,
        mut meet: impl FnMut(&[u32], u64, usize) -> Option<u32>,
    ) -> Option<()> {
        let (one, other) = (self.above.get(&from)?, self.above.get(&to)?);
        let (ones, others) = (self.nodes[one[0]].copies, self.nodes[other[0]].copies);
        let mut path = Vec::new();
        for level in (1..one.len()).rev() {
            if one[level] != other[level] {
                break;
            }
            let parents = self.nodes[one[level]].copies;
            let below = self.nodes[one[level - 1]].copies;
            let copies = if one[level - 1] == other[level - 1] {
                // Two of the like children of each parent.
                (ones / below) * others * (below / parents - 1)
            } else {
                (ones / parents) * others
            };
            if copies > 0 {
                path.clear();
                path.extend(one[..level].iter().map(|node| 2 * (*node as u32 - 1)));
                path.extend(
                    other[..level]
                        .iter()
                        .rev()
                        .map(|node| 2 * (*node as u32 - 1) + 1),
                );
                meet(&path, copies, level)?;
            }
        }
        Some(())
    }
}
