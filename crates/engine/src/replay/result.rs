//! What came of a replay.

use chokepoint_replay::{Engine, InstanceSummary, Summary};
use chokepoint_serve::Plan;
use chokepoint_units::{Bytes, Energy, Seconds};

use super::meter::Activity;
use super::request::ReplayRequest;
use crate::row::Statement;

/// A replay and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayRun {
    /// What was asked.
    pub request: ReplayRequest,
    /// System name.
    pub system_name: String,
    /// Engine name.
    pub engine_name: String,
    /// Requests and their mean lengths.
    pub means: MeanLengths,
    /// What came of it, or why nothing.
    pub found: Result<ReplayFound, Statement>,
    /// What to know of it.
    pub notes: Vec<Statement>,
}

/// Requests and their mean lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanLengths {
    /// Requests.
    pub requests: u64,
    /// Mean tokens of a prompt.
    pub input: f64,
    /// Mean tokens of an answer.
    pub output: f64,
    /// Whether any says what its prompt shares with others.
    pub shared: bool,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayFound {
    /// The plan; with scaling its instances are the most there can be.
    pub plan: Plan,
    /// Time that an instance takes to start, with scaling.
    pub start_up: Option<Seconds>,
    /// Mean time between failures of an instance and how long it is away, with failures.
    pub failures: Option<(Seconds, Seconds)>,
    /// How an instance schedules; with a prefill pool, one that decodes.
    pub engine: Engine,
    /// Room for keys and values on each chip.
    pub cache: Bytes,
    /// What happened; latencies include the host's time before the engine.
    pub summary: Summary,
    /// Energy of all chips' packages.
    pub energy: Energy,
    /// What instances did over time.
    pub activity: Activity,
}

impl ReplayFound {
    /// How instances are spread: those that compute prompts first, where they are others.
    #[must_use]
    pub fn layouts(&self) -> String {
        let decode = self.plan.decode.layout;
        match self.plan.prefill.map(|pool| pool.layout) {
            Some(prefill) if prefill != decode => format!("prefill {prefill}, decode {decode}"),
            _ => decode.to_string(),
        }
    }

    /// Instances of all pools.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.plan.decode.instances + self.plan.prefill.map_or(0, |pool| pool.instances)
    }

    /// Chips of all instances.
    #[must_use]
    pub fn chips(&self) -> u64 {
        self.plan.chips()
    }

    /// Instances up in the mean of the time; none without time.
    #[must_use]
    pub fn mean_up(&self) -> Option<f64> {
        let up = |one: &InstanceSummary| one.up_seconds.get();
        let up: f64 = self.summary.instances.iter().map(up).sum();
        let whole = self.summary.seconds.get();
        (whole > 0.0).then(|| up / whole)
    }

    /// Failures of all instances.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let all = self.summary.instances.iter();
        all.map(|one| one.failures).sum()
    }

    /// Share of the prompts' tokens that was found in the cache.
    #[must_use]
    pub fn cached_share(&self) -> f64 {
        let all = self.summary.instances.iter();
        let (cached, computed) = all.fold((0, 0), |sum, one| {
            (sum.0 + one.cached_tokens, sum.1 + one.computed_tokens)
        });
        cached as f64 / ((cached + computed) as f64).max(1.0)
    }

    /// Share of the time up in which instances computed.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        let all = self.summary.instances.iter();
        let (busy, up) = all.fold((0.0, 0.0), |sum, one| {
            let up = one.up_seconds.get();
            (sum.0 + one.utilisation * up, sum.1 + up)
        });
        if up > 0.0 { busy / up } else { 0.0 }
    }

    /// Preemptions of all instances.
    #[must_use]
    pub fn preemptions(&self) -> u64 {
        self.summary
            .instances
            .iter()
            .map(|one| one.preemptions)
            .sum()
    }

    /// Tokens of prompts and answers that an instance has room for.
    #[must_use]
    pub const fn room_tokens(&self) -> u64 {
        self.engine.blocks * self.engine.block_tokens as u64
    }
}
