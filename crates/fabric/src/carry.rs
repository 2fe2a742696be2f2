//! Measured curves carried to rank counts that were not measured.
//!
//! A time is a latency and a transfer. The latency grows by the steps of the algorithm, whose time
//! ("hop") the curves of the chip give together with the launch; the transfer by the bytes of a
//! rank, its own share counted in part. Between two measured rank counts the carried times are
//! mixed by the logarithm of the rank count; beyond them the nearest one alone is carried.
//!
//! Without the curves of their own rank count the rows of one node of
//! `collective_measurements.csv` come out within 5% in the median
//! (`chokepoint validate --network`).
//!
//! Limits: an algorithm that starts beyond the measured rank counts (reduction in the switch from 5
//! or 6 GPUs) is not seen by curves of fewer ranks.

use chokepoint_catalog::{CollectiveCurve, CollectiveKind};
use chokepoint_units::{Bytes, Seconds};

use crate::curve::{Curve, LinkScale};

/// Own share where one rank count alone was measured: middle of the 0.35 (A100) to 0.77 (GB200)
/// that pairs of rank counts give for `NVLink`.
const UNMEASURED_OWN_SHARE: f64 = 0.5;

/// The measured curves of a chip and what follows from all of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curves {
    curves: Vec<Curve>,
    /// Chips of a node: ranks within form chains, nodes form trees.
    node: u64,
    /// Time of launch, seconds.
    launch: f64,
    /// Time of a step at no bytes, seconds.
    hop: f64,
    /// Cost of a rank's own share of the data over that of a share sent.
    own_share: f64,
}

impl Curves {
    /// From measured curves of a domain whose nodes have a number of chips.
    pub(crate) fn new(measured: &[CollectiveCurve], node: u64) -> Self {
        let node = node.max(1);
        let curves: Vec<Curve> = measured
            .iter()
            .filter(|curve| curve.ranks > 1 && !curve.points.is_empty())
            .map(Curve::new)
            .collect();
        let (launch, hop) = launch_and_hop(&curves, node);
        Self {
            own_share: own_share(&curves, node),
            node,
            launch,
            hop,
            curves,
        }
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.curves.is_empty()
    }

    /// Whether some collective was measured on a number of ranks.
    pub(crate) fn has_ranks(&self, ranks: u64) -> bool {
        self.curves.iter().any(|curve| curve.ranks == ranks)
    }

    /// Whether an expert dispatch was measured.
    pub(crate) fn has_dispatch(&self) -> bool {
        self.curves.iter().any(|curve| curve.dispatch)
    }

    /// Time of a step of a ring at no bytes.
    pub(crate) const fn hop(&self) -> Seconds {
        Seconds::new(self.hop)
    }

    /// Time of a collective of some ranks; none without a curve of its kind.
    pub(crate) fn time(
        &self,
        kind: CollectiveKind,
        size: Bytes,
        ranks: u64,
        link: LinkScale,
    ) -> Option<Seconds> {
        let of_kind = |curve: &Curve| curve.kind == kind && !curve.dispatch;
        self.mixed(of_kind, ranks, |curve| {
            let transfer = (curve.seconds(size.get()) - curve.latency).max(0.0);
            let bytes = self.moved(kind, ranks) / self.moved(kind, curve.ranks);
            self.latency(curve, ranks) * link.latency + transfer * bytes * link.transfer
        })
    }

    /// Time of an expert dispatch in which a rank sends some bytes; none without a curve of one.
    ///
    /// All copies start at once, so that the latency does not grow with the ranks (GB200: 11 to 14
    /// us from 4 to 64 ranks).
    pub(crate) fn dispatch(&self, sent: Bytes, ranks: u64, link: LinkScale) -> Option<Seconds> {
        self.mixed(
            |curve| curve.dispatch,
            ranks,
            |curve| {
                let transfer = (curve.seconds(sent.get()) - curve.latency).max(0.0);
                curve.latency * link.latency + transfer * link.transfer
            },
        )
    }

    /// Rank counts of the curves behind a collective of some ranks.
    pub(crate) fn ranks_of(&self, kind: CollectiveKind, ranks: u64) -> Vec<u64> {
        self.rank_counts(|curve| curve.kind == kind && !curve.dispatch, ranks)
    }

    /// Rank counts of the curves behind an expert dispatch.
    pub(crate) fn ranks_of_dispatch(&self, ranks: u64) -> Vec<u64> {
        self.rank_counts(|curve| curve.dispatch, ranks)
    }

    fn rank_counts(&self, wanted: impl Fn(&Curve) -> bool, ranks: u64) -> Vec<u64> {
        let (below, above) = self.neighbours(wanted, ranks);
        let mut counts: Vec<u64> = below
            .into_iter()
            .chain(above)
            .map(|curve| curve.ranks)
            .collect();
        counts.dedup();
        counts
    }

    /// The curves with the nearest rank counts from below and from above.
    fn neighbours(
        &self,
        wanted: impl Fn(&Curve) -> bool,
        ranks: u64,
    ) -> (Option<&Curve>, Option<&Curve>) {
        let found = || self.curves.iter().filter(|curve| wanted(curve));
        (
            found()
                .filter(|curve| curve.ranks <= ranks)
                .max_by_key(|curve| curve.ranks),
            found()
                .filter(|curve| curve.ranks >= ranks)
                .min_by_key(|curve| curve.ranks),
        )
    }

    /// Mixes the times that the neighbours in rank count give.
    fn mixed(
        &self,
        wanted: impl Fn(&Curve) -> bool,
        ranks: u64,
        carried: impl Fn(&Curve) -> f64,
    ) -> Option<Seconds> {
        let seconds = match self.neighbours(wanted, ranks) {
            (Some(low), Some(high)) if low.ranks < high.ranks => {
                let log = |ranks: u64| libm::log(ranks as f64);
                let share = (log(ranks) - log(low.ranks)) / (log(high.ranks) - log(low.ranks));
                let (low, high) = (libm::log(carried(low)), libm::log(carried(high)));
                libm::exp(low + (high - low) * share)
            }
            (Some(curve), _) | (None, Some(curve)) => carried(curve),
            (None, None) => return None,
        };
        Some(Seconds::new(seconds))
    }

    /// The latency of a curve's collective on other ranks: a hop for each step more, never less
    /// than the launch. All messages of an all-to-all start at once.
    fn latency(&self, curve: &Curve, ranks: u64) -> f64 {
        let more = steps(curve.kind, ranks, self.node) - steps(curve.kind, curve.ranks, self.node);
        (curve.latency + self.hop * more).max(self.launch.min(curve.latency))
    }

    /// Shares of the message that a rank moves: n - 1 of n in each pass, and its own, which it
    /// copies at [`Curves::own_share`] of the cost (nccl-tests out of place).
    fn moved(&self, kind: CollectiveKind, ranks: u64) -> f64 {
        (passes(kind) * (ranks as f64 - 1.0) + self.own_share) / ranks as f64
    }
}

/// Passes of the data over the ring: reduce-scatter and all-gather make an all-reduce.
pub(crate) const fn passes(kind: CollectiveKind) -> f64 {
    match kind {
        CollectiveKind::AllReduce => 2.0,
        CollectiveKind::AllGather | CollectiveKind::ReduceScatter | CollectiveKind::AllToAll => 1.0,
    }
}

/// Steps of a small message: NCCL runs chains within a node and trees between the nodes of a domain
/// (`tuning.cc`: (n/N - 1) intra + log2(N) inter, twice for all-reduce). A level between nodes
/// costs two hops: from 4 to 72 ranks of GB200 all-reduce gains 19.4 us, 2 x 4.2 levels of 2.3 us
/// beside a hop of 1.24 us.
fn steps(kind: CollectiveKind, ranks: u64, node: u64) -> f64 {
    if kind == CollectiveKind::AllToAll {
        return 1.0;
    }
    let local = ranks.min(node) as f64;
    passes(kind) * (local - 1.0 + 2.0 * libm::log2(ranks as f64 / local))
}

/// Least-squares line of the smallest times over the steps: launch and hop, neither below zero.
/// Without two step counts the steps are free.
fn launch_and_hop(curves: &[Curve], node: u64) -> (f64, f64) {
    let points: Vec<(f64, f64)> = curves
        .iter()
        .filter(|curve| curve.kind != CollectiveKind::AllToAll)
        .map(|curve| (steps(curve.kind, curve.ranks, node), curve.latency))
        .collect();
    if points.is_empty() {
        return (0.0, 0.0);
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points
        .iter()
        .map(|(steps, _)| (steps - x) * (steps - x))
        .sum();
    let along: f64 = points
        .iter()
        .map(|(steps, time)| (steps - x) * (time - y))
        .sum();
    let hop = if spread > 0.0 {
        (along / spread).max(0.0)
    } else {
        0.0
    };
    ((y - hop * x).max(0.0), hop)
}

/// The own share: median over pairs of rank counts of one kind of what makes the transfers of the
/// largest common size agree, between 0 and 1. Pairs in one node alone tell: across the nodes of a
/// domain the algorithm is another.
fn own_share(curves: &[Curve], node: u64) -> f64 {
    let mut shares: Vec<f64> = Vec::new();
    let inside = |curve: &&Curve| !curve.dispatch && curve.ranks <= node;
    for few in curves.iter().filter(inside) {
        let many = curves
            .iter()
            .filter(inside)
            .filter(|many| many.kind == few.kind && many.ranks > few.ranks);
        shares.extend(many.filter_map(|many| share_of_pair(few, many)));
    }
    shares.sort_by(f64::total_cmp);
    let middle = shares.len() / 2;
    let median = if shares.len() % 2 == 1 {
        shares[middle]
    } else if middle > 0 {
        f64::midpoint(shares[middle - 1], shares[middle])
    } else {
        UNMEASURED_OWN_SHARE
    };
    median.clamp(0.0, 1.0)
}

/// The s for which (p (a - 1) + s) / a over (p (b - 1) + s) / b is the ratio of the transfers on a
/// and b ranks in p passes; none where the ratio says nothing.
fn share_of_pair(few: &Curve, many: &Curve) -> Option<f64> {
    let size = few.largest().min(many.largest());
    let transfer = |curve: &Curve| curve.seconds(size) - curve.latency;
    let ratio = transfer(few) / transfer(many);
    let (a, b, p) = (few.ranks as f64, many.ranks as f64, passes(few.kind));
    let slope = 1.0 / a - ratio / b;
    let share = (ratio * p * (b - 1.0) / b - p * (a - 1.0) / a) / slope;
    (slope > 0.0 && share.is_finite()).then_some(share)
}
