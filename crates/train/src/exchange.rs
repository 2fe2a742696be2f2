//! What happens once a step, or around each micro-batch, beside the layers: gradients and weights
//! between data-parallel chips, the optimizer, the host's memory.

use chokepoint_fabric::Group;
use chokepoint_fabric::algorithm::Collective;
use chokepoint_units::{Bytes, Seconds};

use crate::memory::{Held, WEIGHT_BYTES};
use crate::pipeline::Pace;
use crate::traffic::Message;
use crate::variant::wires;
use crate::{Case, Plan, Sharding};

/// Time to reduce gradients and to gather weights, once each.
#[derive(Debug, Clone, Copy, Default)]
struct Exchange {
    /// Reduce-scatter of gradients, or their all-reduce where nothing is sharded.
    reduce: Seconds,
    /// All-gather of weights.
    gather: Seconds,
    /// Between groups that hold copies of the shards: all-reduce of a shard's gradients.
    between: Seconds,
}

impl Exchange {
    fn times(self, factor: f64) -> Self {
        Self {
            reduce: self.reduce * factor,
            gather: self.gather * factor,
            between: self.between * factor,
        }
    }
}

/// Exposed time of the data-parallel exchange of a step.
///
/// Nothing or the optimizer sharded: gradients are reduced under the backward of the last
/// micro-batch, weights gathered under the forward of the first (Megatron-Bridge performance
/// guide). Gradients sharded: reduced behind every micro-batch, under its backward. Weights sharded:
/// gathered for forward and backward of every micro-batch and gradients reduced behind it (`ZeRO`
/// section 7; FSDP, Zhao et al. 2023), under its passes. In a pipeline, whose micro-batches
/// overlap, both once, as when the optimizer is sharded (Llama 3 report section 3.3.2; torchtitan).
///
/// The exchange runs while the layers' own traffic leaves its wires free: those inside a domain
/// where all replicas are in one, else those between domains. What does not fit, and at least the
/// share of one layer, is exposed. Frozen weights have no gradients.
///
/// Limits: the part of an exchange between domains that runs inside them holds nothing up there,
/// and the processors that it takes are not counted.
pub(crate) fn data_parallel(
    case: &Case,
    plan: &Plan,
    held: Held,
    pace: &Pace,
    micro_batches: f64,
    slowdown: f64,
) -> Seconds {
    let Exchange {
        reduce,
        gather,
        between,
    } = exchange(case, plan, held).times(slowdown);
    let layers = f64::from(pace.layers.max(1));
    let [all, _] = replicas(plan);
    let (ahead, behind) = pace.times.free[wires(all, case.fabric.domain)];
    let exposed = |time: Seconds, cover: f64| {
        let cover = if plan.overlap_dp { cover } else { 0.0 };
        (time - Seconds::new(cover)).max(time / layers)
    };
    let once = match plan.sharding {
        Sharding::Gradients if plan.pp == 1 => {
            exposed(reduce, behind) * micro_batches + exposed(gather, ahead)
        }
        _ if !plan.regathers() => exposed(reduce, behind) + exposed(gather, ahead),
        _ => (exposed(gather, ahead) + exposed(gather + reduce, behind)) * micro_batches,
    };
    once + between
}

/// Chips that hold the same dense weights, and those that hold the same experts.
const fn replicas(plan: &Plan) -> [Group; 2] {
    [
        Group {
            size: plan.replicas(),
            stride: plan.tp,
        },
        Group {
            size: plan.expert_replicas(),
            stride: plan.ep * plan.etp,
        },
    ]
}

fn exchange(case: &Case, plan: &Plan, held: Held) -> Exchange {
    let [dense, expert] = replicas(plan);
    let dense = sharded(case, plan, held.dense, dense);
    let expert = sharded(case, plan, held.expert, expert);
    Exchange {
        reduce: dense.reduce + expert.reduce,
        gather: dense.gather + expert.gather,
        between: dense.between + expert.between,
    }
}

/// The reduction of the gradients of some parameters that all chips of a group hold.
fn reduction(case: &Case, plan: &Plan, parameters: f64, all: Group) -> Message {
    let trained = trained(case, parameters);
    let (collective, group) = if plan.sharding == Sharding::None {
        (Collective::AllReduce, all)
    } else {
        let size = plan.shards(all.size);
        (Collective::ReduceScatter, Group { size, ..all })
    };
    Message {
        collective,
        size: Bytes::new(trained * case.workload.gradient_bytes()),
        group,
    }
}

/// Of some parameters those with gradients.
fn trained(case: &Case, parameters: f64) -> f64 {
    if case.workload.trains_weights() {
        parameters
    } else {
        0.0
    }
}

/// The exchanges of dense weights and of experts that a step has: of their gradients in one, and of
/// the largest layer's.
pub(crate) fn step_exchanges(
    case: &Case,
    plan: &Plan,
    held: Held,
) -> impl Iterator<Item = (WholeExchange, Message)> {
    let parameters = [(held.dense, held.largest.0), (held.expert, held.largest.1)];
    let all = replicas(plan).into_iter().zip(parameters);
    let exchanged = all.filter(|(all, (whole, layer))| {
        all.size > 1 && trained(case, *whole) > 0.0 && *layer > 0.0
    });
    exchanged.map(move |(all, (whole, layer))| {
        let of_layer = reduction(case, plan, layer, all);
        (WholeExchange(sharded(case, plan, whole, all)), of_layer)
    })
}

/// The times of an exchange of all weights that a chip holds.
pub(crate) struct WholeExchange(Exchange);

/// Time of an exchange in a step, as often as [`data_parallel`] has it.
pub(crate) fn times_of_exchange(
    plan: &Plan,
    WholeExchange(exchange): &WholeExchange,
    micro_batches: f64,
) -> Seconds {
    let Exchange { reduce, gather, .. } = *exchange;
    match plan.sharding {
        Sharding::Gradients if plan.pp == 1 => reduce * micro_batches + gather,
        _ if !plan.regathers() => reduce + gather,
        _ => (gather * 2.0 + reduce) * micro_batches,
    }
}

/// The exchange of some parameters that all chips of a group hold.
fn sharded(case: &Case, plan: &Plan, parameters: f64, all: Group) -> Exchange {
    if all.size <= 1 || parameters <= 0.0 {
        return Exchange::default();
    }
    let fabric = case.fabric;
    let reduction = reduction(case, plan, parameters, all);
    let reduce = reduction.time(fabric);
    if plan.sharding == Sharding::None {
        return Exchange {
            reduce,
            ..Exchange::default()
        };
    }
    let weights = if plan.regathers() {
        parameters
    } else {
        trained(case, parameters)
    };
    let weights = Bytes::new(weights * WEIGHT_BYTES);
    let (within, shards) = (reduction.group, reduction.group.size);
    let between = Group {
        size: all.size / shards,
        stride: all.stride * shards,
    };
    Exchange {
        reduce,
        gather: fabric.all_gather(within, weights),
        between: fabric.all_reduce(between, reduction.size / shards as f64),
    }
}

/// Optimizer step: state read and written, gradient read, weight written, in the chip's memory or,
/// where the state waits in the host's, over the host link.
///
/// Limits: adapters are too few to count.
pub(crate) fn optimizer(case: &Case, plan: &Plan, held: Held) -> Seconds {
    if !case.workload.trains_weights() {
        return Seconds::ZERO;
    }
    let own = held.state(plan, Some(Sharding::Optimizer));
    let state = case.workload.optimizer.bytes_per_parameter();
    let touched = 2.0 * state + case.workload.gradient_bytes() + WEIGHT_BYTES;
    let update = case.chip.stream(Bytes::new(own * touched)).total;
    match (plan.offload.optimizer, case.chip.host) {
        // Both directions of the link at once, a piece updated while others move.
        (true, Some(host)) => update.max(Bytes::new(own * state) / host),
        _ => update,
    }
}

/// Exposed traffic with the host's memory in a step: kept activations out under the forward and
/// back under the backward of each micro-batch, weights in for both.
///
/// Limits: the host's memory and processors are taken to keep up with the link.
pub(crate) fn offload(
    case: &Case,
    plan: &Plan,
    held: Held,
    kept: Bytes,
    pace: &Pace,
    micro_batches: f64,
) -> Seconds {
    let Some(host) = case.chip.host else {
        return Seconds::ZERO;
    };
    let (mut out, mut back) = (Bytes::ZERO, Bytes::ZERO);
    if plan.offload.activations {
        out += kept;
        back += kept;
    }
    if plan.offload.weights {
        let weights = Bytes::new((held.dense + held.expert) * WEIGHT_BYTES);
        out += weights;
        back += weights;
    }
    let exposed =
        |bytes: Bytes, cover: f64| (bytes / host - Seconds::new(cover)).max(Seconds::ZERO);
    let slowest = &pace.times;
    (exposed(out, slowest.forward) + exposed(back, slowest.backward)) * micro_batches
}
