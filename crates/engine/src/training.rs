//! The row of a training workload.

use chokepoint_catalog::{Framework, PriceBook};
use chokepoint_train::{Case, Optimizer, Prediction, Workload};
use chokepoint_units::{NumberFormat, Seconds};

use crate::equal::{MOST_CHIPS, smallest};
use crate::resolve::SystemParts;
use crate::row::{Outcome, Statement};
use crate::run::{self, Choice, Found, Setting, SpaceChoice, space};
use crate::scenario::Training;
use crate::software::{formats, numerics};

/// Plans of different layout that a row shows.
const KEPT: usize = 5;

/// The workload as the predictor takes it.
pub(crate) fn workload(training: &Training, framework: Option<&Framework>) -> Workload {
    let (optimizer, gradients) = numerics(framework);
    Workload {
        optimizer: match training.moments {
            Some(NumberFormat::Bf16) => Optimizer::AdamBf16Moments,
            Some(_) => Optimizer::AdamFp32,
            None => optimizer,
        },
        gradients,
        imbalance: training.expert_imbalance,
        ..Workload::pretraining(
            training.sequence,
            training.global_batch,
            training.tokens,
            formats(&training.formats, framework),
        )
    }
}

/// The plan that the workload gives, or what is searched.
fn choice(case: &Case, training: &Training, framework: Option<&Framework>) -> Choice {
    match &training.plan {
        Some(fixed) => {
            let format = case.chip.best_format(&case.workload.formats);
            Choice::Given(Box::new(fixed.plan(case.chips, format)))
        }
        None => Choice::Searched(vec![space(case, framework, SpaceChoice::Mainstream)], None),
    }
}

/// The fewest chips, in whole units as sold, that finish the run in a time.
pub(crate) fn chips_for_deadline(
    case: &Case,
    framework: Option<&Framework>,
    unit: u64,
    deadline: Seconds,
) -> Option<u64> {
    let workload = case.workload;
    let per_token = case
        .architecture
        .training_flops_per_token(workload.sequence, true);
    let peak = case.chip.rate(case.chip.best_format(&workload.formats));
    let ideal = (per_token * workload.tokens / peak) / deadline;
    smallest(unit, (ideal * 2.0) as u64, MOST_CHIPS, |chips| {
        let case = Case { chips, ..*case };
        let choice = Choice::Searched(vec![space(&case, framework, SpaceChoice::Mainstream)], None);
        let found = choice.find(&case, 1).ok()?;
        (found.best.run <= deadline).then_some(())
    })
    .map(|(chips, ())| chips)
}

/// The outcome of a training case.
pub(crate) fn outcome(
    case: &Case,
    training: &Training,
    framework: Option<&Framework>,
    parts: &SystemParts,
    prices: &PriceBook,
) -> Result<Outcome, Statement> {
    let choice = choice(case, training, framework);
    let setting = Setting::one(*case, &choice, parts, prices);
    let Found { best, others, .. } = setting.find(KEPT)?;
    let beside = |other: &Prediction| (other.plan.to_string(), best.step / other.step);
    Ok(Outcome {
        elasticities: setting.elasticities(&best, 1),
        alternatives: others.iter().map(beside).collect(),
        ..run::outcome(case, &best)
    })
}
