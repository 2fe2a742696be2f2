//! One training run on one system: the best plan or a given one, what it takes, what binds it,
//! what failures leave of it and what it costs.

mod failures;
mod find;
mod request;
mod result;

use chokepoint_catalog::Framework;
use chokepoint_chip::ChipSpec;
use chokepoint_diag::Diagnostic;
use chokepoint_fabric::Fabric;
use chokepoint_train::{Case, PlanChunks, Prediction, Scheduler, Workload, evaluate, plan_chunks};

pub use failures::RunGoodput;
pub use request::{Failures, RunRequest, SpaceChoice, parse_formats, parse_tokens};
pub use result::{RunFound, RunPlan, RunTimeline, TrainingRun};

use crate::Data;
use crate::compare::notes;
use crate::economics::Economics;
use crate::elasticity::{FIXED_STEP, SEARCHED_STEP, elasticities};
use crate::prediction::{breakdown, memory, metrics, plan_fields};
use crate::resolve::{SystemParts, system_parts};
use crate::row::{Outcome, Resource, Statement};
use crate::software::software;
use find::{Choice, Found};

/// Most plans of a front of time against memory.
const FRONT: usize = 8;

/// Predicts a training run.
///
/// # Errors
/// What is wrong with the request; a run that does not fit is a result.
pub fn run_training(request: &RunRequest, data: &Data) -> Result<TrainingRun, Diagnostic> {
    request.check()?;
    let architecture = data.model(&request.model)?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let prices = data.catalog.price_book(&request.prices)?;
    let framework = framework(request, data)?;
    let experience = failures::experience(request, &parts, &data.catalog)?;
    let software = software(framework, &parts.chip.calibration.curve);
    let workload = Workload::pretraining(
        request.sequence,
        request.batch,
        request.tokens,
        request.formats.clone(),
    );
    let spec = parts.spec.clone()?;
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &software,
        chip: &spec,
        fabric: &parts.fabric,
        chips: request.chips,
    };
    let choice = Choice::of(request, framework, &case)?;
    let mut run = TrainingRun {
        model: request.model.clone(),
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        chips: request.chips,
        prices: prices.id.clone(),
        software,
        framework: framework.map(|known| known.name.clone()),
        evaluated: 0,
        pruned: 0,
        reason: None,
        found: None,
        notes: Vec::new(),
        workload: workload.clone(),
        architecture: architecture.clone(),
    };
    let economics = Economics::of(&parts, prices, request.chips);
    match choice.find(&case, request.others + 1) {
        Err(reason) => run.reason = Some(reason),
        Ok(found) => {
            run.evaluated = found.evaluated;
            run.pruned = found.pruned;
            let mut outcome = outcome(&case, &choice, &found);
            economics.add_to(&parts, prices, &mut outcome);
            let goodput = match &experience {
                Some(known) => failures::goodput(known, &case, &found.best, &outcome)
                    .map_err(|note| run.notes.push(note))
                    .ok(),
                None => None,
            };
            let chunks = plan_chunks(&case, &found.best.plan)
                .map_err(|error| find::impossible(request, &error))?;
            let timeline = timeline(&chunks).map_err(|note| run.notes.push(note)).ok();
            let front = if request.front {
                choice.front(&case, FRONT)
            } else {
                Vec::new()
            };
            let plans = |plans: &[Prediction]| {
                let of = |plan: &Prediction| RunPlan::of(plan, &found.best);
                plans.iter().map(of).collect()
            };
            run.found = Some(RunFound {
                others: plans(&found.others),
                front: plans(&front),
                outcome,
                chunks,
                goodput,
                timeline,
            });
        }
    }
    run.notes.splice(
        0..0,
        all_notes(&parts, request, &economics, run.found.is_some()),
    );
    if let (Some(known), Some(_)) = (experience, &run.found) {
        run.notes.extend(known.note);
    }
    Ok(run)
}

fn framework<'a>(
    request: &RunRequest,
    data: &'a Data,
) -> Result<Option<&'a Framework>, Diagnostic> {
    let id = request.framework.as_deref();
    id.map(|id| data.catalog.framework(id)).transpose()
}

fn all_notes(
    parts: &SystemParts,
    request: &RunRequest,
    economics: &Economics,
    feasible: bool,
) -> Vec<Statement> {
    let priced = economics.capital.is_some();
    let mut all = notes(
        parts,
        &request.formats,
        &economics.network,
        feasible,
        priced,
    );
    if economics.power.host_unknown {
        all.push(Statement::new("host-power-unknown", []));
    }
    all
}

fn timeline(chunks: &PlanChunks) -> Result<RunTimeline, Statement> {
    let mut scheduler = Scheduler::new();
    match scheduler.run(&chunks.pipeline()) {
        Ok(timeline) => Ok(RunTimeline {
            micro_batches: chunks.micro_batches,
            timeline: timeline.clone(),
        }),
        Err(error) => Err(Statement::new("no-timeline", [("why", error.to_string())])),
    }
}

/// The result with its elasticities: the one evaluation with one resource scaled, at the plan;
/// searched again for memory capacity where the plan was searched.
fn outcome(case: &Case, choice: &Choice, found: &Found) -> Outcome {
    let best = &found.best;
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
            choice.find(&case, 1).map(|found| found.best).ok()
        } else {
            evaluate(&case, &best.plan).ok()
        };
        changed.map_or(best.tokens_per_second, |changed| changed.tokens_per_second)
    };
    let whole = best.step.get();
    Outcome {
        plan: best.plan.to_string(),
        plan_fields: plan_fields(&best.plan),
        chips_used: best.plan.chips(),
        metrics: metrics(case, best),
        interval: (whole * (1.0 - best.spread), whole * (1.0 + best.spread)),
        breakdown: breakdown(best),
        whole,
        memory: memory(&best.memory),
        elasticities: elasticities(
            case.chip,
            case.fabric,
            best.tokens_per_second,
            step,
            rate_with,
        ),
        alternatives: found
            .others
            .iter()
            .map(|other| (other.plan.to_string(), best.step / other.step))
            .collect(),
        hourly: None,
    }
}
