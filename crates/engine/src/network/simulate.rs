//! The transfers of an algorithm on the links of a system, as flows or as packets.
//!
//! Limits: no time for starting kernels and messages beyond the latencies, so that small messages of
//! many transfers come out too fast.

use chokepoint_fabric::algorithm::{Algorithm, Collective, Ranks, schedule};
use chokepoint_fabric::network::{Network, Routing};
use chokepoint_fabric::schedule::Schedule;
use chokepoint_fabric::topology::SystemNetwork;
use chokepoint_fabric::{Group, flow, packet};
use chokepoint_units::{Bytes, Seconds};

use super::wires::{Reached, Wires};
use super::{Busiest, CollectiveRequest, Fidelity, symmetric};
use crate::Data;
use crate::resolve::SystemParts;
use crate::row::Statement;

/// Most transfers that are simulated one by one.
pub(super) const MOST_TRANSFERS: u64 = 1 << 20;
/// Most transfers times those that run at once, where they follow one another: each end changes the
/// rates of the others. About two seconds.
const MOST_CHANGES: u64 = 1 << 31;
/// Most packets that are simulated.
const MOST_PACKETS: f64 = 5e7;
/// Slices that are tried.
const SLICES: [u32; 4] = [1, 4, 16, 64];

/// A system's links, ready for collectives.
pub(super) struct Simulator {
    sprayed: Wires,
    /// The same where switches sum, which reach another share of the links.
    summing: Option<Wires>,
    single: Option<[Wires; 2]>,
    ranks: Ranks,
    seed: u64,
    worn: bool,
}

/// What a simulation found.
pub(super) struct Simulated {
    pub time: Seconds,
    pub algorithm: Algorithm,
    pub slices: u32,
    pub busiest: Option<Busiest>,
    /// Algorithms of too many transfers to be tried, one or some of their slices.
    pub skipped: Vec<Algorithm>,
}

/// The ranks of a request, as many in each domain, with the switches that sum where the network is
/// given and has such. Absent where they do not fill domains evenly.
pub(super) fn ranks(
    request: &CollectiveRequest,
    parts: &SystemParts,
    network: Option<&SystemNetwork>,
) -> Option<Ranks> {
    let (inside, domains) = Group::adjacent(request.ranks).split(parts.fabric.domain);
    if inside * domains != request.ranks {
        return None;
    }
    let number = |value: u64| u32::try_from(value).ok();
    let (inside, domains) = (number(inside)?, number(domains)?);
    let domain = number(parts.fabric.domain)?;
    let switches: Option<Vec<u32>> = network
        .filter(|_| parts.system.domain.in_switch_reduction)
        .and_then(|network| (0..domains).map(|it| network.domain_switch(it)).collect());
    let chips = (0..domains).flat_map(|it| (0..inside).map(move |own| it * domain + own));
    Ranks::new(chips.collect(), inside, switches.unwrap_or_default())
}

impl Simulator {
    /// The links of the chips that take part.
    pub(super) fn new(
        request: &CollectiveRequest,
        parts: &SystemParts,
        data: &Data,
    ) -> Result<Self, Statement> {
        let reached = Reached::of(request.collective);
        let wires = |routing, reached| Wires::new(request, parts, data, (routing, reached));
        let sprayed = wires(Routing::Spray, reached)?;
        let summing = match parts.system.domain.in_switch_reduction {
            true => Some(wires(Routing::Spray, Reached::Summing)?),
            false => None,
        };
        let single = match request.fidelity {
            Fidelity::Packets => Some([
                wires(Routing::Single, reached)?,
                wires(Routing::Single, Reached::Summing)?,
            ]),
            _ => None,
        };
        let ranks = ranks(request, parts, Some(sprayed.built()))
            .ok_or_else(|| Statement::new("ranks-uneven", []))?;
        Ok(Self {
            sprayed,
            summing,
            single,
            ranks,
            seed: request.seed,
            worn: !request.damage.is_empty(),
        })
    }

    /// The fastest of the wanted algorithms.
    pub(super) fn run(
        &self,
        request: &CollectiveRequest,
        size: Bytes,
    ) -> Result<Simulated, Statement> {
        if let Some(found) = self.by_classes(request, size) {
            return found;
        }
        let (mut found, schedule) = self.fastest(request, &self.ranks, size)?;
        if let Some([plain, summing]) = &self.single {
            let single = if sums(found.algorithm) {
                summing
            } else {
                plain
            };
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
        let (mut skipped, mut tried_some) = (Vec::new(), Vec::new());
        let wanted = |it: &Algorithm| request.algorithm.is_none_or(|wanted| wanted == *it);
        for algorithm in Algorithm::ALL.into_iter().filter(wanted) {
            for slices in tried(request, algorithm) {
                let what = (request.collective, algorithm);
                let (transfers, at_once) = transfers(what, ranks, slices);
                let starts_at_once = request.collective == Collective::AllToAll;
                let changes = transfers.saturating_mul(at_once);
                if transfers > MOST_TRANSFERS || !starts_at_once && changes > MOST_CHANGES {
                    // One that cannot do it anyhow is not missed.
                    if can(what, ranks) {
                        skipped.push(algorithm);
                    }
                    continue;
                }
                let Some(schedule) = schedule(what, ranks, size, slices, Seconds::ZERO) else {
                    continue;
                };
                tried_some.push(algorithm);
                let wires = self.wires(algorithm);
                let outcome = self.outcome(wires, &schedule)?;
                let faster = |(known, _): &(Simulated, Schedule)| outcome.makespan < known.time;
                if best.as_ref().is_none_or(faster) {
                    let found = Simulated {
                        time: outcome.makespan,
                        algorithm,
                        slices,
                        busiest: wires.busiest(&outcome),
                        skipped: Vec::new(),
                    };
                    best = Some((found, schedule));
                }
            }
        }
        skipped.dedup();
        let missed = request.algorithm.is_none() && misses(request.collective, ranks, &tried_some);
        let best = best.filter(|_| skipped.is_empty() || !missed);
        let (mut found, schedule) = best.ok_or_else(|| nothing(!skipped.is_empty()))?;
        found.skipped = skipped;
        Ok((found, schedule))
    }

    /// The links as an algorithm finds them.
    fn wires(&self, algorithm: Algorithm) -> &Wires {
        let summing = self.summing.as_ref().filter(|_| sums(algorithm));
        summing.unwrap_or(&self.sprayed)
    }

    /// A direct exchange too large for its transfers to be written down.
    fn by_classes(
        &self,
        request: &CollectiveRequest,
        size: Bytes,
    ) -> Option<Result<Simulated, Statement>> {
        let what = (request.collective, Algorithm::Direct);
        let wanted = request.algorithm.unwrap_or(Algorithm::Direct);
        let asked = what == (Collective::AllToAll, wanted) && request.fidelity == Fidelity::Flows;
        let whole = self.ranks.number() == self.sprayed.chips();
        if !asked || !whole || transfers(what, &self.ranks, 1).0 <= MOST_TRANSFERS {
            return None;
        }
        let found = symmetric::all_to_all(&self.sprayed, &self.ranks, size)?;
        Some(found.map_err(|fault| self.fault(fault)))
    }

    /// Transfers as flows. Chains of them run exactly, which is faster there than putting changes
    /// off.
    pub(super) fn outcome(
        &self,
        wires: &Wires,
        schedule: &Schedule,
    ) -> Result<flow::Outcome, Statement> {
        let last = schedule.transfers().len() as u32;
        let chained = (0..last).any(|transfer| !schedule.after(transfer).is_empty());
        let default = flow::Options::default();
        let options = flow::Options {
            seed: self.seed,
            coalescing: if chained { 0.0 } else { default.coalescing },
            ..default
        };
        flow::run(wires, schedule, &options).map_err(|fault| match fault {
            flow::Fault::Stalled(number) if self.worn => {
                let transfer = &schedule.transfers()[number as usize];
                self.cut_off(transfer.from, transfer.to)
            }
            _ => self.fault(fault),
        })
    }

    /// That no path is left for a transfer.
    fn cut_off(&self, from: u32, to: u32) -> Statement {
        if from.max(to) >= self.sprayed.chips() {
            return Statement::new("cut-off", []);
        }
        let chips = [("from", from.to_string()), ("to", to.to_string())];
        Statement::new("cut-off-chips", chips)
    }

    /// Why flows of classes have no outcome.
    fn fault(&self, fault: flow::Fault) -> Statement {
        match fault {
            flow::Fault::Stalled(_) if self.worn => Statement::new("cut-off", []),
            _ => Statement::new("not-simulated", [("why", fault.to_string())]),
        }
    }

    /// The links, as ranks that send to each other find them.
    pub(super) const fn plain(&self) -> &Wires {
        &self.sprayed
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
        let counts = [number, MOST_PACKETS].map(|count| format!("{:.0}", count / 1e6));
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

/// Whether nothing was tried that uses all links of several domains, so that the fastest of what was
/// says nothing of the fastest there is.
fn misses(collective: Collective, ranks: &Ranks, tried: &[Algorithm]) -> bool {
    use Algorithm as A;
    let all_rails: &[A] = match collective {
        Collective::AllReduce | Collective::ReduceScatter | Collective::AllGather => &[
            A::Ring,
            A::HierarchicalRing,
            A::HierarchicalTree,
            A::InSwitchTree,
        ],
        Collective::AllToAll => &[A::Direct],
        Collective::Broadcast | Collective::SendReceive => return false,
    };
    ranks.domains() > 1 && !tried.iter().any(|it| all_rails.contains(it))
}

/// Whether an algorithm sums in switches.
const fn sums(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::InSwitch | Algorithm::InSwitchTree)
}

/// Whether an algorithm does a collective on ranks of a shape, by a small one like it.
fn can(what: (Collective, Algorithm), ranks: &Ranks) -> bool {
    let (inside, domains) = (ranks.inside().min(2), ranks.domains().min(2));
    let switches = (0..domains).map_while(|it| ranks.switch(it)).collect();
    let small = Ranks::new((0..inside * domains).collect(), inside, switches);
    let power = ranks.number().is_power_of_two() || what.1 != Algorithm::RecursiveHalving;
    let does = |small: Ranks| schedule(what, &small, Bytes::new(1.0), 1, Seconds::ZERO).is_some();
    small.is_some_and(does) && (power || what.0 == Collective::AllReduce)
}

/// Why there is no result.
fn nothing(too_many: bool) -> Statement {
    if too_many {
        too_many_transfers()
    } else {
        Statement::new("no-algorithm", [])
    }
}

/// That there are more transfers than are simulated.
pub(super) fn too_many_transfers() -> Statement {
    Statement::new("too-many-transfers", [("most", "1,048,576".to_owned())])
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

/// How many transfers an algorithm has, and how many of them run at once without being alike, within
/// a factor of two or so.
fn transfers(
    (collective, algorithm): (Collective, Algorithm),
    ranks: &Ranks,
    slices: u32,
) -> (u64, u64) {
    use Algorithm as A;
    let [all, inside, domains] = [ranks.number(), ranks.inside(), ranks.domains()].map(u64::from);
    let rings = if domains > 1 { inside } else { 1 };
    let passes = if collective == Collective::AllReduce {
        2
    } else {
        1
    };
    let (each, at_once) = match algorithm {
        A::Ring => (passes * all * rings, rings),
        A::Tree | A::DoubleTree => (4, 4),
        A::RecursiveHalving => (passes * u64::from(all.ilog2() + 1), 1),
        A::Direct => (passes * all, 1),
        A::InSwitch => (2 * inside, 1),
        A::HierarchicalRing => (passes * (inside + domains), 1),
        A::HierarchicalTree | A::InSwitchTree => (passes * inside + 4, 1),
        A::RailAligned => (inside + domains, 1),
    };
    let transfers = all.saturating_mul(each).saturating_mul(u64::from(slices));
    (transfers, all.saturating_mul(at_once))
}
