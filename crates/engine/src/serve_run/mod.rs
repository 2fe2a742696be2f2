//! Serving one model on one system: the best plan, a given one or the fewest chips for a rate, what
//! it yields, what binds it, what it costs, and the front of interactivity against throughput.

mod find;
mod given;
mod random;
mod request;
mod result;

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_serve::{Case, Plan, front};

pub(crate) use given::{given, spread};
pub use random::RandomArrivals;
pub use request::{Ask, Goal, ServeRequest};
pub(crate) use request::{option, options_in};
pub use result::{ServeFound, ServePlan, ServingRun};

use crate::Data;
use crate::compare::notes;
use crate::economics::Economics;
use crate::equal::{MOST_CHIPS, sale_unit};
use crate::resolve::system_parts;
use crate::row::Statement;
use crate::serving::{explained, workload};
use crate::serving_software::{engine_named, software_of};
use find::{Candidate, Found, Setting};

/// Predicts a serving run.
///
/// # Errors
/// What is wrong with the request; that nothing serves is a result.
pub fn run_serving(request: &ServeRequest, data: &Data) -> Result<ServingRun, Diagnostic> {
    let architecture = data.model(&request.serving.model)?;
    request.check(&architecture)?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let prices = data.catalog.price_book(&request.prices)?;
    let spec = parts.spec.clone()?.under_load();
    let workload = workload(&request.serving);
    let engine = request.serving.engine.as_deref();
    let engine = engine
        .map(|id| engine_named(&data.catalog, id))
        .transpose()?;
    let software = software_of(engine, &parts.chip.calibration.curve);
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &software,
        chip: &spec,
        fabric: &parts.fabric,
        chips: request.chips.unwrap_or(MOST_CHIPS),
    };
    let plan = match &request.ask {
        Ask::Given(text) => Some(given(text, &case)?),
        Ask::Best(_) | Ask::Rate(_) => None,
    };
    let case = Case {
        chips: chips(request, plan.as_ref())?,
        ..case
    };
    let setting = Setting {
        case,
        parts: &parts,
        prices,
        launcher: request.launcher,
    };
    let (found, arrivals) = look(&setting, request, plan.as_ref())?;
    let best = found.plans.first();
    let paid = match (best, &request.ask) {
        (Some(best), _) => Some(best.chips),
        (None, Ask::Rate(_)) => None,
        (None, _) => Some(case.chips),
    };
    let front = if request.front {
        on_front(&setting, paid.unwrap_or(case.chips))
    } else {
        Vec::new()
    };
    Ok(ServingRun {
        model: request.serving.model.clone(),
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        vendor: parts.chip.vendor.clone(),
        node_chips: parts.system.node.chips,
        chips: paid,
        prices: prices.id.clone(),
        ask: request.ask.clone(),
        workload: workload.clone(),
        arrivals,
        notes: notes_of_run(&setting, request, best, paid),
        found: result(&setting, &found),
        software,
        evaluated: found.evaluated,
        pruned: found.pruned,
        reason: found.reason,
        front,
        architecture: architecture.clone(),
    })
}

/// The plans that answer what is asked: in steady state, or at a percentile.
fn look(
    setting: &Setting,
    request: &ServeRequest,
    plan: Option<&Plan>,
) -> Result<(Found, Option<RandomArrivals>), Diagnostic> {
    match request.percentile {
        None => Ok((setting.find(&request.ask, plan), None)),
        Some(percent) => {
            let (found, arrivals) = random::find(setting, percent, plan)?;
            Ok((found, Some(arrivals)))
        }
    }
}

/// Chips that may be used: those named, else those of the given plan, else as many as are counted.
fn chips(request: &ServeRequest, plan: Option<&Plan>) -> Result<u64, Diagnostic> {
    let used = plan.map(Plan::chips);
    match (request.chips, used) {
        (Some(chips), Some(used)) if used > chips => {
            let message = format!("the plan takes {used} chips, {chips} may be used");
            Err(Diagnostic::new(Code::Value, message).help("leave --chips out, or write more"))
        }
        (Some(chips), _) => Ok(chips),
        (None, used) => Ok(used.unwrap_or(MOST_CHIPS)),
    }
}

fn result(setting: &Setting, found: &Found) -> Option<ServeFound> {
    let (best, others) = found.plans.split_first()?;
    let outcome = if best.sustained.is_some() {
        setting.outcome(best)
    } else {
        let case = setting.on(best.chips);
        let beside: Vec<_> = others.iter().map(|one| one.prediction.clone()).collect();
        let mut outcome = explained(&case, &best.prediction, &beside);
        setting.pay(best.chips, &mut outcome);
        outcome
    };
    Some(ServeFound {
        outcome,
        plan: best.prediction.plan,
        others: others.iter().map(|one| shown(setting, one)).collect(),
    })
}

fn shown(setting: &Setting, candidate: &Candidate) -> ServePlan {
    let outcome = setting.outcome(candidate);
    ServePlan::of(&candidate.prediction, outcome, candidate.chips)
}

/// The front on a number of chips.
fn on_front(setting: &Setting, chips: u64) -> Vec<ServePlan> {
    let plans = front(&setting.on(chips)).into_iter();
    plans
        .map(|prediction| shown(setting, &Candidate::steady(chips, prediction)))
        .collect()
}

/// What to know of a run: of the system, then of what was asked.
fn notes_of_run(
    setting: &Setting,
    request: &ServeRequest,
    best: Option<&Candidate>,
    paid: Option<u64>,
) -> Vec<Statement> {
    let (parts, prices) = (setting.parts, setting.prices);
    let chips = paid.unwrap_or(setting.case.chips);
    let economics = Economics::of(parts, prices, chips);
    let priced = economics.capital.is_some();
    let formats = &request.serving.formats;
    let mut all = notes(parts, formats, &economics.network, best.is_some(), priced);
    if economics.power.host_unknown {
        all.push(Statement::new("host-power-unknown", []));
    }
    let unit = sale_unit(parts, prices);
    if priced && best.is_some() && !chips.is_multiple_of(unit) {
        let unit = unit.to_string();
        all.push(Statement::new("price-pro-rata", [("unit", unit)]));
    }
    let idle = best.map_or(0, |best| {
        best.chips.saturating_sub(best.prediction.plan.chips())
    });
    if idle > 0 {
        let counts = [("idle", idle.to_string()), ("chips", chips.to_string())];
        all.push(Statement::new("chips-idle", counts));
    }
    if request.serving.engine.is_none() {
        all.push(Statement::new("engine-none", []));
    }
    all.extend(asked(request));
    all
}

/// What differs from the plainest workload.
fn asked(request: &ServeRequest) -> Vec<Statement> {
    let serving = &request.serving;
    let mut all = Vec::new();
    if serving.expert_imbalance > 1.0 {
        let ratio = serving.expert_imbalance.to_string();
        all.push(Statement::new("expert-imbalance", [("ratio", ratio)]));
    }
    if serving.prefix_hit > 0.0 {
        let share = format!("{:.1}", serving.prefix_hit * 100.0);
        all.push(Statement::new("prefix-hit", [("share", share)]));
    }
    if let (Some(drafted), Some(accepted)) = (serving.drafted_tokens, serving.accepted_tokens) {
        let counts = [
            ("drafted", drafted.to_string()),
            ("accepted", accepted.to_string()),
        ];
        all.push(Statement::new("drafts", counts));
    }
    if request.percentile.is_some() {
        all.push(Statement::new("percentile-held", []));
    }
    match request.ask {
        Ask::Best(Goal::Cost | Goal::Energy) => all.push(Statement::new("goal-units", [])),
        Ask::Rate(_) => all.push(Statement::new("rate-units", [])),
        Ask::Best(Goal::Throughput) | Ask::Given(_) => {}
    }
    all
}
