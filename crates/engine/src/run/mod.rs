//! One training run on one system: the best plan or a given one, what it takes, what binds it,
//! what failures leave of it and what it costs.

mod contention;
mod degraded;
mod failures;
mod find;
mod link;
mod options;
mod request;
mod result;
mod setting;
mod sites;
mod split;

use chokepoint_catalog::Framework;
use chokepoint_diag::Diagnostic;
use chokepoint_train::{Case, PlanChunks, Scheduler, Workload, plan_chunks};

pub use contention::{ContentionFound, ContentionRow, RunContention};
pub use degraded::{DegradedRow, RunDegraded};
pub use failures::RunGoodput;
pub(crate) use failures::experience;
pub use link::Local;
pub use options::TrainingOptions;
pub use request::{Failures, RunRequest, SpaceChoice, parse_formats, parse_tokens};
pub use result::{RunFound, RunPlan, RunTimeline, TrainingRun};
pub use sites::SitesOptions;
pub use split::{RunFigures, RunSites};

use crate::Data;
use crate::compare::notes;
use crate::economics::Economics;
use crate::resolve::{SystemParts, system_parts};
use crate::row::Statement;
use crate::software::software;
use contention::Simulated;
pub(crate) use find::{Choice, Found, space};
pub(crate) use setting::{Setting, outcome};

/// Most plans of a front of time against memory.
const FRONT: usize = 8;

/// Predicts a training run.
///
/// # Errors
/// What is wrong with the request; a run that does not fit is a result.
pub fn run_training(request: &RunRequest, data: &Data) -> Result<TrainingRun, Diagnostic> {
    request.check()?;
    let architecture = data.model(&request.model)?;
    request.training.check(&architecture)?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let prices = data.catalog.price_book(&request.prices)?;
    let framework = framework(request, data)?;
    let workload = request.training.workload(request, framework);
    let link = request.sites.link(request, workload.gradients)?;
    let experience = experience(&request.failures, &parts, &data.catalog)?;
    let software = software(framework, &parts.chip.calibration.curve);
    let sites = link.map_or(1, |link| link.wan.sites);
    let of_site = Workload {
        global_batch: workload.global_batch / sites,
        tokens: workload.tokens / sites as f64,
        ..workload.clone()
    };
    let spec = parts.spec.clone()?;
    let whole = Case {
        architecture: &architecture,
        workload: &workload,
        software: &software,
        chip: &spec,
        fabric: &parts.fabric,
        chips: request.chips,
    };
    let site = Case {
        workload: &of_site,
        chips: request.chips / sites,
        ..whole
    };
    let choice = Choice::of(request, framework, &site)?;
    let setting = Setting {
        site,
        whole,
        choice: &choice,
        link: link.as_ref(),
        parts: &parts,
        prices,
        experience: experience.as_ref(),
        network_slowdown: 1.0,
    };
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
        extra_tokens: request.extra_tokens,
        architecture: architecture.clone(),
    };
    match setting.find(request.others + 1) {
        Err(reason) => run.reason = Some(reason),
        Ok(found) => {
            run.evaluated = found.evaluated;
            run.pruned = found.pruned;
            let mut result = simulated(&setting, request, &found, (data, &mut run.notes))?;
            if let Some(link) = &link {
                let gathered = choice.gathered(sites, request, framework, &whole)?;
                let split = link.split(&setting, &found.best, &result, &gathered)?;
                result.sites = Some(split);
            }
            run.found = Some(result);
        }
    }
    run.notes = notes_of_run(&setting, request, framework, &run);
    Ok(run)
}

/// What to know of a run: of the system, then what its result noted, then of what was asked.
fn notes_of_run(
    setting: &Setting,
    request: &RunRequest,
    framework: Option<&Framework>,
    run: &TrainingRun,
) -> Vec<Statement> {
    let found = run.found.as_ref();
    let mut notes = all_notes(
        setting.parts,
        request,
        &setting.economics(),
        found.is_some(),
    );
    notes.extend(run.notes.iter().cloned());
    notes.extend(framework.map(|framework| {
        let name = framework.name.clone();
        Statement::new("framework-kernels", [("framework", name)])
    }));
    if let Some(found) = found {
        notes.extend(unused(&setting.site, request.chips, found));
    }
    let format = found.map(|found| found.chunks.plan.format);
    notes.extend(request.training.notes(&run.workload, format));
    if let Some(found) = found {
        notes.extend(split::notes(request, setting.link, found.sites.as_ref()));
        notes.extend(setting.experience.and_then(|known| known.note.clone()));
    }
    notes
}

/// The result of the plan that was found with what was asked of its traffic, without what a split
/// costs.
fn simulated(
    setting: &Setting,
    request: &RunRequest,
    found: &Found,
    (data, notes): (&Data, &mut Vec<Statement>),
) -> Result<RunFound, Diagnostic> {
    let (site, best, parts) = (&setting.site, &found.best, setting.parts);
    let mut keep = |note| notes.push(note);
    let contention = request.contention.then(|| {
        let simulated = Simulated::new((site, contention::ENOUGH), best, parts, data);
        simulated.map(|simulated| simulated.contention())
    });
    let contention = contention.and_then(|found| found.map_err(&mut keep).ok());
    let degraded = setting
        .experience
        .filter(|_| request.degraded_network)
        .map(|known| degraded::degraded(known, site, best, parts, data));
    let left_out = |reason| {
        keep(Statement::new("network-failures-left-out", []));
        keep(reason);
    };
    let degraded = degraded.and_then(|found| found.map_err(left_out).ok());
    let setting = Setting {
        network_slowdown: degraded.as_ref().map_or(1.0, |found| found.slowdown),
        ..*setting
    };
    Ok(RunFound {
        contention,
        degraded,
        ..result(&setting, request, found, notes)?
    })
}

/// The result of the plan that was found, without what is simulated of it.
fn result(
    setting: &Setting,
    request: &RunRequest,
    found: &Found,
    notes: &mut Vec<Statement>,
) -> Result<RunFound, Diagnostic> {
    let Found { best, others, .. } = found;
    let (mut outcome, goodput) = setting.outcome(best)?;
    outcome.elasticities = setting.elasticities(best, request.others + 1);
    let others = setting.beside(others, best)?;
    outcome.alternatives = others
        .iter()
        .map(|other| (other.plan.clone(), 1.0 / (1.0 + other.slower)))
        .collect();
    let goodput = goodput.and_then(|left| left.map_err(|note| notes.push(note)).ok());
    let chunks = plan_chunks(&setting.site, &best.plan)
        .map_err(|error| find::impossible(request, &error))?;
    let timeline = timeline(&chunks).map_err(|note| notes.push(note)).ok();
    let front = if request.front {
        setting.choice.front(&setting.site, FRONT)
    } else {
        Vec::new()
    };
    Ok(RunFound {
        front: setting.beside(&front, best)?,
        others,
        outcome,
        sites: None,
        contention: None,
        degraded: None,
        chunks,
        goodput,
        timeline,
    })
}

/// Chips and places in micro-batches that a plan leaves empty.
fn unused(site: &Case, chips: u64, found: &RunFound) -> Vec<Statement> {
    let plan = &found.chunks.plan;
    let mut all = Vec::new();
    let idle = chips - found.outcome.chips_used.min(chips);
    if idle > 0 {
        let counts = [("idle", idle.to_string()), ("chips", chips.to_string())];
        all.push(Statement::new("chips-idle", counts));
    }
    let batch = site.workload.global_batch;
    if !batch.is_multiple_of(plan.dp * plan.micro_batch) {
        let places = plan.dp * plan.micro_batch * found.chunks.micro_batches;
        let counts = [("batch", batch.to_string()), ("places", places.to_string())];
        all.push(Statement::new("batch-part-filled", counts));
    }
    all
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
