//! What a training framework of the catalogue means for a prediction.

use chokepoint_catalog::Framework;
use chokepoint_train::{Plan, Sharding, Software, Space, TensorExchange, TensorOverlap};

/// The training software; current kernels where no framework is named. `mixture` says whether the
/// model has routed experts.
pub(crate) fn software(framework: Option<&Framework>, mixture: bool) -> Software {
    framework.map_or(Software::CURRENT, |known| {
        let rate = match (&known.expert_rate, mixture) {
            (Some(rate), true) => rate,
            _ => &known.rate,
        };
        Software {
            fused_attention: known.fused_attention,
            launch: known.launch.value,
            rate: rate.value,
            rate_spread: rate.ratio_spread(),
        }
    })
}

/// What a framework does by default, where a given plan does not say.
pub(crate) fn defaults(framework: &Framework, plan: Plan) -> Plan {
    Plan {
        tensor: exchange(framework),
        overlap_tp: overlap(framework),
        overlap_dp: framework.overlap_dp,
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
    if !framework.overlap_ep {
        space.expert_overlaps = vec![false];
    }
}

fn exchange(framework: &Framework) -> TensorExchange {
    if framework.sequence_parallel {
        TensorExchange::Sequence
    } else {
        TensorExchange::ScatteredTransfers
    }
}

fn overlap(framework: &Framework) -> TensorOverlap {
    if framework.overlap_tp {
        TensorOverlap::Pipelined
    } else {
        TensorOverlap::None
    }
}
