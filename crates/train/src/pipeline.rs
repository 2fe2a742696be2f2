//! The pipeline of a plan: its slowest stage, its idle time, its transfers.

use chokepoint_fabric::Group;
use chokepoint_units::{Bytes, Seconds};

use crate::stage::Stage;
use crate::variant::{Times, Variant};
use crate::{Case, Plan, Schedule, TensorExchange};

/// What the slowest stage of a pipeline takes, and what the others add.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pipeline {
    /// The slowest stage.
    pub index: usize,
    /// Its layers.
    pub layers: u32,
    /// Its times for one micro-batch.
    pub slowest: Times,
    /// Idle time of the schedule in one step.
    pub bubble: Seconds,
}

/// Share of the vocabulary head that a stage computes.
pub(crate) fn head_share(plan: &Plan, stage: &Stage) -> f64 {
    if plan.split_vocabulary {
        1.0 / plan.pp as f64
    } else if stage.last {
        1.0
    } else {
        0.0
    }
}

/// The slowest stage and the idle time of the schedule.
///
/// Idle: the schedule's closed form for equal stages, taken at the mean of the other stages, which
/// makes it their time, once, for 1F1B (Narayanan et al. 2021, section 2.2). `DualPipe`: each rank
/// holds a stage and its mirror image and serves half of the micro-batches on each, so that its
/// time for a micro-batch is the mean of both; idle as all ranks were the slowest.
pub(crate) fn pipeline(plan: &Plan, variant: &Variant, stages: &[Stage]) -> Pipeline {
    let mut found = Pipeline::default();
    let mut all = Times::default();
    let times = |stage: &Stage| variant.stage_times(stage, head_share(plan, stage));
    for (index, stage) in stages.iter().enumerate() {
        let mut own = times(stage);
        if plan.schedule.copies() > 1 {
            let mut mean = Times::default();
            mean.add(&own, 0.5);
            mean.add(&times(&stages[stages.len() - 1 - index]), 0.5);
            own = mean;
        }
        all.add(&own, 1.0);
        if own.total() > found.slowest.total() {
            found = Pipeline {
                index,
                layers: stage.layers(),
                slowest: own,
                bubble: Seconds::ZERO,
            };
        }
    }
    let mut others = found.slowest;
    if !plan.schedule.pairs() && plan.pp > 1 {
        all.add(&found.slowest, -1.0);
        others = Times::default();
        others.add(&all, 1.0 / (plan.pp - 1) as f64);
    }
    found.bubble = plan.schedule.bubble(
        plan.pp,
        plan.vp,
        Seconds::new(others.forward),
        Seconds::new(others.backward - others.gradient),
        Seconds::new(others.gradient),
    );
    found
}

/// Exposed transfers between stages: both directions of every micro-batch in plain 1F1B, whose
/// send and receive block; fill and drain only where the schedule overlaps the rest
/// (Megatron-LM `overlap_p2p_comm`, `DualPipe`). Of a V, the fill goes there and back.
///
/// Without sequence parallelism each tensor-parallel chip passes the whole boundary, or its part,
/// gathered on arrival (Narayanan et al. 2021 section 4.1).
pub(crate) fn transfers(case: &Case, plan: &Plan, micro_batches: f64) -> Seconds {
    if plan.pp == 1 {
        return Seconds::ZERO;
    }
    let tokens = (plan.micro_batch * case.workload.sequence) as f64 / plan.cp as f64;
    let whole = Bytes::new(tokens * case.architecture.hidden as f64 * 2.0);
    let part = whole / plan.tp as f64;
    let chain = Group {
        size: plan.pp,
        stride: plan.tp * plan.cp * plan.dp,
    };
    let once = match plan.tensor {
        TensorExchange::AllReduce => case.fabric.send(chain, whole),
        TensorExchange::ScatteredTransfers => {
            case.fabric.send(chain, part) + case.fabric.all_gather(Group::adjacent(plan.tp), whole)
        }
        TensorExchange::Sequence | TensorExchange::SequenceKept => case.fabric.send(chain, part),
    };
    let fill = (plan.pp - 1) as f64;
    match plan.schedule {
        Schedule::OneForwardOneBackward if plan.vp == 1 => once * (2.0 * (micro_batches + fill)),
        Schedule::DualPipe => once * fill,
        Schedule::OneForwardOneBackward
        | Schedule::ZeroBubbleH1
        | Schedule::ZeroBubbleH2
        | Schedule::ZeroBubbleV
        | Schedule::DualPipeV => once * (2.0 * fill),
    }
}
