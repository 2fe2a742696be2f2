//! The transfers of an algorithm on the links of a system, as flows or as packets.
//!
//! Links carry what large collectives reach of them, and a path without load takes the latency that
//! the catalogue has of a smallest message, software included, so that all fidelities are about the
//! same wires: inside a domain the bus bandwidth of an all-gather (an all-to-all for itself) of 1 GiB
//! by the curves or formulas, between domains the achieved share of the network.
//!
//! Limits: no time for starting kernels and messages beyond the latencies, so that small messages of
//! many transfers come out too fast.

use chokepoint_fabric::algorithm::{Algorithm, Collective, Ranks, schedule};
use chokepoint_fabric::network::{Link, Network, Routing};
use chokepoint_fabric::schedule::Schedule;
use chokepoint_fabric::topology::SystemNetwork;
use chokepoint_fabric::{Fabric, Group, flow, packet};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::{Busiest, CollectiveRequest, Fidelity, symmetric};
use crate::resolve::SystemParts;
use crate::row::Statement;
use crate::{Data, topology};

/// Most transfers that are simulated one by one.
pub(super) const MOST_TRANSFERS: u64 = 1 << 20;
/// Most packets that are simulated.
const MOST_PACKETS: f64 = 5e7;
/// Slices that are tried.
const SLICES: [u32; 4] = [1, 4, 16, 64];
/// A message that is large.
const LARGE: Bytes = Bytes::new(1_073_741_824.0);

/// A system's links, ready for collectives.
pub(super) struct Simulator {
    sprayed: Wires,
    single: Option<Wires>,
    ranks: Ranks,
    seed: u64,
}

/// What a simulation found.
pub(super) struct Simulated {
    pub time: Seconds,
    pub algorithm: Algorithm,
    pub slices: u32,
    pub busiest: Option<Busiest>,
}

/// A network whose links carry what software reaches of them.
pub(super) struct Wires {
    pub(super) network: SystemNetwork,
    links: Vec<Link>,
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
    fn new(
        request: &CollectiveRequest,
        parts: &SystemParts,
        data: &Data,
        routing: Routing,
    ) -> Result<Self, Statement> {
        let wiring = parts.system.domain.wiring.as_ref();
        let link = wiring.and_then(|wiring| data.catalog.link(&wiring.link).ok());
        let (system, chips) = (&parts.system, request.ranks);
        let network = SystemNetwork::new(system, link, &parts.network, chips, routing)
            .map_err(|refusal| topology::statement(refusal, chips))?;
        let mut links = network.links().to_vec();
        achieved(&network, &parts.fabric, request.collective, &mut links);
        if request.failed_share > 0.0 {
            // A chip whose card has failed takes no part.
            let failed = network.fail_cables(request.failed_share, request.seed);
            for (link, factor) in failed
                .into_iter()
                .filter(|(link, _)| !network.is_card(*link))
            {
                links[link as usize].rate = links[link as usize].rate * factor;
            }
        }
        Ok(Self { network, links })
    }

    /// What a link is of.
    pub(super) fn wire(&self, link: u32) -> &'static str {
        if link < self.network.first_outside() {
            "domain"
        } else if self.network.is_card(link) {
            "card"
        } else {
            "scale-out"
        }
    }
}

/// Sets links to the rates that collectives reach and the latencies that smallest messages take.
fn achieved(network: &SystemNetwork, fabric: &Fabric, collective: Collective, links: &mut [Link]) {
    let inside = network.first_outside() as usize;
    let domain = u64::from(network.domain_size(0));
    let mut path = Vec::new();
    if domain > 1 {
        let group = Group::adjacent(domain);
        let time = if collective == Collective::AllToAll {
            fabric.all_to_all(group, LARGE)
        } else {
            fabric.all_gather(group, LARGE)
        };
        let bus = LARGE * ((domain - 1) as f64 / domain as f64) / time;
        let share = bus / fabric.domain_bandwidth;
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

/// The ranks of a request, with the switches that sum where the network is given and has such.
/// Absent where they do not fill whole domains.
pub(super) fn ranks(
    request: &CollectiveRequest,
    parts: &SystemParts,
    network: Option<&SystemNetwork>,
) -> Option<Ranks> {
    let (inside, domains) = Group::adjacent(request.ranks).split(parts.fabric.domain);
    let number = |value: u64| u32::try_from(value).ok();
    let switches: Option<Vec<u32>> = network
        .filter(|_| parts.system.domain.in_switch_reduction)
        .and_then(|network| {
            let domains = 0..number(domains)?;
            domains
                .map(|domain| network.domain_switch(domain))
                .collect()
        });
    let chips = (0..number(request.ranks)?).collect();
    Ranks::new(chips, number(inside)?, switches.unwrap_or_default())
}

impl Simulator {
    /// The links of the chips that take part.
    pub(super) fn new(
        request: &CollectiveRequest,
        parts: &SystemParts,
        data: &Data,
    ) -> Result<Self, Statement> {
        let sprayed = Wires::new(request, parts, data, Routing::Spray)?;
        let single = match request.fidelity {
            Fidelity::Packets => Some(Wires::new(request, parts, data, Routing::Single)?),
            _ => None,
        };
        let ranks = ranks(request, parts, Some(&sprayed.network))
            .ok_or_else(|| Statement::new("ranks-uneven", []))?;
        Ok(Self {
            sprayed,
            single,
            ranks,
            seed: request.seed,
        })
    }

    /// The fastest of the wanted algorithms.
    pub(super) fn run(
        &self,
        request: &CollectiveRequest,
        size: Bytes,
    ) -> Result<Simulated, Statement> {
        if let Some(found) = self.by_classes(request, size) {
            return Ok(found);
        }
        let (mut found, schedule) = self.fastest(request, &self.ranks, size)?;
        if let Some(single) = &self.single {
            (found.time, found.busiest) = packets(single, &schedule, self.seed)?;
        }
        Ok(found)
    }

    /// The fastest of the wanted algorithms as flows, and its transfers.
    pub(super) fn fastest(
        &self,
        request: &CollectiveRequest,
        ranks: &Ranks,
        size: Bytes,
    ) -> Result<(Simulated, Schedule), Statement> {
        let mut best: Option<(Simulated, Schedule)> = None;
        let mut fewest: Option<u64> = None;
        let wanted = |it: &Algorithm| request.algorithm.is_none_or(|wanted| wanted == *it);
        for algorithm in Algorithm::ALL.into_iter().filter(wanted) {
            for slices in tried(request, algorithm) {
                let what = (request.collective, algorithm);
                let transfers = transfers(what, ranks, slices);
                if transfers > MOST_TRANSFERS {
                    fewest = Some(fewest.map_or(transfers, |known| known.min(transfers)));
                    continue;
                }
                let Some(schedule) = schedule(what, ranks, size, slices, Seconds::ZERO) else {
                    continue;
                };
                let outcome = self.outcome(&schedule)?;
                let faster = |(known, _): &(Simulated, Schedule)| outcome.makespan < known.time;
                if best.as_ref().is_none_or(faster) {
                    let found = Simulated {
                        time: outcome.makespan,
                        algorithm,
                        slices,
                        busiest: self.busiest(&outcome),
                    };
                    best = Some((found, schedule));
                }
            }
        }
        best.ok_or_else(|| nothing(fewest))
    }

    /// A direct exchange too large for its transfers to be written down.
    fn by_classes(&self, request: &CollectiveRequest, size: Bytes) -> Option<Simulated> {
        let what = (request.collective, Algorithm::Direct);
        let wanted = request.algorithm.unwrap_or(Algorithm::Direct);
        let asked = what == (Collective::AllToAll, wanted) && request.fidelity == Fidelity::Flows;
        if !asked || transfers(what, &self.ranks, 1) <= MOST_TRANSFERS {
            return None;
        }
        symmetric::all_to_all(&self.sprayed, &self.ranks, size)
    }

    /// Transfers as flows. Chains of them run exactly, which is faster there than putting changes
    /// off.
    pub(super) fn outcome(&self, schedule: &Schedule) -> Result<flow::Outcome, Statement> {
        let last = schedule.transfers().len() as u32;
        let chained = (0..last).any(|transfer| !schedule.after(transfer).is_empty());
        let default = flow::Options::default();
        let options = flow::Options {
            seed: self.seed,
            coalescing: if chained { 0.0 } else { default.coalescing },
            ..default
        };
        flow::run(&self.sprayed, schedule, &options)
            .map_err(|fault| Statement::new("not-simulated", [("why", fault.to_string())]))
    }

    /// The link that was busiest.
    pub(super) fn busiest(&self, outcome: &flow::Outcome) -> Option<Busiest> {
        let rates: Vec<Bandwidth> = self.sprayed.links.iter().map(|link| link.rate).collect();
        outcome.busiest(&rates).map(|(link, share)| Busiest {
            wire: self.sprayed.wire(link),
            share,
        })
    }

    /// The network.
    pub(super) const fn network(&self) -> &SystemNetwork {
        &self.sprayed.network
    }
}

/// The same as packets.
fn packets(
    wires: &Wires,
    schedule: &Schedule,
    seed: u64,
) -> Result<(Seconds, Option<Busiest>), Statement> {
    let options = packet::Options {
        seed,
        ..packet::Options::default()
    };
    let bytes: f64 = schedule.transfers().iter().map(|it| it.size.get()).sum();
    let number = bytes / f64::from(options.payload_bytes) + schedule.transfers().len() as f64;
    if number > MOST_PACKETS {
        let counts = [number, MOST_PACKETS].map(|count| format!("{:.0} million", count / 1e6));
        let [packets, most] = counts;
        return Err(Statement::new(
            "too-many-packets",
            [("packets", packets), ("most", most)],
        ));
    }
    let found = packet::run(wires, schedule, &options)
        .map_err(|fault| Statement::new("not-simulated", [("why", fault.to_string())]))?;
    let busiest = found.busiest().map(|link| Busiest {
        wire: wires.wire(link),
        share: found.links[link as usize].busy / found.makespan,
    });
    Ok((found.makespan, busiest))
}

/// Why there is no result.
pub(super) fn nothing(fewest: Option<u64>) -> Statement {
    match fewest {
        Some(transfers) => Statement::new(
            "too-many-transfers",
            [
                ("transfers", transfers.to_string()),
                ("most", MOST_TRANSFERS.to_string()),
            ],
        ),
        None => Statement::new("no-algorithm", []),
    }
}

/// Slices worth trying: more than one only where stages follow one another.
fn tried(request: &CollectiveRequest, algorithm: Algorithm) -> Vec<u32> {
    use Algorithm as A;
    match (request.slices, algorithm) {
        (Some(slices), _) => vec![slices],
        (None, A::Ring | A::RecursiveHalving | A::Direct | A::RailAligned) => vec![1],
        (None, _) => SLICES.to_vec(),
    }
}

/// How many transfers an algorithm has, within a factor of two.
fn transfers((collective, algorithm): (Collective, Algorithm), ranks: &Ranks, slices: u32) -> u64 {
    use Algorithm as A;
    let [all, inside, domains] = [ranks.number(), ranks.inside(), ranks.domains()].map(u64::from);
    let rings = if domains > 1 && collective == Collective::AllReduce {
        inside
    } else {
        1
    };
    let each = match algorithm {
        A::Ring => 2 * all * rings,
        A::Tree | A::DoubleTree => 4,
        A::RecursiveHalving => 2 * u64::from(all.ilog2() + 1),
        A::Direct => 2 * all,
        A::InSwitch => 2 * inside,
        A::HierarchicalRing => 2 * (inside + domains),
        A::HierarchicalTree => 2 * inside + 4,
        A::InSwitchTree => 2 * inside + 4,
        A::RailAligned => inside + domains,
    };
    all.saturating_mul(each).saturating_mul(u64::from(slices))
}
