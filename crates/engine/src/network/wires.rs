//! The links of a system as collectives find them.
//!
//! Links carry what large collectives reach of them, and a path without load takes the latency that
//! the catalogue has of a smallest message, software included, so that all fidelities are about the
//! same wires: inside a domain the bus bandwidth of an all-gather, an all-to-all or an all-reduce of
//! 1 GiB by the curves or formulas, between domains the achieved share of the network.

use chokepoint_fabric::algorithm::Collective;
use chokepoint_fabric::network::{Degraded, Link, Network, Routing};
use chokepoint_fabric::topology::SystemNetwork;
use chokepoint_fabric::{Fabric, Group, flow};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::{Busiest, CollectiveRequest, damage};
use crate::resolve::SystemParts;
use crate::row::Statement;
use crate::{Data, topology};

/// A message that is large.
const LARGE: Bytes = Bytes::new(1_073_741_824.0);

/// A network whose links carry what software reaches of them.
pub(super) struct Wires {
    /// As built, without what has failed, which its paths avoid where they can.
    network: Degraded<SystemNetwork>,
    links: Vec<Link>,
    /// For each damage, how many parts it hit, of how many.
    pub(super) hit: Vec<(u64, u64)>,
}

impl Network for Wires {
    fn chips(&self) -> u32 {
        self.network.chips()
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        self.network.route(from, to, choice, path);
    }
}

impl Wires {
    /// The links of all domains that ranks are in.
    ///
    /// # Errors
    /// Why the topology does not join so many chips.
    pub(super) fn new(
        request: &CollectiveRequest,
        parts: &SystemParts,
        data: &Data,
        (routing, reached): (Routing, Reached),
    ) -> Result<Self, Statement> {
        let wiring = parts.system.domain.wiring.as_ref();
        let link = wiring.and_then(|wiring| data.catalog.link(&wiring.link).ok());
        let (system, chips) = (&parts.system, chips(request, parts));
        let network = SystemNetwork::new(system, link, &parts.network, chips, routing)
            .map_err(|refusal| topology::statement(refusal, chips))?;
        let mut links = network.links().to_vec();
        achieved(&network, &parts.fabric, reached, &mut links);
        let damaged = network
            .damaged(&request.damage, request.seed)
            .map_err(damage::too_few)?;
        for (link, left) in &damaged.factors {
            links[*link as usize].rate = links[*link as usize].rate * *left;
        }
        Ok(Self {
            network: Degraded::new(network, damaged.factors),
            links,
            hit: damaged.hit,
        })
    }

    /// The network as built.
    pub(super) const fn built(&self) -> &SystemNetwork {
        self.network.network()
    }

    /// The link that was busiest.
    pub(super) fn busiest(&self, outcome: &flow::Outcome) -> Option<Busiest> {
        let rates: Vec<Bandwidth> = self.links.iter().map(|link| link.rate).collect();
        outcome.busiest(&rates).map(|(link, share)| Busiest {
            wire: self.wire(link),
            share,
        })
    }

    /// What a link is of.
    pub(super) fn wire(&self, link: u32) -> &'static str {
        if link < self.built().first_outside() {
            "domain"
        } else if self.built().is_card(link) {
            "card"
        } else {
            "scale-out"
        }
    }
}

/// Whose share of the links inside a domain counts.
#[derive(Clone, Copy)]
pub(super) enum Reached {
    /// That of all-gathers, whose ranks send to each other.
    Gathering,
    /// That of all-to-alls.
    Exchanging,
    /// That of all-reduces that are summed in the switches: over a rank's link goes its message and
    /// the sum of its part, 1 + 1/n messages.
    Summing,
}

impl Reached {
    pub(super) const fn of(collective: Collective) -> Self {
        match collective {
            Collective::AllToAll => Self::Exchanging,
            _ => Self::Gathering,
        }
    }

    /// Bytes of a second over a chip's links when all of so many take part.
    fn rate(self, fabric: &Fabric, chips: u64) -> Bandwidth {
        let (group, own) = (Group::adjacent(chips), 1.0 / chips as f64);
        match self {
            Self::Gathering => LARGE * (1.0 - own) / fabric.all_gather(group, LARGE),
            Self::Exchanging => LARGE * (1.0 - own) / fabric.all_to_all(group, LARGE),
            Self::Summing => LARGE * (1.0 + own) / fabric.all_reduce(group, LARGE),
        }
    }
}

/// Chips of the network: all domains that ranks are in, whole where there are several.
fn chips(request: &CollectiveRequest, parts: &SystemParts) -> u64 {
    let (inside, domains) = Group::adjacent(request.ranks).split(parts.fabric.domain);
    if domains > 1 {
        domains * parts.fabric.domain
    } else {
        inside
    }
}

/// Sets links to the rates that collectives reach and the latencies that smallest messages take.
fn achieved(network: &SystemNetwork, fabric: &Fabric, reached: Reached, links: &mut [Link]) {
    let inside = network.first_outside() as usize;
    let domain = u64::from(network.domain_size(0));
    let mut path = Vec::new();
    if domain > 1 {
        let share = reached.rate(fabric, domain) / fabric.inside_nominal(domain);
        network.route(0, 1, 0, &mut path);
        let latency = fabric.domain_latency / path.len().max(1) as f64;
        for link in &mut links[..inside] {
            link.rate = link.rate * share;
            link.latency = latency;
        }
    }
    let share = fabric.out_bandwidth / fabric.out_nominal;
    for link in &mut links[inside..] {
        link.rate = link.rate * share;
    }
    if network.domains() > 1 {
        // What hops leave of the time of a smallest message is that of both cards and of software.
        path.clear();
        let far = network.chips() - 1;
        network.route(0, far, 0, &mut path);
        let hops: Seconds = path.iter().map(|link| links[*link as usize].latency).sum();
        let card = (fabric.out_latency - hops).max(Seconds::ZERO) * 0.5;
        for (at, link) in links.iter_mut().enumerate().skip(inside) {
            if network.is_card(at as u32) {
                link.latency += card;
            }
        }
    }
}
