//! The shape of a system's scale-out network for a number of chips.

use chokepoint_catalog::{
    DragonflyWiring, Figure, Media, Network, ScaleOutWiring, Shape, System, WideArea,
};
use chokepoint_units::{Bandwidth, Seconds};

use super::Refusal;
use super::clos::Clos;
use crate::network::Groups;

/// A scale-out network, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleOut {
    /// Its shape.
    pub shape: Shape,
    /// Whether its cabling is described, or a plain fat tree was taken.
    pub described: bool,
    /// Chips that it joins; 1 where one domain holds them all.
    pub chips: u64,
    /// Ports of a chip.
    pub ports: f64,
    /// Bandwidth of a chip into it, per direction.
    pub bandwidth: Bandwidth,
    /// Bandwidth of a cable between switches, per direction.
    pub cable: Bandwidth,
    /// Time over one link and the switch at its start.
    pub hop: Seconds,
    /// What the cables of the chips run over; all others are optical.
    pub chip_media: Media,
    /// Sets of planes, each of which joins other chips: those whose number leaves the same
    /// remainder.
    pub groups: u64,
    /// Planes that each chip has ports in.
    pub planes: u64,
    /// Chips of a site; all where there is one site.
    pub site: u64,
    /// The line between sites.
    pub line: Option<Line>,
    /// What joins the chips.
    pub kind: Kind,
}

/// A line from each site to the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Sites that hold chips.
    pub sites: u64,
    /// Bandwidth of one site's line, per direction.
    pub bandwidth: Bandwidth,
    /// Time from one site to another.
    pub latency: Seconds,
}

/// What joins the chips.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Fat trees: for each site, for each set of planes, one of the planes.
    Trees(Vec<Clos>),
    /// A dragonfly with a number of groups.
    Dragonfly {
        /// Its numbers.
        numbers: Groups,
        /// Its groups.
        groups: u64,
    },
}

/// A whole number of the catalogue, at least one.
fn whole(figure: &Figure<f64>) -> u64 {
    (figure.value as u64).max(1)
}

impl ScaleOut {
    /// The network of a number of chips of a system; a cluster that is one domain needs none.
    ///
    /// # Errors
    /// When planes and ports do not divide, or the groups of a dragonfly do not reach the chips.
    pub fn new(system: &System, network: &Network, chips: u64) -> Result<Self, Refusal> {
        let wiring = system.scale_out.wiring.as_ref();
        let joined = if chips <= system.domain.chips {
            1
        } else {
            chips
        };
        let mut found = Self::plain(network, joined, system.scale_out.bandwidth.value);
        let Some(wiring) = wiring else {
            return Ok(found);
        };
        found.described = true;
        found.shape = wiring.shape.value;
        found.chip_media = wiring.chip_media.unwrap_or(Media::Optics);
        if joined > 1 {
            found.spread(system, wiring)?;
            found.lay(network, wiring)?;
        }
        Ok(found)
    }

    /// A fat tree without oversubscription.
    pub(super) fn plain(network: &Network, chips: u64, bandwidth: Bandwidth) -> Self {
        let ports = (bandwidth / network.link.rate.value).max(1.0);
        let radix = network.switch.ports.value as u64;
        Self {
            shape: Shape::FatTree,
            described: false,
            chips,
            ports,
            bandwidth,
            cable: network.link.rate.value,
            hop: network.hop.value,
            chip_media: Media::Optics,
            groups: 1,
            planes: 1,
            site: chips,
            line: None,
            kind: Kind::Trees(vec![Clos::new(radix, chips, ports, 1.0, 1.0)]),
        }
    }

    /// Planes over the ports of a chip and the chips of a node, and sites.
    fn spread(&mut self, system: &System, wiring: &ScaleOutWiring) -> Result<(), Refusal> {
        if let Some(planes) = &wiring.planes {
            let (planes, ports) = (whole(planes), libm::ceil(self.ports - 1e-9) as u64);
            self.planes = planes.min(ports);
            self.groups = planes / self.planes;
            let divide = ports.is_multiple_of(self.planes)
                && planes.is_multiple_of(self.planes)
                && system.node.chips.is_multiple_of(self.groups);
            if !divide {
                return Err(Refusal::Planes { planes, ports });
            }
        }
        if let Some(WideArea {
            sites,
            bandwidth,
            latency,
        }) = &wiring.wide_area
        {
            let domain = system.domain.chips.max(1);
            let domains = self.chips.div_ceil(domain);
            self.site = domains.div_ceil(whole(sites)) * domain;
            let used = self.chips.div_ceil(self.site);
            self.line = (used > 1).then_some(Line {
                sites: used,
                bandwidth: bandwidth.value,
                latency: latency.value,
            });
            self.site = self.site.min(self.chips);
        }
        Ok(())
    }

    fn lay(&mut self, network: &Network, wiring: &ScaleOutWiring) -> Result<(), Refusal> {
        let ratio = |figure: &Option<Figure<f64>>| figure.as_ref().map_or(1.0, |f| f.value);
        let leaf = ratio(&wiring.leaf_oversubscription);
        let spine = ratio(&wiring.spine_oversubscription);
        let radix = network.switch.ports.value as u64;
        if let Some(wiring) = &wiring.dragonfly {
            self.kind = dragonfly(wiring, self.chips, radix, self.ports)?;
            return Ok(());
        }
        let ports = self.ports / self.planes as f64;
        let mut trees = Vec::new();
        for site in 0..self.chips.div_ceil(self.site) {
            let first = site * self.site;
            let here = self.site.min(self.chips - first);
            for group in 0..self.groups {
                let chips = here.saturating_sub(group).div_ceil(self.groups);
                trees.push(Clos::new(radix, chips, ports, leaf, spine));
            }
        }
        self.kind = Kind::Trees(trees);
        Ok(())
    }

    /// Trees with how many times each stands: one for each plane.
    #[must_use]
    pub fn trees(&self) -> &[Clos] {
        match &self.kind {
            Kind::Trees(trees) => trees,
            Kind::Dragonfly { .. } => &[],
        }
    }

    /// Groups of a dragonfly.
    #[must_use]
    pub const fn dragonfly_groups(&self) -> Option<u64> {
        match &self.kind {
            Kind::Trees(_) => None,
            Kind::Dragonfly { groups, .. } => Some(*groups),
        }
    }

    /// Tiers of switches of the tallest tree; routers are one tier.
    #[must_use]
    pub fn tiers(&self) -> u32 {
        match &self.kind {
            Kind::Trees(trees) => trees.iter().map(Clos::tiers).max().unwrap_or(0),
            Kind::Dragonfly { .. } => 1,
        }
    }

    /// Whether three tiers of switches join all chips.
    ///
    /// # Errors
    /// With the most chips that they join, where these are more.
    pub fn reached(&self) -> Result<(), Refusal> {
        for tree in self.trees() {
            if tree.chips > tree.reach() {
                let sites = self.line.map_or(1, |line| line.sites);
                let most = tree.reach() * self.groups * sites;
                return Err(Refusal::TooManyChips { most });
            }
        }
        Ok(())
    }
}

fn dragonfly(
    wiring: &DragonflyWiring,
    chips: u64,
    radix: u64,
    ports: f64,
) -> Result<Kind, Refusal> {
    let narrow = |figure| u32::try_from(whole(figure)).unwrap_or(u32::MAX);
    let each = libm::ceil(ports - 1e-9) as u32;
    let at_router = narrow(&wiring.chip_ports);
    let numbers = Groups {
        chips: at_router / each.max(1),
        routers: narrow(&wiring.routers),
        global: narrow(&wiring.global_ports),
    };
    let used = u64::from(at_router) + u64::from(numbers.routers - 1) + u64::from(numbers.global);
    if used > radix || numbers.chips == 0 {
        return Err(Refusal::Radix { used, radix });
    }
    let most = u64::from(numbers.group()) * u64::from(numbers.most());
    let count = u32::try_from(chips)
        .ok()
        .and_then(|chips| numbers.needed(chips));
    let groups = u64::from(count.ok_or(Refusal::TooManyChips { most })?);
    Ok(Kind::Dragonfly { numbers, groups })
}
