//! The comparison: a job for each system and workload, evaluated independently, assembled in
//! order.

use chokepoint_catalog::Framework;
use chokepoint_chip::ChipSpec;
use chokepoint_fabric::FabricParts;
use chokepoint_units::{NumberFormat, SECONDS_PER_DAY, Seconds};

use crate::economics::Economics;
use crate::equal::{MOST_CHIPS, chips_for_budget, chips_for_power, sale_unit};
use crate::resolve::{Resolved, SystemParts};
use crate::row::{Comparison, Kind, Outcome, Row, Statement};
use crate::scenario::{Held, Workload};
use crate::serving_software::software_of;
use crate::software::software;
use crate::{serving, training};

/// One system on one workload, by their places in the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    workload: usize,
    system: usize,
}

/// All jobs of a scenario, in the order of their rows.
#[must_use]
pub fn jobs(resolved: &Resolved) -> Vec<Job> {
    let systems = resolved.systems.len();
    (0..resolved.scenario.workloads.len())
        .flat_map(|workload| (0..systems).map(move |system| Job { workload, system }))
        .collect()
}

/// Evaluates one job.
#[must_use]
pub fn evaluate(resolved: &Resolved, job: Job) -> Row {
    let parts = &resolved.systems[job.system];
    let workload = resolved.scenario.workloads[job.workload].get_ref();
    let held = resolved.held(workload);
    let sized = chips(resolved, job, parts, workload, held);
    let (chips, found) = match sized {
        Ok((spec, chips)) => (chips, outcome(resolved, job, parts, workload, spec, chips)),
        Err((chips, reason)) => (chips, Err(reason)),
    };
    let framework = resolved.frameworks[job.workload].as_ref();
    row(resolved, parts, workload, framework, chips, found)
}

/// How many chips the system gets; else why none, with the number asked for.
fn chips<'a>(
    resolved: &Resolved,
    job: Job,
    parts: &'a SystemParts,
    workload: &Workload,
    held: Held,
) -> Result<(&'a ChipSpec, u64), (u64, Statement)> {
    let asked = if let Held::Chips(chips) = held {
        chips
    } else {
        0
    };
    let spec = parts.spec.as_ref().map_err(|error| {
        (
            asked,
            Statement::new("figure-missing", [("what", error.message.clone())]),
        )
    })?;
    let chips = match held {
        Held::Chips(chips) => chips,
        Held::Power(limit) => chips_for_power(parts, &resolved.prices, limit),
        Held::Budget(limit) => {
            chips_for_budget(parts, &resolved.prices, limit).map_err(|reason| (0, reason))?
        }
        Held::Deadline(deadline) => chips_for_time(resolved, job, parts, spec, workload, deadline)
            .ok_or_else(|| (0, Statement::new("deadline-unreachable", [])))?,
    };
    if chips == 0 {
        return Err((0, Statement::new("no-chips", [])));
    }
    Ok((spec, chips))
}

fn chips_for_time(
    resolved: &Resolved,
    job: Job,
    parts: &SystemParts,
    spec: &ChipSpec,
    workload: &Workload,
    deadline: Seconds,
) -> Option<u64> {
    let architecture = &resolved.models[job.workload];
    let framework = resolved.frameworks[job.workload].as_ref();
    let engine = resolved.engines[job.workload].as_ref();
    let unit = sale_unit(parts, &resolved.prices);
    match workload {
        Workload::Training(given) => {
            let case = chokepoint_train::Case {
                architecture,
                workload: &training::workload(given, framework),
                software: &software(framework, &parts.chip.calibration.curve),
                chip: spec,
                fabric: &parts.fabric,
                chips: unit,
            };
            training::chips_for_deadline(&case, framework, unit, deadline)
        }
        Workload::Serving(given) => {
            let workload = serving::workload(given);
            let rate = given.requests_per_second?;
            let case = chokepoint_serve::Case {
                architecture,
                workload: &workload,
                software: &software_of(engine, &parts.chip.calibration.curve),
                chip: &spec.under_load(),
                fabric: &parts.fabric,
                chips: MOST_CHIPS,
            };
            let found = serving::chips_for_rate(&case, unit, rate, chokepoint_serve::search);
            found.met.map(|(chips, _)| chips)
        }
    }
}

fn outcome(
    resolved: &Resolved,
    job: Job,
    parts: &SystemParts,
    workload: &Workload,
    spec: &ChipSpec,
    chips: u64,
) -> Result<Outcome, Statement> {
    let architecture = &resolved.models[job.workload];
    let framework = resolved.frameworks[job.workload].as_ref();
    let engine = resolved.engines[job.workload].as_ref();
    let fabric = &parts.fabric;
    match workload {
        Workload::Training(given) => {
            let case = chokepoint_train::Case {
                software: &software(framework, &parts.chip.calibration.curve),
                architecture,
                workload: &training::workload(given, framework),
                chip: spec,
                fabric,
                chips,
            };
            training::outcome(&case, given, framework, parts, &resolved.prices)
        }
        Workload::Serving(given) => {
            let workload = serving::workload(given);
            let case = chokepoint_serve::Case {
                architecture,
                workload: &workload,
                software: &software_of(engine, &parts.chip.calibration.curve),
                chip: &spec.under_load(),
                fabric,
                chips,
            };
            serving::outcome(&case)
        }
    }
}

/// Joins performance, power, money and law.
fn row(
    resolved: &Resolved,
    parts: &SystemParts,
    workload: &Workload,
    framework: Option<&Framework>,
    chips: u64,
    found: Result<Outcome, Statement>,
) -> Row {
    let economics = Economics::of(parts, &resolved.prices, chips);
    let (mut outcome, reason) = match found {
        Ok(outcome) => (Some(outcome), None),
        Err(reason) => (None, Some(reason)),
    };
    if let Some(outcome) = &mut outcome {
        economics.add_to(parts, &resolved.prices, outcome);
    }
    let Economics {
        network,
        power,
        capital,
        ..
    } = economics;
    let mut notes = notes(
        parts,
        workload.formats(),
        &network,
        outcome.is_some(),
        capital.is_some(),
    );
    let unit = sale_unit(parts, &resolved.prices);
    if capital.is_some() && !chips.is_multiple_of(unit) {
        notes.push(Statement::new(
            "price-pro-rata",
            [("unit", unit.to_string())],
        ));
    }
    let export = resolved
        .data
        .rules
        .check(&crate::export::facts(&parts.chip), &resolved.transaction);
    if !export.open_conditions.is_empty() {
        let count = export.open_conditions.len().to_string();
        notes.push(Statement::new("export-conditions", [("count", count)]));
    }
    if let Some(framework) = framework {
        let name = framework.name.clone();
        notes.push(Statement::new("framework-kernels", [("framework", name)]));
    }
    notes.extend(published(workload, outcome.as_ref()));
    Row {
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        workload: workload.id().to_owned(),
        kind: match workload {
            Workload::Training(_) => Kind::Training,
            Workload::Serving(_) => Kind::Serving,
        },
        chips,
        reason,
        capital,
        power,
        domain_modules: domain_modules(parts, chips),
        export,
        notes,
        parts: network,
        outcome,
    }
}

/// The published figure beside the predicted one, where the scenario states it.
fn published(workload: &Workload, outcome: Option<&Outcome>) -> Option<Statement> {
    let Workload::Training(training) = workload else {
        return None;
    };
    let published = training.published.as_ref()?;
    let predicted = *outcome?.metrics.get("chip_hours_per_trillion_tokens")?;
    let stated = published.chip_hours_per_trillion_tokens;
    let arguments = [
        ("published", format!("{stated:.0}")),
        ("source", published.source.clone()),
        ("predicted", format!("{predicted:.0}")),
        (
            "difference",
            format!("{:+.1}", 100.0 * (predicted / stated - 1.0)),
        ),
    ];
    Some(Statement::new("published-chip-hours", arguments))
}

/// Optical modules inside the scale-up domains that hold a number of chips.
fn domain_modules(parts: &SystemParts, chips: u64) -> u64 {
    let each = parts
        .system
        .domain
        .optical_modules
        .as_ref()
        .map_or(0.0, |figure| figure.value);
    (each * chips as f64 / parts.system.domain.chips.max(1) as f64).round() as u64
}

/// What a reader must know about the inputs of a row.
pub(crate) fn notes(
    parts: &SystemParts,
    wanted: &[NumberFormat],
    network: &FabricParts,
    feasible: bool,
    priced: bool,
) -> Vec<Statement> {
    let mut notes = Vec::new();
    if let Ok(spec) = &parts.spec {
        if spec.borrowed {
            let curve = parts.chip.calibration.curve.clone();
            notes.push(if curve == parts.chip.id {
                Statement::new("calibration-partial", [])
            } else {
                Statement::new("calibration-borrowed", [("curve", curve)])
            });
        }
        let format = spec.best_format(wanted);
        if !wanted.contains(&format) {
            let wanted = wanted
                .iter()
                .map(|format| format.name())
                .collect::<Vec<_>>()
                .join(", ");
            let arguments = [("format", format.name().to_owned()), ("wanted", wanted)];
            notes.push(Statement::new("format-fallback", arguments));
        }
        if !spec.assumed.is_empty() {
            notes.push(Statement::new(
                "figures-assumed",
                [("which", spec.assumed.join(", "))],
            ));
        }
    }
    if feasible && !parts.fabric.has_curves() && parts.system.domain.chips > 1 {
        notes.push(Statement::new("collectives-not-measured", []));
    }
    if network.power.is_none() && network.switches > 0 {
        notes.push(Statement::new("network-power-unknown", []));
    }
    if !priced {
        notes.push(Statement::new("price-unknown", []));
    }
    notes
}

/// Assembles rows, given in the order of the jobs.
#[must_use]
pub fn assemble(resolved: &Resolved, rows: Vec<Row>) -> Comparison {
    let scenario = &resolved.scenario;
    Comparison {
        title: scenario.title.clone(),
        title_zh: scenario.title_zh.clone(),
        date: scenario.date.get_ref().clone(),
        destination: scenario.destination.get_ref().to_uppercase(),
        prices: resolved.prices.id.clone(),
        prices_as_of: resolved.prices.as_of.clone(),
        held: scenario
            .workloads
            .iter()
            .map(|workload| {
                let workload = workload.get_ref();
                (
                    workload.id().to_owned(),
                    held_statement(resolved.held(workload), workload),
                )
            })
            .collect(),
        rows,
    }
}

fn held_statement(held: Held, workload: &Workload) -> Statement {
    match (held, workload) {
        (Held::Chips(chips), _) => Statement::new("equal-chips", [("chips", chips.to_string())]),
        (Held::Power(power), _) => Statement::new("equal-power", [("power", power.to_string())]),
        (Held::Budget(budget), _) => {
            Statement::new("equal-budget", [("budget", budget.to_string())])
        }
        (Held::Deadline(time), Workload::Training(_)) => {
            let days = format!("{:.0}", time.get() / SECONDS_PER_DAY);
            Statement::new("equal-deadline", [("days", days)])
        }
        (Held::Deadline(_), Workload::Serving(serving)) => {
            let rate = serving.requests_per_second.unwrap_or_default().to_string();
            Statement::new("equal-rate", [("rate", rate)])
        }
    }
}
