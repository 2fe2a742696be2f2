//! What failures, checkpoints, restarts, missing nodes and stragglers leave of a run.

use std::fmt;

use chokepoint_units::{PartName, Parts, SECONDS_PER_DAY, Seconds};

use crate::checkpoint::{CheckpointWrite, best_interval, shares};
use crate::limits::{
    OutOfRange, require, require_amount, require_number, require_share, require_some,
};
use crate::spares::share_without_node;

/// Most nodes that a job may have; above any cluster, and few enough to count one by one.
const MOST_NODES: u64 = 10_000_000;

/// How a cluster fails and is brought back, and how it runs beside that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reliability {
    /// Failures that stop the job, for each node and day.
    pub failures_per_node_day: f64,
    /// Failures that stop the job whatever its size, a day.
    pub failures_per_job_day: f64,
    /// Share of the failures of nodes after which the node must be repaired.
    pub repair_share: f64,
    /// Chips in one node.
    pub chips_per_node: u64,
    /// Nodes kept beside those of the job.
    pub spare_nodes: u64,
    /// Mean time until a node returns from repair.
    pub repair: Seconds,
    /// From a failure to the first step after it: detect, reschedule, load.
    pub restart: Seconds,
    /// Time of one checkpoint.
    pub write: CheckpointWrite,
    /// Useful work between two checkpoints; the best one where it is not given.
    pub interval: Option<Seconds>,
    /// Time of a step over that of one without stragglers; see [`jitter_slowdown`].
    pub straggler_slowdown: f64,
    /// Mean time of a step over that of one on the whole network.
    pub network_slowdown: f64,
}

/// What a run's time goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Cause {
    /// Work that is kept, as fast as without stragglers.
    Work,
    /// Waiting for stragglers, in work that is kept.
    Stragglers,
    /// Steps that take longer while parts of the network have failed, in work that is kept.
    DegradedNetwork,
    /// Standing still for a checkpoint that is kept.
    Checkpoint,
    /// Work and checkpoints that a failure undid. Counted once, here, not where it is done again.
    Lost,
    /// Detecting failures, rescheduling, loading.
    Restart,
    /// Waiting for a node from repair.
    MissingNode,
}

impl PartName for Cause {
    const ALL: &'static [Self] = &[
        Self::Work,
        Self::Stragglers,
        Self::DegradedNetwork,
        Self::Checkpoint,
        Self::Lost,
        Self::Restart,
        Self::MissingNode,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn key(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Stragglers => "stragglers",
            Self::DegradedNetwork => "degraded_network",
            Self::Checkpoint => "checkpoint",
            Self::Lost => "lost",
            Self::Restart => "restart",
            Self::MissingNode => "missing_node",
        }
    }
}

/// What is left of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodput {
    /// Nodes of the job, without spares.
    pub nodes: u64,
    /// Mean time between failures of the running job; none where it never fails.
    pub mtbf: Option<Seconds>,
    /// Useful work between two checkpoints; none where no checkpoint pays.
    pub interval: Option<Seconds>,
    /// Share of the time that goes into work that is kept.
    pub share: f64,
    /// Expected time of the run.
    pub run: Seconds,
    /// What it goes into; sums to `run`.
    pub parts: Parts<Cause>,
}

impl Goodput {
    /// Share of the run that goes into one thing.
    #[must_use]
    pub fn share_of(&self, cause: Cause) -> f64 {
        self.parts.get(cause) / self.run
    }

    /// Expected days of the run.
    #[must_use]
    pub fn days(&self) -> f64 {
        self.run.get() / SECONDS_PER_DAY
    }
}

/// Why no run comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreliable {
    /// An input lies outside of what it may be.
    Input(OutOfRange),
    /// The next checkpoint begins before the last one is written.
    WritesOverlap,
    /// Failures come so fast that the run does not end.
    NoProgress,
}

impl From<OutOfRange> for Unreliable {
    fn from(error: OutOfRange) -> Self {
        Self::Input(error)
    }
}

impl fmt::Display for Unreliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => error.fmt(f),
            Self::WritesOverlap => {
                f.write_str("the next checkpoint begins before the last one is written")
            }
            Self::NoProgress => f.write_str("failures come so fast that the run does not end"),
        }
    }
}

impl Reliability {
    /// Nodes of a job; the last may be partly used.
    ///
    /// # Errors
    /// When there are none, or more than can be.
    pub fn nodes(&self, chips: u64) -> Result<u64, OutOfRange> {
        require(self.chips_per_node > 0, "chips of a node", "at least 1")?;
        require(chips > 0, "chips", "at least 1")?;
        let nodes = chips.div_ceil(self.chips_per_node);
        require(nodes <= MOST_NODES, "nodes", "at most 10,000,000")?;
        Ok(nodes)
    }

    /// Failures of a job of so many nodes, a second: nodes x rate of a node + rate of a job.
    ///
    /// With the second term 0 this is 1 / MTTF of Kokolis et al. (HPCA 2025),
    /// MTTF = 1 / (nodes x r_f). It extrapolates the rate of nodes: their measured jobs of 1,024
    /// GPUs fail after 7.9 h, which the published r_f puts at 28.8 h.
    #[must_use]
    pub fn failures_per_second(&self, nodes: u64) -> f64 {
        (nodes as f64 * self.failures_per_node_day + self.failures_per_job_day) / SECONDS_PER_DAY
    }

    fn check(&self) -> Result<(), OutOfRange> {
        require_number("failures of a node and day", self.failures_per_node_day)?;
        require_number("failures of a job and day", self.failures_per_job_day)?;
        require_share("share of failures with a repair", self.repair_share)?;
        require(
            self.spare_nodes <= MOST_NODES,
            "spare nodes",
            "at most 10,000,000",
        )?;
        require_amount("repair", self.repair)?;
        require_amount("restart", self.restart)?;
        require_amount("blocking part of a checkpoint", self.write.blocking)?;
        require_amount("background part of a checkpoint", self.write.background)?;
        require(
            self.straggler_slowdown.is_finite() && self.straggler_slowdown >= 1.0,
            "slowdown by stragglers",
            "finite and at least 1",
        )?;
        require(
            self.network_slowdown.is_finite() && self.network_slowdown >= 1.0,
            "slowdown by failed parts of the network",
            "finite and at least 1",
        )
    }

    /// The interval of the job: given, or the best.
    fn interval(&self, failures_per_second: f64) -> Result<Option<Seconds>, Unreliable> {
        let Some(interval) = self.interval else {
            return Ok(mtbf(failures_per_second).map(|mtbf| best_interval(self.write, mtbf)));
        };
        require(
            interval.get().is_finite() && interval > Seconds::ZERO,
            "interval between checkpoints",
            "finite and above zero",
        )?;
        if interval < self.write.background {
            return Err(Unreliable::WritesOverlap);
        }
        Ok(Some(interval))
    }
}

/// Expected time of a run that would take `work` without failures, checkpoints and stragglers, on
/// so many chips, and what it goes into.
///
/// Share of work = (1 - B) x share of Daly's renewal form / slowdowns: B is the share of the time
/// in which the job waits for a node ([`share_without_node`]); the renewal form
/// (`checkpoint::shares` has its assumptions) fills the rest; stragglers and failed parts of the
/// network stretch the work in it.
/// A long run is assumed, so that the last interval does not matter.
///
/// # Errors
/// Which input is wrong, or that the run does not end.
pub fn goodput(
    reliability: &Reliability,
    chips: u64,
    work: Seconds,
) -> Result<Goodput, Unreliable> {
    reliability.check()?;
    require_some("time of the run without failures", work)?;
    let nodes = reliability.nodes(chips)?;
    let failures = reliability.failures_per_second(nodes);
    let interval = reliability.interval(failures)?;
    let shares = shares(interval, reliability.write, reliability.restart, failures);
    let lost_nodes = nodes as f64 * reliability.failures_per_node_day * reliability.repair_share;
    let waiting = share_without_node(
        reliability.spare_nodes,
        lost_nodes / SECONDS_PER_DAY,
        reliability.repair.get(),
    );
    let running = 1.0 - waiting;
    let kept = running * shares.work;
    let on_whole = kept / reliability.straggler_slowdown;
    let share = on_whole / reliability.network_slowdown;
    let run = work / share;
    if !(share > 0.0 && run.get().is_finite()) {
        return Err(Unreliable::NoProgress);
    }
    let mut parts = Parts::default();
    parts.put(Cause::Work, run * share);
    parts.put(Cause::Stragglers, run * (kept - on_whole));
    parts.put(Cause::DegradedNetwork, run * (on_whole - share));
    parts.put(Cause::Checkpoint, run * (running * shares.write));
    parts.put(Cause::Lost, run * (running * shares.lost));
    parts.put(Cause::Restart, run * (running * shares.restart));
    parts.put(Cause::MissingNode, run * waiting);
    Ok(Goodput {
        nodes,
        mtbf: mtbf(failures),
        interval,
        share,
        run,
        parts,
    })
}

/// Mean time between failures; none where there are none.
fn mtbf(failures_per_second: f64) -> Option<Seconds> {
    let mtbf = 1.0 / failures_per_second;
    mtbf.is_finite().then(|| Seconds::new(mtbf))
}

/// Share of the time in which at least one of a number of parts is under repair, each of which fails
/// at a rate (a second) and is back after a time: 1 - exp(-n rate repair).
///
/// The number under repair is Poisson however repairs scatter (M/G/infinity); a part under repair is
/// taken to be able to fail, which changes nothing where rate x repair is small.
#[must_use]
pub fn share_with_failure(parts: u64, per_second: f64, repair: Seconds) -> f64 {
    -libm::expm1(-(parts as f64) * per_second * repair.get())
}

/// Slowdown of steps that wait for the slowest of `workers`, whose own times scatter by
/// `relative_sigma` (standard deviation over mean) independently and normally:
/// E\[max of N\] / mu = 1 + (sigma / mu) sqrt(2 ln N).
///
/// The leading term for large N and an upper bound for every N; at 16,384 workers it exceeds the
/// expected maximum by a tenth. Scatter that persists (a slow chip, uneven stages) is not in it:
/// Lin et al. (OSDI 2025) find most stragglers to be of that kind.
#[must_use]
pub fn jitter_slowdown(relative_sigma: f64, workers: u64) -> f64 {
    1.0 + relative_sigma * libm::sqrt(2.0 * libm::log(workers.max(1) as f64))
}
