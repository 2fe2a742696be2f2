//! What is built, level by level: switches, ports, cables, modules.

use chokepoint_catalog::{Media, Network, Topology};
use chokepoint_units::Bandwidth;

use super::domain::{Cabling, Domain, count};
use super::parts::dragonfly_links;
use super::scale_out::{Kind, ScaleOut};

/// What a level of a topology is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The only level of switches in a domain.
    Switch,
    /// Switches of a node, in a domain of two levels.
    FirstSwitch,
    /// Switches over the nodes of such a domain.
    SecondSwitch,
    /// Direct links of a domain between every pair.
    Mesh,
    /// Direct links of a domain in a torus.
    Torus,
    /// Links of a torus over optical circuit switches.
    Circuit,
    /// PCI Express through switches and hosts.
    Pcie,
    /// Switches over the chips, and the links between them.
    Leaf,
    /// Switches over leaves.
    Spine,
    /// Switches over spines.
    Core,
    /// Routers of a dragonfly, with the links to the chips.
    Router,
    /// Links between the routers of a group.
    Local,
    /// Links between groups.
    Global,
    /// Lines between sites.
    WideArea,
}

impl Role {
    /// Name as in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::FirstSwitch => "first-switch",
            Self::SecondSwitch => "second-switch",
            Self::Mesh => "mesh",
            Self::Torus => "torus",
            Self::Circuit => "circuit",
            Self::Pcie => "pcie",
            Self::Leaf => "leaf",
            Self::Spine => "spine",
            Self::Core => "core",
            Self::Router => "router",
            Self::Local => "local",
            Self::Global => "global",
            Self::WideArea => "wide-area",
        }
    }

    /// Whether it lies inside domains.
    #[must_use]
    pub const fn in_domain(self) -> bool {
        matches!(
            self,
            Self::Switch
                | Self::FirstSwitch
                | Self::SecondSwitch
                | Self::Mesh
                | Self::Torus
                | Self::Circuit
                | Self::Pcie
        )
    }
}

/// A level: its switches and the cables below them. Absent is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// What it is.
    pub role: Role,
    /// Switches; none where links are direct.
    pub switches: Option<u64>,
    /// Ports of one.
    pub ports: Option<u64>,
    /// Most ports that one uses.
    pub ports_used: Option<u64>,
    /// Cables to the level below; a cable carries both directions.
    pub links: Option<u64>,
    /// Rate of one, per direction.
    pub rate: Option<Bandwidth>,
    /// Bandwidth into a switch from below over that to above; absent at the top.
    pub oversubscription: Option<f64>,
    /// What the cables run over.
    pub media: Option<Media>,
    /// Optical modules at their ends.
    pub modules: Option<u64>,
    /// Differential pairs of copper.
    pub pairs: Option<u64>,
}

impl Stage {
    const fn new(role: Role) -> Self {
        Self {
            role,
            switches: None,
            ports: None,
            ports_used: None,
            links: None,
            rate: None,
            oversubscription: None,
            media: None,
            modules: None,
            pairs: None,
        }
    }

    /// A level of a domain's own links.
    fn wired(role: Role, cabling: Option<Cabling>, links: u64) -> Self {
        let mut stage = Self::new(role);
        if let Some(cabling) = cabling {
            stage.links = Some(links);
            stage.rate = Some(cabling.rate);
            stage.media = Some(cabling.media);
            stage.modules = (cabling.media != Media::Optics).then_some(0);
            stage.pairs = match cabling.media {
                Media::Copper => cabling.pairs.map(|pairs| pairs * links),
                Media::Board | Media::Optics => Some(0),
            };
        }
        stage
    }
}

/// The levels of a number of chips of a system, domain first, lowest first.
#[must_use]
pub fn stages(domain: &Domain, scale_out: &ScaleOut, network: &Network, chips: u64) -> Vec<Stage> {
    let mut all = inside(domain, chips);
    if scale_out.chips > 1 {
        match &scale_out.kind {
            Kind::Trees(_) => trees(scale_out, network, &mut all),
            Kind::Dragonfly { .. } => dragonfly(scale_out, network, &mut all),
        }
        if let Some(line) = scale_out.line {
            let mut stage = Stage::new(Role::WideArea);
            stage.links = Some(line.sites);
            stage.rate = Some(line.bandwidth);
            all.push(stage);
        }
    }
    all
}

fn inside(domain: &Domain, chips: u64) -> Vec<Stage> {
    let domains = chips.div_ceil(domain.chips);
    let largest = chips.min(domain.chips);
    let cabling = domain.cabling;
    let links = cabling.map_or(0, |cabling| cabling.per_chip * chips);
    match domain.topology {
        _ if domain.chips < 2 => Vec::new(),
        Topology::Switched | Topology::Pcie => {
            let pcie = domain.topology == Topology::Pcie;
            let role = if pcie { Role::Pcie } else { Role::Switch };
            let mut stage = Stage::wired(role, cabling, links);
            stage.switches = domain.switches.map(|switches| switches * domains);
            stage.ports = cabling.and_then(|cabling| cabling.ports);
            let each = cabling.zip(domain.switches);
            stage.ports_used =
                each.map(|(cabling, all)| cabling.per_chip.div_ceil(all.max(1)) * largest);
            vec![stage]
        }
        Topology::TwoLevelSwitched => two_levels(domain, chips, links),
        Topology::Mesh => {
            let last = chips - (domains - 1) * domain.chips;
            let pairs = |chips: u64| chips * chips.saturating_sub(1) / 2;
            let number = (domains - 1) * pairs(domain.chips) + pairs(last);
            let each = cabling.map_or(0, |cabling| cabling.per_chip / (domain.chips - 1));
            let mut stage = Stage::wired(Role::Mesh, cabling, number * each);
            stage.switches = Some(0);
            vec![stage]
        }
        Topology::Torus => torus(domain, domains),
    }
}

fn two_levels(domain: &Domain, chips: u64, links: u64) -> Vec<Stage> {
    let (domains, nodes) = (chips.div_ceil(domain.chips), chips.div_ceil(domain.node));
    let mut first = Stage::wired(Role::FirstSwitch, domain.cabling, links);
    let Some((second, cabling)) = domain.second.as_ref().zip(domain.cabling) else {
        first.oversubscription = Some(1.0);
        return vec![first, Stage::new(Role::SecondSwitch)];
    };
    let per_node = count(&second.first_per_node);
    let up = domain.uplinks(per_node);
    let down = (cabling.per_chip * domain.node).div_ceil(per_node.max(1));
    first.switches = Some(nodes * per_node);
    first.ports = cabling.ports;
    first.ports_used = Some(down + up);
    first.oversubscription = Some(down as f64 / up as f64);
    let mut above = Stage::new(Role::SecondSwitch);
    let cables = nodes * per_node * up;
    above.switches = Some(domains * count(&second.switches));
    above.ports = Some(count(&second.ports));
    let used = chips.min(domain.chips).div_ceil(domain.node) * per_node * up;
    above.ports_used = Some(used.div_ceil(count(&second.switches).max(1)));
    above.links = Some(cables);
    above.rate = Some(cabling.rate);
    above.media = Some(second.media);
    above.pairs = (second.media != Media::Copper).then_some(0);
    above.modules = match (second.media, &second.links_per_module) {
        (Media::Optics, Some(each)) => Some((2 * cables).div_ceil(count(each).max(1))),
        (Media::Optics, None) => None,
        _ => Some(0),
    };
    vec![first, above]
}

/// Links inside blocks, and those over circuit switches: for each place on the faces of a block a
/// switch that two ports of each block end in (Jouppi et al. 2023: 48 switches of 128 ports for 64
/// blocks of 4 x 4 x 4 TPU v4).
fn torus(domain: &Domain, domains: u64) -> Vec<Stage> {
    let Some(wiring) = &domain.torus else {
        return vec![Stage::new(Role::Torus)];
    };
    let long = |dims: &[u32]| -> Vec<u64> { dims.iter().copied().map(u64::from).collect() };
    let dims = long(&wiring.dims);
    let all = dims.iter().filter(|dim| **dim > 1).count() as u64 * domain.chips * domains;
    let (Some(block), Some(ports)) = (&wiring.block, wiring.circuit_ports) else {
        let mut stage = Stage::wired(Role::Torus, domain.cabling, all);
        stage.switches = Some(0);
        return vec![stage];
    };
    let block = long(block);
    let volume: u64 = block.iter().product();
    let blocks = dims.iter().product::<u64>() / volume.max(1);
    let (mut crossing, mut switches) = (0, 0);
    for (dim, part) in std::iter::zip(&dims, &block) {
        if *dim > 1 {
            let face = volume / part;
            crossing += face * blocks * domains;
            switches += face * (2 * blocks).div_ceil(u64::from(ports)) * domains;
        }
    }
    let mut direct = Stage::wired(Role::Torus, domain.cabling, all - crossing);
    direct.switches = Some(0);
    let mut circuit = Stage::new(Role::Circuit);
    circuit.switches = Some(switches);
    circuit.ports = Some(u64::from(ports));
    circuit.ports_used = Some((2 * blocks).min(u64::from(ports)));
    circuit.links = Some(crossing);
    circuit.rate = domain.cabling.map(|cabling| cabling.rate);
    circuit.media = Some(Media::Optics);
    circuit.modules = Some(2 * crossing);
    circuit.pairs = Some(0);
    vec![direct, circuit]
}

/// A level of the scale-out network: optical, but for what the cables of the chips run over.
fn cabled(role: Role, scale_out: &ScaleOut, network: &Network, links: u64) -> Stage {
    let media = match role {
        Role::Leaf | Role::Router => scale_out.chip_media,
        _ => Media::Optics,
    };
    let optical = if media == Media::Optics { links } else { 0 };
    let mut stage = Stage::new(role);
    stage.switches = Some(0);
    stage.links = Some(links);
    stage.rate = Some(scale_out.cable);
    stage.media = Some(media);
    stage.pairs = (media != Media::Copper).then_some(0);
    stage.modules = Some((2 * optical).div_ceil(network.link.ports_per_module.max(1)));
    stage
}

fn trees(scale_out: &ScaleOut, network: &Network, all: &mut Vec<Stage>) {
    let tiers = scale_out.tiers() as usize;
    let roles = [Role::Leaf, Role::Spine, Role::Core];
    for (tier, role) in roles.into_iter().take(tiers).enumerate() {
        let (mut switches, mut links, mut used) = (0, 0, 0);
        let mut ratio: Option<f64> = None;
        for tree in scale_out.trees() {
            let at = |of: Vec<u64>| of.get(tier).copied().unwrap_or(0);
            switches += at(tree.switches()) * scale_out.planes;
            links += at(tree.links()) * scale_out.planes;
            used = used.max(at(tree.ports_used()));
            let here = tree.oversubscription().get(tier).copied();
            if here > ratio {
                ratio = here;
            }
        }
        let mut stage = cabled(role, scale_out, network, links);
        stage.switches = Some(switches);
        stage.ports = Some(network.switch.ports.value as u64);
        stage.ports_used = Some(used);
        stage.oversubscription = ratio;
        all.push(stage);
    }
}

fn dragonfly(scale_out: &ScaleOut, network: &Network, all: &mut Vec<Stage>) {
    let Kind::Dragonfly { numbers, groups } = scale_out.kind else {
        return;
    };
    let ends = scale_out.chips * libm::ceil(scale_out.ports - 1e-9) as u64;
    let mut router = cabled(Role::Router, scale_out, network, ends);
    router.switches = Some(groups * u64::from(numbers.routers));
    router.ports = Some(network.switch.ports.value as u64);
    let each = libm::ceil(scale_out.ports - 1e-9) as u64;
    let global = if groups > 1 { numbers.global } else { 0 };
    let others = numbers.routers - 1 + global;
    router.ports_used = Some(u64::from(numbers.chips) * each + u64::from(others));
    let (inner, outer) = dragonfly_links(numbers, groups);
    all.push(router);
    all.push(cabled(Role::Local, scale_out, network, inner));
    if groups > 1 {
        all.push(cabled(Role::Global, scale_out, network, outer));
    }
}
