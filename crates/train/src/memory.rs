//! Memory of the fullest pipeline stage of a plan.

use chokepoint_model::Recompute;
use chokepoint_units::Bytes;

use crate::layer::{LayerTable, Variant};
use crate::stage::Stage;
use crate::{Case, Plan};

/// Share of the memory that allocator fragmentation, communication buffers and the runtime leave
/// to a job (SimuMax `mem_factor`, validated on A100 and B200 to 0.5 to 1.4%).
const USABLE_SHARE: f64 = 0.94;

/// Bytes of a weight in the precision in which gradients are accumulated: FP32 (Megatron-LM
/// default; DeepSeek-V3 section 3.3.3).
pub(crate) const GRADIENT_BYTES: f64 = 4.0;

/// Bytes of a 16-bit weight.
pub(crate) const WEIGHT_BYTES: f64 = 2.0;

/// Memory of one chip of the fullest stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryTable {
    /// Weights, with the 8-bit or 4-bit copies that low-precision training keeps.
    pub weights: Bytes,
    /// Gradients.
    pub gradients: Bytes,
    /// Optimizer state, sharded over data parallelism.
    pub optimizer: Bytes,
    /// Activations kept for the backward pass.
    pub activations: Bytes,
    /// All of it.
    pub total: Bytes,
    /// What the chip offers a job.
    pub usable: Bytes,
    /// The fullest stage, from 0.
    pub stage: u64,
}

/// Memory of the fullest stage.
pub(crate) fn memory(
    case: &Case,
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stages: &[Stage],
) -> MemoryTable {
    let mut fullest = MemoryTable {
        weights: Bytes::ZERO,
        gradients: Bytes::ZERO,
        optimizer: Bytes::ZERO,
        activations: Bytes::ZERO,
        total: Bytes::ZERO,
        usable: case.chip.capacity * USABLE_SHARE,
        stage: 0,
    };
    let micro_batches = plan.micro_batches(case.workload.global_batch);
    for (index, stage) in stages.iter().enumerate() {
        let states = states(case, plan, table, stages, index);
        let mut kept = activations(table, variant, stage);
        if plan.schedule.copies() > 1 {
            let mirror = stages.len() - 1 - index;
            let other = activations(table, variant, &stages[mirror]);
            kept = ((kept.0 + other.0) * 0.5, kept.1.max(other.1));
        }
        let in_flight = in_flight(plan, index as u64, micro_batches);
        let working = if plan.recompute == Recompute::Full {
            variant.working_set
        } else {
            Bytes::ZERO
        };
        let activations = kept.0 * in_flight + kept.1 + working;
        let total = states.0 + states.1 + states.2 + activations;
        if total > fullest.total {
            fullest = MemoryTable {
                weights: states.0,
                gradients: states.1,
                optimizer: states.2,
                activations,
                total,
                usable: fullest.usable,
                stage: index as u64,
            };
        }
    }
    fullest
}

/// Parameters on one chip of a stage: (dense, expert).
pub(crate) fn parameters(
    plan: &Plan,
    table: &LayerTable,
    stages: &[Stage],
    index: usize,
) -> (f64, f64) {
    let mut held = (0.0, 0.0);
    let mut add = |index: usize| {
        let Some(stage) = stages.get(index) else {
            return;
        };
        for (count, layer) in stage.counts.iter().zip(&table.layers) {
            held.0 += f64::from(*count) * layer.dense_parameters;
            held.1 += f64::from(*count) * layer.expert_parameters;
        }
        if stage.first {
            held.0 += table.ends.first_parameters;
        }
        if stage.last {
            held.0 += table.ends.last_parameters;
            if table.tied && stage.first {
                held.0 -= table.tied_parameters;
            }
            held.1 += table.ends.last_expert_parameters;
        }
    };
    add(index);
    if plan.schedule.copies() > 1 {
        add(stages.len() - 1 - index);
    }
    held
}

/// Weights, gradients and optimizer state of one chip.
fn states(
    case: &Case,
    plan: &Plan,
    table: &LayerTable,
    stages: &[Stage],
    index: usize,
) -> (Bytes, Bytes, Bytes) {
    let (dense, expert) = parameters(plan, table, stages, index);
    let all = dense + expert;
    let copies = if plan.format.bits() < 16 {
        plan.format.stored_bytes()
    } else {
        0.0
    };
    let state = case.workload.optimizer.bytes_per_parameter();
    let dense_shards = (plan.schedule.copies() * plan.dp * plan.cp) as f64;
    let expert_shards = dense_shards * plan.tp as f64 / plan.ep as f64;
    (
        Bytes::new(all * (WEIGHT_BYTES + copies)),
        Bytes::new(all * GRADIENT_BYTES),
        Bytes::new(state * (dense / dense_shards + expert / expert_shards)),
    )
}

/// Activations of one micro-batch on a stage: (kept until its backward, needed once).
fn activations(table: &LayerTable, variant: &Variant, stage: &Stage) -> (Bytes, Bytes) {
    let mut kept = Bytes::ZERO;
    for (count, layer) in stage.counts.iter().zip(&variant.activations) {
        kept += *layer * f64::from(*count);
    }
    if stage.first {
        kept += table.ends.first_activations;
    }
    let once = if stage.last {
        table.ends.last_activations
    } else {
        Bytes::ZERO
    };
    (kept, once)
}

/// Micro-batches whose activations a stage holds at its fullest: the schedule's, and one more
/// where expert traffic runs under another micro-batch in a schedule that has no pairs of its own.
fn in_flight(plan: &Plan, rank: u64, micro_batches: u64) -> f64 {
    let held = plan
        .schedule
        .in_flight(plan.pp, plan.vp, rank, micro_batches);
    let overlapped = plan.overlap_ep && !plan.schedule.pairs();
    (held + f64::from(u8::from(overlapped))).min(micro_batches as f64)
}
