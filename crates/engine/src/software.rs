//! What a training framework of the catalogue means for a prediction.

use chokepoint_catalog::{Framework, OptimizerState, Rate};
use chokepoint_model::Recompute;
use chokepoint_train::{
    KernelRates, Optimizer, Plan, Schedule, Sharding, Software, Space, TensorExchange,
    TensorOverlap,
};
use chokepoint_units::NumberFormat;

/// The training software on the chips of a calibration; current kernels where no framework is
/// named.
pub(crate) fn software(framework: Option<&Framework>, curves: &str) -> Software {
    framework.map_or(Software::CURRENT, |known| {
        let rate = |rate: &Rate| rate.on(curves).value;
        Software {
            fused_attention: known.fused_attention,
            launch: known.launch.value,
            rates: KernelRates {
                gemm: rate(&known.rates.gemm),
                grouped: rate(&known.rates.grouped),
                attention: rate(&known.rates.attention),
                elementwise: rate(&known.rates.elementwise),
            },
            rate_spread: known.rates.gemm.on(curves).ratio_spread(),
            layer_wait: known.layer_wait.value,
            expert_launch: known.expert_launch.value,
        }
    })
}

/// The optimizer's state and the format of gradients that a framework has by default.
pub(crate) fn numerics(framework: Option<&Framework>) -> (Optimizer, NumberFormat) {
    let Some(known) = framework else {
        return (Optimizer::AdamFp32, NumberFormat::Fp32);
    };
    let optimizer = match known.state {
        OptimizerState::Fp32 => Optimizer::AdamFp32,
        OptimizerState::Bf16Moments => Optimizer::AdamBf16Moments,
        OptimizerState::Bf16 => Optimizer::AdamBf16,
    };
    (optimizer, known.gradients)
}

/// The number formats that a framework trains in; 16 bits where it has none of those wanted.
pub(crate) fn formats(wanted: &[NumberFormat], framework: Option<&Framework>) -> Vec<NumberFormat> {
    let narrow = framework.is_none_or(|known| known.narrow);
    let wanted = wanted.iter().copied();
    let mut formats: Vec<NumberFormat> = wanted
        .filter(|format| narrow || format.bits() >= 16)
        .collect();
    if formats.is_empty() {
        formats.push(NumberFormat::Bf16);
    }
    formats
}

/// What a framework does by default, where a given plan does not say.
pub(crate) fn defaults(framework: &Framework, plan: Plan) -> Plan {
    Plan {
        tensor: exchange(framework),
        overlap_tp: overlap(framework),
        overlap_dp: framework.overlap_dp,
        recompute: if framework.recomputes {
            Recompute::Full
        } else {
            plan.recompute
        },
        sharding: if framework.sharded_optimizer {
            Sharding::Optimizer
        } else {
            Sharding::None
        },
        ..plan
    }
}

/// The part of a space that a framework runs.
pub(crate) fn restrict(framework: &Framework, space: &mut Space) {
    space.exchanges = vec![exchange(framework)];
    space.tensor_overlaps = vec![overlap(framework)];
    space.data_overlaps = vec![framework.overlap_dp];
    if !framework.context {
        space.context = vec![1];
    }
    space.schedules.retain(|schedule| match schedule {
        Schedule::OneForwardOneBackward => true,
        Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 | Schedule::ZeroBubbleV => {
            framework.zero_bubble
        }
        Schedule::DualPipe | Schedule::DualPipeV => framework.paired,
    });
    if !framework.overlap_ep {
        space.expert_overlaps = vec![false];
    }
}

/// How a framework exchanges what tensor parallelism splits.
pub(crate) const fn exchange(framework: &Framework) -> TensorExchange {
    if framework.sequence_parallel {
        TensorExchange::Sequence
    } else if framework.scattered_transfers {
        TensorExchange::ScatteredTransfers
    } else {
        TensorExchange::AllReduce
    }
}

fn overlap(framework: &Framework) -> TensorOverlap {
    if framework.overlap_tp {
        TensorOverlap::Pipelined
    } else {
        TensorOverlap::None
    }
}
