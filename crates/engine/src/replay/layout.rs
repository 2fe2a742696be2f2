//! How the instances of a replay are spread: as written, or the best of all in steady state.
//!
//! The search compares every layout in powers of two by the steady state of [`adapted_rate`] at the
//! mean lengths of the requests, all prompts and decodes on the same chips. Pipeline stages are
//! replayed where they are written and left out of the search: on chips of one domain they only make
//! answers slower.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_serve::{Case, Instance, Layout, MemoryTable, Plan, Pool, adapted_rate, layouts};

use super::request::{MOST_INSTANCES, ReplayRequest};
use crate::serve_run::given;

/// Most chips of an instance that is searched: the widest published spreads 320.
const MOST_CHIPS: u64 = 512;

/// A plan that is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    pub plan: Plan,
    /// Whether its batches limit the sequences.
    pub capped: bool,
}

/// Reads how instances are spread: the degrees of one, such as `tp=8 pp=2`, or pools as `serve` prints
/// them. Where the pools do not say how many instances there are, the request does.
///
/// # Errors
/// What is wrong with it, does not suit the model or is more than was asked for.
pub(super) fn written(
    text: &str,
    request: &ReplayRequest,
    case: &Case,
) -> Result<Chosen, Diagnostic> {
    let pools = text.contains('[');
    let bracketed = format!("[{text}]");
    let plan = given(if pools { text } else { &bracketed }, case)?;
    let counted = plan.prefill.is_some() || plan.decode.instances > 1;
    let asked =
        request.instances.is_some() || request.disaggregate.is_some() || request.scaling.is_some();
    if counted && asked {
        let message = "the plan and another option both say how many instances there are";
        let help = "leave --instances, --disaggregate and --autoscale out, or write one instance";
        return Err(Diagnostic::new(Code::Usage, message).help(help));
    }
    let plan = if counted {
        plan
    } else {
        of_layout(request, plan)
    };
    let instances = plan.decode.instances + plan.prefill.map_or(0, |pool| pool.instances);
    if instances > MOST_INSTANCES {
        let message =
            format!("the plan has {instances} instances, at most {MOST_INSTANCES} are replayed");
        return Err(Diagnostic::new(Code::Value, message).help("write fewer"));
    }
    Ok(Chosen {
        plan,
        capped: text.contains("batch="),
    })
}

/// As many instances like the plan's as are asked for, all alike.
fn of_layout(request: &ReplayRequest, plan: Plan) -> Plan {
    let pool = |instances: u64| Pool {
        instances,
        ..plan.decode
    };
    match request.disaggregate {
        Some((prefill, decode)) => Plan {
            prefill: Some(pool(u64::from(prefill))),
            decode: pool(u64::from(decode)),
            ..plan
        },
        None => {
            let each = plan.decode.layout.chips();
            Plan {
                decode: pool(instances(request, each).max(1)),
                ..plan
            }
        }
    }
}

/// Instances of so many chips each that are asked for.
fn instances(request: &ReplayRequest, each: u64) -> u64 {
    let split = request.disaggregate;
    let split = split.map(|(prefill, decode)| u64::from(prefill) + u64::from(decode));
    let scaled = request.scaling.map(|scaling| u64::from(scaling.most));
    let asked = split.or(scaled).or(request.instances);
    asked.unwrap_or_else(|| request.chips.map_or(1, |chips| chips / each))
}

/// The plan with the most tokens a second in steady state: on all chips where their number is given,
/// else on each chip of a domain. Where none fits, the memory of the one that lacks least.
pub(super) fn search(
    request: &ReplayRequest,
    case: &Case,
    domain: u64,
) -> Result<Option<Chosen>, (Layout, MemoryTable)> {
    let most = request.chips.map_or(domain, |chips| {
        if request.instances.is_some() || request.disaggregate.is_some() {
            chips / instances(request, 1)
        } else {
            chips
        }
    });
    let mut best: Option<(f64, Layout)> = None;
    let mut nearest: Option<(Layout, MemoryTable)> = None;
    let mut fits = false;
    for layout in single_stage(case, most.min(MOST_CHIPS)) {
        let instance = Instance {
            case,
            layout,
            precision: case.precision(),
        };
        let table = instance.memory(1);
        if table.total > table.usable {
            let lacks = |table: &MemoryTable| table.total / table.usable;
            if nearest
                .as_ref()
                .is_none_or(|(_, known)| lacks(&table) < lacks(known))
            {
                nearest = Some((layout, table));
            }
            continue;
        }
        fits = true;
        let worth = worth(request, case, layout);
        if worth > best.map_or(0.0, |(known, _)| known) {
            best = Some((worth, layout));
        }
    }
    match nearest {
        Some(nearest) if !fits => Err(nearest),
        _ => Ok(best.map(|(_, layout)| Chosen {
            plan: of_layout(request, plan(case, layout)),
            capped: false,
        })),
    }
}

/// Tokens a second of all instances in steady state, or of each chip where more instances take more.
fn worth(request: &ReplayRequest, case: &Case, layout: Layout) -> f64 {
    let alone = Case {
        chips: layout.chips(),
        ..*case
    };
    let rate = adapted_rate(&alone, &plan(&alone, layout)).unwrap_or(0.0);
    if request.chips.is_some() {
        rate * instances(request, layout.chips()) as f64
    } else {
        rate / layout.chips() as f64
    }
}

/// One instance.
fn plan(case: &Case, layout: Layout) -> Plan {
    Plan {
        decode: Pool {
            instances: 1,
            layout,
            batch: 1,
        },
        prefill: None,
        precision: case.precision(),
    }
}

/// All layouts of at most so many chips that suit the model, of one stage.
fn single_stage(case: &Case, most: u64) -> Vec<Layout> {
    let mut all = layouts(&Case {
        chips: most,
        ..*case
    });
    all.retain(|layout| layout.pp == 1);
    all
}
