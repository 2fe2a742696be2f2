//! The pipeline of a plan: its slowest stage, its idle time, its transfers.

use chokepoint_fabric::Group;
use chokepoint_units::{Bytes, Seconds};

use crate::schedule::idle_of_uneven_1f1b;
use crate::stage::Stage;
use crate::variant::{Times, Variant};
use crate::{Case, Plan, Schedule, TensorExchange};

/// What the stage that sets the pace takes, and what the others add.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// The stage.
    pub index: usize,
    /// Its layers.
    pub layers: u32,
    /// Its times for one micro-batch.
    pub times: Times,
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

/// Times of all ranks for one micro-batch; in `DualPipe` a rank holds a stage and its mirror image
/// and serves half of the micro-batches on each, so that its time is the mean of both.
pub(crate) fn rank_times(plan: &Plan, variant: &Variant, stages: &[Stage], into: &mut Vec<Times>) {
    into.clear();
    for (index, stage) in stages.iter().enumerate() {
        let same = index > 0 && *stage == stages[index - 1];
        let times = match into.last() {
            Some(times) if same => *times,
            _ => variant.stage_times(stage, head_share(plan, stage)),
        };
        into.push(times);
    }
    if plan.schedule.copies() > 1 {
        let last = into.len() - 1;
        for index in 0..into.len() / 2 {
            let mut mean = Times::default();
            mean.add(&into[index], 0.5);
            mean.add(&into[last - index], 0.5);
            into[index] = mean;
            into[last - index] = mean;
        }
    }
}

/// The rank that sets the pace, and the idle time.
///
/// 1F1B: the rank on the critical path (`idle_of_uneven_1f1b`), exact with one chunk a rank. All
/// other schedules: the slowest rank, and the closed form for equal ranks (`Schedule::bubble`) at
/// the mean of the others.
///
/// Limits: against the timeline, over 200,000 pipelines of 2 to 10 ranks whose chunks' forward,
/// input and weight gradients differ by up to a fifth, each alone, steps come out 5% below to 9%
/// above interleaved (mean 0.9% above), 9% below to 5% above for ZB-H1, ZB-H2 and ZB-V (mean 0.1%
/// below), and 4% below to 9% above for `DualPipe` and `DualPipeV` (mean 1.2% above). Interleaved
/// chunks of one and of two layers side by side come out up to 12% below; the search does not take
/// them (`Space::most_virtual`).
pub(crate) fn pace(plan: &Plan, micro_batches: u64, ranks: &[Times], stages: &[Stage]) -> Pace {
    let mut all = Times::default();
    for rank in ranks {
        all.add(rank, 1.0);
    }
    let (index, bubble) = if plan.schedule == Schedule::OneForwardOneBackward {
        critical_rank(ranks, all.total(), micro_batches, plan.vp)
    } else {
        slowest_rank(plan, micro_batches, ranks, &all)
    };
    Pace {
        index,
        layers: stages[index].layers(),
        times: ranks[index],
        bubble,
    }
}

/// The slowest rank, and the schedule's idle time at the mean of the others.
fn slowest_rank(plan: &Plan, micro_batches: u64, ranks: &[Times], all: &Times) -> (usize, Seconds) {
    let mut index = 0;
    for (rank, times) in ranks.iter().enumerate() {
        if times.total() > ranks[index].total() {
            index = rank;
        }
    }
    let mut others = *all;
    others.add(&ranks[index], -1.0);
    let mut mean = Times::default();
    mean.add(&others, 1.0 / (ranks.len() - 1).max(1) as f64);
    let bubble = plan.schedule.bubble(
        (plan.pp, plan.vp, micro_batches),
        Seconds::new(mean.forward),
        Seconds::new(mean.backward - mean.gradient),
        Seconds::new(mean.gradient),
    );
    (index, bubble)
}

/// The rank on the critical path of 1F1B, which has the largest m (F + B) + idle, and its idle
/// time.
fn critical_rank(ranks: &[Times], all: f64, micro_batches: u64, vp: u64) -> (usize, Seconds) {
    let mut before = 0.0;
    let mut critical = (0, Seconds::ZERO);
    let mut longest = f64::NEG_INFINITY;
    for (index, rank) in ranks.iter().enumerate() {
        let own = rank.total();
        let idle = idle_of_uneven_1f1b(
            (Seconds::new(rank.forward), Seconds::new(rank.backward)),
            (Seconds::new(before), Seconds::new(all - before - own)),
            (ranks.len() - 1 - index) as u64,
            micro_batches * vp,
        ) / vp as f64;
        let path = own * micro_batches as f64 + idle.get();
        if path > longest {
            longest = path;
            critical = (index, idle);
        }
        before += own;
    }
    critical
}

/// Exposed transfers between stages (`Schedule::exposed_transfers`).
pub(crate) fn transfers(case: &Case, plan: &Plan, micro_batches: u64) -> Seconds {
    let exposed = plan
        .schedule
        .exposed_transfers(plan.pp, plan.vp, micro_batches);
    transfer(case, plan) * exposed
}

/// One transfer of a micro-batch from a stage to the next.
///
/// Without sequence parallelism each tensor-parallel chip passes the whole boundary, or its part,
/// gathered on arrival (Narayanan et al. 2021 section 4.1).
pub(crate) fn transfer(case: &Case, plan: &Plan) -> Seconds {
    if plan.pp == 1 {
        return Seconds::ZERO;
    }
    let (chain, part) = (plan.stages(), boundary(case, plan));
    match plan.tensor {
        TensorExchange::ScatteredTransfers => {
            let whole = part * plan.tp as f64;
            case.fabric.send(chain, part) + case.fabric.all_gather(Group::adjacent(plan.tp), whole)
        }
        TensorExchange::AllReduce | TensorExchange::Sequence | TensorExchange::SequenceKept => {
            case.fabric.send(chain, part)
        }
    }
}

/// Bytes that a chip passes to the next stage for a micro-batch.
pub(crate) fn boundary(case: &Case, plan: &Plan) -> Bytes {
    let tokens = (plan.micro_batch * case.workload.sequence) as f64 / plan.cp as f64;
    let whole = Bytes::new(tokens * case.architecture.hidden as f64 * 2.0);
    match plan.tensor {
        TensorExchange::AllReduce => whole,
        _ => whole / plan.tp as f64,
    }
}
