//! The scale-up domain of a system: how its chips are joined, as numbers and as links.

use chokepoint_catalog::{DomainLink, Figure, Media, SecondLevel, System, Topology, TorusWiring};
use chokepoint_units::{Bandwidth, Seconds};

use super::Refusal;
use crate::network::{Level, Link, Mesh, Network, Routing, Torus, TorusShape, Tree};

/// A domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// How the chips are joined.
    pub topology: Topology,
    /// Chips.
    pub chips: u64,
    /// Chips of a node.
    pub node: u64,
    /// Bandwidth of a chip, per direction.
    pub bandwidth: Bandwidth,
    /// Switch chips of a single level, where they are known.
    pub switches: Option<u64>,
    /// The links, where they are described.
    pub cabling: Option<Cabling>,
    /// The second level of switches.
    pub second: Option<SecondLevel>,
    /// The torus.
    pub torus: Option<TorusWiring>,
}

/// The links of a domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cabling {
    /// Links of a chip.
    pub per_chip: u64,
    /// Rate of one, per direction.
    pub rate: Bandwidth,
    /// Time over one and the switch at its start.
    pub hop: Seconds,
    /// What they run over.
    pub media: Media,
    /// Ports of a switch chip.
    pub ports: Option<u64>,
    /// Differential pairs of a link, both directions.
    pub pairs: Option<u64>,
}

/// The links of one domain.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Inside {
    Tree(Tree),
    Mesh(Mesh),
    Torus(Torus),
}

pub(super) fn count(figure: &Figure<f64>) -> u64 {
    figure.value as u64
}

impl Domain {
    /// The domain of a system; `link` is the kind of link that its cabling names.
    #[must_use]
    pub fn new(system: &System, link: Option<&DomainLink>) -> Self {
        let domain = &system.domain;
        let wiring = domain.wiring.as_ref();
        let cabling = wiring.zip(link).map(|(wiring, link)| {
            let switch = link.switch.as_ref();
            Cabling {
                per_chip: count(&wiring.per_chip).max(1),
                rate: link.rate.value,
                hop: link.hop.value,
                media: wiring.media,
                ports: switch.and_then(|switch| switch.ports.as_ref()).map(count),
                pairs: link.pairs.as_ref().map(count),
            }
        });
        Self {
            topology: domain.topology,
            chips: domain.chips.max(1),
            node: system.node.chips.clamp(1, domain.chips.max(1)),
            bandwidth: domain.bandwidth.value,
            switches: domain.switch_chips.as_ref().map(count),
            cabling,
            second: wiring.and_then(|wiring| wiring.second.clone()),
            torus: wiring.and_then(|wiring| wiring.torus.clone()),
        }
    }

    /// Links of a first-level switch to the second level: as much as the chips of its node send.
    pub(super) fn uplinks(&self, first_per_node: u64) -> u64 {
        let below = self
            .cabling
            .map_or(1, |cabling| cabling.per_chip * self.node);
        (below / first_per_node.max(1)).max(1)
    }

    /// Links of a domain that holds a number of chips; a torus is always whole.
    ///
    /// Limits: a message inside a domain is spread over all its links and planes, as NVLink and UB
    /// interleave addresses; links without a description of their kind have no latency of their
    /// own; which links go to which switch chip is not told apart.
    ///
    /// # Errors
    /// When dimensions do not hold the chips, or links are too many.
    pub(super) fn network(&self, chips: u64) -> Result<Inside, Refusal> {
        let narrow = |value: u64| u32::try_from(value).map_err(|_| Refusal::TooManyLinks);
        let latency = self.cabling.map_or(Seconds::ZERO, |cabling| cabling.hop);
        let few = narrow(chips)?;
        let mesh = |rate| Mesh::new(few, Link { rate, latency }).map(Inside::Mesh);
        let found = match self.topology {
            _ if self.chips < 2 => mesh(self.bandwidth),
            Topology::Mesh => mesh(self.bandwidth / (self.chips - 1) as f64),
            Topology::Torus => return self.torus(latency),
            Topology::Switched | Topology::Pcie | Topology::TwoLevelSwitched => {
                let levels = self.levels(latency).ok_or(Refusal::TooManyLinks)?;
                Tree::new(few, levels, Routing::Spray).map(Inside::Tree)
            }
        };
        found.ok_or(Refusal::TooManyLinks)
    }

    fn torus(&self, latency: Seconds) -> Result<Inside, Refusal> {
        let wiring = self.torus.as_ref().ok_or(Refusal::Domain)?;
        let shape = TorusShape::new(&wiring.dims).ok_or(Refusal::Domain)?;
        if u64::from(shape.chips()) != self.chips {
            return Err(Refusal::Domain);
        }
        let ways = self
            .cabling
            .map_or(2 * shape.dims().len() as u64, |cabling| cabling.per_chip);
        let rate = self.bandwidth / ways.max(1) as f64;
        let torus = Torus::new(shape, Link { rate, latency });
        torus.map(Inside::Torus).ok_or(Refusal::TooManyLinks)
    }

    fn levels(&self, latency: Seconds) -> Option<Vec<Level>> {
        let level = |children: u64, parents: u64, rate: Bandwidth| {
            Some(Level {
                children: u32::try_from(children).ok()?,
                parents: u32::try_from(parents).ok()?,
                rate: rate / parents as f64,
                latency,
            })
        };
        if self.topology != Topology::TwoLevelSwitched {
            let links = self.cabling.map_or(1, |cabling| cabling.per_chip);
            let switches = self.switches.unwrap_or(1).clamp(1, links);
            return Some(vec![level(self.chips, switches, self.bandwidth)?]);
        }
        let first = self
            .second
            .as_ref()
            .map_or(1, |second| count(&second.first_per_node));
        let up = if self.second.is_some() {
            self.uplinks(first)
        } else {
            1
        };
        let of_node = self.bandwidth * (self.node as f64 / first as f64);
        Some(vec![
            level(self.node, first, self.bandwidth)?,
            level(self.chips.div_ceil(self.node), up, of_node)?,
        ])
    }
}

impl Inside {
    /// The vertex that stands for the switches over all chips, where there are switches.
    pub(super) fn top(&self) -> Option<u32> {
        match self {
            Self::Tree(tree) => Some(tree.switch(tree.levels().len(), 0)),
            Self::Mesh(_) | Self::Torus(_) => None,
        }
    }

    /// The link of the other direction.
    pub(super) fn back(&self, link: u32) -> u32 {
        match self {
            Self::Tree(tree) => tree.back(link),
            Self::Mesh(mesh) => mesh.back(link),
            Self::Torus(torus) => torus.back(link),
        }
    }

    pub(super) fn network(&self) -> &dyn Network {
        match self {
            Self::Tree(tree) => tree,
            Self::Mesh(mesh) => mesh,
            Self::Torus(torus) => torus,
        }
    }
}
