//! Measured collective curves: time by size, interpolated; the closed form where there are none.

use chokepoint_catalog::{CollectiveCurve, CollectiveKind};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

/// One measured curve, ready to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    pub kind: CollectiveKind,
    pub ranks: u64,
    /// Whether it was measured as expert dispatch; its sizes are then the bytes that a rank sends.
    pub dispatch: bool,
    /// Smallest time, seconds.
    pub latency: f64,
    /// Natural logarithms of (size in bytes, seconds), in rising size; the times never fall.
    points: Vec<(f64, f64)>,
}

/// Factors from the measured chip's link to this system's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LinkScale {
    /// On the time of transfers: the measured link's rate over this one's.
    pub transfer: f64,
    /// On the latency.
    pub latency: f64,
}

/// Bytes that cross each chip's link for each byte of message, as nccl-tests define bus
/// bandwidth (nccl-tests `doc/PERFORMANCE.md`): 2(n-1)/n for all-reduce, (n-1)/n for the others.
#[must_use]
pub fn bus_factor(kind: CollectiveKind, ranks: u64) -> f64 {
    let share = (ranks.saturating_sub(1)) as f64 / ranks.max(1) as f64;
    match kind {
        CollectiveKind::AllReduce => 2.0 * share,
        CollectiveKind::AllGather | CollectiveKind::ReduceScatter | CollectiveKind::AllToAll => {
            share
        }
    }
}

impl Curve {
    pub(crate) fn new(measured: &CollectiveCurve) -> Self {
        let factor = bus_factor(measured.kind, measured.ranks);
        let moved = measured
            .top_k
            .map_or(1.0, |top_k| sent_share(top_k, measured.ranks));
        let points: Vec<(f64, f64)> = measured
            .points
            .iter()
            .map(|point| {
                let seconds = point.size.get() * factor / point.bus.get();
                (libm::log(point.size.get() * moved), libm::log(seconds))
            })
            .collect();
        Self {
            kind: measured.kind,
            ranks: measured.ranks,
            dispatch: measured.top_k.is_some(),
            latency: measured.latency.get(),
            points: rising(&points),
        }
    }

    /// Seconds of a byte between the two largest points; of the largest alone where its time is not
    /// above the other.
    fn slope(&self) -> f64 {
        let at = |(size, time): (f64, f64)| (libm::exp(size), libm::exp(time));
        match self.points[..] {
            [.., before, last] if last.1 > before.1 => {
                let (before, last) = (at(before), at(last));
                (last.1 - before.1) / (last.0 - before.0)
            }
            [.., last] => at(last).1 / at(last).0,
            [] => 0.0,
        }
    }

    /// Size of the largest point.
    pub(crate) fn largest(&self) -> f64 {
        self.points.last().map_or(0.0, |point| libm::exp(point.0))
    }

    /// Seconds of a size: piecewise linear in logarithms; above the largest size linear at the slope
    /// of the last two points, since what they share is no transfer; below the smallest, linear in
    /// the size from the smallest time.
    pub(crate) fn seconds(&self, size: f64) -> f64 {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return self.latency;
        };
        let x = libm::log(size.max(1.0));
        if x >= last.0 {
            return libm::exp(last.1) + self.slope() * (size - libm::exp(last.0));
        }
        if x <= first.0 {
            let share = size / libm::exp(first.0);
            return self.latency + (libm::exp(first.1) - self.latency).max(0.0) * share;
        }
        let upper = self.points.partition_point(|point| point.0 < x).max(1);
        let (low, high) = (self.points[upper - 1], self.points[upper]);
        let share = (x - low.0) / (high.0 - low.0);
        libm::exp(low.1 + (high.1 - low.1) * share)
    }
}

/// Share of the counted bytes that an expert dispatch sends: of the k copies of a token, one to
/// each distinct rank among r, r (1 - (1 - 1/r)^k), less the one in r that stays.
fn sent_share(top_k: u64, ranks: u64) -> f64 {
    let (k, r) = (top_k.max(1) as f64, ranks.max(1) as f64);
    r * (1.0 - libm::pow(1.0 - 1.0 / r, k)) * (r - 1.0) / r / k
}

/// Points whose times never fall: neighbours that do are noise of the fixed time (4 KiB to 1 MiB,
/// by up to 8%) and take their geometric mean (isotonic regression by pooling adjacent violators,
/// Ayer et al. 1955).
fn rising(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut pools: Vec<(f64, usize)> = Vec::with_capacity(points.len());
    for (_, time) in points {
        let (mut mean, mut count) = (*time, 1);
        while let Some((before, others)) = pools.pop_if(|(before, _)| *before > mean) {
            let all = count + others;
            mean = (mean * count as f64 + before * others as f64) / all as f64;
            count = all;
        }
        pools.push((mean, count));
    }
    let times = pools
        .into_iter()
        .flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
    points.iter().map(|(size, _)| *size).zip(times).collect()
}

/// Latency and bandwidth inside a domain for chips without measured curves, Thakur, Rabenseifner,
/// Gropp 2005, with alpha the hop, 1/beta the bandwidth, no time for the additions:
///
/// - all-gather by recursive doubling, reduce-scatter by recursive halving: lg p alpha + (p-1)/p n
///   beta;
/// - all-reduce as both (Rabenseifner): 2 lg p alpha + 2 (p-1)/p n beta. It is never slower than
///   their ring, 2(p-1) alpha + 2 (p-1)/p n beta, nor than a pipelined tree, 2 lg p alpha + 2 n
///   beta;
/// - all-to-all with all messages posted at once: alpha + (p-1)/p n beta.
///
/// Limits: lg is rounded up for other rank counts than powers of two, whose extra exchange is left
/// out; recursive doubling of whole messages, faster for the smallest ones, too.
pub(crate) fn closed_form(
    kind: CollectiveKind,
    size: Bytes,
    ranks: u64,
    bandwidth: Bandwidth,
    hop: Seconds,
) -> Seconds {
    let transfer = size * bus_factor(kind, ranks) / bandwidth;
    let levels = libm::ceil(libm::log2(ranks as f64));
    let hops = match kind {
        CollectiveKind::AllReduce => 2.0 * levels,
        CollectiveKind::AllGather | CollectiveKind::ReduceScatter => levels,
        CollectiveKind::AllToAll => 1.0,
    };
    hop * hops + transfer
}
