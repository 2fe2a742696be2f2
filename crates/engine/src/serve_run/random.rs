//! Latency targets as percentiles under random arrivals.
//!
//! In steady state requests come evenly and the targets are means. Here they arrive at random (Poisson,
//! fixed seed) and a share of them must meet both targets. A plan's highest such rate is found by
//! replaying it ([`chokepoint_replay`], with the iteration times of [`crate::step_time`]) at rates up to
//! its steady state's, in 256 steps, by bisection: more requests a second of the same seed are the same
//! requests closer together.
//!
//! Plans are those of the front of interactivity against throughput, fastest in steady state first, until
//! none that is left could beat what is known even in steady state. What is held equal: the lengths of all
//! requests, the seed, the targets, the chips, the engine. The batch of a plan is the most sequences of
//! each of its batches, that of a prefill pool its most prompts at once.
//!
//! Like instances are replayed as one: n instances become one that gets an n-th of the rate, 4 prefill
//! and 6 decode instances become 2 and 3 that get half, as if requests were dealt to the groups at random.
//! Within a group the instance with the fewest requests gets the next. Requests count after as many as the
//! plan has under way at most, which fill it, and before as many again, while which it empties: as many as it
//! has under way, so that a queue shows, 1,000 at least, and enough to leave ten beyond the percentile.
//!
//! Limits: a rate is taken to be sustained when these requests meet the targets, so that a queue that grows
//! too slowly for them to see passes, but never beyond the steady state's rate; prompts in the cache are
//! one common prefix, which takes its room once.

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{Fleet, Lengths, Load, Process, Record, Request, Synthetic, replay};
use chokepoint_serve::{Case, Plan, Pool, Prediction, Workload, evaluate, front};
use chokepoint_units::{Power, Seconds};

use super::find::{Candidate, Found, KEPT, Setting, of_plan};
use crate::fleet::{PlanInstances, Scheduling};
use crate::replay::Meter;
use crate::row::Statement;
use crate::serving::refusal;
use crate::step_time::BLOCK_TOKENS;

/// Fewest requests that count.
const LEAST_COUNTED: u64 = 1000;
/// Requests beyond a percentile at least, so that it is more than a few outliers.
const BEYOND: f64 = 10.0;
/// Steps of a plan's rate up to that of its steady state.
const STEPS: u64 = 256;
/// Seed of the arrivals.
const SEED: u64 = 1;

/// How targets were held against percentiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomArrivals {
    /// Requests of a hundred that meet the targets.
    pub percent: f64,
    /// Requests of a replay that count at least; as many as the plan has under way where those are more.
    pub counted: u64,
    /// Seed of the arrivals.
    pub seed: u64,
    /// Replays in all.
    pub replays: u64,
    /// Plans that were not replayed, because their steady state is no faster than what was found.
    pub untried: u64,
}

/// What a plan sustains under random arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sustained {
    /// Rate of requests over that of the steady state.
    pub utilisation: f64,
    /// Latencies at that rate.
    pub latencies: Latencies,
    /// Mean power of a chip.
    pub power: Power,
}

/// Latencies of the requests that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latencies {
    /// Mean time to the first token, and at the percentile.
    pub ttft: (Seconds, Seconds),
    /// Mean time for each later token, and at the percentile.
    pub tpot: (Seconds, Seconds),
}

/// The plans that serve most within the targets at a percentile, best first.
///
/// # Errors
/// What keeps a plan from being replayed.
pub(super) fn find(
    setting: &Setting,
    percent: f64,
    plan: Option<&Plan>,
) -> Result<(Found, RandomArrivals), Diagnostic> {
    let mut all = candidates(setting, plan);
    let beyond = (BEYOND / (1.0 - percent / 100.0) - 1e-6).ceil() as u64;
    let mut arrivals = RandomArrivals {
        percent,
        counted: beyond.max(LEAST_COUNTED),
        seed: SEED,
        replays: 0,
        untried: 0,
    };
    let mut kept: Vec<Candidate> = Vec::new();
    let mut best = 0.0;
    let mut miss = None;
    let plans = std::mem::take(&mut all.plans);
    for (index, candidate) in plans.iter().enumerate() {
        if candidate.prediction.requests_per_second <= best {
            arrivals.untried = (plans.len() - index) as u64;
            break;
        }
        let case = setting.on(candidate.chips);
        let mut trial = Trial::new(&case, &candidate.prediction, &arrivals);
        let found = trial.highest(best)?;
        arrivals.replays += trial.replays;
        let Some(sustained) = found else {
            miss.get_or_insert(candidate);
            continue;
        };
        best = candidate.prediction.requests_per_second * sustained.utilisation;
        let known = of_plan(&candidate.prediction.plan);
        kept.retain(|other| of_plan(&other.prediction.plan) != known);
        let sustained = Candidate {
            sustained: Some(sustained),
            ..candidate.clone()
        };
        kept.insert(0, sustained);
        kept.truncate(KEPT);
    }
    if let (true, Some(miss)) = (kept.is_empty(), miss) {
        all.reason = Some(missed(setting, miss, percent));
    }
    all.plans = kept;
    Ok((all, arrivals))
}

/// The given plan, or those of the front that the engine runs; fastest in steady state first.
fn candidates(setting: &Setting, plan: Option<&Plan>) -> Found {
    let case = &setting.case;
    let free = Seconds::new(f64::INFINITY);
    let workload = Workload {
        ttft: free,
        tpot: free,
        ..case.workload.clone()
    };
    let mut found = match plan {
        Some(plan) => {
            let unlimited = Case {
                workload: &workload,
                ..*case
            };
            match evaluate(&unlimited, plan) {
                Ok(prediction) => vec![prediction],
                Err(reason) => return Found::none(refusal(case, plan, &reason)),
            }
        }
        None => front(case),
    };
    found.sort_by(|a, b| b.requests_per_second.total_cmp(&a.requests_per_second));
    let plans: Vec<Candidate> = found
        .into_iter()
        .map(|prediction| Candidate::steady(case.chips, prediction))
        .collect();
    let found = Found {
        evaluated: plans.len() as u64,
        reason: plans.is_empty().then(|| Statement::new("no-plan", [])),
        plans,
        ..Found::default()
    };
    setting.runnable(found)
}

/// What to say when no plan meets the targets at any rate.
fn missed(setting: &Setting, candidate: &Candidate, percent: f64) -> Statement {
    let workload = setting.case.workload;
    let values = [
        ("percent", percent.to_string()),
        ("ttft", workload.ttft.to_string()),
        ("tpot", workload.tpot.to_string()),
        ("plan", candidate.prediction.plan.to_string()),
    ];
    Statement::new("percentile-missed", values)
}

/// A plan on trial.
struct Trial<'a> {
    case: &'a Case<'a>,
    /// Requests a second in steady state, of all its instances and of a group of them.
    steady: f64,
    rate: f64,
    group: Plan,
    instances: PlanInstances<'a>,
    /// Requests before those that count, and after.
    around: u64,
    /// Requests that count.
    counted: u64,
    arrivals: RandomArrivals,
    replays: u64,
}

impl<'a> Trial<'a> {
    fn new(case: &'a Case<'a>, found: &Prediction, arrivals: &RandomArrivals) -> Self {
        let plan = &found.plan;
        let prefill = plan.prefill.map_or(0, |pool| pool.instances);
        let groups = common_divisor(plan.decode.instances, prefill);
        let of_group = |pool: Pool| Pool {
            instances: pool.instances / groups,
            ..pool
        };
        let group = Plan {
            decode: of_group(plan.decode),
            prefill: plan.prefill.map(of_group),
            ..*plan
        };
        let under_way = |pool: &Pool| {
            let layout = pool.layout;
            pool.instances * layout.dp * layout.pp * pool.batch
        };
        let around = under_way(&group.decode) + group.prefill.as_ref().map_or(0, under_way);
        Self {
            case,
            steady: found.requests_per_second,
            rate: found.requests_per_second / groups as f64,
            group,
            instances: PlanInstances::new(case, &group),
            around,
            counted: arrivals.counted.max(around),
            arrivals: *arrivals,
            replays: 0,
        }
    }

    /// What it sustains at its highest rate, where that is above a known one for all chips.
    fn highest(&mut self, known: f64) -> Result<Option<Sustained>, Diagnostic> {
        let fleet = fleet(&self.instances, self.case)?;
        let trial = |step: u64| self.latencies(&fleet, self.rate * utilisation(step));
        let mut low = (known / self.steady * STEPS as f64) as u64;
        let mut high = STEPS;
        let mut replays = 1;
        // A plan that does not beat what is known is left after one replay.
        let first = trial(low + 1)?;
        if !self.meets(&first) {
            self.replays += replays;
            return Ok(None);
        }
        low += 1;
        let mut latencies = first;
        while low < high {
            let middle = high - (high - low) / 2;
            let found = trial(middle)?;
            replays += 1;
            if self.meets(&found) {
                (low, latencies) = (middle, found);
            } else {
                high = middle - 1;
            }
        }
        let power = self.power(&fleet, self.rate * utilisation(low))?;
        self.replays += replays + 1;
        Ok(Some(Sustained {
            utilisation: utilisation(low),
            latencies,
            power,
        }))
    }

    fn meets(&self, found: &Latencies) -> bool {
        let workload = self.case.workload;
        found.ttft.1 <= workload.ttft && found.tpot.1 <= workload.tpot
    }

    /// The requests of a replay at a rate.
    fn load(
        &self,
        rate: f64,
    ) -> Result<Load<impl Iterator<Item = Result<Request, Diagnostic>>>, Diagnostic> {
        let workload = self.case.workload;
        let tokens = |count: u64| Lengths::fixed(u32::try_from(count).unwrap_or(u32::MAX));
        let drawn = Synthetic {
            requests: self.around * 2 + self.counted,
            process: Process::Poisson { rate },
            input: tokens(workload.input),
            output: tokens(workload.output),
            seed: self.arrivals.seed,
        };
        let shared = prefix(self.case).is_some();
        let requests = drawn.draw()?.map(move |request| {
            request.map(|request| Request {
                hash_ids: if shared { vec![0] } else { Vec::new() },
                ..request
            })
        });
        Ok(Load::Timed(requests))
    }

    fn latencies(&self, fleet: &Fleet<'_>, rate: f64) -> Result<Latencies, Diagnostic> {
        let counted = self.around..self.around + self.counted;
        let (mut first, mut later) = (Vec::new(), Vec::new());
        let mut watch = |record: &Record| {
            if counted.contains(&record.request) {
                let never = Seconds::new(f64::INFINITY);
                let answered = record.first_token;
                first.push(answered.map_or(never, |at| at - record.arrival));
                let gaps = f64::from(record.output_tokens.saturating_sub(1).max(1));
                later.push(answered.map_or(never, |at| (record.end - at) / gaps));
            }
        };
        replay(fleet, self.load(rate)?, &mut watch)?;
        let host = self.case.software.request_host;
        let (mean, high) = self.mean_and_percentile(first);
        Ok(Latencies {
            ttft: (mean + host, high + host),
            tpot: self.mean_and_percentile(later),
        })
    }

    /// The mean and the percentile by nearest rank.
    fn mean_and_percentile(&self, mut times: Vec<Seconds>) -> (Seconds, Seconds) {
        times.sort_by(|a, b| a.get().total_cmp(&b.get()));
        let count = times.len();
        let rank = (count as f64 * self.arrivals.percent / 100.0 - 1e-6).ceil() as usize;
        let high = times.get(rank.max(1) - 1).copied();
        let sum: Seconds = times.into_iter().sum();
        (sum / count.max(1) as f64, high.unwrap_or(Seconds::ZERO))
    }

    /// Mean power of a chip from the first request to the last answer.
    fn power(&self, fleet: &Fleet<'_>, rate: f64) -> Result<Power, Diagnostic> {
        let host = self.case.software.request_host;
        let mut silent = |_: &Record| {};
        let mut meter = Meter::new(&mut silent, host, self.instances.times());
        let summary = replay(fleet, self.load(rate)?, &mut meter)?;
        let (energy, _) = meter.finish(&summary);
        Ok(energy / summary.seconds / self.group.chips() as f64)
    }
}

/// The rate of a step over that of the steady state.
fn utilisation(step: u64) -> f64 {
    step as f64 / STEPS as f64
}

/// The fleet of a group, with the cache that prompts find.
fn fleet<'a>(instances: &'a PlanInstances<'a>, case: &Case<'_>) -> Result<Fleet<'a>, Diagnostic> {
    let prefix = prefix(case);
    let scheduling = Scheduling {
        many_lengths: false,
        capped: true,
        prefix_cache: prefix.is_some(),
        block_tokens: BLOCK_TOKENS,
        swap: None,
    };
    let fleet = instances.fleet(&scheduling)?;
    Ok(Fleet {
        hash_tokens: prefix.unwrap_or(BLOCK_TOKENS),
        ..fleet
    })
}

/// Tokens of the prefix that all prompts have in common, in whole blocks.
fn prefix(case: &Case<'_>) -> Option<u32> {
    let found = case.workload.input as f64 - case.workload.computed_input();
    let blocks = (found / f64::from(BLOCK_TOKENS)) as u32;
    (blocks > 0).then_some(blocks * BLOCK_TOKENS)
}

/// The largest number that divides both.
fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
