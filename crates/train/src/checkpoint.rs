//! How long a checkpoint takes, how often to write one, and what failures leave of the time.
//!
//! All intervals are of **useful work** between two checkpoints: the time between the starts of two
//! writes is the interval plus the blocking part of a write.

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use crate::Optimizer;
use crate::limits::{OutOfRange, require, require_amount, require_share, require_some};
use crate::memory::WEIGHT_BYTES;

/// Bytes of a checkpoint of the whole job: 16-bit weights and the optimizer's state of the
/// parameters that are trained, once.
///
/// Gradients, replicas, frozen weights and the position in the data are not written. Llama 3 405B with FP32 Adam:
/// 405e9 x (2 + 12) = 5.7 TB.
#[must_use]
pub const fn checkpoint_bytes(parameters: f64, optimizer: Optimizer) -> Bytes {
    Bytes::new(parameters * (WEIGHT_BYTES + optimizer.bytes_per_parameter()))
}

/// What checkpoints are written to, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storage {
    /// Rate at which one node writes, its share of the job's checkpoint.
    pub node: Bandwidth,
    /// Rate that all nodes together cannot exceed, where it is known.
    pub shared: Option<Bandwidth>,
    /// Share of the write for which the job stands still: 1 for a plain write, 0 for one that runs
    /// under the computation entirely.
    pub blocking_share: f64,
}

/// Time that one checkpoint takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckpointWrite {
    /// While the job stands still.
    pub blocking: Seconds,
    /// From then on until the checkpoint can be restarted from, while the job computes.
    pub background: Seconds,
}

impl CheckpointWrite {
    /// A write for whose whole time the job stands still.
    #[must_use]
    pub const fn blocking(time: Seconds) -> Self {
        Self {
            blocking: time,
            background: Seconds::ZERO,
        }
    }

    /// A write of `bytes`, spread evenly over `nodes`:
    /// t = max(bytes / (nodes x node rate), bytes / shared rate), split by the blocking share.
    ///
    /// # Errors
    /// The input that lies outside of what it may be.
    pub fn to(storage: &Storage, bytes: Bytes, nodes: u64) -> Result<Self, OutOfRange> {
        require(nodes > 0, "nodes", "at least 1")?;
        require_amount("checkpoint bytes", bytes)?;
        require_some("storage bandwidth of a node", storage.node)?;
        require_share("blocking share of a write", storage.blocking_share)?;
        let mut time = bytes / (storage.node * nodes as f64);
        if let Some(shared) = storage.shared {
            require_some("shared storage bandwidth", shared)?;
            time = time.max(bytes / shared);
        }
        Ok(Self {
            blocking: time * storage.blocking_share,
            background: time * (1.0 - storage.blocking_share),
        })
    }
}

/// Young's interval, sqrt(2 w M) (Young 1974): the optimum as w / M goes to 0.
#[must_use]
pub fn young_interval(blocking: Seconds, mtbf: Seconds) -> Seconds {
    Seconds::new(libm::sqrt(2.0 * blocking.get() * mtbf.get()))
}

/// Daly's interval of first order, sqrt(2 w M) - w (Daly 2006); below zero, and of no use, where
/// w > 2 M.
#[must_use]
pub fn daly_first_order_interval(blocking: Seconds, mtbf: Seconds) -> Seconds {
    young_interval(blocking, mtbf) - blocking
}

/// Daly's interval of higher order (Daly 2006): for w < 2 M,
/// sqrt(2 w M) (1 + sqrt(w / 2M) / 3 + (w / 2M) / 9) - w; M otherwise.
#[must_use]
pub fn daly_interval(blocking: Seconds, mtbf: Seconds) -> Seconds {
    let half = blocking.get() / (2.0 * mtbf.get());
    if half >= 1.0 {
        return mtbf;
    }
    let series = 1.0 + libm::sqrt(half) / 3.0 + half / 9.0;
    young_interval(blocking, mtbf) * series - blocking
}

/// The interval that maximises the exact share of work (Daly 2006; `shares` here): for u = interval / M and c = w / M,
/// the root of u = 1 - e^-(u + c), which is u = 1 + W(-e^-(1 + c)) with Lambert's W.
///
/// Solved by Newton's method on u - 1 + e^-(u + c), which rises and is convex: from sqrt(2c), or 1
/// where that is larger, it falls to the root. Neither the restart nor the background part of a
/// write moves it; but a background write must end before the next begins.
#[must_use]
pub fn best_interval(write: CheckpointWrite, mtbf: Seconds) -> Seconds {
    let c = write.blocking / mtbf;
    let mut u = libm::sqrt(2.0 * c).min(1.0);
    for _ in 0..64 {
        let slope = -libm::expm1(-(u + c));
        if slope <= 0.0 {
            break;
        }
        let next = u - (u - slope) / slope;
        if (next - u).abs() <= 1e-15 * u {
            break;
        }
        u = next;
    }
    (mtbf * u).max(write.background)
}

/// The first-order share of Kokolis et al. (HPCA 2025),
/// E\[ETTR\] = (1 - (u0 + dt / 2) / M) / (1 + w / dt), with M = 1 / (nodes x rate), u0 the restart
/// and dt the interval.
///
/// For comparison only. It is below zero, not small, once a restart and half an interval exceed M.
#[must_use]
pub fn first_order_share(
    interval: Seconds,
    blocking: Seconds,
    restart: Seconds,
    mtbf: Seconds,
) -> f64 {
    (1.0 - (restart + interval / 2.0) / mtbf) / (1.0 + blocking / interval)
}

/// What the time of a job that never lacks a node goes into; the shares sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shares {
    /// Work that is kept.
    pub work: f64,
    /// Writes of checkpoints that are kept, as far as they block.
    pub write: f64,
    /// Work and writes that a failure undoes.
    pub lost: f64,
    /// Restarts, those that fail again included.
    pub restart: f64,
}

/// The exact renewal form of Daly (2006), with writes in the background.
///
/// Assumes: failures come at a constant rate L, while computing, writing and **restarting**; a
/// failed restart begins anew; each restart takes R without a failure; a failure undoes all since
/// the last checkpoint that can be restarted from, which one is a time a (the background part)
/// after its blocking write w.
///
/// One cycle runs from a restart to the next: 1/L until the failure, then (e^(LR) - 1) / L until
/// a restart succeeds, together e^(LR) / L. The k-th checkpoint of a cycle counts if the failure
/// comes after k (tau + w) + a, so a cycle keeps n = e^(-La) / (e^(L(tau + w)) - 1) of them, and
/// the share of work is n tau L e^(-LR). With a = 0 this is Daly's: an interval takes
/// E = e^(LR) (e^(L(tau + w)) - 1) / L.
///
/// Without an `interval` no checkpoint is written, which only a job without failures may do.
pub(crate) fn shares(
    interval: Option<Seconds>,
    write: CheckpointWrite,
    restart: Seconds,
    failures_per_second: f64,
) -> Shares {
    let (period, working) = interval.map_or((Seconds::ZERO, 1.0), |interval| {
        let period = interval + write.blocking;
        // Free checkpoints are taken all the time, and nothing is lost.
        let working = if period > Seconds::ZERO {
            interval / period
        } else {
            1.0
        };
        (period, working)
    });
    let rate = failures_per_second;
    let up = libm::exp(-rate * restart.get());
    let kept = fading(rate * period.get()) * libm::exp(-rate * write.background.get());
    Shares {
        work: up * kept * working,
        write: up * kept * (1.0 - working),
        lost: up * (1.0 - kept),
        restart: 1.0 - up,
    }
}

/// x / (e^x - 1), which is 1 at 0.
fn fading(x: f64) -> f64 {
    if x > 0.0 { x / libm::expm1(x) } else { 1.0 }
}
