//! Which parts of a network fail or are slow, and what that leaves of the rates of its links.
//!
//! A number of parts is drawn without replacement, a share part by part, both by a hash of each
//! part's place and a seed, so that the same request always hits the same parts.
//!
//! Parts of one kind lie side by side, so that their losses on a link add up; of different kinds
//! each takes its share of what the others leave.
//!
//! Limits: a bundle with a slow member is taken to be loaded by what its members carry, as adaptive
//! routing does; where packets go to all members alike, the slowest sets the pace of all.

use std::collections::BTreeMap;

use super::failures::{Factors, uniform};
use super::system::{Outside, SystemNetwork};
use crate::network::Network;

/// A kind of part that fails or is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkPart {
    /// A cable inside a domain or between switches, both directions.
    Cable,
    /// A cable between switches, both directions.
    Uplink,
    /// A port of a chip's card.
    Port,
    /// A chip's card, with all its ports.
    Card,
    /// A switch of the scale-out network that cards are plugged in.
    Leaf,
    /// A switch of the scale-out network over others.
    Spine,
    /// A switch of the scale-out network at any level.
    Switch,
    /// A plane of the scale-out network.
    Plane,
    /// A switch chip of a domain, at its top level.
    DomainSwitch,
}

impl NetworkPart {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cable,
        Self::Uplink,
        Self::Port,
        Self::Card,
        Self::Leaf,
        Self::Spine,
        Self::Switch,
        Self::Plane,
        Self::DomainSwitch,
    ];

    /// Its name in options and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cable => "cable",
            Self::Uplink => "uplink",
            Self::Port => "port",
            Self::Card => "card",
            Self::Leaf => "leaf",
            Self::Spine => "spine",
            Self::Switch => "switch",
            Self::Plane => "plane",
            Self::DomainSwitch => "domain-switch",
        }
    }
}

/// How many parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A number of them.
    Count(u64),
    /// Each with this probability.
    Share(f64),
}

/// Parts that fail or are slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Damage {
    /// Kind.
    pub part: NetworkPart,
    /// How many.
    pub amount: Amount,
    /// Share of its rate that a part keeps: 0 where it has failed.
    pub left: f64,
}

/// A network with some parts that fail or are slow.
#[derive(Debug, Clone, PartialEq)]
pub struct Damaged {
    /// What it leaves of links.
    pub factors: Factors,
    /// For each damage, how many parts it hit, of how many.
    pub hit: Vec<(u64, u64)>,
}

/// A network has fewer parts of a kind than shall fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// The kind.
    pub part: NetworkPart,
    /// How many there are.
    pub there: u64,
}

/// One part, by its place.
#[derive(Debug, Clone, Copy)]
enum Place {
    Cable(u32),
    Card(u32),
    /// Tree, level, subtree, number.
    Switch(u32, usize, u32, u32),
    Plane(u32),
    DomainSwitch(u32),
}

impl SystemNetwork {
    /// What is left of links when parts fail or are slow.
    ///
    /// # Errors
    /// When there are fewer parts of a kind than shall be hit.
    pub fn damaged(&self, damages: &[Damage], seed: u64) -> Result<Damaged, TooFew> {
        let mut left: BTreeMap<u32, f64> = BTreeMap::new();
        let mut hit = Vec::new();
        for (number, damage) in (0..).zip(damages) {
            let places = self.places(damage.part);
            let there = places.len() as u64;
            let drawn = drawn(places, damage.amount, seed.wrapping_add(number)).ok_or(TooFew {
                part: damage.part,
                there,
            })?;
            hit.push((drawn.len() as u64, there));
            let mut lost: BTreeMap<u32, f64> = BTreeMap::new();
            for place in drawn {
                for (link, left) in self.without(place, damage.part) {
                    *lost.entry(link).or_insert(0.0) += (1.0 - left) * (1.0 - damage.left);
                }
            }
            for (link, lost) in lost {
                // What rounding leaves of a bundle that lost all is nothing.
                let kept = if lost > 1.0 - 1e-9 { 0.0 } else { 1.0 - lost };
                *left.entry(link).or_insert(1.0) *= kept;
            }
        }
        Ok(Damaged {
            factors: left.into_iter().collect(),
            hit,
        })
    }

    /// All parts of a kind, each with a number of its own for the hash.
    fn places(&self, part: NetworkPart) -> Vec<(u64, Place)> {
        let numbered = |all: Vec<Place>| (0..).zip(all).collect();
        let outside = !matches!(self.outside().0, Outside::Nothing);
        let number = |count: u32| if outside { count } else { 0 };
        match part {
            NetworkPart::Cable => self.cable_places(0),
            NetworkPart::Uplink => self.cable_places(self.first_outside()),
            NetworkPart::Port | NetworkPart::Card => {
                numbered((0..number(self.chips())).map(Place::Card).collect())
            }
            NetworkPart::Leaf => numbered(self.switch_places(|level| level == 1)),
            NetworkPart::Spine => numbered(self.switch_places(|level| level > 1)),
            NetworkPart::Switch => numbered(self.switch_places(|_| true)),
            NetworkPart::Plane => {
                let sets = self.trees().len().max(1) as u32;
                let all = sets * self.scale_out().planes as u32;
                numbered((0..number(all)).map(Place::Plane).collect())
            }
            NetworkPart::DomainSwitch => {
                let domains = 0..self.domains();
                let all = domains.flat_map(|domain| {
                    let switches = self.domain_switches(domain);
                    (0..switches).map(move |_| Place::DomainSwitch(domain))
                });
                numbered(all.collect())
            }
        }
    }

    /// Cables inside domains and between switches, of the links from one on; those of cards are ports.
    fn cable_places(&self, first: u32) -> Vec<(u64, Place)> {
        let links = first..self.links().len() as u32;
        let forth = links.filter(|link| *link <= self.back(*link) && !self.is_card(*link));
        let cables = forth.flat_map(|link| {
            let place = move |cable| (u64::from(link) << 32 | u64::from(cable), Place::Cable(link));
            (0..self.cables(link)).map(place)
        });
        cables.collect()
    }

    /// Switches of the scale-out trees at some levels. A line between sites is none.
    fn switch_places(&self, wanted: impl Fn(usize) -> bool) -> Vec<Place> {
        let mut all = Vec::new();
        let line = usize::from(self.scale_out().line.is_some());
        for (tree, found) in (0..).zip(self.trees()) {
            for level in (1..=found.levels().len() - line).filter(|it| wanted(*it)) {
                for subtree in 0..found.subtrees(level) {
                    let switches = 0..self.switches(tree, level);
                    all.extend(switches.map(|it| Place::Switch(tree, level, subtree, it)));
                }
            }
        }
        all
    }

    /// What is left of links without a part.
    fn without(&self, place: Place, part: NetworkPart) -> Factors {
        match place {
            Place::Cable(link) => {
                let left = 1.0 - 1.0 / f64::from(self.cables(link));
                vec![(link, left), (self.back(link), left)]
            }
            Place::Card(chip) if part == NetworkPart::Port => self.fail_card(chip, 1),
            Place::Card(chip) => self.fail_card(chip, u32::MAX),
            Place::Switch(tree, level, subtree, switch) => {
                self.fail_switch(tree, level, subtree, switch)
            }
            Place::Plane(plane) => self.fail_plane(plane),
            Place::DomainSwitch(domain) => self.fail_domain_switch(domain),
        }
    }
}

/// The parts that are hit; absent where there are not as many.
fn drawn(places: Vec<(u64, Place)>, amount: Amount, seed: u64) -> Option<Vec<Place>> {
    let hashed = places
        .into_iter()
        .map(|(number, place)| (uniform(seed, number), place));
    match amount {
        Amount::Share(share) => {
            let hit = hashed.filter(|(hash, _)| *hash < share);
            Some(hit.map(|(_, place)| place).collect())
        }
        Amount::Count(count) => {
            let mut all: Vec<(f64, Place)> = hashed.collect();
            let count = usize::try_from(count).ok()?;
            if count > all.len() {
                return None;
            }
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            all.truncate(count);
            Some(all.into_iter().map(|(_, place)| place).collect())
        }
    }
}
