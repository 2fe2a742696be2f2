//! The row of a training workload.

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_train::{
    Case, Infeasible, Optimizer, Prediction, SearchResult, Software, Workload, evaluate, search,
};
use chokepoint_units::{NumberFormat, Seconds};

use crate::elasticity::{FIXED_STEP, SEARCHED_STEP, elasticities};
use crate::equal::smallest;
use crate::prediction::{breakdown, memory, metrics, plan_fields, refusal};
use crate::resolve::SystemParts;
use crate::row::{Outcome, Resource, Statement};
use crate::scenario::{FixedPlan, Training};

/// Plans of different layout that a row shows.
const KEPT: usize = 5;

/// A training result with its alternatives, or why there is none.
type Found = Result<(Prediction, Vec<Prediction>), Statement>;

/// The workload as the predictor takes it.
pub(crate) fn workload(training: &Training) -> Workload {
    Workload {
        optimizer: match training.moments {
            NumberFormat::Bf16 => Optimizer::AdamBf16Moments,
            _ => Optimizer::AdamFp32,
        },
        imbalance: training.expert_imbalance,
        ..Workload::pretraining(
            training.sequence,
            training.global_batch,
            training.tokens,
            training.formats.clone(),
        )
    }
}

/// The best plan, or the given one, and its alternatives.
fn best(case: &Case, fixed: Option<&FixedPlan>, kept: usize) -> Found {
    if let Some(fixed) = fixed {
        let format = case.chip.best_format(&case.workload.formats);
        let plan = fixed.plan(case.chips, format);
        return evaluate(case, &plan)
            .map(|found| (found, Vec::new()))
            .map_err(|reason| refusal(&plan, &reason));
    }
    let SearchResult {
        mut plans,
        nearest_miss,
        ..
    } = search(case, kept);
    if plans.is_empty() {
        return Err(match nearest_miss {
            Some((plan, table)) => refusal(&plan, &Infeasible::Memory(table)),
            None => Statement::new("no-plan", []),
        });
    }
    let best = plans.remove(0);
    Ok((best, plans))
}

/// The fewest chips, in whole units as sold, that finish the run in a time.
pub(crate) fn chips_for_deadline(
    parts: &SystemParts,
    unit: u64,
    spec: &ChipSpec,
    architecture: &Architecture,
    workload: &Workload,
    deadline: Seconds,
) -> Option<u64> {
    let ops = architecture.training_flops_per_token(workload.sequence, true) * workload.tokens;
    let peak = spec.rate(spec.best_format(&workload.formats));
    let ideal = (ops / peak) / deadline;
    let case = |chips| Case {
        architecture,
        workload,
        software: &Software::CURRENT,
        chip: spec,
        fabric: &parts.fabric,
        chips,
    };
    smallest(unit, (ideal * 2.0) as u64, |chips| {
        let found = best(&case(chips), None, 1).ok()?.0;
        (found.run <= deadline).then_some(())
    })
    .map(|(chips, ())| chips)
}

/// The outcome of a training case.
pub(crate) fn outcome(case: &Case, fixed: Option<&FixedPlan>) -> Result<Outcome, Statement> {
    let (found, others) = best(case, fixed, KEPT)?;
    let step = |resource| {
        if resource == Resource::MemoryCapacity {
            SEARCHED_STEP
        } else {
            FIXED_STEP
        }
    };
    let rate_with = |resource, chip: &ChipSpec, fabric: &Fabric| {
        let case = Case {
            chip,
            fabric,
            ..*case
        };
        let changed = if resource == Resource::MemoryCapacity {
            best(&case, fixed, 1).map(|found| found.0).ok()
        } else {
            evaluate(&case, &found.plan).ok()
        };
        changed.map_or(found.tokens_per_second, |changed| changed.tokens_per_second)
    };
    let elasticities = elasticities(
        case.chip,
        case.fabric,
        found.tokens_per_second,
        step,
        rate_with,
    );
    let step = found.step.get();
    Ok(Outcome {
        plan: found.plan.to_string(),
        plan_fields: plan_fields(&found.plan),
        chips_used: found.plan.chips(),
        metrics: metrics(case, &found),
        interval: (step * (1.0 - found.spread), step * (1.0 + found.spread)),
        breakdown: breakdown(&found),
        whole: step,
        memory: memory(&found.memory),
        elasticities,
        alternatives: others
            .iter()
            .map(|other| (other.plan.to_string(), found.step / other.step))
            .collect(),
        hourly: None,
    })
}
