//! An all-to-all of more ranks than are simulated transfer by transfer, by classes of like flows.
//!
//! Between domains every rank sends to every rank of the others, over one sprayed tree, whose
//! classes of flows are exact (`flow::all_to_all`); inside domains, on links of their own, one of
//! those with like links stands for them.
//!
//! Limits: the tree's classes do not know domains, so that pairs of one domain are counted with the
//! others and all sizes lowered, such that each card carries what leaves its domain. Where cards are
//! the bottleneck that is exact.

use std::collections::BTreeSet;

use chokepoint_fabric::algorithm::{Algorithm, Ranks, uneven_all_to_all};
use chokepoint_fabric::flow::{self, Fault, Overlay};
use chokepoint_fabric::network::{Level, Network, Routing, Tree};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::Busiest;
use super::simulate::{MOST_TRANSFERS, Simulated};
use super::wires::Wires;

/// Time of a uniform all-to-all in which each rank sends `size` bytes in all; absent where the
/// domains are not joined by a single tree, or one of them is too large to be written down.
///
/// # Errors
/// Why its flows do not end.
pub(super) fn all_to_all(
    wires: &Wires,
    ranks: &Ranks,
    size: Bytes,
) -> Option<Result<Simulated, Fault>> {
    let [nominal] = wires.built().trees() else {
        return None;
    };
    let (all, inside) = (f64::from(ranks.number()), f64::from(ranks.inside()));
    let first = wires.built().first_outside();
    let tree = as_achieved(wires, nominal, first)?;
    let mut overlay = Overlay::new();
    for (link, plain) in (0..).zip(tree.links()) {
        let found = wires.links()[(first + link) as usize].rate;
        // A bundle that lost none has its rate but for rounding.
        if found < plain.rate * (1.0 - 1e-9) {
            overlay.insert(link, found);
        }
    }
    let pair = size / all;
    let lowered = pair * ((all - inside) / (all - 1.0));
    let classes = flow::all_to_all(&tree, &overlay, &[], |_, _| lowered)?;
    let runs = (classes.run(0.0), domains(wires, ranks, pair)?);
    let (outcome, within) = match runs {
        (Ok(outcome), Ok(within)) => (outcome, within),
        (Err(fault), _) | (_, Err(fault)) => return Some(Err(fault)),
    };
    let busiest = outcome.busiest(&classes.capacity()).map(|(class, share)| {
        let link = classes.links()[class as usize].link;
        Busiest {
            wire: wires.wire(first + link),
            share: share * (outcome.makespan / outcome.makespan.max(within)),
        }
    });
    Some(Ok(Simulated {
        time: outcome.makespan.max(within),
        algorithm: Algorithm::Direct,
        slices: 1,
        busiest,
        skipped: vec![Algorithm::RailAligned],
    }))
}

/// The tree with the rates and latencies that messages find.
fn as_achieved(wires: &Wires, nominal: &Tree, first: u32) -> Option<Tree> {
    let best = |level: usize| -> Option<(Bandwidth, Seconds)> {
        let links = wires
            .links()
            .iter()
            .skip(first as usize)
            .zip(nominal.links());
        let mut of_level = (0..)
            .zip(links)
            .filter(|(at, _)| nominal.level_of(*at) == level);
        // Failed cables only take from a rate.
        let (_, (found, plain)) = of_level.next()?;
        let share = of_level.fold(found.rate / plain.rate, |most, (_, (found, plain))| {
            most.max(found.rate / plain.rate)
        });
        Some((nominal.levels()[level].rate * share, found.latency))
    };
    let levels: Option<Vec<Level>> = (0..nominal.levels().len())
        .map(|at| {
            let (rate, latency) = best(at)?;
            Some(Level {
                rate,
                latency,
                ..nominal.levels()[at]
            })
        })
        .collect();
    Tree::new(nominal.chips(), levels?, Routing::Spray)
}

/// Time of the exchange inside the slowest domain; absent where it has too many transfers.
fn domains(wires: &Wires, ranks: &Ranks, pair: Bytes) -> Option<Result<Seconds, Fault>> {
    let inside = u64::from(ranks.inside());
    if inside < 2 {
        return Some(Ok(Seconds::ZERO));
    }
    if inside * inside > MOST_TRANSFERS {
        return None;
    }
    let (mut seen, mut slowest) = (BTreeSet::new(), Seconds::ZERO);
    for number in 0..ranks.domains() {
        if !seen.insert(rates(wires, number)) {
            continue;
        }
        let own = number * ranks.inside()..(number + 1) * ranks.inside();
        let chips = own.map(|rank| ranks.chip(rank)).collect();
        let one = Ranks::new(chips, ranks.inside(), Vec::new())?;
        let schedule = uneven_all_to_all(&one, Seconds::ZERO, |_, _| pair)?;
        match flow::run(wires, &schedule, &flow::Options::default()) {
            Ok(outcome) => slowest = slowest.max(outcome.makespan),
            Err(fault) => return Some(Err(fault)),
        }
    }
    Some(Ok(slowest))
}

/// The rates of a domain's links, to tell domains apart.
fn rates(wires: &Wires, domain: u32) -> Vec<u64> {
    let own = wires.built().domain_links(domain);
    let links = wires.links()[own].iter();
    links.map(|link| link.rate.get().to_bits()).collect()
}
