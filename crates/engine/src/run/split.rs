//! What it costs to split a run over sites.

use chokepoint_diag::Diagnostic;
use chokepoint_train::{Case, Prediction, Trained, Workload, diloco_loss_ratio};
use chokepoint_units::NumberFormat;

use super::RunGoodput;
use super::find::Choice;
use super::link::{Link, Local};
use super::request::RunRequest;
use super::result::{RunFound, metric};
use super::setting::{Setting, unlinked};
use crate::row::{Outcome, Statement};

/// A run on several sites, or on one for comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFigures {
    /// The plan of a site.
    pub plan: String,
    /// Time of a step.
    pub step_seconds: f64,
    /// Tokens of one second on all chips.
    pub tokens_per_second: f64,
    /// Tokens of the run.
    pub tokens: f64,
    /// Days of the run without failures.
    pub days: f64,
    /// Cost of all chips for the run without failures, where there is a price.
    pub usd: Option<f64>,
    /// Days of the run with failures.
    pub days_with_failures: Option<f64>,
    /// Cost of the run with failures, spare chips counted.
    pub usd_with_failures: Option<f64>,
}

/// What it costs to split a run over sites.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSites {
    /// Sites.
    pub sites: u64,
    /// Chips of a site.
    pub chips_per_site: u64,
    /// Sequences of a step at a site.
    pub batch_per_site: u64,
    /// What a site sends, and at the same time receives, bytes per second.
    pub bandwidth: f64,
    /// Time to the next site and back.
    pub round_trip_seconds: f64,
    /// Bits of an exchanged parameter.
    pub exchange_bits: u64,
    /// Bytes of all parameters on the link.
    pub exchange_bytes: f64,
    /// Share of the backward pass under which a synchronous exchange runs.
    pub overlap: f64,
    /// Steps of a site on its own; gradients are exchanged at every step where there are none.
    pub local: Option<Local>,
    /// Further tokens for the same loss, as a share.
    pub extra_tokens: f64,
    /// Time of a step inside a site.
    pub site_step_seconds: f64,
    /// One exchange of the whole model.
    pub exchange_seconds: f64,
    /// What of an exchange no computation hides.
    pub exposed_seconds: f64,
    /// What of it falls on a step.
    pub exposed_seconds_per_step: f64,
    /// Time for the progress of one synchronous step: a step and the further tokens of local steps.
    pub step_equivalent_seconds: f64,
    /// Share of the time lost to the link.
    pub lost_share: f64,
    /// Time of a step that exchanges gradients.
    pub synchronous_step_seconds: f64,
    /// Fewest local steps that are as fast as that; none where their tokens cost more.
    pub break_even_inner_steps: Option<u64>,
    /// Loss of local steps over that of data parallelism, where it is published.
    pub loss_ratio: Option<f64>,
    /// The run on all sites.
    pub run: RunFigures,
    /// The run on one site of all chips, or why there is none. Where local steps ask for further
    /// tokens it takes none of them; where only the number format does, as many.
    pub single: Result<RunFigures, Statement>,
}

impl RunFigures {
    fn of(outcome: &Outcome, tokens: f64, goodput: Option<&RunGoodput>) -> Self {
        Self {
            plan: outcome.plan.clone(),
            step_seconds: metric(outcome, "step_seconds"),
            tokens_per_second: metric(outcome, "tokens_per_second"),
            tokens,
            days: metric(outcome, "run_days"),
            usd: outcome.metrics.get("usd_per_run").copied(),
            days_with_failures: goodput.map(|left| left.days),
            usd_with_failures: goodput.and_then(|left| left.usd),
        }
    }
}

impl Link {
    /// What the split of a run costs; `gathered` is how the plan of a single site is found.
    ///
    /// # Errors
    /// When the sites cannot be joined.
    pub(super) fn split(
        &self,
        setting: &Setting,
        best: &Prediction,
        found: &RunFound,
        gathered: &Choice,
    ) -> Result<RunSites, Diagnostic> {
        let case = &setting.site;
        let timing = self.timing(case, best).map_err(|e| unlinked(&e))?;
        let synchronous = self.synchronous(case, best).map_err(|e| unlinked(&e))?;
        let even = self.break_even(case, best, &synchronous);
        let pretrains = self.local.is_some() && case.workload.trained == Trained::All;
        let parameters = case.architecture.parameters() as f64;
        Ok(RunSites {
            sites: self.wan.sites,
            chips_per_site: case.chips,
            batch_per_site: case.workload.global_batch,
            bandwidth: self.wan.bandwidth.get(),
            round_trip_seconds: self.wan.round_trip.get(),
            exchange_bits: self.bits,
            exchange_bytes: self.bytes(case).get(),
            overlap: self.overlap,
            local: self.local,
            extra_tokens: self.extra_tokens,
            site_step_seconds: best.step.get(),
            exchange_seconds: timing.exchange.get(),
            exposed_seconds: timing.exposed.get(),
            exposed_seconds_per_step: (timing.step - best.step).get(),
            step_equivalent_seconds: timing.equivalent.get(),
            lost_share: timing.lost_share,
            synchronous_step_seconds: synchronous.step.get(),
            break_even_inner_steps: even.map_err(|e| unlinked(&e))?,
            loss_ratio: pretrains
                .then(|| diloco_loss_ratio(parameters, self.wan.sites))
                .flatten(),
            run: RunFigures::of(
                &found.outcome,
                setting.whole.workload.tokens,
                found.goodput.as_ref(),
            ),
            single: self.single(setting, gathered)?,
        })
    }

    /// The same chips at one site.
    fn single(
        &self,
        setting: &Setting,
        choice: &Choice,
    ) -> Result<Result<RunFigures, Statement>, Diagnostic> {
        let mut workload: Workload = setting.whole.workload.clone();
        if self.local.is_some() {
            workload.tokens /= 1.0 + self.extra_tokens;
        }
        let case = Case {
            workload: &workload,
            ..setting.whole
        };
        let one = Setting {
            experience: setting.experience,
            ..Setting::one(case, choice, setting.parts, setting.prices)
        };
        let found = match one.find(1) {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let (outcome, goodput) = one.outcome(&found.best)?;
        let goodput = goodput.and_then(Result::ok);
        Ok(Ok(RunFigures::of(
            &outcome,
            workload.tokens,
            goodput.as_ref(),
        )))
    }
}

/// What a reader of a split or lengthened run must know.
pub(super) fn notes(
    request: &RunRequest,
    link: Option<&Link>,
    split: Option<&RunSites>,
) -> Vec<Statement> {
    let mut all = Vec::new();
    let local = link.is_some_and(|link| link.local.is_some());
    if request.extra_tokens > 0.0 {
        let share = format!("{:.3}", request.extra_tokens * 100.0);
        let share = share.trim_end_matches('0').trim_end_matches('.').to_owned();
        all.push(Statement::new("extra-tokens", [("share", share)]));
    } else if local {
        all.push(Statement::new("extra-tokens-none", []));
    }
    let Some(link) = link else { return all };
    if local {
        all.push(match split.and_then(|split| split.loss_ratio) {
            Some(ratio) => Statement::new(
                "loss-ratio",
                [
                    ("ratio", format!("{ratio:.4}")),
                    ("sites", link.wan.sites.to_string()),
                ],
            ),
            None => Statement::new("loss-ratio-unknown", []),
        });
        all.push(Statement::new("outer-update-left-out", []));
    }
    if request.sites.exchange_bits.is_none() {
        let key = if local { "outer-bits" } else { "gradient-bits" };
        all.push(Statement::new(key, [("bits", link.bits.to_string())]));
    }
    if local && request.extra_tokens > 0.0 && narrow(&request.formats) {
        all.push(Statement::new("extra-tokens-of-local-steps", []));
    }
    all.push(Statement::new("line-left-out", []));
    all
}

/// Whether a format narrower than FP8 is allowed, which may ask for further tokens itself.
fn narrow(formats: &[NumberFormat]) -> bool {
    formats.iter().any(|format| format.stored_bytes() < 1.0)
}
