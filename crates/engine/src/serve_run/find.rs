//! The plan of a serving run: given, or the best of those searched.

use chokepoint_catalog::PriceBook;
use chokepoint_serve::{
    Case, Layout, Plan, Prediction, SearchResult, evaluate, layouts, search, search_among,
};

use super::random::Sustained;
use super::{Ask, Goal};
use crate::economics::Economics;
use crate::equal::sale_unit;
use crate::launch::{Launch, Launcher, Role};
use crate::resolve::SystemParts;
use crate::row::{Outcome, Statement};
use crate::serving::{chips_for_rate, none_found, plain, refusal};

/// Plans that are kept, the best among them.
pub(super) const KEPT: usize = 5;

/// Numbers of units that are all tried; beyond, one in so many of each doubling.
const ALL_TRIED: u64 = 16;

/// A plan with the chips that are paid for.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub chips: u64,
    pub prediction: Prediction,
    /// What it sustains under random arrivals, where that is asked for.
    pub sustained: Option<Sustained>,
}

impl Candidate {
    /// A plan in steady state.
    pub const fn steady(chips: u64, prediction: Prediction) -> Self {
        Self {
            chips,
            prediction,
            sustained: None,
        }
    }
}

/// What was found, best first, and how much was looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub plans: Vec<Candidate>,
    pub evaluated: u64,
    pub pruned: u64,
    pub reason: Option<Statement>,
}

impl Found {
    pub fn none(reason: Statement) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }

    /// What a search found on the chips of a case.
    fn of(case: &Case, found: SearchResult) -> Self {
        let reason = found.plans.is_empty().then(|| none_found(case, &found));
        let candidate = |prediction| Candidate::steady(case.chips, prediction);
        Self {
            evaluated: found.evaluated,
            pruned: found.pruned,
            plans: found.plans.into_iter().map(candidate).collect(),
            reason,
        }
    }
}

/// Where plans are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    /// The case with all chips that may be used.
    pub case: Case<'a>,
    pub parts: &'a SystemParts,
    pub prices: &'a PriceBook,
    /// Engine that must be able to run the plan.
    pub launcher: Option<Launcher>,
}

impl Setting<'_> {
    /// The plans that answer what is asked, best first; `plan` is the given one.
    pub fn find(&self, ask: &Ask, plan: Option<&Plan>) -> Found {
        let found = match (ask, plan) {
            (_, Some(plan)) => self.given(plan),
            (Ask::Rate(rate), None) => self.for_rate(*rate),
            (Ask::Best(goal @ (Goal::Cost | Goal::Energy)), None) => self.least(*goal),
            (Ask::Best(Goal::Throughput) | Ask::Given(_), None) => {
                Found::of(&self.case, self.search(&self.case))
            }
        };
        self.runnable(found)
    }

    /// Those of some plans that the engine can run, where one is named.
    pub fn runnable(&self, found: Found) -> Found {
        match self.launcher {
            Some(launcher) => self.launchable(found, launcher),
            None => found,
        }
    }

    /// Searches what the engine can run on the chips of a case.
    fn search(&self, case: &Case) -> SearchResult {
        let Some(launcher) = self.launcher else {
            return search(case);
        };
        let all = layouts(case);
        let run = |role| -> Vec<Layout> {
            let lacks = |layout: &Layout| launcher.lacks_layout(case.workload, role, layout);
            let runs = |layout: &&Layout| lacks(layout).is_none();
            all.iter().filter(runs).copied().collect()
        };
        let (alone, decode, prefill) = (run(Role::Both), run(Role::Decode), run(Role::Prefill));
        search_among(case, &alone, &decode, &prefill)
    }

    fn given(&self, plan: &Plan) -> Found {
        match evaluate(&self.case, plan) {
            Ok(prediction) => Found {
                plans: vec![Candidate::steady(self.case.chips, prediction)],
                evaluated: 1,
                ..Found::default()
            },
            Err(reason) => Found {
                evaluated: 1,
                ..Found::none(refusal(&self.case, plan, &reason))
            },
        }
    }

    /// The fewest chips for a rate.
    fn for_rate(&self, rate: f64) -> Found {
        let unit = sale_unit(self.parts, self.prices);
        let sized = chips_for_rate(&self.case, unit, rate, |case| self.search(case));
        let found = match (sized.met, sized.short) {
            (Some((chips, found)), _) => Found::of(&self.on(chips), found),
            (None, Some((chips, found))) => match found.plans.first() {
                None => Found::none(none_found(&self.on(chips), &found)),
                Some(best) => Found::none(Statement::new(
                    "rate-short",
                    [
                        ("chips", chips.to_string()),
                        ("best", format!("{:.3}", best.requests_per_second)),
                        ("rate", rate.to_string()),
                    ],
                )),
            },
            (None, None) => Found::none(Statement::new(
                "unit-above-chips",
                [
                    ("unit", unit.to_string()),
                    ("chips", self.case.chips.to_string()),
                ],
            )),
        };
        Found {
            evaluated: sized.evaluated,
            pruned: sized.pruned,
            ..found
        }
    }

    /// The least money or energy for an output token.
    ///
    /// With n units in use, both are what n units take in a second over the tokens of that second. So
    /// numbers of units are searched one by one for their plans of highest rate, the best five
    /// layouts of each are priced, and the least wins. As exact as the numbers that are tried, and as
    /// far as a slower layout beyond those five is not cheaper: on the same units it would have to
    /// save more in power than it loses in tokens.
    fn least(&self, goal: Goal) -> Found {
        let unit = sale_unit(self.parts, self.prices);
        let mut all = Found::default();
        let mut scored: Vec<(f64, Candidate)> = Vec::new();
        for chips in numbers(unit, self.case.chips) {
            let found = Found::of(&self.on(chips), self.search(&self.on(chips)));
            all.evaluated += found.evaluated;
            all.pruned += found.pruned;
            all.reason = found.reason.or(all.reason);
            for candidate in found.plans {
                match self.score(goal, &candidate) {
                    Some(score) => scored.push((score, candidate)),
                    None => {
                        let book = self.prices.id.clone();
                        return Found {
                            plans: Vec::new(),
                            reason: Some(Statement::new("no-price", [("book", book)])),
                            ..all
                        };
                    }
                }
            }
        }
        // Of two that cost the same the one that serves more.
        scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.chips.cmp(&a.1.chips)));
        for (_, candidate) in scored {
            let new = !all.plans.iter().any(|known| {
                of_plan(&known.prediction.plan) == of_plan(&candidate.prediction.plan)
            });
            if new && all.plans.len() < KEPT {
                all.plans.push(candidate);
            }
        }
        if !all.plans.is_empty() {
            all.reason = None;
        }
        all
    }

    fn score(&self, goal: Goal, candidate: &Candidate) -> Option<f64> {
        let key = if goal == Goal::Cost {
            "usd_per_million_output_tokens"
        } else {
            "joules_per_output_token"
        };
        self.outcome(candidate).metrics.get(key).copied()
    }

    /// The case on a number of chips.
    pub fn on(&self, chips: u64) -> Case<'_> {
        Case { chips, ..self.case }
    }

    /// What a candidate yields, takes and costs, without what binds it.
    pub fn outcome(&self, candidate: &Candidate) -> Outcome {
        let mut outcome = plain(&self.on(candidate.chips), &candidate.prediction);
        if let Some(sustained) = &candidate.sustained {
            load(&mut outcome, sustained);
        }
        self.pay(candidate.chips, &mut outcome);
        outcome
    }

    /// Adds cost and energy of a number of chips to a result.
    pub fn pay(&self, chips: u64, outcome: &mut Outcome) {
        Economics::of(self.parts, self.prices, chips).add_to(self.parts, self.prices, outcome);
        let rate = outcome.metrics.get("output_tokens_per_second").copied();
        if let Some(rate) = rate {
            let hours = chips as f64 / rate * 1e6 / chokepoint_units::SECONDS_PER_HOUR;
            outcome
                .metrics
                .insert("chip_hours_per_million_output_tokens", hours);
        }
    }

    /// The plans that an engine runs; what it lacks of the best where it runs none.
    fn launchable(&self, found: Found, launcher: Launcher) -> Found {
        let lacks = |candidate: &Candidate| {
            launcher.lacks(&Launch {
                model: &self.case.architecture.name,
                system_name: &self.parts.system.name,
                vendor: &self.parts.chip.vendor,
                node_chips: self.parts.system.node.chips,
                architecture: self.case.architecture,
                workload: self.case.workload,
                software: self.case.software,
                plan: &candidate.prediction.plan,
            })
        };
        let missing = found.plans.first().and_then(lacks);
        let plans: Vec<Candidate> = found
            .plans
            .into_iter()
            .filter(|candidate| lacks(candidate).is_none())
            .collect();
        let reason = if plans.is_empty() {
            found.reason.or(missing)
        } else {
            None
        };
        Found {
            plans,
            reason,
            ..found
        }
    }
}

/// Turns what a plan yields in steady state into what it yields under random arrivals. The parts of a
/// token's time are those of the steady state and are left out.
fn load(outcome: &mut Outcome, sustained: &Sustained) {
    let Sustained {
        utilisation,
        latencies,
        power,
    } = sustained;
    let metrics = &mut outcome.metrics;
    let steady = metrics.get("requests_per_second").copied();
    for key in [
        "requests_per_second",
        "output_tokens_per_second",
        "output_tokens_per_second_per_chip",
    ] {
        if let Some(rate) = metrics.get_mut(key) {
            *rate *= utilisation;
        }
    }
    metrics.extend(steady.map(|rate| ("steady_requests_per_second", rate)));
    let (ttft, tpot) = (latencies.ttft, latencies.tpot);
    metrics.extend([
        ("utilisation", *utilisation),
        ("ttft_seconds", ttft.0.get()),
        ("ttft_percentile_seconds", ttft.1.get()),
        ("tpot_seconds", tpot.0.get()),
        ("tpot_percentile_seconds", tpot.1.get()),
        ("tokens_per_second_per_user", 1.0 / tpot.0.get()),
        ("chip_power_watts", power.get()),
    ]);
    outcome.interval.0 *= utilisation;
    outcome.interval.1 *= utilisation;
    outcome.breakdown = Vec::new();
}

/// The layouts of a plan.
pub(super) fn of_plan(plan: &Plan) -> (Layout, Option<Layout>) {
    (plan.decode.layout, plan.prefill.map(|pool| pool.layout))
}

/// Chips of every number of units up to sixteen, of one in sixteen of each doubling beyond, and of the
/// most units within a limit; the limit itself where it is below a unit.
fn numbers(unit: u64, limit: u64) -> Vec<u64> {
    let most = limit / unit.max(1);
    if most == 0 {
        return vec![limit];
    }
    let next = |units: &u64| Some(units + (units / ALL_TRIED).max(1));
    let units = std::iter::successors(Some(1), next).take_while(|units| *units < most);
    units.chain([most]).map(|units| units * unit).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn units_are_all_tried_up_to_sixteen_and_the_most_always() {
        assert_eq!(numbers(8, 32), [8, 16, 24, 32]);
        assert_eq!(numbers(8, 36), [8, 16, 24, 32]);
        assert_eq!(numbers(8, 8), [8]);
        assert_eq!(numbers(72, 8), [8]);
        let many = numbers(1, 100);
        assert_eq!(many[..32], (1..=32).collect::<Vec<u64>>());
        assert!(many.contains(&34) && !many.contains(&33));
        assert_eq!(many.last(), Some(&100));
        assert!(numbers(8, 1 << 20).len() < 250);
    }
}
