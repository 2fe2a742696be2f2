//! What the kinds of traffic of a step take of each other on the links that they share.
//!
//! What the step model says runs at once (`chokepoint_train::concurrent`) runs as flows, all groups
//! of all kinds, and each kind alone. Kinds whose messages are shorter send as many of them, back to
//! back, as fill the time of the longest, as one larger message.
//!
//! Beside others a kind takes `factor` times as long. Over a step it cannot lose more time than the
//! others use the links at all, an exchange of gradients in the passes that it runs under, so that it
//! takes at most 1 + min(factor - 1, their time / its own) times as long there. The step with traffic
//! stretched by that is an upper bound of what contention costs: everything is taken to start
//! together whenever it can.
//!
//! Limits: those of `network share` and of `step_traffic`. Many chips are stood for by fewer, with
//! fewer stages and replicas of the same pattern: the same groups inside a replica, the others
//! across domains where they were, whole domains where they were whole. What traffic takes of a
//! chip's processors is in the step model already.

use chokepoint_fabric::algorithm::Collective;
use chokepoint_fabric::topology::Damage;
use chokepoint_train::{
    Case, Plan, Prediction, Slowdowns, StepTraffic, TrafficKind, concurrent, measure_slowed,
    step_traffic,
};
use chokepoint_units::{Bytes, Seconds};

use crate::Data;
use crate::network::{ShareRequest, ShareRun, Traffic, shared};
use crate::resolve::SystemParts;
use crate::row::Statement;

/// Chips that are simulated for contention where a pattern of a plan fits so few.
pub(super) const ENOUGH: u64 = 256;
/// Most chips that are simulated.
const MOST: u64 = 4096;
/// Most messages that are sent back to back.
const MOST_MESSAGES: f64 = 65_536.0;

/// The traffic of a step beside itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RunContention {
    /// Chips that were simulated, and those of the plan that they stand for.
    pub chips: (u64, u64),
    /// One for each kind of traffic.
    pub rows: Vec<ContentionRow>,
    /// Time of a step as predicted, without contention.
    pub alone: Seconds,
    /// Time of a step with traffic that is stretched so, at most; absent where traffic could not be
    /// run.
    pub step: Option<Seconds>,
}

/// One kind of traffic of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentionRow {
    /// Kind, by its part of a step.
    pub kind: &'static str,
    /// What a group does.
    pub collective: Collective,
    /// Size of a message.
    pub message: Bytes,
    /// Groups, ranks of one and chips from one to the next, as simulated.
    pub groups: (u64, u64, u64),
    /// What was found, or why nothing.
    pub found: Result<ContentionFound, Statement>,
}

/// What a kind of traffic takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContentionFound {
    /// A message without other traffic.
    pub alone: Seconds,
    /// The same beside what runs at once.
    pub together: Seconds,
    /// The one over the other.
    pub factor: f64,
    /// All messages of a step over those alone, at most.
    pub in_step: f64,
}

/// The traffic of a plan's step, ready to be run.
pub(super) struct Simulated<'a> {
    case: &'a Case<'a>,
    parts: &'a SystemParts,
    data: &'a Data,
    plan: Plan,
    step: Seconds,
    /// As in a step.
    whole: Vec<StepTraffic>,
    /// The same on the chips that are simulated.
    small: Vec<StepTraffic>,
    chips: u64,
}

impl<'a> Simulated<'a> {
    /// The traffic of the plan that was found for a case, on so many chips as are enough where its
    /// pattern fits them.
    ///
    /// # Errors
    /// Why it cannot be simulated.
    pub(super) fn new(
        (case, enough): (&'a Case<'a>, u64),
        best: &Prediction,
        parts: &'a SystemParts,
        data: &'a Data,
    ) -> Result<Self, Statement> {
        let plan = &best.plan;
        let whole = step_traffic(case, plan)
            .map_err(|error| Statement::new("not-simulated", [("why", error.to_string())]))?;
        let (chips, small) = smaller((case, enough), plan, &whole);
        if chips > MOST {
            let counts = [("chips", chips.to_string()), ("most", MOST.to_string())];
            return Err(Statement::new("traffic-too-large", counts));
        }
        Ok(Self {
            case,
            parts,
            data,
            plan: *plan,
            step: best.step,
            whole,
            small,
            chips,
        })
    }

    /// Some kinds of traffic, each alone and all at once, on a network with damage.
    fn run(&self, places: &[usize], damage: Vec<Damage>, seed: u64) -> ShareRun {
        let of = |place: &usize| Traffic {
            collective: self.small[*place].message.collective,
            size: self.small[*place].message.size * self.messages(*place, places),
            ranks: self.small[*place].message.group.size,
            stride: self.small[*place].message.group.stride,
            algorithm: None,
        };
        let request = ShareRequest {
            system: self.parts.system.id.clone(),
            chips: self.chips,
            traffic: places.iter().map(of).collect(),
            damage,
            seed,
        };
        shared(&request, self.parts, self.data)
    }

    /// Messages of a kind that fill the time of the longest of those beside it.
    fn messages(&self, place: usize, beside: &[usize]) -> f64 {
        let times = beside.iter().map(|it| self.small[*it].time);
        let longest = times.fold(Seconds::ZERO, Seconds::max);
        let number = libm::ceil(longest / self.small[place].time - 1e-9);
        number.clamp(1.0, MOST_MESSAGES)
    }

    /// All kinds of traffic beside what runs at once.
    pub(super) fn contention(&self) -> RunContention {
        let mut moments = concurrent(&self.plan, &self.whole);
        for place in 0..self.whole.len() {
            if !moments.iter().any(|moment| moment.contains(&place)) {
                moments.push(vec![place]);
            }
        }
        let runs: Vec<ShareRun> = moments
            .iter()
            .map(|moment| self.run(moment, Vec::new(), 0))
            .collect();
        let row = |place: usize| {
            let traffic = &self.small[place];
            let group = traffic.message.group;
            ContentionRow {
                kind: traffic.kind.key(),
                collective: traffic.message.collective,
                message: traffic.message.size,
                groups: (self.chips / group.size, group.size, group.stride),
                found: self.beside(place, &moments, &runs),
            }
        };
        let rows: Vec<ContentionRow> = (0..self.whole.len()).map(row).collect();
        let mut slowdowns = Slowdowns::NONE;
        for (row, traffic) in rows.iter().zip(&self.whole) {
            if let Ok(found) = &row.found {
                slowdowns.raise(traffic.kind, found.in_step);
            }
        }
        let step = rows
            .iter()
            .all(|row| row.found.is_ok())
            .then(|| self.slowed(&slowdowns))
            .flatten();
        RunContention {
            chips: (self.chips, self.plan.chips()),
            rows,
            alone: self.step,
            step: step.map(|found| found.step),
        }
    }

    /// One kind of traffic in the moment that slows it most.
    fn beside(
        &self,
        place: usize,
        moments: &[Vec<usize>],
        runs: &[ShareRun],
    ) -> Result<ContentionFound, Statement> {
        let mut most: Option<ContentionFound> = None;
        let mut others: Vec<usize> = Vec::new();
        for (moment, run) in moments.iter().zip(runs) {
            let Some(at) = moment.iter().position(|it| *it == place) else {
                continue;
            };
            let found = run.rows[at].found.clone()?;
            let messages = self.messages(place, moment);
            let factor = found.together / found.alone;
            if most.is_none_or(|known| factor > known.factor) {
                most = Some(ContentionFound {
                    alone: found.alone / messages,
                    together: found.together / messages,
                    factor,
                    in_step: 1.0,
                });
            }
            let news = moment.iter().filter(|it| **it != place);
            let news: Vec<usize> = news.filter(|it| !others.contains(it)).copied().collect();
            others.extend(news);
        }
        let mut found = most.ok_or_else(|| Statement::new("no-algorithm", []))?;
        let own = &self.whole[place];
        let theirs = others.iter().map(|it| match own.kind {
            TrafficKind::Data => self.whole[*it].under_exchange,
            _ => self.whole[*it].in_step,
        });
        let share = theirs.sum::<Seconds>() / own.in_step;
        found.in_step = 1.0 + (found.factor - 1.0).clamp(0.0, share);
        Ok(found)
    }

    /// Chips that are simulated.
    pub(super) const fn chips(&self) -> u64 {
        self.chips
    }

    /// Time of a step with damage to the network over that without, at the worst of some places.
    ///
    /// # Errors
    /// Why traffic was not run; at any of the places.
    pub(super) fn damaged(&self, damage: Damage, seeds: &[u64]) -> Result<f64, Statement> {
        let mut slowdowns = Slowdowns::NONE;
        for (place, traffic) in self.whole.iter().enumerate() {
            let alone = |damage, seed| {
                let run = self.run(&[place], damage, seed);
                let found = run.rows.into_iter().next().map(|row| row.found);
                found.unwrap_or_else(|| Err(Statement::new("no-algorithm", [])))
            };
            let whole = alone(Vec::new(), 0)?.alone;
            for seed in seeds {
                let found = alone(vec![damage], *seed)?.alone;
                slowdowns.raise(traffic.kind, found / whole);
            }
        }
        let step = self.slowed(&slowdowns).map(|found| found.step);
        Ok(step.map_or(1.0, |step| (step / self.step).max(1.0)))
    }

    /// The step with stretched traffic.
    fn slowed(&self, slowdowns: &Slowdowns) -> Option<Prediction> {
        measure_slowed(self.case, &self.plan, slowdowns).ok()
    }
}

/// The traffic of the plan on the most chips, up to those that are enough, that keep its pattern;
/// of the fewest that do where all are more.
fn smaller(
    (case, enough): (&Case, u64),
    plan: &Plan,
    whole: &[StepTraffic],
) -> (u64, Vec<StepTraffic>) {
    let mut best = (plan.chips(), whole.to_vec());
    for pp in [plan.pp, plan.pp.min(4), plan.pp.min(2)] {
        for dp in (1..=plan.dp).filter(|dp| plan.dp.is_multiple_of(*dp)) {
            let small = Plan { pp, dp, ..*plan };
            let (chips, known) = (small.chips(), best.0);
            let nearer = chips < known && known > enough || chips > known && chips <= enough;
            let domain = case.fabric.domain;
            let even = chips <= domain || chips.is_multiple_of(domain);
            let whole_even = plan.chips() <= domain || plan.chips().is_multiple_of(domain);
            if !nearer || whole_even && !even {
                continue;
            }
            if let Ok(traffic) = step_traffic(case, &small)
                && alike(&traffic, whole)
            {
                best = (chips, traffic);
            }
        }
    }
    best
}

/// Whether traffic has the same pattern.
fn alike(small: &[StepTraffic], whole: &[StepTraffic]) -> bool {
    let same = |(a, b): (&StepTraffic, &StepTraffic)| {
        a.kind == b.kind && a.message.collective == b.message.collective && a.between == b.between
    };
    small.len() == whole.len() && small.iter().zip(whole).all(same)
}
