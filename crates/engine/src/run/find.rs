//! The plan of a run: given, or the fastest of a space.

use chokepoint_catalog::Framework;
use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_train::{
    Case, Infeasible, Plan, PlanError, PlanTextError, Prediction, Schedule, Space, evaluate, front,
    search_or_offload,
};

use super::{RunRequest, SpaceChoice};
use crate::emit::Target;
use crate::limits;
use crate::prediction::refusal;
use crate::row::Statement;
use crate::software::{defaults, restrict};

/// Plans searched beyond those shown, because the framework that is written for may not run some.
const SPARE: usize = 24;

/// How the plan of a run is found.
pub(crate) enum Choice {
    /// It is given.
    Given(Box<Plan>),
    /// It is searched, in each space, for a framework that must run it.
    Searched(Vec<Space>, Option<Target>),
}

/// The best plan and the next.
pub(crate) struct Found {
    pub best: Prediction,
    pub others: Vec<Prediction>,
    pub evaluated: u64,
    pub pruned: u64,
}

/// What a framework runs of a choice of plans.
pub(crate) fn space(case: &Case, framework: Option<&Framework>, choice: SpaceChoice) -> Space {
    let mut space = Space::of(case);
    if choice == SpaceChoice::Published {
        space.schedules = Schedule::ALL.to_vec();
    }
    if let Some(framework) = framework {
        restrict(framework, &mut space);
    }
    space
}

impl Choice {
    /// How the plan of a request is found.
    ///
    /// # Errors
    /// When a given plan cannot be read, or makes no sense for the case.
    pub(super) fn of(
        request: &RunRequest,
        framework: Option<&Framework>,
        case: &Case,
    ) -> Result<Self, Diagnostic> {
        if let Some(text) = &request.plan {
            let plan = given(text, framework, case)?;
            return match plan.check(case) {
                Ok(()) => Ok(Self::Given(Box::new(plan))),
                Err(error) => Err(impossible(request, &error)),
            };
        }
        let mut space = space(case, framework, request.space);
        let mut spaces = Vec::new();
        if let Some(target) = request.target {
            target.restrict(case.architecture, case.workload, &mut space);
            // What is lacking of the simplest plan is lacking of all.
            let one = simplest(case, &space);
            if let Some(lacks) = target.lacks(case.architecture, case.workload, &one) {
                return Err(target.refusal(&lacks));
            }
            // What hides expert traffic may need more than a framework has.
            if space.expert_overlaps.contains(&true) && case.architecture.experts().is_some() {
                spaces.push(Space {
                    expert_overlaps: vec![false],
                    ..space.clone()
                });
            }
        }
        spaces.push(space);
        Ok(Self::Searched(spaces, request.target))
    }

    /// The best plan and the next, `kept` in all; else why there is none.
    pub(crate) fn find(&self, case: &Case, kept: usize) -> Result<Found, Statement> {
        match self {
            Self::Given(plan) => evaluate(case, plan)
                .map(|best| Found {
                    best,
                    others: Vec::new(),
                    evaluated: 1,
                    pruned: 0,
                })
                .map_err(|reason| refusal(plan, &reason)),
            Self::Searched(spaces, target) => searched(case, spaces, *target, kept),
        }
    }

    /// The same for the chips of several sites at one: a given plan with as many more replicas,
    /// else what the chips allow.
    ///
    /// # Errors
    /// As of [`Self::of`].
    pub(super) fn gathered(
        &self,
        sites: u64,
        request: &RunRequest,
        framework: Option<&Framework>,
        case: &Case,
    ) -> Result<Self, Diagnostic> {
        match self {
            Self::Given(plan) => Ok(Self::Given(Box::new(Plan {
                dp: plan.dp.saturating_mul(sites),
                ..**plan
            }))),
            Self::Searched(..) => Self::of(request, framework, case),
        }
    }

    /// Plans that trade time for memory.
    pub(super) fn front(&self, case: &Case, points: usize) -> Vec<Prediction> {
        match self {
            Self::Given(plan) => evaluate(case, plan).into_iter().collect(),
            Self::Searched(spaces, _) => spaces
                .last()
                .map(|space| front(case, space, points))
                .unwrap_or_default(),
        }
    }
}

/// The simplest plan of a space: one chip.
fn simplest(case: &Case, space: &Space) -> Plan {
    let one = Plan::one(case.chip.best_format(&case.workload.formats));
    Plan {
        sharding: space.shardings.first().copied().unwrap_or(one.sharding),
        overlap_dp: space.data_overlaps.contains(&true),
        ..one
    }
}

fn searched(
    case: &Case,
    spaces: &[Space],
    target: Option<Target>,
    kept: usize,
) -> Result<Found, Statement> {
    let (mut evaluated, mut pruned) = (0, 0);
    let (mut miss, mut fits) = (None, false);
    let mut plans: Vec<Prediction> = Vec::new();
    let wanted = if target.is_some() { kept + SPARE } else { kept };
    for space in spaces {
        let found = search_or_offload(case, space, wanted);
        evaluated += found.evaluated;
        pruned += found.pruned;
        miss = miss.or(found.nearest_miss);
        fits |= !found.plans.is_empty();
        let runs = |found: &Prediction| {
            let lacks =
                |target: Target| target.lacks(case.architecture, case.workload, &found.plan);
            target.and_then(lacks).is_none()
        };
        plans.extend(found.plans.into_iter().filter(runs));
    }
    plans.sort_by(|a, b| a.step.get().total_cmp(&b.step.get()));
    plans.dedup_by(|a, b| a.plan == b.plan);
    plans.truncate(kept);
    if plans.is_empty() {
        return Err(match (miss, target) {
            (Some((plan, table)), _) if !fits => refusal(&plan, &Infeasible::Memory(table)),
            (_, Some(target)) => Statement::new(
                "no-plan-of-target",
                [("framework", target.name().to_owned())],
            ),
            _ => Statement::new("no-plan", []),
        });
    }
    let best = plans.remove(0);
    Ok(Found {
        best,
        others: plans,
        evaluated,
        pruned,
    })
}

/// Where diagnostics of a given plan point.
const PLACE: &str = "--plan";

/// A plan given as text over the defaults of a framework; data parallelism takes what chips are
/// left unless it is named.
fn given(text: &str, framework: Option<&Framework>, case: &Case) -> Result<Plan, Diagnostic> {
    let one = Plan::one(case.chip.best_format(&case.workload.formats));
    let rest = framework.map_or(one, |framework| defaults(framework, one));
    let mut plan = Plan::parse(text, rest).map_err(|error| unreadable(text, &error))?;
    let degrees = [
        ("tp", plan.tp),
        ("cp", plan.cp),
        ("ep", plan.ep),
        ("etp", plan.etp),
        ("pp", plan.pp),
        ("vp", plan.vp),
        ("dp", plan.dp),
        ("mbs", plan.micro_batch),
        ("shard", plan.shard.max(1)),
    ];
    let wrong = degrees
        .into_iter()
        .find_map(|(name, degree)| limits::count(name, degree));
    if let Some((name, what)) = wrong {
        let problem = Diagnostic::new(Code::Value, format!("{name} {what}"));
        return Err(placed(problem, text, name));
    }
    let best = case.chip.best_format(&[plan.format]);
    if best != plan.format {
        let format = plan.format.name();
        let message = format!("the chip multiplies in none of {format} faster than in 16 bits");
        let problem = Diagnostic::new(Code::Value, message).help(format!("write {best}"));
        return Err(placed(problem, text, format));
    }
    if !Plan::names_dp(text) {
        let inner = plan.tp.saturating_mul(plan.cp).saturating_mul(plan.pp);
        plan.dp = (case.chips / inner.max(1)).max(1);
    }
    Ok(plan)
}

fn unreadable(text: &str, error: &PlanTextError) -> Diagnostic {
    let message = error.to_string();
    let problem = Diagnostic::new(Code::Field, message);
    match error.unknown() {
        Some((word, known)) => {
            let near = nearest(word, known.iter().copied());
            let help = if near.is_empty() {
                format!("known: {}", known.join(", "))
            } else {
                format!("did you mean {}?", near.join(", "))
            };
            placed(problem.help(help), text, word)
        }
        None => {
            let value = if let PlanTextError::Number { value, .. } = error {
                value.as_str()
            } else {
                text
            };
            placed(problem, text, value)
        }
    }
}

fn placed(problem: Diagnostic, text: &str, word: &str) -> Diagnostic {
    let start = text.find(word).unwrap_or(0);
    problem.at(PLACE, text, start..start + word.len())
}

/// A plan that makes no sense for the case.
pub(super) fn impossible(request: &RunRequest, error: &PlanError) -> Diagnostic {
    let problem = Diagnostic::new(Code::Value, format!("the plan does not work: {error}"));
    match &request.plan {
        Some(text) => problem.at(PLACE, text, 0..text.len()),
        None => problem,
    }
}
