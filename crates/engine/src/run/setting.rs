//! What a run is computed on: one site, and what joins it to the others.

use chokepoint_catalog::PriceBook;
use chokepoint_chip::ChipSpec;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::Fabric;
use chokepoint_train::{Case, OutOfRange, Prediction, evaluate};

use super::failures::{self, Known};
use super::find::{Choice, Found};
use super::link::Link;
use super::{RunGoodput, RunPlan};
use crate::economics::Economics;
use crate::elasticity::{FIXED_STEP, SEARCHED_STEP, elasticities, rank};
use crate::prediction::{breakdown, memory, metrics, plan_fields};
use crate::resolve::SystemParts;
use crate::row::{Outcome, Resource, Statement};

/// A case, how its plan is found, and what joins it to others like it.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// One site.
    pub(super) site: Case<'a>,
    /// The chips, batch and tokens of all sites; the same for a single one.
    pub(super) whole: Case<'a>,
    /// How the plan of a site is found.
    pub(super) choice: &'a Choice,
    /// What joins the sites.
    pub(super) link: Option<&'a Link>,
    /// The system.
    pub(super) parts: &'a SystemParts,
    /// The prices.
    pub(super) prices: &'a PriceBook,
    /// The failures.
    pub(super) experience: Option<&'a Known<'a>>,
    /// Mean time of a step over that on the whole network.
    pub(super) network_slowdown: f64,
}

impl<'a> Setting<'a> {
    /// A single site whose failures do not count.
    pub(crate) const fn one(
        case: Case<'a>,
        choice: &'a Choice,
        parts: &'a SystemParts,
        prices: &'a PriceBook,
    ) -> Self {
        Self {
            site: case,
            whole: case,
            choice,
            link: None,
            parts,
            prices,
            experience: None,
            network_slowdown: 1.0,
        }
    }

    /// Sites.
    pub(super) fn sites(&self) -> u64 {
        self.link.map_or(1, |link| link.wan.sites)
    }

    /// What the chips need and cost.
    pub(super) fn economics(&self) -> Economics {
        Economics::of_sites(self.parts, self.prices, self.sites(), self.site.chips)
    }

    /// The run of all sites.
    pub(super) fn run(&self, site: &Prediction) -> Result<Prediction, OutOfRange> {
        match self.link {
            Some(link) => link.whole(&self.site, site),
            None => Ok(site.clone()),
        }
    }

    /// The best plan and the next: of those that are fastest inside a site, the fastest with the
    /// link. An exchange under the backward pass may favour one whose backward pass is longer.
    pub(crate) fn find(&self, kept: usize) -> Result<Found, Statement> {
        let mut found = self.choice.find(&self.site, kept)?;
        if self.link.is_some_and(|link| link.overlap > 0.0) {
            let time = |site: &Prediction| {
                self.run(site)
                    .map_or(f64::INFINITY, |whole| whole.step.get())
            };
            let mut plans = std::mem::take(&mut found.others);
            plans.insert(0, found.best);
            plans.sort_by(|a, b| time(a).total_cmp(&time(b)));
            found.best = plans.remove(0);
            found.others = plans;
        }
        Ok(found)
    }

    /// Plans beside the best.
    pub(super) fn beside(
        &self,
        plans: &[Prediction],
        best: &Prediction,
    ) -> Result<Vec<RunPlan>, Diagnostic> {
        let best = self.run(best).map_err(|error| unlinked(&error))?;
        let of = |plan: &Prediction| {
            let whole = self.run(plan).map_err(|error| unlinked(&error))?;
            Ok(RunPlan::of(&whole, &best))
        };
        plans.iter().map(of).collect()
    }

    /// A result with cost and energy, and what failures leave of it or why that is not known.
    pub(super) fn outcome(
        &self,
        site: &Prediction,
    ) -> Result<(Outcome, Option<Result<RunGoodput, Statement>>), Diagnostic> {
        let whole = self.run(site).map_err(|error| unlinked(&error))?;
        let mut outcome = outcome(&self.whole, &whole);
        outcome.chips_used *= self.sites();
        if self.link.is_some() {
            let exposed = (whole.step - site.step).get();
            outcome.breakdown.push(("wide_area", exposed));
        }
        self.economics()
            .add_to(self.parts, self.prices, &mut outcome);
        let goodput = self.experience.map(|known| {
            let known = (known, self.network_slowdown);
            failures::goodput(known, &self.whole, self.sites(), &whole, &outcome)
        });
        Ok((outcome, goodput))
    }

    /// Tokens of one second at all sites.
    fn rate(&self, site: &Prediction) -> f64 {
        let whole = self.run(site);
        whole.map_or(f64::NAN, |whole| whole.tokens_per_second)
    }

    /// Which resource binds: the one evaluation with one resource scaled, at the plan; searched
    /// again for memory capacity where the plan was searched. Between sites the round trip belongs
    /// to the latency of the networks.
    pub(crate) fn elasticities(&self, best: &Prediction, kept: usize) -> Vec<(Resource, f64)> {
        let rate = self.rate(best);
        let step = |resource| {
            if resource == Resource::MemoryCapacity {
                SEARCHED_STEP
            } else {
                FIXED_STEP
            }
        };
        let rate_with = |resource, chip: &ChipSpec, fabric: &Fabric| {
            let site = Case {
                chip,
                fabric,
                ..self.site
            };
            let mut link = self.link.copied();
            if let (Resource::NetworkLatency, Some(link)) = (resource, &mut link) {
                link.wan.round_trip = link.wan.round_trip / (1.0 + FIXED_STEP);
            }
            let changed = Setting {
                site,
                link: link.as_ref(),
                ..*self
            };
            let found = if resource == Resource::MemoryCapacity {
                changed.find(kept).map(|found| found.best).ok()
            } else {
                evaluate(&changed.site, &best.plan).ok()
            };
            found.map_or(rate, |found| changed.rate(&found))
        };
        let mut found = elasticities(self.site.chip, self.site.fabric, rate, step, rate_with);
        if let Some(link) = self.link {
            let mut wider = *link;
            wider.wan.bandwidth = link.wan.bandwidth * (1.0 + FIXED_STEP);
            let changed = Setting {
                link: Some(&wider),
                ..*self
            };
            let gain = libm::log(changed.rate(best) / rate) / libm::log1p(FIXED_STEP);
            found.push((Resource::WideAreaBandwidth, gain));
            rank(&mut found);
        }
        found
    }
}

/// What a prediction yields; resources and other plans are added to it.
pub(crate) fn outcome(case: &Case, found: &Prediction) -> Outcome {
    let step = found.step.get();
    Outcome {
        plan: found.plan.to_string(),
        plan_fields: plan_fields(&found.plan),
        chips_used: found.plan.chips(),
        metrics: metrics(case, found),
        interval: (step * (1.0 - found.spread), step * (1.0 + found.spread)),
        breakdown: breakdown(found),
        whole: step,
        memory: memory(&found.memory),
        elasticities: Vec::new(),
        alternatives: Vec::new(),
        hourly: None,
    }
}

/// A link that cannot be.
pub(super) fn unlinked(error: &OutOfRange) -> Diagnostic {
    Diagnostic::new(Code::Value, format!("the sites cannot be joined: {error}"))
}
