//! The prediction of one plan.

use chokepoint_chip::{KernelClass, PowerDraw};
use chokepoint_fabric::Group;
use chokepoint_units::{Energy, Seconds};

use crate::exchange::{data_parallel, offload, optimizer};
use crate::layer::{LayerTable, layer_table};
use crate::memory::{MemoryTable, kept, memory, parameters};
use crate::parts::COMPUTE;
use crate::pipeline::{Pace, head_share, pace, rank_times, transfers};
use crate::slowdown::{Slowdowns, TrafficKind};
use crate::stage::{Costs, Run, Stage, balanced_stages, runs, stages};
use crate::variant::{Times, Variant, stage_parts};
use crate::{Case, Part, Parts, Plan, PlanError};

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
    let found = measure(case, plan).map_err(Infeasible::Plan)?;
    if found.memory.total > found.memory.usable {
        return Err(Infeasible::Memory(found.memory));
    }
    Ok(found)
}

/// Predicts one plan whether or not it fits; its memory table says.
///
/// # Errors
/// Why it makes no sense for the case.
pub fn measure(case: &Case, plan: &Plan) -> Result<Prediction, PlanError> {
    measure_slowed(case, plan, &Slowdowns::NONE)
}

/// The same with traffic that takes longer than alone.
///
/// Stretched traffic hides as far as the compute that it runs under reaches, and keeps wires busy
/// for longer. The plan stays as it is, but that a balanced pipeline deals its layers anew.
///
/// # Errors
/// Why it makes no sense for the case.
pub fn measure_slowed(
    case: &Case,
    plan: &Plan,
    slowdowns: &Slowdowns,
) -> Result<Prediction, PlanError> {
    plan.check(case)?;
    let table = layer_table(case, plan).slowed(slowdowns);
    let variant = table.variant(plan);
    let stages = plan_stages(case, plan, &variant);
    let memory = memory(case, plan, &table, &variant, &stages);
    let parts = step_parts(case, plan, &table, &variant, &stages);
    Ok(predict(case, plan, parts, memory))
}

/// The stages of a plan.
pub(crate) fn plan_stages(case: &Case, plan: &Plan, variant: &Variant) -> Vec<Stage> {
    let architecture = case.architecture;
    if plan.balanced {
        let mut dealt = Vec::new();
        deal_balanced(&runs(&architecture.layers), plan, variant, &mut dealt);
        return dealt;
    }
    stages(
        &architecture.layers,
        architecture.mtp_layers,
        plan.pp,
        plan.vp,
        plan.schedule.placement(),
    )
}

/// The stages of a plan whose layers are balanced.
pub(crate) fn deal_balanced(runs: &[Run], plan: &Plan, variant: &Variant, into: &mut Vec<Stage>) {
    let layers = variant.times.each_ref().map(Times::total);
    let costs = Costs {
        layers,
        inverse: layers.map(|cost| 1.0 / cost.max(f64::MIN_POSITIVE)),
        embedding: variant.first.total(),
        head: if plan.split_vocabulary {
            0.0
        } else {
            variant.last.total()
        },
    };
    balanced_stages(runs, plan.pp, &costs, into);
}

/// What a step takes beside m micro-batches on the slowest stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    pub transfer: Seconds,
    pub data_parallel: Seconds,
    pub offload: Seconds,
    pub optimizer: Seconds,
}

/// What a plan takes beside the micro-batches and the bubble of its pipeline.
pub(crate) fn rest(
    case: &Case,
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stages: &[Stage],
    pace: &Pace,
) -> Rest {
    let micro_batches = plan.micro_batches(case.workload.global_batch);
    let held = parameters(plan, table, stages, pace.index);
    let slowdowns = &table.slowdowns;
    let offload = if plan.offload.any() {
        let kept = kept(table, variant, &stages[pace.index]);
        offload(case, plan, held, kept, pace, micro_batches as f64)
    } else {
        Seconds::ZERO
    };
    Rest {
        transfer: transfers(case, plan, micro_batches) * slowdowns.of(TrafficKind::Pipeline),
        data_parallel: data_parallel(
            case,
            plan,
            held,
            pace,
            micro_batches as f64,
            slowdowns.of(TrafficKind::Data),
        ),
        offload,
        optimizer: optimizer(case, plan, held),
    }
}

/// Time of a step: m micro-batches on the slowest stage, the bubble and the rest.
pub(crate) fn step_time(case: &Case, plan: &Plan, pace: &Pace, rest: &Rest) -> Seconds {
    let micro_batches = plan.micro_batches(case.workload.global_batch) as f64;
    Seconds::new(pace.times.total() * micro_batches)
        + pace.bubble
        + rest.transfer
        + rest.data_parallel
        + rest.offload
        + rest.optimizer
}

/// The same by part.
pub(crate) fn step_parts(
    case: &Case,
    plan: &Plan,
    table: &LayerTable,
    variant: &Variant,
    stages: &[Stage],
) -> Parts {
    let micro_batches = plan.micro_batches(case.workload.global_batch);
    let mut ranks = Vec::with_capacity(stages.len());
    rank_times(plan, variant, stages, &mut ranks);
    let pace = pace(plan, micro_batches, &ranks, stages);
    let rest = rest(case, plan, table, variant, stages, &pace);
    let of = |stage: &Stage| stage_parts(table, plan, stage, head_share(plan, stage));
    let mut one = of(&stages[pace.index]);
    if plan.schedule.copies() > 1 {
        one = (one + of(&stages[stages.len() - 1 - pace.index])) * 0.5;
    }
    let mut parts = one * micro_batches as f64;
    parts.put(Part::PipelineBubble, pace.bubble);
    parts.put(Part::PipelineTransfer, rest.transfer);
    parts.put(Part::DataParallel, rest.data_parallel);
    parts.put(Part::Offload, rest.offload);
    parts.put(Part::Optimizer, rest.optimizer);
    parts
}

/// Metrics of a step whose parts are known.
pub(crate) fn predict(case: &Case, plan: &Plan, parts: Parts, memory: MemoryTable) -> Prediction {
    let step = parts.total();
    let tokens = (case.workload.global_batch * case.workload.sequence) as f64;
    let ops = case.workload.flops_per_token(case.architecture) * tokens;
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
        chip_energy_per_step: case.chip.energy(draw(case, plan, &parts)) * plan.chips() as f64,
        parts,
    }
}

/// Time by kind of work, for power.
///
/// Limits: every stage is taken to be as busy as the slowest, and kernels as large ones, which run at
/// the rates of their curves.
fn draw(case: &Case, plan: &Plan, parts: &Parts) -> PowerDraw {
    let mut draw = PowerDraw::default();
    for (part, time) in parts.iter() {
        match part {
            Part::Gemm | Part::ExpertGemm | Part::Attention | Part::Recompute => {
                draw.busy += time;
                draw.compute += time * case.chip.highest_share(plan.format);
            }
            Part::Elementwise | Part::Optimizer => {
                draw.busy += time;
                draw.memory += time * case.chip.stream_share();
            }
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
    let share = parts.sum_of(&COMPUTE) / step;
    let sustained = case.chip.sustained(plan.format).spread * share;
    let release = case.software.rate_spread * share;
    let inner = plan.tp * plan.cp;
    let mixture = if case.architecture.experts().is_some() {
        MIXTURE_SPREAD
    } else {
        0.0
    };
    let mut sum = sustained * sustained + release * release + mixture * mixture;
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
            Part::ExpertParallel => fabric.spread(Group::adjacent(plan.ep * plan.etp)),
            // Links and hosts whose rates are nominal.
            Part::Offload | Part::HostGap => 0.3,
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
    use crate::Schedule;

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
        let mut ranks = Vec::new();
        rank_times(&plan, &variant, &spread, &mut ranks);
        let found = pace(&plan, micro_batches, &ranks, &spread);
        found.times.total() * micro_batches as f64 + found.bubble.get()
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
