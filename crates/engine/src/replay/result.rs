//! What came of a replay.

use chokepoint_chip::Precision;
use chokepoint_replay::{Engine, Summary};
use chokepoint_serve::Layout;
use chokepoint_units::{Bytes, Energy};

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
    /// How an instance is spread.
    pub layout: Layout,
    /// Number formats.
    pub precision: Precision,
    /// Instances that compute prompts, and those that decode; one number where all do both.
    pub instances: (u64, Option<u64>),
    /// Chips of all instances.
    pub chips: u64,
    /// How an instance schedules.
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
