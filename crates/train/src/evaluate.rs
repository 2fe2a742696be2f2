//! The prediction of one plan.

use chokepoint_chip::{KernelClass, PowerDraw};
use chokepoint_fabric::Group;
use chokepoint_units::{Bytes, Energy, Seconds};

use crate::layer::{LayerTable, Variant, layer_table};
use crate::memory::{GRADIENT_BYTES, MemoryTable, WEIGHT_BYTES, memory, parameters};
use crate::parts::COMPUTE;
use crate::stage::{Stage, stages};
use crate::{Case, Part, Parts, Plan, PlanError, Schedule};

/// Relative half-width (80%) of what is left for mixtures of experts: predicted over measured, over
/// 67 published steps at their own plans with the share kept inside a step fitted on dense models,
/// has medians by chip from 0.7 (H100) to 1.1 (GB200, GB300). Uneven experts, permutation kernels
/// and the age of the framework are in it.
const MIXTURE_SPREAD: f64 = 0.35;

/// What a plan yields.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The plan.
    pub plan: Plan,
    /// Time of one optimizer step.
    pub step: Seconds,
    /// Its parts; they sum to `step`.
    pub parts: Parts,
    /// Relative half-width of the 80% interval of `step`.
    pub spread: f64,
    /// Memory of the fullest stage.
    pub memory: MemoryTable,
    /// Tokens of one second on all chips.
    pub tokens_per_second: f64,
    /// Model FLOPs reached over the dense peak of the plan's format.
    pub mfu: f64,
    /// Time of the whole run without failures.
    pub run: Seconds,
    /// Energy of all chips' packages over one step.
    pub chip_energy_per_step: Energy,
}

/// Why a plan cannot run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Infeasible {
    /// It makes no sense for the case.
    Plan(PlanError),
    /// It does not fit.
    Memory(MemoryTable),
}

/// Predicts one plan.
///
/// # Errors
/// Why it cannot run.
pub fn evaluate(case: &Case, plan: &Plan) -> Result<Prediction, Infeasible> {
    plan.check(case).map_err(Infeasible::Plan)?;
    let table = layer_table(
        case,
        plan.tp,
        plan.cp,
        plan.ep,
        plan.micro_batch,
        plan.format,
    );
    let variant = table.variant(plan);
    let stages = stages(
        &case.architecture.layers,
        case.architecture.mtp_layers,
        plan.pp,
        plan.vp,
        plan.schedule.placement(),
    );
    let memory = memory(case, plan, &table, &variant, &stages);
    if memory.total > memory.usable {
        return Err(Infeasible::Memory(memory));
    }
    let parts = step_parts(case, plan, &table, &variant, &stages);
    Ok(predict(case, plan, parts, memory))
}

/// Parts of one step: m micro-batches on the slowest stage, the bubble, transfers between
/// stages, the data-parallel exchange and the optimizer.
pub(crate) fn step_parts(
    case: &Case,
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stages: &[Stage],
) -> Parts {
    let micro_batches = plan.micro_batches(case.workload.global_batch) as f64;
    let (slowest, bubble) = pipeline(plan, table, variant, stages);
    let mut parts = slowest.parts * micro_batches;
    parts.put(Part::PipelineBubble, bubble);
    parts.put(Part::PipelineTransfer, transfers(case, plan, micro_batches));
    let fullest = parameters(plan, table, stages, slowest.index);
    let layers = f64::from(slowest.layers.max(1));
    parts.put(
        Part::DataParallel,
        data_parallel(case, plan, fullest, &slowest, layers),
    );
    parts.put(Part::Optimizer, optimizer(case, plan, fullest));
    parts
}

/// The slowest stage of a pipeline, for one micro-batch.
#[derive(Default)]
struct Slowest {
    index: usize,
    layers: u32,
    parts: Parts,
    forward: Seconds,
    backward: Seconds,
    /// Of forward and backward: time in which the chip computes.
    compute: (Seconds, Seconds),
    /// Of the backward: gradients of weights.
    weight_gradient: Seconds,
}

/// The slowest stage and the idle time of the schedule.
///
/// Idle: the schedule's closed form for equal stages, taken at the mean of the other stages, which
/// makes it their time, once, for 1F1B (Narayanan et al. 2021, section 2.2). `DualPipe`: each rank
/// holds a stage and its mirror image and serves half of the micro-batches on each, so that its
/// time for a micro-batch is the mean of both; idle as all ranks were the slowest.
fn pipeline(
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stages: &[Stage],
) -> (Slowest, Seconds) {
    let mut slowest = Slowest::default();
    let mut all = [Seconds::ZERO; 3];
    for (index, stage) in stages.iter().enumerate() {
        let (mut forward, mut backward, mut gradient) = variant.stage(table, stage);
        if plan.schedule.copies() > 1 {
            let other = variant.stage(table, &stages[stages.len() - 1 - index]);
            forward = (forward + other.0) * 0.5;
            backward = (backward + other.1) * 0.5;
            gradient = (gradient + other.2) * 0.5;
        }
        let (ahead, behind) = (forward.total(), backward.total());
        for (sum, time) in all.iter_mut().zip([ahead, behind, gradient]) {
            *sum += time;
        }
        if ahead + behind > slowest.forward + slowest.backward {
            slowest = Slowest {
                index,
                layers: stage.layers(),
                parts: forward + backward,
                forward: ahead,
                backward: behind,
                compute: (forward.sum_of(&COMPUTE), backward.sum_of(&COMPUTE)),
                weight_gradient: gradient,
            };
        }
    }
    let own = [slowest.forward, slowest.backward, slowest.weight_gradient];
    let [forward, backward, gradient] = if plan.schedule.pairs() || plan.pp == 1 {
        own
    } else {
        let others = (plan.pp - 1) as f64;
        [0, 1, 2].map(|time| (all[time] - own[time]) / others)
    };
    let bubble = plan
        .schedule
        .bubble(plan.pp, plan.vp, forward, backward - gradient, gradient);
    (slowest, bubble)
}

/// Exposed transfers between stages: both directions of every micro-batch in plain 1F1B, whose
/// send and receive block; fill and drain only where the schedule overlaps the rest
/// (Megatron-LM `overlap_p2p_comm`, `DualPipe`). Of a V, the fill goes there and back.
fn transfers(case: &Case, plan: &Plan, micro_batches: f64) -> Seconds {
    if plan.pp == 1 {
        return Seconds::ZERO;
    }
    let tokens = (plan.micro_batch * case.workload.sequence) as f64 / (plan.tp * plan.cp) as f64;
    let message = Bytes::new(tokens * case.architecture.hidden as f64 * 2.0);
    let chain = Group {
        size: plan.pp,
        stride: plan.tp * plan.cp * plan.dp,
    };
    let once = case.fabric.send(chain, message);
    let fill = (plan.pp - 1) as f64;
    match plan.schedule {
        Schedule::OneForwardOneBackward if plan.vp == 1 => once * (2.0 * (micro_batches + fill)),
        Schedule::DualPipe => once * fill,
        _ => once * (2.0 * fill),
    }
}

/// Exposed gradient reduce-scatter and parameter all-gather of the distributed optimizer.
///
/// The reduction runs under the backward of the last micro-batch, the gathering under the forward
/// of the first; what is left, and at least the share of one layer, is exposed
/// (Megatron-Bridge performance guide). `DualPipe` holds every stage twice, and both copies take
/// part.
fn data_parallel(
    case: &Case,
    plan: &Plan,
    held: (f64, f64),
    slowest: &Slowest,
    layers: f64,
) -> Seconds {
    let ranks = plan.schedule.copies() * plan.dp * plan.cp;
    let dense = Group {
        size: ranks,
        stride: plan.tp,
    };
    let expert = Group {
        size: ranks * plan.tp / plan.ep,
        stride: plan.ep,
    };
    let fabric = case.fabric;
    let reduce = fabric.reduce_scatter(dense, Bytes::new(held.0 * GRADIENT_BYTES))
        + fabric.reduce_scatter(expert, Bytes::new(held.1 * GRADIENT_BYTES));
    let gather = fabric.all_gather(dense, Bytes::new(held.0 * WEIGHT_BYTES))
        + fabric.all_gather(expert, Bytes::new(held.1 * WEIGHT_BYTES));
    let exposed = |time: Seconds, cover: Seconds| (time - cover).max(time / layers);
    exposed(reduce, slowest.compute.1) + exposed(gather, slowest.compute.0)
}

/// Optimizer step: state read and written, gradient read, weight written, all in memory.
fn optimizer(case: &Case, plan: &Plan, held: (f64, f64)) -> Seconds {
    let shards = (plan.schedule.copies() * plan.dp * plan.cp) as f64;
    let own = held.0 / shards + held.1 / (shards * plan.tp as f64 / plan.ep as f64);
    let touched =
        2.0 * case.workload.optimizer.bytes_per_parameter() + GRADIENT_BYTES + WEIGHT_BYTES;
    case.chip.stream(Bytes::new(own * touched)).total
}

/// Metrics of a step whose parts are known.
pub(crate) fn predict(case: &Case, plan: &Plan, parts: Parts, memory: MemoryTable) -> Prediction {
    let step = parts.total();
    let tokens = (case.workload.global_batch * case.workload.sequence) as f64;
    let ops = case
        .architecture
        .training_flops_per_token(case.workload.sequence, true)
        * tokens;
    let peak = case.chip.rate(plan.format) * plan.chips() as f64;
    let steps = case.workload.tokens / tokens;
    Prediction {
        plan: *plan,
        step,
        spread: spread(case, plan, &parts),
        memory,
        tokens_per_second: tokens / step.get(),
        mfu: (ops / peak) / step,
        run: step * steps,
        chip_energy_per_step: case.chip.energy(draw(&parts)) * plan.chips() as f64,
        parts,
    }
}

/// Time by kind of work, for power.
///
/// Limits: every stage is taken to be as busy as the slowest.
fn draw(parts: &Parts) -> PowerDraw {
    let mut draw = PowerDraw::default();
    for (part, time) in parts.iter() {
        match part {
            Part::Gemm | Part::ExpertGemm | Part::Attention | Part::Recompute => {
                draw.compute += time;
            }
            Part::Elementwise | Part::Optimizer => draw.memory += time,
            _ => draw.communication += time,
        }
    }
    draw
}

/// Relative half-width of the step: the classes' half-widths, weighted by their shares, and that of
/// the rate kept inside a step, added in quadrature as independent.
fn spread(case: &Case, plan: &Plan, parts: &Parts) -> f64 {
    let (wide, fabric) = (case.chip.wide_format(), case.fabric);
    let step = parts.total();
    let sustained = case.chip.sustained_spread * (parts.sum_of(&COMPUTE) / step);
    let inner = plan.tp * plan.cp;
    let mixture = if case.architecture.experts().is_some() {
        MIXTURE_SPREAD
    } else {
        0.0
    };
    let mut sum = sustained * sustained + mixture * mixture;
    for (part, time) in parts.iter() {
        let class = match part {
            Part::Gemm | Part::Recompute | Part::PipelineBubble => {
                case.chip.spread(KernelClass::Gemm, plan.format)
            }
            Part::ExpertGemm => case.chip.spread(KernelClass::GroupedGemm, plan.format),
            Part::Attention => case.chip.spread(KernelClass::Prefill, wide),
            Part::Elementwise | Part::Optimizer => case.chip.spread(KernelClass::Stream, wide),
            Part::TensorParallel => fabric.spread(Group::adjacent(plan.tp)),
            Part::ContextParallel => fabric.spread(Group {
                size: plan.cp,
                stride: plan.tp,
            }),
            Part::ExpertParallel => fabric.spread(Group::adjacent(plan.ep)),
            Part::PipelineTransfer => fabric.spread(Group {
                size: plan.pp,
                stride: inner * plan.dp,
            }),
            Part::DataParallel => fabric.spread(Group {
                size: plan.dp * plan.cp,
                stride: plan.tp,
            }),
        };
        let weighted = class * (time / step);
        sum += weighted * weighted;
    }
    libm::sqrt(sum)
}

#[cfg(test)]
mod tests {
    use chokepoint_units::NumberFormat;

    use super::*;

    /// Steady and idle time of a device for m micro-batches on p equal stages with F = B = W = 1.
    fn time(pp: u64, vp: u64, micro_batches: u64, schedule: Schedule) -> f64 {
        let plan = Plan {
            pp,
            vp,
            schedule,
            ..Plan::one(NumberFormat::Bf16)
        };
        let table = LayerTable::of_times(1.0 / vp as f64, 1.0 / vp as f64, 1.0 / vp as f64);
        let variant = table.variant(&plan);
        let layers = vec![0; (pp * vp) as usize];
        let spread = stages(&layers, 0, pp, vp, schedule.placement());
        let (slowest, bubble) = pipeline(&plan, &table, &variant, &spread);
        (slowest.parts.total() * micro_batches as f64 + bubble).get()
    }

    /// Total time of a device as the schedules' papers count it (F = B_input = W = 1), from
    /// Narayanan et al. 2021, Qi et al. 2024 and the DualPipe README.
    #[test]
    fn schedules_take_the_published_time() {
        use Schedule as S;
        let cases = [
            (8, 1, 20, S::OneForwardOneBackward, 81.0),
            (8, 1, 20, S::ZeroBubbleH1, 67.0),
            (8, 1, 20, S::ZeroBubbleH2, 60.0),
            (8, 2, 20, S::ZeroBubbleV, 60.0),
            (8, 1, 20, S::DualPipe, 66.0),
            (8, 2, 20, S::DualPipeV, 67.0),
            (4, 2, 10, S::DualPipeV, 33.0),
            (16, 1, 64, S::OneForwardOneBackward, 237.0),
            (16, 2, 64, S::OneForwardOneBackward, 214.5),
            (16, 1, 64, S::ZeroBubbleH1, 207.0),
            (16, 1, 64, S::ZeroBubbleH2, 192.0),
            (16, 1, 64, S::DualPipe, 206.0),
            (16, 2, 64, S::DualPipeV, 207.0),
        ];
        for (pp, vp, micro_batches, schedule, expected) in cases {
            let found = time(pp, vp, micro_batches, schedule);
            assert!(
                (found - expected).abs() < 1e-9,
                "{pp} {vp} {micro_batches} {schedule:?}: {found}"
            );
        }
    }
}
