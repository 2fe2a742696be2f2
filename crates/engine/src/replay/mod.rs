//! Replay of a trace, or of drawn requests, on instances of a model.
//!
//! Requests are read twice: first their mean lengths, of which the plan and the room for keys and
//! values follow, then one by one into the replay ([`chokepoint_replay`]), whose iteration times are
//! those of the serving model ([`crate::step_time`]).
//!
//! Limits: attention groups and stages of an instance are filled evenly and go in rounds
//! ([`crate::step_time`]); the host's time before a request reaches the engine delays its answer but
//! neither the engine nor the next request of a closed loop; energy is that of the chips' packages, and
//! none is counted of instances that start or are away.

mod changes;
mod deployed;
pub(crate) mod layout;
mod meter;
mod request;
mod result;
#[cfg(test)]
mod tests;

use chokepoint_catalog::{Batching, ServingEngine};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_replay::{Lengths, Observer, Request, Synthetic};
use chokepoint_serve::{Case, Layout, MemoryTable, Pool, Software, Speculation, Workload};
use chokepoint_units::Seconds;

pub use changes::{ReplayFailures, ReplayScaling, parse_autoscale};
use deployed::Deployed;
use layout::Chosen;
pub(crate) use meter::Meter;
pub use meter::{Activity, Spent};
use request::most;
pub use request::{
    ReplayRequest, ReplaySource, parse_lengths, parse_process, parse_router, parse_split,
    router_name,
};
pub use result::{MeanLengths, ReplayFound, ReplayRun};

use crate::Data;
use crate::fleet::instance;
use crate::resolve::{SystemParts, system_parts};
use crate::row::Statement;
use crate::serving_software::serving_software;

/// Longer than any answer takes.
const NO_LIMIT: Seconds = Seconds::new(1e9);

/// Replays. `open` opens the trace from its start; it is called twice, or not at all with drawn
/// requests. `observer` hears of every request as it ends.
///
/// # Errors
/// What is wrong with the request or the trace; a model that does not fit is a result with the reason.
pub fn run_replay<I, O>(
    request: &ReplayRequest,
    data: &Data,
    open: &mut dyn FnMut() -> Result<I, Diagnostic>,
    observer: &mut O,
) -> Result<ReplayRun, Diagnostic>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    request.check()?;
    let engine = engine(request, data)?;
    let architecture = data.model(&request.model)?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let means = match &request.source {
        ReplaySource::Synthetic { drawn, .. } => drawn_means(drawn)?,
        ReplaySource::Trace { name, limit, .. } => means(name, open()?.take(most(*limit)))?,
    };
    let mut run = ReplayRun {
        request: request.clone(),
        system_name: parts.system.name.clone(),
        engine_name: engine.name.clone(),
        means,
        found: Err(Statement::new("no-plan", [])),
        notes: notes(request, engine, &parts, &means),
    };
    let chip = match &parts.spec {
        Ok(spec) => spec.under_load(),
        Err(error) => {
            let what = [("what", error.message.clone())];
            run.found = Err(Statement::new("figure-missing", what));
            return Ok(run);
        }
    };
    let workload = workload(request, &means);
    let software = software(request, engine, &parts);
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &software,
        chip: &chip,
        fabric: &parts.fabric,
        chips: u64::MAX,
    };
    run.found = match choose(request, &case, parts.system.domain.chips, &mut run.notes)? {
        Err(reason) => Err(reason),
        Ok(chosen) => {
            let deployed = Deployed {
                request,
                engine,
                case: &case,
                chosen,
            };
            let setting = (&parts, &data.catalog);
            Ok(deployed.run(open, observer, setting, &mut run.notes)?)
        }
    };
    Ok(run)
}

/// The engine, which must batch continuously.
fn engine<'a>(request: &ReplayRequest, data: &'a Data) -> Result<&'a ServingEngine, Diagnostic> {
    let engine = data.catalog.engine(&request.engine)?;
    if engine.batching == Batching::Static {
        let message = format!("no request joins a running batch of {}", engine.name);
        let help = "name another --engine, such as vllm";
        return Err(Diagnostic::new(Code::Value, message).help(help));
    }
    Ok(engine)
}

fn means(
    name: &str,
    requests: impl Iterator<Item = Result<Request, Diagnostic>>,
) -> Result<MeanLengths, Diagnostic> {
    let (mut count, mut input, mut output, mut shared) = (0, 0, 0, false);
    for request in requests {
        let request = request?;
        count += 1;
        input += u64::from(request.input_tokens);
        output += u64::from(request.output_tokens);
        shared |= !request.hash_ids.is_empty();
    }
    if count == 0 {
        let message = format!("{name} has no requests");
        return Err(Diagnostic::new(Code::Value, message).help("write a line for each request"));
    }
    Ok(MeanLengths {
        requests: count,
        input: input as f64 / count as f64,
        output: output as f64 / count as f64,
        shared,
    })
}

fn drawn_means(drawn: &Synthetic) -> Result<MeanLengths, Diagnostic> {
    if drawn.requests == 0 {
        return Err(Diagnostic::new(
            Code::Usage,
            "--requests 0 leaves nothing to replay",
        ));
    }
    let mean = |lengths: Lengths| f64::midpoint(f64::from(lengths.least), f64::from(lengths.most));
    Ok(MeanLengths {
        requests: drawn.requests,
        input: mean(drawn.input),
        output: mean(drawn.output),
        shared: false,
    })
}

fn workload(request: &ReplayRequest, means: &MeanLengths) -> Workload {
    let whole = |tokens: f64| (libm::round(tokens) as u64).max(1);
    Workload {
        input: whole(means.input),
        output: whole(means.output),
        ttft: request.targets.first_token.unwrap_or(NO_LIMIT),
        tpot: request.targets.token_interval.unwrap_or(NO_LIMIT),
        formats: request.formats.clone(),
        cache_format: request.cache_format,
        imbalance: 1.0,
        prefix_hit: 0.0,
        speculation: request.drafted_tokens.map(|drafted| Speculation {
            drafted,
            accepted: request.accepted_tokens.unwrap_or_default(),
        }),
    }
}

/// The engine, with the transfers that are asked for.
fn software(request: &ReplayRequest, engine: &ServingEngine, parts: &SystemParts) -> Software {
    Software {
        layerwise_transfer: request.layerwise_transfer,
        ..serving_software(engine, &parts.chip.calibration.curve)
    }
}

/// What to know of the inputs.
fn notes(
    request: &ReplayRequest,
    engine: &ServingEngine,
    parts: &SystemParts,
    means: &MeanLengths,
) -> Vec<Statement> {
    let mut all = Vec::new();
    let mut say = |holds: bool, statement: Statement| {
        if holds {
            all.push(statement);
        }
    };
    let alone = |key| Statement::new(key, []);
    let unshared = !means.shared && request.prefix_cache;
    say(unshared, alone("replay-no-prefixes"));
    say(engine.reserves_answers, alone("replay-reserves"));
    say(true, alone("replay-assumed"));
    let assumed = engine.figures().into_iter().filter(|row| row.assumed);
    let assumed: Vec<String> = assumed.map(|row| row.field).collect();
    let which = [("which", assumed.join(", "))];
    say(
        !assumed.is_empty(),
        Statement::new("replay-engine-assumed", which),
    );
    if let Ok(spec) = &parts.spec {
        let curve = [("curve", parts.chip.calibration.curve.clone())];
        say(spec.borrowed, Statement::new("calibration-borrowed", curve));
        let which = [("which", spec.assumed.join(", "))];
        say(
            !spec.assumed.is_empty(),
            Statement::new("figures-assumed", which),
        );
    }
    let host = [("host", engine.request_host.value.to_string())];
    say(true, Statement::new("replay-host", host));
    say(true, alone("replay-energy"));
    all
}

/// The plan that is asked for, or the best; or why there is none.
fn choose(
    request: &ReplayRequest,
    case: &Case,
    domain: u64,
    notes: &mut Vec<Statement>,
) -> Result<Result<Chosen, Statement>, Diagnostic> {
    let found = match &request.plan {
        Some(text) => Ok(Some(layout::written(text, request, case)?)),
        None => best(request, case, domain, notes),
    };
    let chosen = match found {
        Ok(None) => return Ok(Err(Statement::new("no-plan", []))),
        Err((layout, table)) => return Ok(Err(short(case, layout, &table))),
        Ok(Some(chosen)) => chosen,
    };
    let plan = &chosen.plan;
    for pool in plan.prefill.iter().chain([&plan.decode]) {
        let table = instance(case, plan, pool).memory(1);
        if table.total > table.usable {
            return Ok(Err(short(case, pool.layout, &table)));
        }
    }
    match request.chips {
        Some(chips) if plan.chips() > chips => {
            let all = |pool: &Pool| {
                let each = pool.layout.chips();
                format!(
                    "{} instances of {each} chips ({})",
                    pool.instances, pool.layout
                )
            };
            let pools = plan.prefill.iter().chain([&plan.decode]).map(all);
            let pools = pools.collect::<Vec<String>>().join(" and ");
            let message = format!("{pools} are more than --chips {chips}");
            let help = "ask for more chips or fewer instances";
            Err(Diagnostic::new(Code::Value, message).help(help))
        }
        _ => Ok(Ok(chosen)),
    }
}

/// What to say of a layout that does not fit.
fn short(case: &Case, layout: Layout, table: &MemoryTable) -> Statement {
    let plan = format!("{layout} {}", case.precision().feed_forward);
    let values = [
        ("plan", plan),
        ("needed", table.total.to_string()),
        ("usable", table.usable.to_string()),
    ];
    Statement::new("memory-short", values)
}

/// The best plan within the targets, or of all where none meets them.
fn best(
    request: &ReplayRequest,
    case: &Case,
    domain: u64,
    notes: &mut Vec<Statement>,
) -> Result<Option<Chosen>, (Layout, MemoryTable)> {
    let found = layout::search(request, case, domain)?;
    if found.is_some() {
        return Ok(found);
    }
    let workload = Workload {
        ttft: NO_LIMIT,
        tpot: NO_LIMIT,
        ..case.workload.clone()
    };
    let free = Case {
        workload: &workload,
        ..*case
    };
    let found = layout::search(request, &free, domain)?;
    if found.is_some() {
        notes.push(Statement::new("replay-targets-missed", []));
    }
    Ok(found)
}
