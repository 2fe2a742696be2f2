//! Memory of the fullest pipeline stage of a plan.

use chokepoint_model::Recompute;
use chokepoint_units::Bytes;

use crate::layer::{LayerTable, Variant};
use crate::stage::Stage;
use crate::{Case, Plan, Schedule};

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
        let (first, last) = (index == 0, index + 1 == stages.len());
        let states = states(case, plan, table, stages, index);
        let mut kept = activations(table, variant, stage, first, last);
        if plan.schedule == Schedule::DualPipe {
            let mirror = stages.len() - 1 - index;
            let other = activations(table, variant, &stages[mirror], last, first);
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
        if index == 0 {
            held.0 += table.ends.first_parameters;
        }
        if index + 1 == stages.len() {
            held.0 += table.ends.last_parameters;
            if table.tied && stages.len() == 1 {
                held.0 -= table.tied_parameters;
            }
            held.1 += table.ends.last_expert_parameters;
        }
    };
    add(index);
    if plan.schedule == Schedule::DualPipe {
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
    let dense_shards = (plan.copies() * plan.dp * plan.cp) as f64;
    let expert_shards = dense_shards * plan.tp as f64 / plan.ep as f64;
    (
        Bytes::new(all * (WEIGHT_BYTES + copies)),
        Bytes::new(all * GRADIENT_BYTES),
        Bytes::new(state * (dense / dense_shards + expert / expert_shards)),
    )
}

/// Activations of one micro-batch on a stage: (kept until its backward, needed once).
fn activations(
    table: &LayerTable,
    variant: &Variant,
    stage: &Stage,
    first: bool,
    last: bool,
) -> (Bytes, Bytes) {
    let mut kept = Bytes::ZERO;
    for (count, layer) in stage.counts.iter().zip(&variant.activations) {
        kept += *layer * f64::from(*count);
    }
    if first {
        kept += table.ends.first_activations;
    }
    let once = if last {
        table.ends.last_activations
    } else {
        Bytes::ZERO
    };
    (kept, once)
}

/// Micro-batches whose activations a stage holds at its fullest.
///
/// 1F1B: min(m, p - r) on stage r (Narayanan et al. 2021, section 2.2). Interleaved: chunks
/// ((v-1) p + 2 (p-r-1) + 1) of 1/v each, which is p + (p-1)/v on stage 0 (Korthikanti et al.
/// 2022, section 4.2.3). DualPipe: p + 1 (DualPipe README). A schedule that overlaps expert
/// traffic holds one more.
fn in_flight(plan: &Plan, rank: u64, micro_batches: u64) -> f64 {
    let (p, v, m) = (plan.pp as f64, plan.vp as f64, micro_batches as f64);
    let behind = (plan.pp - 1 - rank) as f64;
    let held = match plan.schedule {
        Schedule::DualPipe => p + 1.0,
        Schedule::OneForwardOneBackward if plan.vp > 1 => ((v - 1.0) * p + 2.0 * behind + 1.0) / v,
        Schedule::OneForwardOneBackward => behind + 1.0,
    };
    let overlapped = plan.overlap_ep && plan.schedule == Schedule::OneForwardOneBackward;
    (held + f64::from(u8::from(overlapped))).min(m)
}

#[cfg(test)]
mod tests {
    use chokepoint_units::NumberFormat;

    use super::*;

    fn plan(pp: u64, vp: u64, schedule: Schedule) -> Plan {
        Plan {
            pp,
            vp,
            schedule,
            ..Plan::one(NumberFormat::Bf16)
        }
    }

    /// Activations in units of one micro-batch of one stage: p on the first and 1 on the last
    /// stage of 1F1B, p (1 + (p-1)/(pv)) interleaved (Korthikanti et al. 2022, section 4.2.3),
    /// p + 1 everywhere in DualPipe, and never more than there are micro-batches.
    #[test]
    fn stages_hold_the_published_activations() {
        let plain = plan(8, 1, Schedule::OneForwardOneBackward);
        assert!((in_flight(&plain, 0, 64) - 8.0).abs() < 1e-12);
        assert!((in_flight(&plain, 7, 64) - 1.0).abs() < 1e-12);
        assert!((in_flight(&plain, 0, 4) - 4.0).abs() < 1e-12);
        let interleaved = plan(8, 4, Schedule::OneForwardOneBackward);
        assert!((in_flight(&interleaved, 0, 64) - 8.0 * (1.0 + 7.0 / 32.0)).abs() < 1e-12);
        let dualpipe = plan(16, 1, Schedule::DualPipe);
        assert!((in_flight(&dualpipe, 5, 120) - 17.0).abs() < 1e-12);
    }
}
