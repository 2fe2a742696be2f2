//! The network of a system as directed links.
//!
//! Vertices are the chips, then one for the switches of each domain, then the subtrees of the
//! scale-out trees. Links are those of the first domain, the second and so on, then those of the
//! scale-out network.
//!
//! Limits: a message between chips of different domains uses the card of its own chip, except
//! that in planes that do not meet it first crosses to the chip of its node that has its card in
//! the plane of the destination; ports of a chip in one plane are one bundle also for single
//! paths; each switch above a leaf has its own cables to it, so that a single path keeps its
//! number upwards and downwards.

use chokepoint_catalog::{DomainLink, Network as Wires, System};

use super::Refusal;
use super::domain::{Domain, Inside};
use super::placement::Placement;
use super::scale_out::{Kind, ScaleOut};
use crate::network::{Dragonfly, Level, Link, Network, Routing, Tree};

/// A number of chips of a system with all their links.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemNetwork {
    chips: u32,
    /// Chips of a full domain.
    domain_chips: u32,
    domain: Domain,
    scale_out: ScaleOut,
    full: Inside,
    last: Inside,
    outside: Outside,
    placement: Placement,
    /// First link of the scale-out network, or of each of its trees.
    first: Vec<u32>,
    links: Vec<Link>,
}

/// What joins the domains.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outside {
    Nothing,
    Trees(Vec<Tree>),
    Dragonfly(Dragonfly),
}

/// What a vertex is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Chip(u32),
    Domain(u32),
    Subtree(u32, u32),
}

impl SystemNetwork {
    /// The network of a number of chips; `link` is the kind of link that the domain names.
    ///
    /// # Errors
    /// When the topology does not reach the chips, or its cabling contradicts itself.
    pub fn new(
        system: &System,
        link: Option<&DomainLink>,
        network: &Wires,
        chips: u64,
        routing: Routing,
    ) -> Result<Self, Refusal> {
        let domain = Domain::new(system, link);
        let scale_out = ScaleOut::new(system, network, chips)?;
        scale_out.reached()?;
        let narrow = |value: u64| u32::try_from(value).map_err(|_| Refusal::TooManyLinks);
        let count = narrow(chips.max(1))?;
        let domain_chips = narrow(domain.chips)?;
        let left = (count - 1) % domain_chips + 1;
        let full = domain.network(u64::from(domain_chips.min(count)))?;
        let last = domain.network(u64::from(left))?;
        let (outside, stride) = outside(&scale_out, routing)?;
        let node = narrow(domain.node)?;
        let placement = Placement::new(&scale_out, node, stride).ok_or(Refusal::TooManyLinks)?;
        let mut found = Self {
            chips: count,
            domain_chips,
            domain,
            scale_out,
            full,
            last,
            outside,
            placement,
            first: Vec::new(),
            links: Vec::new(),
        };
        found.lay()?;
        Ok(found)
    }

    /// Puts the links of all parts behind one another.
    fn lay(&mut self) -> Result<(), Refusal> {
        let mut links = Vec::new();
        for _ in 1..self.domains() {
            links.extend_from_slice(self.full.network().links());
        }
        links.extend_from_slice(self.last.network().links());
        let trees = match &self.outside {
            Outside::Nothing => &[][..],
            Outside::Trees(trees) => trees,
            Outside::Dragonfly(dragonfly) => {
                self.first.push(id(links.len())?);
                links.extend_from_slice(dragonfly.links());
                &[]
            }
        };
        for tree in trees {
            self.first.push(id(links.len())?);
            links.extend_from_slice(tree.links());
        }
        id(links.len())?;
        self.links = links;
        Ok(())
    }

    /// Domains that hold chips.
    #[must_use]
    pub const fn domains(&self) -> u32 {
        self.chips.div_ceil(self.domain_chips)
    }

    /// The domain of a chip.
    #[must_use]
    pub const fn domain_of(&self, chip: u32) -> u32 {
        chip / self.domain_chips
    }

    /// Chips of a domain, of which the last may be short.
    #[must_use]
    pub fn domain_size(&self, domain: u32) -> u32 {
        let first = domain * self.domain_chips;
        self.domain_chips.min(self.chips - first)
    }

    /// How the domain is joined.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// How the domains are joined.
    #[must_use]
    pub const fn scale_out(&self) -> &ScaleOut {
        &self.scale_out
    }

    /// Whether a link is between a chip's card and the scale-out network.
    #[must_use]
    pub fn is_card(&self, link: u32) -> bool {
        let part = self.first.partition_point(|first| *first <= link);
        let Some(part) = part.checked_sub(1) else {
            return false;
        };
        let own = link - self.first[part];
        match &self.outside {
            Outside::Nothing => false,
            Outside::Trees(trees) => trees[part].level_of(own) == 0,
            Outside::Dragonfly(dragonfly) => own < dragonfly.first_links().0,
        }
    }

    /// The vertex that stands for the switches of a domain; absent where links are direct.
    #[must_use]
    pub fn domain_switch(&self, domain: u32) -> Option<u32> {
        let there = domain < self.domains() && self.full.top().is_some();
        there.then_some(self.chips + domain)
    }

    /// The trees of the scale-out network: planes that do not meet have one each.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        match &self.outside {
            Outside::Trees(trees) => trees,
            _ => &[],
        }
    }

    /// The vertex that stands for the switches of a subtree of a scale-out tree; level 1 are
    /// leaves.
    #[must_use]
    pub fn scale_out_switch(&self, tree: u32, level: usize, subtree: u32) -> Option<u32> {
        let found = self.trees().get(tree as usize)?;
        let there = (1..=found.levels().len()).contains(&level) && subtree < found.subtrees(level);
        there.then(|| {
            let before: u32 = self.trees()[..tree as usize].iter().map(beyond_chips).sum();
            self.first_subtree() + before + found.switch(level, subtree) - found.chips()
        })
    }

    /// The leaf of a chip's card: subtree of level 1 in its tree.
    #[must_use]
    pub fn leaf_of(&self, chip: u32) -> Option<(u32, u32)> {
        let tree = self.placement.tree(chip);
        let found = self.trees().get(tree as usize)?;
        Some((tree, found.subtree(1, self.placement.place(chip))))
    }

    /// All vertices.
    #[must_use]
    pub fn vertices(&self) -> u32 {
        self.first_subtree() + self.trees().iter().map(beyond_chips).sum::<u32>()
    }

    fn first_subtree(&self) -> u32 {
        let switches = if self.full.top().is_some() {
            self.domains()
        } else {
            0
        };
        self.chips + switches
    }

    fn place(&self, vertex: u32) -> Place {
        if vertex < self.chips {
            return Place::Chip(vertex);
        }
        let mut left = vertex - self.chips;
        if vertex < self.first_subtree() {
            return Place::Domain(left);
        }
        left = vertex - self.first_subtree();
        let trees = self.trees();
        let mut tree = 0;
        while tree + 1 < trees.len() && left >= beyond_chips(&trees[tree]) {
            left -= beyond_chips(&trees[tree]);
            tree += 1;
        }
        let chips = trees.get(tree).map_or(0, Tree::chips);
        Place::Subtree(tree as u32, chips + left)
    }

    /// The links of a domain and the first of them.
    pub(super) fn inside(&self, domain: u32) -> (&Inside, u32) {
        let each = self.full.network().links().len() as u32;
        let last = domain + 1 == self.domains();
        (if last { &self.last } else { &self.full }, domain * each)
    }

    /// Links of the scale-out network and the first of each part.
    pub(super) fn outside(&self) -> (&Outside, &[u32]) {
        (&self.outside, &self.first)
    }

    pub(super) const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// A path inside a domain; `None` is its switch.
    fn within(
        &self,
        domain: u32,
        (from, to): (Option<u32>, Option<u32>),
        choice: u64,
        path: &mut Vec<u32>,
    ) {
        let (inside, first) = self.inside(domain);
        let vertex = |chip: Option<u32>| match chip {
            Some(chip) => Some(chip % self.domain_chips),
            None => inside.top(),
        };
        if let (Some(from), Some(to)) = (vertex(from), vertex(to)) {
            let start = path.len();
            inside.network().route(from, to, choice, path);
            shift(&mut path[start..], first);
        }
    }

    /// A path between vertices of one tree.
    fn along(&self, tree: u32, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        let start = path.len();
        match &self.outside {
            Outside::Nothing => return,
            Outside::Trees(trees) => trees[tree as usize].route(from, to, choice, path),
            Outside::Dragonfly(dragonfly) => dragonfly.route(from, to, choice, path),
        }
        shift(&mut path[start..], self.first[tree as usize]);
    }

    /// A path between two chips.
    fn between(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        let (here, there) = (self.domain_of(from), self.domain_of(to));
        if here == there {
            return self.within(here, (Some(from), Some(to)), choice, path);
        }
        let (own, target) = (self.placement.tree(from), self.placement.tree(to));
        let (mut out, mut into) = (from, to);
        if own != target {
            match self.placement.mate(from, target) {
                Some(mate) => out = mate,
                None => into = self.placement.mate(to, own).unwrap_or(to),
            }
        }
        self.within(here, (Some(from), Some(out)), choice, path);
        let tree = self.placement.tree(out);
        let places = (self.placement.place(out), self.placement.place(into));
        self.along(tree, places.0, places.1, choice, path);
        self.within(there, (Some(into), Some(to)), choice, path);
    }

    /// A path from a chip up to a subtree, or down from one, in walking order. A chip that has no
    /// card in the tree goes over one of its node that has, or else over the first chip.
    fn to_subtree(
        &self,
        chip: u32,
        (tree, vertex): (u32, u32),
        upwards: bool,
        choice: u64,
        path: &mut Vec<u32>,
    ) {
        let gate = if self.placement.tree(chip) == tree {
            chip
        } else {
            let mate = self.placement.mate(chip, tree);
            mate.unwrap_or_else(|| self.placement.chip(tree, 0))
        };
        let place = self.placement.place(gate);
        if upwards {
            self.between(chip, gate, choice, path);
            self.along(tree, place, vertex, choice, path);
        } else {
            self.along(tree, vertex, place, choice, path);
            self.between(gate, chip, choice, path);
        }
    }

    /// A chip of a domain, like another in its place.
    fn like(&self, domain: u32, chip: u32) -> u32 {
        domain * self.domain_chips + chip % self.domain_chips % self.domain_size(domain)
    }
}

impl Network for SystemNetwork {
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
        let some = (choice % u64::from(self.domain_chips)) as u32;
        match (self.place(from), self.place(to)) {
            (Place::Chip(from), Place::Chip(to)) => self.between(from, to, choice, path),
            (Place::Chip(from), Place::Domain(to)) => {
                if self.domain_of(from) == to {
                    return self.within(to, (Some(from), None), choice, path);
                }
                let gate = self.like(to, from);
                self.between(from, gate, choice, path);
                self.within(to, (Some(gate), None), choice, path);
            }
            (Place::Domain(from), Place::Chip(to)) => {
                if self.domain_of(to) == from {
                    return self.within(from, (None, Some(to)), choice, path);
                }
                let gate = self.like(from, to);
                self.within(from, (None, Some(gate)), choice, path);
                self.between(gate, to, choice, path);
            }
            (Place::Domain(from), Place::Domain(to)) => {
                let gates = (self.like(from, some), self.like(to, some));
                self.within(from, (None, Some(gates.0)), choice, path);
                self.between(gates.0, gates.1, choice, path);
                self.within(to, (Some(gates.1), None), choice, path);
            }
            (Place::Chip(from), Place::Subtree(tree, vertex)) => {
                self.to_subtree(from, (tree, vertex), true, choice, path);
            }
            (Place::Subtree(tree, vertex), Place::Chip(to)) => {
                self.to_subtree(to, (tree, vertex), false, choice, path);
            }
            (Place::Domain(from), Place::Subtree(tree, vertex)) => {
                let gate = self.like(from, some);
                self.within(from, (None, Some(gate)), choice, path);
                self.to_subtree(gate, (tree, vertex), true, choice, path);
            }
            (Place::Subtree(tree, vertex), Place::Domain(to)) => {
                let gate = self.like(to, some);
                self.to_subtree(gate, (tree, vertex), false, choice, path);
                self.within(to, (Some(gate), None), choice, path);
            }
            (Place::Subtree(own, from), Place::Subtree(tree, to)) => {
                if own == tree {
                    return self.along(own, from, to, choice, path);
                }
                let gate = self.placement.chip(tree, 0);
                self.to_subtree(gate, (own, from), false, choice, path);
                self.to_subtree(gate, (tree, to), true, choice, path);
            }
        }
    }
}

fn beyond_chips(tree: &Tree) -> u32 {
    tree.vertices() - tree.chips()
}

fn id(count: usize) -> Result<u32, Refusal> {
    u32::try_from(count).map_err(|_| Refusal::TooManyLinks)
}

fn shift(path: &mut [u32], by: u32) {
    for link in path {
        *link += by;
    }
}

/// The scale-out network as links, and how many places a site has in it.
fn outside(shape: &ScaleOut, routing: Routing) -> Result<(Outside, u32), Refusal> {
    if shape.chips < 2 {
        return Ok((Outside::Nothing, 0));
    }
    let chips = u32::try_from(shape.chips).map_err(|_| Refusal::TooManyLinks)?;
    if let Kind::Dragonfly { numbers, .. } = &shape.kind {
        let link = |rate| Link {
            rate,
            latency: shape.hop,
        };
        let (chip, cable) = (link(shape.bandwidth), link(shape.cable));
        let found = Dragonfly::new(chips, *numbers, chip, cable);
        return Ok((Outside::Dragonfly(found.ok_or(Refusal::TooManyLinks)?), 0));
    }
    let mut trees = Vec::new();
    let mut stride = 0;
    for tree in shape.trees().iter().take(shape.groups as usize) {
        let levels = tree.levels(shape.planes, shape.bandwidth, shape.cable, shape.hop);
        let mut levels = levels.ok_or(Refusal::TooManyLinks)?;
        let mut places = u32::try_from(tree.chips).map_err(|_| Refusal::TooManyLinks)?;
        if let Some(line) = &shape.line {
            let all = |of: fn(&Level) -> u32| {
                let mut product = 1_u32;
                for level in &levels {
                    product = product.checked_mul(of(level))?;
                }
                Some(product)
            };
            let paths = all(|level| level.parents).ok_or(Refusal::TooManyLinks)?;
            stride = all(|level| level.children).ok_or(Refusal::TooManyLinks)?;
            let sites = u32::try_from(line.sites).map_err(|_| Refusal::TooManyLinks)?;
            levels.push(Level {
                children: sites,
                parents: 1,
                rate: line.bandwidth / f64::from(paths),
                latency: line.latency / 2.0,
            });
            places = stride.checked_mul(sites).ok_or(Refusal::TooManyLinks)?;
        }
        trees.push(Tree::new(places, levels, routing).ok_or(Refusal::TooManyLinks)?);
    }
    Ok((Outside::Trees(trees), stride))
}
