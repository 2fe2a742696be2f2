//! What each chunk of a plan's pipeline takes, as the exact timeline wants it.

use chokepoint_units::Seconds;

use crate::evaluate::plan_stages;
use crate::layer::layer_table;
use crate::memory::kept;
use crate::pipeline::{head_share, transfer};
use crate::stage::{Stage, stages};
use crate::{Case, Chunk, Pipeline, Placement, Plan, PlanError};

/// The chunks of a plan's pipeline, in the order of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanChunks {
    /// The plan.
    pub plan: Plan,
    /// Micro-batches of a step.
    pub micro_batches: u64,
    /// Times and kept activations of each chunk.
    pub chunks: Vec<Chunk>,
    /// Layers of each chunk, without those of multi-token prediction.
    pub layers: Vec<u64>,
    /// Time that a result takes to the next rank.
    pub transfer: Seconds,
}

impl PlanChunks {
    /// What a timeline is made of.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline<'_> {
        Pipeline {
            schedule: self.plan.schedule,
            pp: self.plan.pp,
            vp: self.plan.vp,
            micro_batches: self.micro_batches,
            chunks: &self.chunks,
            transfer: self.transfer,
        }
    }
}

/// The chunks of a plan's pipeline: the layer costs that its prediction rests on, chunk by chunk
/// instead of summed over a rank.
///
/// Limits: the times of a forward and a backward hold their exposed communication, so that the
/// timeline cannot move it; data-parallel exchange, offload and optimizer are not in it.
///
/// # Errors
/// When the plan makes no sense for the case.
pub fn plan_chunks(case: &Case, plan: &Plan) -> Result<PlanChunks, PlanError> {
    plan.check(case)?;
    let table = layer_table(case, plan);
    let variant = table.variant(plan);
    let stages = if plan.vp == 1 {
        plan_stages(case, plan, &variant)
    } else {
        // A chunk by itself is a stage of a pipeline as deep as there are chunks.
        let architecture = case.architecture;
        let (depth, tail) = (plan.pp * plan.vp, architecture.mtp_layers);
        stages(&architecture.layers, tail, depth, 1, Placement::Cyclic)
    };
    let chunk = |stage: &Stage| {
        let times = variant.stage_times(stage, head_share(plan, stage));
        Chunk {
            forward: Seconds::new(times.forward),
            input_gradient: Seconds::new((times.backward - times.gradient).max(0.0)),
            weight_gradient: Seconds::new(times.gradient),
            activations: kept(&table, &variant, stage),
        }
    };
    Ok(PlanChunks {
        plan: *plan,
        micro_batches: plan.micro_batches(case.workload.global_batch),
        chunks: stages.iter().map(chunk).collect(),
        layers: stages
            .iter()
            .map(|stage| u64::from(stage.layers()))
            .collect(),
        transfer: transfer(case, plan),
    })
}
