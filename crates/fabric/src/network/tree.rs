//! Extended generalised fat trees, which most switched networks are.
//!
//! XGFT(h; m1..mh; w1..wh) (Oehring, Ibel, Das and Kumar 1995): chips are at level 0; a switch of
//! level l has m(l) children; a vertex of level l-1 has w(l) parents. An `NVSwitch` domain is one
//! level (72 chips, 18 parents), a leaf-spine network two, the planes of a chip's ports w(1), two
//! levels of switches in `CloudMatrix` likewise. Fewer parents than children of equal links is
//! oversubscription.

use chokepoint_units::{Bandwidth, Seconds};

use super::{Link, Network, Routing};

/// One level of switches and the links below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Vertices of the level below under one switch.
    pub children: u32,
    /// Switches over one vertex of the level below.
    pub parents: u32,
    /// Rate between a vertex and one parent, per direction, over all cables that join them.
    pub rate: Bandwidth,
    /// Time over one link, the switch at its start included.
    pub latency: Seconds,
}

/// A fat tree over a number of chips.
///
/// Vertices beyond the chips are the switches of each level seen as one, as a collective that is
/// reduced in them sees them: chips, then one for each subtree of level 1, of level 2 and so on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    chips: u32,
    levels: Vec<Level>,
    routing: Routing,
    /// Chips of a subtree of each level, and of level 0.
    reach: Vec<u32>,
    /// Paths from a chip up to a level: product of the parents.
    paths: Vec<u32>,
    /// First link up to each level; those down follow all that go up.
    first: Vec<u32>,
    links: Vec<Link>,
}

impl Tree {
    /// A tree; absent where levels do not reach all chips, a level is empty, or ids do not fit 32
    /// bits.
    #[must_use]
    pub fn new(chips: u32, levels: Vec<Level>, routing: Routing) -> Option<Self> {
        let (mut reach, mut paths) = (vec![1_u32], vec![1_u32]);
        for (at, level) in levels.iter().enumerate() {
            if level.children == 0 || level.parents == 0 {
                return None;
            }
            reach.push(reach[at].saturating_mul(level.children));
            paths.push(paths[at].checked_mul(level.parents)?);
        }
        if chips == 0 || *reach.last()? < chips {
            return None;
        }
        let mut tree = Self {
            chips,
            levels,
            routing,
            reach,
            paths,
            first: Vec::new(),
            links: Vec::new(),
        };
        tree.lay_links()?;
        Some(tree)
    }

    fn lay_links(&mut self) -> Option<()> {
        let mut up = Vec::new();
        for at in 0..self.levels.len() {
            let level = self.levels[at];
            self.first.push(u32::try_from(up.len()).ok()?);
            let below = self.subtrees(at);
            let (number, width) = match self.routing {
                Routing::Spray => (below, self.paths[at + 1]),
                Routing::Single => (below.checked_mul(self.paths[at + 1])?, 1),
            };
            let link = Link {
                rate: level.rate * f64::from(width),
                latency: level.latency,
            };
            up.resize(up.len().checked_add(number as usize)?, link);
        }
        u32::try_from(up.len().checked_mul(2)?).ok()?;
        self.links = [up.as_slice(), up.as_slice()].concat();
        Some(())
    }

    /// The levels, lowest first.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// How paths are chosen.
    #[must_use]
    pub const fn routing(&self) -> Routing {
        self.routing
    }

    /// Subtrees of a level that hold chips; level 0 are the chips.
    #[must_use]
    pub fn subtrees(&self, level: usize) -> u32 {
        self.chips.div_ceil(self.reach[level])
    }

    /// The subtree of a level that holds a chip.
    #[must_use]
    pub fn subtree(&self, level: usize, chip: u32) -> u32 {
        chip / self.reach[level]
    }

    /// The lowest level with a subtree that holds two chips.
    #[must_use]
    pub fn meet(&self, one: u32, other: u32) -> usize {
        (0..self.reach.len())
            .find(|level| self.subtree(*level, one) == self.subtree(*level, other))
            .unwrap_or(self.levels.len())
    }

    /// The vertex that stands for the switches of a subtree.
    #[must_use]
    pub fn switch(&self, level: usize, subtree: u32) -> u32 {
        let below: u32 = (0..level).map(|below| self.subtrees(below)).sum();
        below + subtree
    }

    /// Level and subtree of a vertex.
    fn place(&self, vertex: u32) -> (usize, u32) {
        let mut left = vertex;
        for level in 0..self.levels.len() {
            let here = self.subtrees(level);
            if left < here {
                return (level, left);
            }
            left -= here;
        }
        (self.levels.len(), left)
    }

    /// Vertices: chips, then the subtrees of each level.
    #[must_use]
    pub fn vertices(&self) -> u32 {
        (0..=self.levels.len())
            .map(|level| self.subtrees(level))
            .sum()
    }

    /// Paths from a chip up to a level, which are the switches of a subtree there.
    #[must_use]
    pub fn paths(&self, level: usize) -> u32 {
        self.paths[level]
    }

    /// The link of the same cables in the other direction.
    #[must_use]
    pub fn back(&self, link: u32) -> u32 {
        let all = self.links.len() as u32;
        (link + all / 2) % all
    }

    /// The level below a link: 0 for those of chips.
    #[must_use]
    pub fn level_of(&self, link: u32) -> usize {
        let up = link % (self.links.len() as u32 / 2);
        self.first.partition_point(|first| *first <= up) - 1
    }

    /// The link from a subtree of level `at` to the level above, on one of the paths of a chip.
    #[must_use]
    pub fn link_up(&self, at: usize, subtree: u32, path: u32) -> u32 {
        match self.routing {
            Routing::Spray => self.first[at] + subtree,
            Routing::Single => {
                let width = self.paths[at + 1];
                self.first[at] + subtree * width + path % width
            }
        }
    }

    /// The link of the same cables down.
    fn link_down(&self, at: usize, subtree: u32, path: u32) -> u32 {
        self.link_up(at, subtree, path) + self.links.len() as u32 / 2
    }
}

impl Network for Tree {
    fn chips(&self) -> u32 {
        self.chips
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        let ((mut low, up), (mut bottom, down)) = (self.place(from), self.place(to));
        let (one, other) = (up * self.reach[low], down * self.reach[bottom]);
        let top = self.meet(one, other).max(low).max(bottom);
        let all = self.paths[self.levels.len()];
        let chosen = (choice % u64::from(all)) as u32;
        while low < top {
            path.push(self.link_up(low, self.subtree(low, one), chosen));
            low += 1;
        }
        let turn = path.len();
        while bottom < top {
            path.push(self.link_down(bottom, self.subtree(bottom, other), chosen));
            bottom += 1;
        }
        path[turn..].reverse();
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Seconds};

    use super::{Level, Network, Routing, Tree};

    fn level(children: u32, parents: u32) -> Level {
        Level {
            children,
            parents,
            rate: Bandwidth::new(50e9),
            latency: Seconds::new(1e-6),
        }
    }

    fn path(tree: &Tree, from: u32, to: u32, choice: u64) -> Vec<u32> {
        let mut path = Vec::new();
        tree.route(from, to, choice, &mut path);
        path
    }

    /// 8 chips, leaves of 4 with 2 spines: links up 0..8 from chips, 8..10 from leaves in bundles,
    /// and the same down from 10.
    #[test]
    fn a_sprayed_tree_bundles_its_uplinks() {
        let tree = Tree::new(8, vec![level(4, 1), level(2, 2)], Routing::Spray).unwrap();
        assert_eq!(tree.links().len(), 20);
        assert_eq!(tree.links()[8].rate, Bandwidth::new(100e9));
        assert!(path(&tree, 1, 1, 0).is_empty());
        assert_eq!(path(&tree, 1, 2, 0), [1, 12]);
        assert_eq!(path(&tree, 1, 6, 7), [1, 8, 19, 16]);
        // Leaf 1 is vertex 9: after 8 chips and leaf 0.
        assert_eq!(tree.switch(1, 1), 9);
        assert_eq!(path(&tree, 6, 9, 0), [6]);
        assert_eq!(path(&tree, 9, 6, 0), [16]);
        assert_eq!(path(&tree, 1, tree.switch(2, 0), 0), [1, 8]);
    }

    /// The same with a path for each message: up and down through the same spine.
    #[test]
    fn a_single_path_goes_down_from_the_spine_it_went_up_to() {
        let tree = Tree::new(8, vec![level(4, 1), level(2, 2)], Routing::Single).unwrap();
        assert_eq!(tree.links().len(), 24);
        assert_eq!(path(&tree, 1, 6, 0), [1, 8, 12 + 10, 12 + 6]);
        assert_eq!(path(&tree, 1, 6, 1), [1, 9, 12 + 11, 12 + 6]);
    }

    #[test]
    fn levels_that_do_not_reach_all_chips_are_no_tree() {
        assert!(Tree::new(9, vec![level(4, 1), level(2, 2)], Routing::Spray).is_none());
        assert!(Tree::new(8, vec![level(8, 0)], Routing::Spray).is_none());
        assert!(Tree::new(0, vec![level(8, 1)], Routing::Spray).is_none());
    }
}
