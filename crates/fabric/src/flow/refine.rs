//! The coarsest equitable partition of flows given as paths, by colour refinement (1-WL).
//!
//! Links start with a colour by rate, flows by size and latency. In turn flows take a new colour by
//! their own and those of their links, links by their own and those of their flows, until nobody
//! tells more apart (Paige and Tarjan 1987; Grohe and others 2014). Signatures are 128-bit sums of
//! hashes: two unlike ones are the same with a chance below 1e-26 for a thousand million of them.

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::classes::{Classes, FlowClass, LinkClass};
use super::flows::Flows;

/// Classes of flows, and the class of each flow and link.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// The partition. `from` and `to` of a class are the number of one of its flows.
    pub classes: Classes,
    /// Class of each flow.
    pub flow: Vec<u32>,
    /// Class of each link.
    pub link: Vec<u32>,
}

/// The coarsest equitable partition of flows that all start at once.
///
/// Absent where a path takes a link that there is not, or `size` and `latency` are not one for
/// each flow.
#[must_use]
pub fn refine(
    capacity: &[Bandwidth],
    flows: &Flows,
    size: &[Bytes],
    latency: &[Seconds],
) -> Option<Refined> {
    let known = flows
        .all_links()
        .iter()
        .all(|it| (*it as usize) < capacity.len());
    if !known || size.len() != flows.len() || latency.len() != flows.len() {
        return None;
    }
    let rates = capacity.iter().map(|rate| rate.get().to_bits());
    let (mut link, mut links) = number(&rates.collect::<Vec<_>>());
    let work = (0..).zip(size.iter().zip(latency));
    let work = work.map(|(flow, (size, latency))| {
        (
            size.get().to_bits(),
            latency.get().to_bits(),
            flows.copies(flow),
        )
    });
    let (mut flow, mut kinds) = number(&work.collect::<Vec<_>>());
    loop {
        let before = (links, kinds);
        (flow, kinds) = number(&flow_signatures(flows, &flow, &link));
        (link, links) = number(&link_signatures(flows, &flow, &link));
        if (links, kinds) == before {
            break;
        }
    }
    let mut classes = Classes {
        links: link_classes(capacity, &link, links),
        ..Classes::default()
    };
    for (one, copies) in members(flows, &flow, kinds) {
        let path: Vec<u32> = flows
            .path(one)
            .iter()
            .map(|it| link[*it as usize])
            .collect();
        let class = FlowClass {
            from: one,
            to: one,
            copies,
            size: size[one as usize],
            latency: latency[one as usize],
        };
        classes.push(&path, class)?;
    }
    Some(Refined {
        classes,
        flow,
        link,
    })
}

/// Numbers signatures by their order; also how many differ.
fn number<T: Ord + Copy>(signatures: &[T]) -> (Vec<u32>, usize) {
    let mut known = signatures.to_vec();
    known.sort_unstable();
    known.dedup();
    let places = signatures
        .iter()
        .map(|it| known.partition_point(|other| other < it) as u32);
    (places.collect(), known.len())
}

fn flow_signatures(flows: &Flows, flow: &[u32], link: &[u32]) -> Vec<u128> {
    let all = (0..).zip(flow).map(|(at, own)| {
        let path = flows.path(at).iter();
        let sum = path.fold(0_u128, |sum, it| {
            sum.wrapping_add(hash(link[*it as usize], 1))
        });
        hash(*own, 0).wrapping_add(sum)
    });
    all.collect()
}

fn link_signatures(flows: &Flows, flow: &[u32], link: &[u32]) -> Vec<u128> {
    let mut signatures: Vec<u128> = link.iter().map(|own| hash(*own, 2)).collect();
    for (at, own) in (0..).zip(flow) {
        for it in flows.path(at) {
            let place = &mut signatures[*it as usize];
            *place = place.wrapping_add(hash(*own, 3));
        }
    }
    signatures
}

/// 128 bits that look random, from a colour and what it is the colour of.
fn hash(colour: u32, role: u64) -> u128 {
    let half = |salt: u64| {
        let mut bits = (u64::from(colour) << 2 | role) ^ salt;
        bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    };
    u128::from(half(0)) << 64 | u128::from(half(0xD1B5_4A32_D192_ED03))
}

fn link_classes(capacity: &[Bandwidth], link: &[u32], links: usize) -> Vec<LinkClass> {
    let none = LinkClass {
        link: u32::MAX,
        copies: 0,
        rate: Bandwidth::ZERO,
    };
    let mut classes = vec![none; links];
    for (at, class) in (0..).zip(link) {
        let class = &mut classes[*class as usize];
        class.link = class.link.min(at);
        class.copies += 1;
        class.rate = capacity[at as usize];
    }
    classes
}

/// The first flow of each class and how many there are.
fn members(flows: &Flows, flow: &[u32], kinds: usize) -> Vec<(u32, u64)> {
    let mut members = vec![(u32::MAX, 0); kinds];
    for (at, class) in (0..).zip(flow) {
        let entry = &mut members[*class as usize];
        entry.0 = entry.0.min(at);
        entry.1 += flows.copies(at);
    }
    members
}
