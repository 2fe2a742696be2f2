//! Lower bounds of a pipeline's time and memory, however its layers are dealt.

use chokepoint_units::{Bytes, Seconds};

use crate::memory::{Held, states};
use crate::stage::{MAX_KINDS, layers_of_ranks};
use crate::variant::Variant;
use crate::{Placement, Plan, Schedule, Workload};

/// All layers for one micro-batch.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    /// Forward and backward.
    pub time: f64,
    /// Forward.
    forward: f64,
    /// Gradients of weights.
    gradient: f64,
    /// Of it, the embedding and the head, forward and backward.
    ends: (f64, f64),
    /// Time and number of the layers of each kind, the cheapest first.
    kinds: [(f64, u32); MAX_KINDS],
}

/// What ranks take at least for one micro-batch.
#[derive(Clone, Copy, Default)]
pub(super) struct Least {
    /// The slowest.
    slowest: f64,
    /// The last.
    last: f64,
}

impl Whole {
    pub(super) fn of(variant: &Variant, layers: &[u32; MAX_KINDS]) -> Self {
        let times = variant.all_times(layers);
        let mut kinds = [(0.0, 0); MAX_KINDS];
        for (kind, (times, count)) in kinds.iter_mut().zip(variant.times.iter().zip(layers)) {
            *kind = (times.total(), *count);
        }
        kinds.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self {
            time: times.total(),
            forward: times.forward,
            gradient: times.gradient,
            ends: (variant.first.total(), variant.last.total()),
            kinds,
        }
    }

    /// The least that some layers take.
    fn least(&self, layers: u64) -> f64 {
        let (mut left, mut time) = (layers as u32, 0.0);
        for (each, count) in self.kinds {
            let take = left.min(count);
            time += each * f64::from(take);
            left -= take;
        }
        time
    }

    /// What ranks take at least where layers are balanced: as many layers as come on one of them,
    /// of all kinds or of one, and an end with one layer. Nothing is said of `DualPipe`, whose ranks
    /// take the mean of a stage and its mirror image.
    pub(super) fn balanced(&self, plan: &Plan) -> Least {
        if plan.schedule.copies() > 1 {
            return Least::default();
        }
        let pp = plan.pp;
        let all: u32 = self.kinds.iter().map(|(_, count)| count).sum();
        let kinds = self.kinds.iter();
        let of_one = kinds.map(|(each, count)| each * u64::from(*count).div_ceil(pp) as f64);
        let layers = of_one.fold(self.least(u64::from(all).div_ceil(pp)), f64::max);
        let (first, last) = self.ends;
        let one = self.least(1);
        Least {
            slowest: layers.max(first.max(last) + one),
            last: last + one,
        }
    }

    /// What ranks take at least where layers are dealt evenly: the most layers that any holds, and
    /// the ends with the fewest; in `DualPipe` the mean of a rank and its mirror image.
    pub(super) fn even(&self, plan: &Plan, layers: u64, tail: u64) -> Least {
        let (fewest, most) = layers_of_ranks(layers, tail, plan);
        let (first, last) = self.ends;
        if plan.schedule.copies() > 1 {
            let ends = first + last + self.least((2 * fewest).saturating_sub(tail));
            let slowest = 0.5 * self.least((most + fewest).saturating_sub(tail)).max(ends);
            return Least { slowest, last: 0.0 };
        }
        let most = self.least(most.saturating_sub(tail));
        let fewest = self.least(fewest.saturating_sub(tail));
        match plan.schedule.placement() {
            Placement::Cyclic => Least {
                slowest: most.max(last + fewest),
                last: last + fewest,
            },
            Placement::Vee => Least {
                slowest: most.max(first + last + fewest),
                last: 0.0,
            },
        }
    }
}

/// Lower bound of the time of m micro-batches on p ranks that take S for one. The slowest takes t,
/// at least what is known of it and the mean S / p. With W the gradients of weights and F the
/// forward passes of all ranks:
/// - 1F1B takes at least m t + b / v on every rank of time t, b being the time of the ranks before
///   it (`idle_of_uneven_1f1b`); of all ways to deal S out, the longest such path is shortest where
///   all are equal, X, with t = X/m (1 - 1/(vm))^r on rank r, so that
///   X = S / (v (1 - (1 - 1/(vm))^p)). Before the last lie all others.
/// - ZB-H1: (p-1) max(F, B, F+B-W) of the others is at least S - t - 2W, and (S - t - W) / 2.
/// - `DualPipe`: d (F + max(F, B) + max(0, B-W)) - min(F, d max(0, B-F)) of the others' mean is at
///   least d (F + B) - F of it; they hold at least S - t - W of F + B, and at most F. `DualPipeV`
///   the same with other d, halved.
///
/// In all of them a longer t adds more than it takes from the others.
pub(super) fn least_time(
    whole: &Whole,
    schedule: Schedule,
    (pp, vp): (u64, u64),
    micro_batches: u64,
    least: Least,
) -> Seconds {
    let (p, v, m) = (pp as f64, vp as f64, micro_batches as f64);
    let slowest = least.slowest.max(whole.time / p);
    let others = whole.time - slowest;
    let paired = |outer: f64| {
        let share = 1.0 / (p - 1.0);
        ((others - whole.gradient) * outer - whole.forward) * share
    };
    let bubble = match schedule {
        Schedule::OneForwardOneBackward if pp > 1 => {
            let kept = power(1.0 - 1.0 / (v * m), pp);
            let equal = whole.time / (v * (1.0 - kept));
            let last = least.last * m + (whole.time - least.last) / v;
            equal.max(last) - slowest * m
        }
        Schedule::ZeroBubbleH1 if pp > 1 => {
            (others - 2.0 * whole.gradient).max((others - whole.gradient) * 0.5)
        }
        Schedule::DualPipe if pp > 1 => paired((p / 2.0 - 1.0).max(0.0)),
        Schedule::DualPipeV if pp > 1 => paired(p - 1.0) * 0.5,
        _ => 0.0,
    };
    // Rounding may lift a bound by some last digits above what it bounds.
    Seconds::new((slowest * m + bubble.max(0.0)) * (1.0 - 1e-9))
}

/// A power by repeated squaring.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut power = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            power *= base;
        }
        base *= base;
        exponent /= 2;
    }
    power
}

/// Lower bound of the memory of the fullest of p ranks, however layers are dealt: the mean of what
/// all ranks hold of the model's state, and of a micro-batch's activations as often as the rank
/// that holds fewest.
pub(super) fn least_memory(
    workload: &Workload,
    plan: &Plan,
    held: Held,
    kept: Bytes,
    m: u64,
) -> Bytes {
    let (last, _) = plan.schedule.in_flight_line(plan.pp, plan.vp);
    let activations = if plan.offload.activations {
        Bytes::ZERO
    } else {
        kept * last.min(m as f64)
    };
    let state: Bytes = states(workload, plan, held).into_iter().sum();
    (state + activations) * ((1.0 - 1e-9) / plan.pp as f64)
}

/// Whether the activations alone fill more than a memory, however layers are dealt.
///
/// Rank r of p holds h(r) = min(a + s (p - 1 - r), m) micro-batches of its layers
/// (`Schedule::in_flight`). Of all ways to deal out what a micro-batch keeps, K, the fullest rank is
/// emptiest where all hold the same: K / sum of 1 / h(r). With the ranks that m limits counted and
/// the others' sum of 1 / (a + s i) below its integral, this is below
/// K / (n / m + 1/a + ln((a + s (p - 1 - n)) / a) / s).
pub(super) fn cannot_hold(kept: Bytes, plan: &Plan, micro_batches: u64, usable: Bytes) -> bool {
    let m = micro_batches as f64;
    let (last, step) = plan.schedule.in_flight_line(plan.pp, plan.vp);
    let ranks = plan.pp as f64;
    let shares = if last >= m || step <= 0.0 {
        ranks / last.min(m)
    } else {
        let free = (((m - last) / step).floor() + 1.0).min(ranks);
        let most = last + step * (free - 1.0);
        (ranks - free) / m + 1.0 / last + libm::log(most / last) / step
    };
    kept * ((1.0 - 1e-12) / shares) > usable
}
