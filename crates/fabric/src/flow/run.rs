//! A schedule on a network at flow level.

use std::collections::BTreeMap;
use std::fmt;

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::events::{Order, Stalled, Work, simulate};
use super::flows::Flows;
use super::load::Load;
use crate::network::{Link, Network};
use crate::schedule::Schedule;

/// Links that carry another rate than their network says: failed members of a bundle, slow cables.
pub type Overlay = BTreeMap<u32, Bandwidth>;

/// How a schedule is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Share of a transfer's time by which changes after it may be put off to be taken together;
    /// 0 is exact.
    ///
    /// Error: what a chain of transfers waits for the sake of windows is at most half this share of
    /// its time. Where all transfers start at once and share one link, each end moves by at most
    /// this share of it. No bound holds for every network and schedule, since a start that moves by
    /// a hair can change who contends with whom; tests hold the makespan of random all-to-alls
    /// within this share of the exact one, and each end in them within one and a half of it.
    pub coalescing: f64,
    /// Seed of the hash by which a pair of vertices picks one of equal paths. It picks the same
    /// for all its transfers, as a connection does.
    pub seed: u64,
    /// Links with another rate.
    pub overlay: Overlay,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            coalescing: 1e-2,
            seed: 0,
            overlay: Overlay::new(),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Arrival of each transfer, or of each class of like flows.
    pub arrival: Vec<Seconds>,
    /// Last arrival.
    pub makespan: Seconds,
    /// Bytes over each link, or over all links of each class.
    pub carried: Vec<Bytes>,
    /// Max-min solves that it took.
    pub solves: u32,
}

impl Outcome {
    /// The link that was busy for the largest share of the makespan, and that share; the lowest
    /// number of equal ones. Absent where nothing was carried.
    #[must_use]
    pub fn busiest(&self, capacity: &[Bandwidth]) -> Option<(u32, f64)> {
        let mut busiest: Option<(u32, f64)> = None;
        for (link, (bytes, rate)) in (0..).zip(self.carried.iter().zip(capacity)) {
            let share = bytes.get() / (rate.get() * self.makespan.get());
            if *bytes > Bytes::ZERO && busiest.is_none_or(|(_, most)| share > most) {
                busiest = Some((link, share));
            }
        }
        busiest
    }
}

/// Why a schedule has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The size of a transfer, by number, is not a number from 0.
    Size(u32),
    /// A transfer, by number, is on a link that carries nothing.
    Stalled(u32),
    /// The rate or latency of a link is not a number from 0, or a path takes a link that there is
    /// not.
    Links,
    /// Coalescing or the time to start is not a number from 0.
    Options,
    /// Numbers of links along all paths do not fit 32 bits.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(number) => write!(f, "the size of transfer {number} is not a number from 0"),
            Self::Stalled(number) => {
                write!(
                    f,
                    "transfer {number} never ends: a link of its path carries nothing"
                )
            }
            Self::Links => f.write_str("a link is unknown, or its rate is not a number from 0"),
            Self::Options => f.write_str("coalescing or time to start is not a number from 0"),
            Self::TooLarge => f.write_str("links along all paths do not fit 32-bit numbers"),
        }
    }
}

impl std::error::Error for Fault {}

/// Rates of links with an overlay.
#[must_use]
pub fn capacity(links: &[Link], overlay: &Overlay) -> Vec<Bandwidth> {
    let mut rates: Vec<Bandwidth> = links.iter().map(|link| link.rate).collect();
    for (link, rate) in overlay {
        if let Some(place) = rates.get_mut(*link as usize) {
            *place = *rate;
        }
    }
    rates
}

/// The hash by which a pair of vertices picks one of equal paths.
#[must_use]
pub fn choice(seed: u64, from: u32, to: u32) -> u64 {
    // SplitMix64 (Steele, Lea and Flood 2014).
    let pair = u64::from(from) << 32 | u64::from(to);
    let mut bits = pair ^ seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Runs a schedule with max-min fair rates.
///
/// A transfer starts when all that it waits for has arrived and the schedule's time to start has
/// passed (at that time where it waits for nothing). From then on it takes all links of its path
/// at its rate; it arrives the summed latency of its path after its bytes are through. A transfer
/// of nothing, or from a vertex to itself, takes that latency alone. Results do not depend on the
/// order of transfers.
pub fn run(
    network: &(impl Network + ?Sized),
    schedule: &Schedule,
    options: &Options,
) -> Result<Outcome, Fault> {
    let links = network.links();
    let transfers = schedule.transfers();
    let (mut flows, mut latency) = (Flows::with_capacity(transfers.len(), 0), Vec::new());
    for transfer in transfers {
        let (from, to) = (transfer.from, transfer.to);
        let flow = flows
            .push_route(network, from, to, choice(options.seed, from, to))
            .ok_or(Fault::TooLarge)?;
        latency.push(path_latency(links, flows.path(flow)).ok_or(Fault::Links)?);
    }
    let size: Vec<f64> = transfers.iter().map(|it| it.size.get()).collect();
    let work = Work {
        flows: &flows,
        size: &size,
        latency: &latency,
        order: &order(schedule),
        start: schedule.start.get(),
        coalescing: options.coalescing,
    };
    outcome(&work, &capacity(links, &options.overlay))
}

/// Summed latency of links.
fn path_latency(links: &[Link], path: &[u32]) -> Option<f64> {
    path.iter().try_fold(0.0, |sum, link| {
        let latency = links.get(*link as usize)?.latency.get();
        (latency.is_finite() && latency >= 0.0).then_some(sum + latency)
    })
}

/// Who follows whom in a schedule.
fn order(schedule: &Schedule) -> Order {
    let number = schedule.transfers().len();
    let awaits: Vec<u32> = (0..number as u32)
        .map(|it| schedule.after(it).len() as u32)
        .collect();
    let mut first = vec![0_u32; number + 1];
    let mut followers = vec![0; awaits.iter().map(|it| *it as usize).sum()];
    for transfer in 0..number as u32 {
        for awaited in schedule.after(transfer) {
            first[*awaited as usize] += 1;
        }
    }
    let mut end = 0;
    for entry in &mut first {
        end += *entry;
        *entry = end;
    }
    for transfer in (0..number as u32).rev() {
        for awaited in schedule.after(transfer) {
            let place = &mut first[*awaited as usize];
            *place -= 1;
            followers[*place as usize] = transfer;
        }
    }
    Order {
        awaits,
        first,
        followers,
    }
}

/// Checks work, runs it and sums up.
pub(super) fn outcome(work: &Work, capacity: &[Bandwidth]) -> Result<Outcome, Fault> {
    let counts = |value: f64| value.is_finite() && value >= 0.0;
    if let Some(flow) = work.size.iter().position(|size| !counts(*size)) {
        return Err(Fault::Size(flow as u32));
    }
    if !counts(work.start) || !counts(work.coalescing) {
        return Err(Fault::Options);
    }
    let loads = Load::all(capacity).ok_or(Fault::Links)?;
    let mut carried = vec![Bytes::ZERO; capacity.len()];
    for (flow, size) in (0..).zip(work.size) {
        let bytes = Bytes::new(*size * work.flows.copies(flow) as f64);
        for link in work.flows.path(flow) {
            *carried.get_mut(*link as usize).ok_or(Fault::Links)? += bytes;
        }
    }
    let arrivals = simulate(work, loads).map_err(|Stalled(flow)| Fault::Stalled(flow))?;
    let makespan = arrivals.arrival.iter().copied().fold(0.0, f64::max);
    Ok(Outcome {
        arrival: arrivals.arrival.into_iter().map(Seconds::new).collect(),
        makespan: Seconds::new(makespan),
        carried,
        solves: arrivals.solves,
    })
}
