//! The plan of a training case, given or searched, and its outcome with what binds it.

use chokepoint_catalog::Framework;
use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_train::{
    Case, Infeasible, Plan, Prediction, Space, evaluate, front, search_or_offload,
};

use crate::elasticity::{FIXED_STEP, SEARCHED_STEP, elasticities};
use crate::emit::Target;
use crate::prediction::{breakdown, memory, metrics, plan_fields, refusal};
use crate::row::{Outcome, Resource, Statement};
use crate::software::restrict;

/// Plans searched beyond those shown, because the framework that is written for may not run some.
const SPARE: usize = 24;

/// How the plan of a case is found.
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

/// What a framework runs; all that mainstream frameworks run where none is named.
pub(crate) fn space(case: &Case, framework: Option<&Framework>) -> Space {
    let mut space = Space::of(case);
    if let Some(framework) = framework {
        restrict(framework, &mut space);
    }
    space
}

impl Choice {
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

    /// Plans that trade time for memory.
    pub(crate) fn front(&self, case: &Case, points: usize) -> Vec<Prediction> {
        match self {
            Self::Given(plan) => evaluate(case, plan).into_iter().collect(),
            Self::Searched(spaces, _) => spaces
                .last()
                .map(|space| front(case, space, points))
                .unwrap_or_default(),
        }
    }
}

fn searched(
    case: &Case,
    spaces: &[Space],
    target: Option<Target>,
    kept: usize,
) -> Result<Found, Statement> {
    let (mut evaluated, mut pruned) = (0, 0);
    let mut miss = None;
    let mut plans: Vec<Prediction> = Vec::new();
    let wanted = if target.is_some() { kept + SPARE } else { kept };
    for space in spaces {
        let found = search_or_offload(case, space, wanted);
        evaluated += found.evaluated;
        pruned += found.pruned;
        miss = miss.or(found.nearest_miss);
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
        return Err(match miss {
            Some((plan, table)) => refusal(&plan, &Infeasible::Memory(table)),
            None => Statement::new("no-plan", []),
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

/// The result with its elasticities: the one evaluation with one resource scaled, at the plan;
/// searched again for memory capacity where the plan was searched.
pub(crate) fn outcome(case: &Case, choice: &Choice, found: &Found) -> Outcome {
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
