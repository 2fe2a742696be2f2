//! The plan with the highest throughput under the latency targets.

use chokepoint_chip::Precision;

use crate::best_size::best_size;
use crate::layouts::layouts;
use crate::memory::{allowed, largest_batch, memory};
use crate::pools::{decoders, largest, pairs, prefillers};
use crate::steady::{Infeasible, Prediction, answer_rate, decode_batch, evaluate};
use crate::{Case, Instance, Layout, Plan, Pool};

/// How many plans of different layout a search keeps.
const KEPT: usize = 5;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The plans with the highest throughput, each of another layout, best first.
    pub plans: Vec<Prediction>,
    /// Plans evaluated.
    pub evaluated: u64,
    /// Pairs of pools that a bound ruled out.
    pub pruned: u64,
    /// Why the plan that came nearest fails, where none serves.
    pub nearest_miss: Option<(Plan, Infeasible)>,
}

/// Searches all plans of a case.
#[must_use]
pub fn search(case: &Case) -> SearchResult {
    let all = layouts(case);
    search_among(case, &all, &all, &all)
}

/// Searches the plans of a case whose instances have given layouts: those that do all by themselves,
/// those that decode beside a prefill pool, and those of that pool.
#[must_use]
pub fn search_among(
    case: &Case,
    alone: &[Layout],
    decode: &[Layout],
    prefill: &[Layout],
) -> SearchResult {
    let mut finder = Finder::new(case);
    for layout in alone {
        finder.aggregated(*layout);
    }
    finder.disaggregated(decode, prefill);
    finder.result
}

/// Output tokens of a second with the layouts and the kind of a plan kept and batches, prompts and
/// pools adapted: what a deployed plan does when a resource changes a little. Pools are split
/// without rounding to whole instances, so that small changes show; absent when nothing serves.
#[must_use]
pub fn adapted_rate(case: &Case, plan: &Plan) -> Option<f64> {
    let mut finder = Finder {
        precision: plan.precision,
        ..Finder::new(case)
    };
    let Some(pool) = plan.prefill else {
        finder.aggregated(plan.decode.layout);
        return finder
            .result
            .plans
            .first()
            .map(|found| found.output_tokens_per_second);
    };
    let decoders = decoders(case, &[plan.decode.layout], finder.precision);
    let prefillers = prefillers(case, &[pool.layout], finder.precision);
    let best = pairs(case, &decoders, &prefillers)
        .first()
        .map(|pair| pair.bound);
    best.map(|requests| requests * case.workload.output as f64)
}

struct Finder<'a> {
    case: &'a Case<'a>,
    precision: Precision,
    result: SearchResult,
}

impl<'a> Finder<'a> {
    fn new(case: &'a Case<'a>) -> Self {
        Self {
            case,
            precision: case.precision(),
            result: SearchResult {
                plans: Vec::new(),
                evaluated: 0,
                pruned: 0,
                nearest_miss: None,
            },
        }
    }

    fn plan(&self, decode: Pool, prefill: Option<Pool>) -> Plan {
        Plan {
            decode,
            prefill,
            precision: self.precision,
        }
    }

    fn aggregated(&mut self, layout: Layout) {
        let instances = self.case.chips / layout.chips();
        let most = self.most_sequences(layout);
        let pool = |batch| Pool {
            instances,
            layout,
            batch,
        };
        self.best_batch(most, |finder, batch| finder.plan(pool(batch), None));
    }

    /// Sequences of an attention group that fit; records the miss when none does.
    fn most_sequences(&mut self, layout: Layout) -> u64 {
        let most =
            largest_batch(self.case, &layout, self.precision).min(allowed(self.case, &layout));
        if most == 0 {
            let plan = self.plan(
                Pool {
                    instances: 1,
                    layout,
                    batch: 1,
                },
                None,
            );
            self.miss(
                plan,
                Infeasible::Memory(memory(self.case, &layout, self.precision, 1)),
            );
        }
        most
    }

    /// The batch that serves most among those that meet the targets, if it can be kept.
    fn best_batch(&mut self, most: u64, plan: impl Fn(&Self, u64) -> Plan) {
        let most = largest(most, |batch| {
            let candidate = plan(self, batch);
            self.consider(candidate).is_some()
        });
        best_size(most, self.worst_kept(), |batch| {
            let candidate = plan(self, batch);
            self.consider(candidate).unwrap_or(0.0)
        });
    }

    /// Two pools: every pair of layouts whose bound can still beat what is known.
    fn disaggregated(&mut self, decode: &[Layout], prefill: &[Layout]) {
        let case = self.case;
        let decoders = decoders(case, decode, self.precision);
        let prefillers = prefillers(case, prefill, self.precision);
        let output = case.workload.output as f64;
        let pairs = pairs(case, &decoders, &prefillers);
        for (index, pair) in pairs.iter().enumerate() {
            if pair.bound * output <= self.worst_kept() {
                self.result.pruned += (pairs.len() - index) as u64;
                return;
            }
            for (decode, prefill, rate) in pair.splits(case.chips) {
                if rate * output <= self.worst_kept() {
                    break;
                }
                self.split(decode, prefill, rate);
            }
        }
    }

    /// Output tokens of a second that a plan must beat.
    fn worst_kept(&self) -> f64 {
        if self.result.plans.len() < KEPT {
            return 0.0;
        }
        self.result
            .plans
            .last()
            .map_or(0.0, |plan| plan.output_tokens_per_second)
    }

    /// One split, with the smallest decode batch that sustains its rate: a larger one would only
    /// slow the tokens.
    fn split(&mut self, decode: Pool, prefill: Pool, rate: f64) {
        let (case, precision) = (self.case, self.precision);
        let instance = Instance {
            case,
            layout: decode.layout,
            precision,
        };
        let sustains = |batch: u64| {
            let time = instance
                .iteration(&decode_batch(case, batch as f64))
                .total();
            answer_rate(case, &Pool { batch, ..decode }, precision, time) >= rate
        };
        let short = largest(decode.batch - 1, |batch| !sustains(batch));
        let plan = self.plan(
            Pool {
                batch: short + 1,
                ..decode
            },
            Some(prefill),
        );
        self.consider(plan);
    }

    /// Evaluates a plan and keeps it when it is among the best; its output tokens of a second where it
    /// meets the targets.
    fn consider(&mut self, plan: Plan) -> Option<f64> {
        self.result.evaluated += 1;
        match evaluate(self.case, &plan) {
            Ok(found) => {
                let rate = found.output_tokens_per_second;
                self.keep(found);
                Some(rate)
            }
            Err(reason) => {
                self.miss(plan, reason);
                None
            }
        }
    }

    /// Remembers the miss that came furthest: latency misses over memory misses, then the least.
    fn miss(&mut self, plan: Plan, reason: Infeasible) {
        let rank = |reason: &Infeasible| match reason {
            Infeasible::Tpot(time) => (0, time.get()),
            Infeasible::Ttft(time) => (1, time.get()),
            Infeasible::Overload => (1, f64::MAX),
            Infeasible::Memory(table) => (2, table.total.get()),
            Infeasible::TooManySequences(_) | Infeasible::TooManyChips => (3, 0.0),
        };
        let nearer = self.result.nearest_miss.as_ref().is_none_or(|(_, known)| {
            let (new, old) = (rank(&reason), rank(known));
            new.0 < old.0 || new.0 == old.0 && new.1 < old.1
        });
        if nearer {
            self.result.nearest_miss = Some((plan, reason));
        }
    }

    fn keep(&mut self, found: Prediction) {
        let layout = |plan: &Plan| (plan.decode.layout, plan.prefill.map(|pool| pool.layout));
        let kept = &mut self.result.plans;
        if let Some(same) = kept
            .iter()
            .position(|known| layout(&known.plan) == layout(&found.plan))
        {
            if kept[same].output_tokens_per_second >= found.output_tokens_per_second {
                return;
            }
            kept.remove(same);
        }
        let place = kept.partition_point(|known| {
            known.output_tokens_per_second >= found.output_tokens_per_second
        });
        kept.insert(place, found);
        kept.truncate(KEPT);
    }
}
