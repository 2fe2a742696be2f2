//! Max-min fair rates of flows given as paths.
//!
//! An allocation is max-min fair when no rate can rise without a lower or equal one falling;
//! equivalently each flow has a full link on which no other flow is faster. It is unique.
//!
//! Rounds over all flows come first: a link whose share is the smallest on every path over it is
//! full before any other that it meets, so its flows are done. Where a round settles few flows
//! (shares of many links in long chains, as hashed paths give), the rest is filled link by link.
//!
//! Memory: 12 bytes a flow besides the flows themselves (4 and 4 for each link of a path), and 4
//! and 4 for each link of a path for flows that the rounds do not settle.

use std::cmp::Reverse;

use chokepoint_units::Bandwidth;

use super::bits::Bits;
use super::fill::{Filling, Members, Shares, lowest, take};
use super::flows::Flows;
use super::load::Load;

/// What stopped a flow without links.
const NO_LINK: u32 = u32::MAX;
/// Flows whose paths are looked up at once, so that their waits for memory overlap.
const BATCH: usize = 32;
/// A round that settles less than one in so many flows is the last.
const FEW: usize = 8;

/// Rates, and what limits them.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    rate: Vec<f64>,
    stopped_by: Vec<u32>,
    spare: Vec<f64>,
}

impl Rates {
    /// Rate of each copy of a flow; infinite where its path has no links.
    #[must_use]
    pub fn rate(&self, flow: u32) -> Bandwidth {
        Bandwidth::new(self.rate[flow as usize])
    }

    /// The full link that a flow waits for: on it no other flow is faster. Of several links that
    /// are full at once the one of the lowest number.
    #[must_use]
    pub fn bottleneck(&self, flow: u32) -> Option<u32> {
        let link = self.stopped_by[flow as usize];
        (link != NO_LINK).then_some(link)
    }

    /// Capacity of a link that no flow takes.
    #[must_use]
    pub fn spare(&self, link: u32) -> Bandwidth {
        Bandwidth::new(self.spare[link as usize])
    }

    /// The rate that a flow could add were its bottleneck lifted and all other flows held: the
    /// least spare capacity of the other links of its path, infinite where there are none.
    #[must_use]
    pub fn slack(&self, flows: &Flows, flow: u32) -> Bandwidth {
        let by = self.stopped_by[flow as usize];
        let others = flows.path(flow).iter().filter(|link| **link != by);
        let least = others
            .map(|link| self.spare[*link as usize])
            .fold(f64::INFINITY, f64::min);
        Bandwidth::new(least / flows.copies(flow) as f64)
    }

    /// The smallest rate; absent without flows.
    #[must_use]
    pub fn least(&self) -> Option<Bandwidth> {
        let least = self.rate.iter().copied().fold(f64::INFINITY, f64::min);
        (!self.rate.is_empty()).then(|| Bandwidth::new(least))
    }
}

/// Max-min fair rates over links of given capacity.
///
/// A link that stands for `r` like links has `r` times the capacity of one, and a flow that stands
/// for `k` like flows has `k` copies. Results do not depend on the order of flows, to the last bit.
/// Absent where a path takes a link that there is not or a capacity is not a number from 0.
#[must_use]
pub fn max_min(capacity: &[Bandwidth], flows: &Flows) -> Option<Rates> {
    let mut loads = Load::all(capacity)?;
    for flow in 0..flows.len() as u32 {
        let copies = flows.copies(flow);
        for link in flows.path(flow) {
            loads.get_mut(*link as usize)?.waiting += copies;
        }
    }
    let mut rounds = Rounds {
        flows,
        share: vec![f64::INFINITY; loads.len()],
        later: vec![false; loads.len()],
        loads,
        rate: vec![f64::INFINITY; flows.len()],
        stopped_by: vec![NO_LINK; flows.len()],
    };
    let mut left = rounds.settle(0..flows.len() as u32);
    let mut before = flows.len();
    while !left.is_empty() && (before - left.len()) * FEW >= before {
        before = left.len();
        left = rounds.settle(left.iter().copied());
    }
    if !left.is_empty() {
        rounds.by_link(&left);
    }
    Some(Rates {
        rate: rounds.rate,
        stopped_by: rounds.stopped_by,
        spare: rounds.loads.iter().map(Load::rest).collect(),
    })
}

/// Rounds over flows.
struct Rounds<'a> {
    flows: &'a Flows,
    loads: Vec<Load>,
    share: Vec<f64>,
    /// Whether a flow over the link has a smaller share on another.
    later: Vec<bool>,
    rate: Vec<f64>,
    stopped_by: Vec<u32>,
}

impl Rounds<'_> {
    /// Gives flows over the links that are full first their rates; the others.
    fn settle(&mut self, waiting: impl Iterator<Item = u32> + Clone) -> Vec<u32> {
        for (share, load) in self.share.iter_mut().zip(&self.loads) {
            *share = load.share();
        }
        self.later.fill(false);
        for flow in waiting.clone() {
            let path = self.flows.path(flow);
            let least = lowest(&self.share, path);
            for link in path {
                self.later[*link as usize] |= self.share[*link as usize] > least;
            }
        }
        let mut left = Vec::new();
        for flow in waiting {
            let path = self.flows.path(flow);
            let least = lowest(&self.share, path);
            let first = path
                .iter()
                .copied()
                .filter(|link| self.share[*link as usize] <= least && !self.later[*link as usize]);
            match first.min() {
                Some(link) => self.stop(flow, least, link),
                None if path.is_empty() => {}
                None => left.push(flow),
            }
        }
        left
    }

    #[inline]
    fn stop(&mut self, flow: u32, rate: f64, by: u32) {
        self.rate[flow as usize] = rate;
        self.stopped_by[flow as usize] = by;
        let path = self.flows.path(flow);
        take(&mut self.loads, path, rate, self.flows.copies(flow));
    }

    /// Fills the rest link by link.
    fn by_link(&mut self, left: &[u32]) {
        let index = Index::new(self.flows, left, self.loads.len());
        let mut waiting = Bits::new(self.flows.len());
        for flow in left {
            waiting.insert(*flow);
        }
        let mut shares: Shares = (0..)
            .zip(&self.loads)
            .filter(|(_, load)| load.waiting > 0)
            .map(|(link, load)| Reverse((load.share().to_bits(), link)))
            .collect();
        self.share.fill(f64::INFINITY);
        let mut filling = Filling {
            flows: self.flows,
            loads: &mut self.loads,
            waiting: &mut waiting,
            level: &mut self.share,
        };
        filling.fill(&mut shares, &index, &[], &mut Vec::new());
        for flow in left {
            let path = self.flows.path(*flow);
            let rate = lowest(&self.share, path);
            let full = path
                .iter()
                .filter(|link| self.share[**link as usize] <= rate);
            self.rate[*flow as usize] = rate;
            self.stopped_by[*flow as usize] = full.min().copied().unwrap_or(NO_LINK);
        }
    }
}

/// Lists of the flows over each link.
struct Index<'a> {
    all: &'a Flows,
    first: Vec<u32>,
    flows: Vec<u32>,
}

impl<'a> Index<'a> {
    fn new(all: &'a Flows, some: &[u32], links: usize) -> Self {
        let mut first = vec![0_u32; links + 1];
        for flow in some {
            for link in all.path(*flow) {
                first[*link as usize] += 1;
            }
        }
        let mut end = 0;
        for entry in &mut first {
            end += *entry;
            *entry = end;
        }
        let mut flows = vec![0; end as usize];
        for flow in some.iter().rev() {
            for link in all.path(*flow) {
                first[*link as usize] -= 1;
                flows[first[*link as usize] as usize] = *flow;
            }
        }
        Self { all, first, flows }
    }
}

impl Members for Index<'_> {
    fn stop(&self, link: u32, waiting: &mut Bits, mut stop: impl FnMut(u32, &[u32]) -> bool) {
        let (from, to) = (self.first[link as usize], self.first[link as usize + 1]);
        let mut flows = [0; BATCH];
        let mut paths: [&[u32]; BATCH] = [&[]; BATCH];
        for batch in self.flows[from as usize..to as usize].chunks(BATCH) {
            let mut number = 0;
            for flow in batch {
                flows[number] = *flow;
                number += usize::from(waiting.contains(*flow));
            }
            for (flow, path) in flows[..number].iter().zip(&mut paths) {
                *path = self.all.path(*flow);
            }
            for (flow, path) in flows[..number].iter().zip(&paths) {
                // A path may list a link twice.
                if waiting.contains(*flow) {
                    waiting.remove(*flow);
                    if !stop(*flow, path) {
                        return;
                    }
                }
            }
        }
    }
}
