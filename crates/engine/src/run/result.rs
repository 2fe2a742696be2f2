//! What comes of a training run.

use std::collections::BTreeMap;

use chokepoint_model::Architecture;
use chokepoint_train::{PlanChunks, Prediction, Software, Timeline, Workload};

use super::{RunContention, RunDegraded, RunGoodput, RunSites};
use crate::emit::Job;
use crate::prediction::plan_fields;
use crate::row::{Outcome, Statement};

/// A training run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRun {
    /// Model id.
    pub model: String,
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Chips that are paid for.
    pub chips: u64,
    /// Price book.
    pub prices: String,
    /// Name of the framework, where one was asked for.
    pub framework: Option<String>,
    /// The workload.
    pub workload: Workload,
    /// Tokens of the workload beyond those asked for, as a share of these.
    pub extra_tokens: f64,
    /// The model.
    pub architecture: Architecture,
    /// The training software.
    pub software: Software,
    /// Plans whose step time or memory was computed.
    pub evaluated: u64,
    /// Plans that were ruled out before.
    pub pruned: u64,
    /// Why there is no result.
    pub reason: Option<Statement>,
    /// The result.
    pub found: Option<RunFound>,
    /// What a reader must know.
    pub notes: Vec<Statement>,
}

impl TrainingRun {
    /// What a framework's arguments are written from.
    #[must_use]
    pub fn job(&self) -> Option<Job<'_>> {
        self.found.as_ref().map(|found| Job {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            chunks: &found.chunks,
        })
    }
}

/// The result of a training run that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFound {
    /// Plan, measures, breakdown, memory and elasticities, as in a comparison.
    pub outcome: Outcome,
    /// Next-best plans, each of another layout.
    pub others: Vec<RunPlan>,
    /// Plans that trade time for memory, fastest first; empty when not asked for.
    pub front: Vec<RunPlan>,
    /// What its traffic takes beside itself, where that was asked for.
    pub contention: Option<RunContention>,
    /// What failed parts of the network take of it, where that was asked for.
    pub degraded: Option<RunDegraded>,
    /// What its split over sites costs, where there are several.
    pub sites: Option<RunSites>,
    /// What failures leave of it.
    pub goodput: Option<RunGoodput>,
    /// The chunks of its pipeline.
    pub chunks: PlanChunks,
    /// When every operation of its pipeline runs.
    pub timeline: Option<RunTimeline>,
}

/// A measure that every result has.
pub(super) fn metric(outcome: &Outcome, key: &str) -> f64 {
    outcome.metrics.get(key).copied().unwrap_or(f64::NAN)
}

/// A plan beside the best.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// The plan in one line.
    pub plan: String,
    /// The plan by field.
    pub plan_fields: BTreeMap<&'static str, serde_json::Value>,
    /// Time of a step.
    pub step_seconds: f64,
    /// Time over that of the best, less one.
    pub slower: f64,
    /// Memory of the fullest chip.
    pub memory_bytes: f64,
}

impl RunPlan {
    pub(super) fn of(found: &Prediction, best: &Prediction) -> Self {
        Self {
            plan: found.plan.to_string(),
            plan_fields: plan_fields(&found.plan),
            step_seconds: found.step.get(),
            slower: found.step / best.step - 1.0,
            memory_bytes: found.memory.total.get(),
        }
    }
}

/// The exact timeline of a step's pipeline, without data-parallel exchange and optimizer.
#[derive(Debug, Clone, PartialEq)]
pub struct RunTimeline {
    /// Micro-batches of the step.
    pub micro_batches: u64,
    /// When every operation runs.
    pub timeline: Timeline,
}
