//! Memory of the fullest pipeline stage of a plan.

use chokepoint_chip::ChipSpec;
use chokepoint_model::Recompute;
use chokepoint_units::Bytes;

use crate::layer::LayerTable;
use crate::pipeline::head_share;
use crate::stage::Stage;
use crate::variant::Variant;
use crate::{Case, Plan, Sharding, Workload};

/// Share of the memory that allocator fragmentation, communication buffers and the runtime leave
/// to a job. SimuMax takes 0.94 (`mem_factor`) with the transients at the ends of the model in it,
/// which are counted here; the largest published run that fitted fills 0.962 by this count.
const USABLE_SHARE: f64 = 0.965;

/// Bytes of a 16-bit weight.
pub(crate) const WEIGHT_BYTES: f64 = 2.0;

/// Layers whose weights, or kept activations, lie on the chip at once while others are gathered or
/// in the host's memory: the one computed and the one on its way.
const LAYERS_AT_ONCE: f64 = 2.0;

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

/// Parameters on one chip of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Held {
    pub dense: f64,
    pub expert: f64,
    /// Of the largest layer, or end of the model, and of the largest layer's routed experts.
    pub largest: (f64, f64),
}

impl Held {
    /// Parameters whose state one chip keeps when a plan shards at least as far as `from`; all of
    /// them where nothing is split.
    pub(crate) fn state(&self, plan: &Plan, from: Option<Sharding>) -> f64 {
        if from.is_none_or(|from| plan.sharding < from) {
            return self.dense + self.expert;
        }
        let shards = |replicas| plan.shards(replicas) as f64;
        self.dense / shards(plan.replicas()) + self.expert / shards(plan.expert_replicas())
    }
}

/// Memory that a chip offers a job.
pub(crate) fn usable(chip: &ChipSpec) -> Bytes {
    chip.capacity * USABLE_SHARE
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
        usable: usable(case.chip),
        stage: 0,
    };
    let micro_batches = plan.micro_batches(case.workload.global_batch);
    for (index, stage) in stages.iter().enumerate() {
        // No later stage of a pipeline holds more micro-batches than an earlier one.
        if index > 0 && *stage == stages[index - 1] && plan.schedule.copies() == 1 {
            continue;
        }
        let [weights, gradients, optimizer] =
            states(case.workload, plan, parameters(plan, table, stages, index));
        let (mut kept, mut once) = activations(plan, table, variant, stage);
        if plan.schedule.copies() > 1 {
            let other = activations(plan, table, variant, &stages[stages.len() - 1 - index]);
            kept = (kept + other.0) * 0.5;
            once = once.max(other.1);
        }
        let in_flight = in_flight(plan, index as u64, micro_batches);
        let working = if plan.recompute == Recompute::Full {
            variant.working_set
        } else {
            Bytes::ZERO
        };
        let mut held = kept * in_flight;
        if plan.offload.activations {
            let one = kept / f64::from(stage.layers().max(1));
            held = held.min(one * LAYERS_AT_ONCE);
        }
        // The embedding's gradient comes as a whole 16-bit table before it is added.
        let table_gradient = if stage.first && case.workload.trains_weights() {
            Bytes::new(table.tied_parameters * WEIGHT_BYTES)
        } else {
            Bytes::ZERO
        };
        let activations = held + once + working + table_gradient;
        let total = weights + gradients + optimizer + activations;
        if total > fullest.total {
            fullest = MemoryTable {
                weights,
                gradients,
                optimizer,
                activations,
                total,
                usable: fullest.usable,
                stage: index as u64,
            };
        }
    }
    fullest
}

/// Parameters on one chip of a stage.
pub(crate) fn parameters(plan: &Plan, table: &LayerTable, stages: &[Stage], index: usize) -> Held {
    let mut held = Held::default();
    let mut add = |index: usize| {
        let Some(stage) = stages.get(index) else {
            return;
        };
        for (count, layer) in stage.counts.iter().zip(&table.layers) {
            held.dense += f64::from(*count) * layer.dense_parameters;
            held.expert += f64::from(*count) * layer.expert_parameters;
            if *count > 0 {
                held.largest.0 = held.largest.0.max(layer.dense_parameters);
                held.largest.1 = held.largest.1.max(layer.expert_parameters);
            }
        }
        if stage.first {
            held.dense += table.ends.first_parameters;
            held.largest.0 = held.largest.0.max(table.ends.first_parameters);
        }
        let head = table.ends.last_parameters * head_share(plan, stage);
        held.dense += head;
        held.largest.0 = held.largest.0.max(head);
        // Multi-token prediction embeds its tokens on the last rank.
        let both = stage.first || plan.schedule.copies() > 1;
        if stage.last && table.predicts_further && !both {
            held.dense += table.tied_parameters;
        }
        if stage.last {
            if table.tied && stage.first {
                held.dense -= table.tied_parameters;
            }
            held.expert += table.ends.last_expert_parameters;
        }
    };
    add(index);
    if plan.schedule.copies() > 1 {
        add(stages.len() - 1 - index);
    }
    held
}

/// Weights, gradients and optimizer state of one chip.
///
/// Bytes a parameter with Y parameters on N chips that hold the same: 2Y + gY + kY without
/// sharding; optimizer sharded 2Y + gY + kY/N; gradients too 2Y + (g + k)Y/N; weights too
/// (2 + g + k)Y/N and one gathered layer beside the next (`ZeRO` section 3; g = 2 or 4, k = 12, 8 or
/// 4). In a pipeline, whose micro-batches overlap, weights stay gathered and gradients whole until
/// the last micro-batch (torchtitan: no resharding after the forward with pipelines; Llama 3 report
/// section 3.3.2). Frozen weights have neither gradients nor state, and need no 16-bit original
/// beside the narrow one that is multiplied.
pub(crate) fn states(workload: &Workload, plan: &Plan, held: Held) -> [Bytes; 3] {
    let narrow = plan.format.bits() < 16;
    let (weight, copies) = match (narrow, workload.trains_weights()) {
        (true, true) => (WEIGHT_BYTES, plan.format.stored_bytes()),
        (true, false) => (plan.format.stored_bytes(), 0.0),
        (false, _) => (WEIGHT_BYTES, 0.0),
    };
    let all = held.dense + held.expert;
    let gathered = LAYERS_AT_ONCE * gathered_at_once(plan, held) * WEIGHT_BYTES;
    let weights = if plan.offload.weights {
        gathered
    } else {
        let own = held.state(plan, split(plan, Sharding::Parameters)) * weight;
        let passing = if plan.regathers() {
            gathered.min(all * WEIGHT_BYTES)
        } else {
            all * copies
        };
        own + passing
    };
    let trained = if workload.trains_weights() { 1.0 } else { 0.0 };
    let gradients = held.state(plan, split(plan, Sharding::Gradients)) * workload.gradient_bytes();
    let state = if plan.offload.optimizer {
        0.0
    } else {
        held.state(plan, Some(Sharding::Optimizer)) * workload.optimizer.bytes_per_parameter()
    };
    [
        Bytes::new(weights),
        Bytes::new(gradients * trained),
        Bytes::new(state * trained),
    ]
}

/// From which sharding on something is split all through a step; never in a pipeline.
fn split(plan: &Plan, from: Sharding) -> Option<Sharding> {
    (plan.pp == 1).then_some(from)
}

/// Parameters of the layer that is gathered at a time: what other chips hold parts of.
fn gathered_at_once(plan: &Plan, held: Held) -> f64 {
    let (dense, expert) = held.largest;
    let of = |parameters: f64, replicas: u64| {
        if plan.shards(replicas) > 1 {
            parameters
        } else {
            0.0
        }
    };
    of(dense, plan.replicas()) + of(expert, plan.expert_replicas())
}

/// Activations of one micro-batch on a stage that are kept until its backward.
pub(crate) fn kept(table: &LayerTable, variant: &Variant, stage: &Stage) -> Bytes {
    let mut kept = Bytes::ZERO;
    for (count, layer) in stage.counts.iter().zip(&variant.activations) {
        kept += *layer * f64::from(*count);
    }
    if stage.first {
        kept += table.ends.first_activations;
    }
    kept
}

/// Activations of one micro-batch on a stage: (kept until its backward, needed once).
fn activations(
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stage: &Stage,
) -> (Bytes, Bytes) {
    let once = table.ends.last_activations * head_share(plan, stage);
    (kept(table, variant, stage), once)
}

/// Micro-batches whose activations a stage holds at its fullest: the schedule's, one more where
/// expert traffic runs under another micro-batch in a schedule that has no pairs of its own (of one
/// chunk: Megatron-LM `num_warmup_microbatches + 1`), and one more where the vocabulary is split,
/// whose sums are awaited (Yeung et al. 2024).
fn in_flight(plan: &Plan, rank: u64, micro_batches: u64) -> f64 {
    let held = plan
        .schedule
        .in_flight(plan.pp, plan.vp, rank, micro_batches);
    let overlapped = plan.overlap_ep && !plan.schedule.pairs();
    let chunk = if overlapped {
        1.0 / plan.vp as f64
    } else {
        0.0
    };
    let more = chunk + f64::from(u8::from(plan.split_vocabulary));
    (held + more).min(micro_batches as f64)
}

#[cfg(test)]
mod tests {
    use chokepoint_units::NumberFormat;

    use super::*;
    use crate::Optimizer;

    /// GB a chip of so many parameters that `dp` chips all hold.
    fn state(parameters: f64, dp: u64, sharding: Sharding, workload: &Workload) -> f64 {
        let plan = Plan {
            dp,
            sharding,
            ..Plan::one(NumberFormat::Bf16)
        };
        let held = Held {
            dense: parameters,
            ..Held::default()
        };
        let all: Bytes = states(workload, &plan, held).into_iter().sum();
        all.get() / 1e9
    }

    fn pretraining(gradients: NumberFormat) -> Workload {
        Workload {
            gradients,
            ..Workload::pretraining(2048, 64, 1e9, vec![NumberFormat::Bf16])
        }
    }

    /// 7.5 billion parameters on 64 chips with 16-bit gradients: 120, 31.4, 16.6 and 1.875 GB
    /// (Rajbhandari et al. 2020, figure 1).
    #[test]
    fn states_take_what_zero_says() {
        let workload = pretraining(NumberFormat::Bf16);
        for (sharding, expected, digits) in [
            (Sharding::None, 120.0, 1e-9),
            (Sharding::Optimizer, 31.4, 0.05),
            (Sharding::Gradients, 16.6, 0.05),
            (Sharding::Parameters, 1.875, 1e-9),
        ] {
            let found = state(7.5e9, 64, sharding, &workload);
            assert!((found - expected).abs() <= digits, "{sharding:?}: {found}");
        }
    }

    /// Bytes a parameter with 16-bit weights, FP32 gradients and state: 18, sharded 6 + 12/D
    /// (Megatron-LM `dist_optimizer.md`); 8 bytes of state with BF16 moments, 4 without masters.
    #[test]
    fn states_take_what_megatron_says() {
        let workload = pretraining(NumberFormat::Fp32);
        let bytes = |dp, sharding| state(1e9, dp, sharding, &workload);
        assert!((bytes(8, Sharding::None) - 18.0).abs() < 1e-9);
        for dp in [1, 2, 64] {
            let expected = 6.0 + 12.0 / dp as f64;
            assert!((bytes(dp, Sharding::Optimizer) - expected).abs() < 1e-9);
        }
        for (optimizer, expected) in [
            (Optimizer::AdamBf16Moments, 14.0),
            (Optimizer::AdamBf16, 10.0),
        ] {
            let workload = Workload {
                optimizer,
                ..workload.clone()
            };
            let found = state(1e9, 4, Sharding::None, &workload);
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
    }
}
