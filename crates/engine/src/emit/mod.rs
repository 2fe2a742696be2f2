//! A plan as the arguments of a training framework. What a framework does not have is refused
//! rather than left out.

mod megatron;
mod pattern;
mod torchtitan;

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::Architecture;
use chokepoint_train::{Plan, PlanChunks, Software, Space, Trained, Workload};

/// Frameworks that a plan can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Megatron-Core, `pretrain_gpt.py`.
    Megatron,
    /// torchtitan, a TOML file.
    Torchtitan,
}

/// What is written down.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The model.
    pub architecture: &'a Architecture,
    /// The workload.
    pub workload: &'a Workload,
    /// The training software.
    pub software: &'a Software,
    /// The plan with its chunks.
    pub chunks: &'a PlanChunks,
}

/// What a framework lacks of a plan, and what it has instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacks {
    what: String,
    instead: &'static str,
}

impl Lacks {
    fn new(what: impl Into<String>, instead: &'static str) -> Self {
        let what = what.into();
        Self { what, instead }
    }
}

impl Target {
    /// Name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Megatron => "Megatron-Core",
            Self::Torchtitan => "torchtitan",
        }
    }

    /// The part of a space that the framework runs, as far as it is a product of choices.
    pub(crate) fn restrict(
        self,
        architecture: &Architecture,
        workload: &Workload,
        space: &mut Space,
    ) {
        space.all_chips = true;
        space.whole_batches = true;
        match self {
            Self::Megatron => megatron::restrict(architecture, workload, space),
            Self::Torchtitan => torchtitan::restrict(space),
        }
    }

    /// What the framework lacks, as a diagnostic.
    pub(crate) fn refusal(self, lacks: &Lacks) -> Diagnostic {
        let message = format!("{} has no {}", self.name(), lacks.what);
        Diagnostic::new(Code::Value, message).help(lacks.instead)
    }

    /// What the framework lacks of a plan.
    pub(crate) fn lacks(
        self,
        architecture: &Architecture,
        workload: &Workload,
        plan: &Plan,
    ) -> Option<Lacks> {
        if !workload
            .global_batch
            .is_multiple_of(plan.dp.saturating_mul(plan.micro_batch).max(1))
        {
            return Some(Lacks::new(
                format!(
                    "part-filled micro-batches: {} sequences over dp x mbs = {} x {}",
                    workload.global_batch, plan.dp, plan.micro_batch
                ),
                "the batch must be a multiple of dp x mbs",
            ));
        }
        if workload.trained != Trained::All {
            return Some(Lacks::new(
                "pre-training of low-rank adapters",
                "leave --lora out",
            ));
        }
        match self {
            Self::Megatron => megatron::lacks_of_state(workload, plan)
                .or_else(|| megatron::lacks(architecture, plan)),
            Self::Torchtitan => torchtitan::lacks_of_workload(workload, plan)
                .or_else(|| torchtitan::lacks(architecture, plan)),
        }
    }
}

/// The arguments of a framework for a job.
///
/// # Errors
/// What the framework does not have.
pub fn emit(target: Target, job: &Job) -> Result<String, Diagnostic> {
    let plan = &job.chunks.plan;
    if let Some(lacks) = target.lacks(job.architecture, job.workload, plan) {
        return Err(target.refusal(&lacks));
    }
    Ok(match target {
        Target::Megatron => megatron::arguments(job),
        Target::Torchtitan => torchtitan::file(job),
    })
}
