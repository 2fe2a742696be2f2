//! The plan with the highest throughput under the latency targets, and the front of throughput
//! against interactivity.

use chokepoint_units::NumberFormat;

use crate::memory::{largest_batch, memory};
use crate::steady::{Infeasible, Prediction, evaluate};
use crate::{Case, Layout, Plan, Pool};

/// How many plans of different layout a search keeps.
const KEPT: usize = 5;
/// Largest tensor parallelism of an instance.
const MOST_TENSOR: u64 = 64;
/// Largest expert parallelism of an instance (published deployments reach 320).
const MOST_EXPERT: u64 = 512;
/// Largest prompt batch of a prefill instance's attention group.
const MOST_PROMPTS: u64 = 8;
/// Instances up to which every split between two pools is tried.
const FEW_INSTANCES: u64 = 16;
/// Most sequences on an attention group, a bound of engines' schedulers.
const MOST_SEQUENCES: u64 = 4096;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The plans with the highest throughput, each of another layout, best first.
    pub plans: Vec<Prediction>,
    /// Plans evaluated.
    pub evaluated: u64,
    /// Why the plan that came nearest fails, where none serves.
    pub nearest_miss: Option<(Plan, Infeasible)>,
}

/// Searches all plans of a case.
#[must_use]
pub fn search(case: &Case) -> SearchResult {
    let mut finder = Finder::new(case);
    let layouts = layouts(case);
    for layout in &layouts {
        finder.aggregated(*layout);
    }
    if let Some(prefill) = finder.best_prefill(&layouts) {
        for layout in &layouts {
            finder.disaggregated(*layout, prefill);
        }
    }
    finder.result
}

/// Searches batches and numbers of instances again, with the layouts and the kind of a plan kept:
/// what a deployed plan does when a resource changes a little.
#[must_use]
pub fn adapt(case: &Case, plan: &Plan) -> SearchResult {
    let mut finder = Finder::new(case);
    match plan.prefill {
        None => finder.aggregated(plan.decode.layout),
        Some(pool) => {
            if let Some(prefill) = finder.best_prefill(&[pool.layout]) {
                finder.disaggregated(plan.decode.layout, prefill);
            }
        }
    }
    finder.result
}

/// Every way to spread one instance.
fn layouts(case: &Case) -> Vec<Layout> {
    let heads = case
        .architecture
        .kinds
        .iter()
        .map(|kind| kind.attention.heads());
    let widest = heads.min().unwrap_or(1).min(MOST_TENSOR).min(case.chips);
    let mut found = Vec::new();
    for tp in powers_of_two(widest).filter(|tp| divides_heads(case, *tp)) {
        match case.architecture.experts() {
            None => found.push(Layout { tp, dp: 1, ep: 1 }),
            Some(experts) => found.extend(
                powers_of_two(MOST_EXPERT.min(case.chips) / tp)
                    .map(|dp| Layout {
                        tp,
                        dp,
                        ep: tp * dp,
                    })
                    .filter(|layout| layout.ep <= experts && experts.is_multiple_of(layout.ep)),
            ),
        }
    }
    found
}

fn divides_heads(case: &Case, tp: u64) -> bool {
    case.architecture
        .kinds
        .iter()
        .all(|kind| kind.attention.heads().is_multiple_of(tp))
}

fn powers_of_two(limit: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |n| Some(n * 2)).take_while(move |n| *n <= limit)
}

struct Finder<'a> {
    case: &'a Case<'a>,
    format: NumberFormat,
    result: SearchResult,
}

impl<'a> Finder<'a> {
    fn new(case: &'a Case<'a>) -> Self {
        Self {
            case,
            format: case.chip.best_format(&case.workload.formats),
            result: SearchResult {
                plans: Vec::new(),
                evaluated: 0,
                nearest_miss: None,
            },
        }
    }

    fn plan(&self, decode: Pool, prefill: Option<Pool>) -> Plan {
        Plan {
            decode,
            prefill,
            format: self.format,
            cache_format: self.case.workload.cache_format,
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
        let most = largest_batch(self.case, &layout, self.format).min(MOST_SEQUENCES);
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
                Infeasible::Memory(memory(self.case, &layout, self.format, 1)),
            );
        }
        most
    }

    /// The largest batch that meets the targets, by bisection: every latency grows with it.
    fn best_batch(&mut self, most: u64, plan: impl Fn(&Self, u64) -> Plan) {
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = high - (high - low) / 2;
            let candidate = plan(self, middle);
            match self.consider(candidate) {
                true => low = middle,
                false => high = middle - 1,
            }
        }
    }

    /// The prefill pool with the most prompts a second and chip whose prompt alone leaves half of
    /// the time to the first token for waiting and transfer.
    fn best_prefill(&self, layouts: &[Layout]) -> Option<(Layout, u64)> {
        let mut best: Option<(f64, Layout, u64)> = None;
        for layout in layouts {
            if largest_batch(self.case, layout, self.format) == 0 {
                continue;
            }
            for batch in powers_of_two(MOST_PROMPTS) {
                let time = crate::iteration::prefill(self.case, layout, self.format, batch).total();
                if time > self.case.workload.ttft * 0.5 {
                    break;
                }
                let rate = (layout.dp * batch) as f64 / time.get() / layout.chips() as f64;
                if best.as_ref().is_none_or(|(known, _, _)| rate > *known) {
                    best = Some((rate, *layout, batch));
                }
            }
        }
        best.map(|(_, layout, batch)| (layout, batch))
    }

    /// Splits the chips between the two pools: every split while there are few, else the balanced
    /// one and its neighbours.
    fn disaggregated(&mut self, layout: Layout, prefill: (Layout, u64)) {
        let case = self.case;
        let most = self.most_sequences(layout);
        let Some(batch) = self.decode_batch(layout, most) else {
            return;
        };
        let (prefill_layout, prompts) = prefill;
        let prompt_time =
            crate::iteration::prefill(case, &prefill_layout, self.format, prompts).total();
        let answers = self.answers(&layout, batch);
        let prompt_rate = (prefill_layout.dp * prompts) as f64 / prompt_time.get();
        let unit = layout.chips() as f64 + prefill_layout.chips() as f64 * answers / prompt_rate;
        let balanced = (case.chips as f64 / unit) as u64;
        let all = case.chips / layout.chips();
        let splits = if all <= FEW_INSTANCES {
            1..=all
        } else {
            balanced.saturating_sub(2).max(1)..=balanced + 1
        };
        for instances in splits {
            let left = case.chips.saturating_sub(instances * layout.chips());
            let pool = Pool {
                instances: left / prefill_layout.chips(),
                layout: prefill_layout,
                batch: prompts,
            };
            if pool.instances == 0 {
                break;
            }
            self.split(
                Pool {
                    instances,
                    layout,
                    batch,
                },
                pool,
            );
        }
    }

    /// Requests that one decode instance answers in a second.
    fn answers(&self, layout: &Layout, batch: u64) -> f64 {
        let context = crate::steady::mean_context(self.case);
        let iteration = crate::iteration::decode(self.case, layout, self.format, batch, context);
        (layout.dp * batch) as f64 / (iteration.total().get() * self.case.workload.output as f64)
    }

    /// One split, with the largest decode batch, and where prefill limits it with the batch at
    /// which both pools sustain the same rate: a smaller batch leaves prompts more time to wait.
    fn split(&mut self, decode: Pool, prefill: Pool) {
        let largest = self.plan(decode, Some(prefill));
        self.consider(largest);
        let prefill_limits = |finder: &Self, batch: u64| {
            let plan = finder.plan(Pool { batch, ..decode }, Some(prefill));
            evaluate(finder.case, &plan).map_or(true, |found| {
                let answers = finder.answers(&decode.layout, batch) * decode.instances as f64;
                answers > found.requests_per_second * (1.0 + 1e-12)
            })
        };
        if !prefill_limits(self, decode.batch) {
            return;
        }
        let (mut low, mut high) = (1, decode.batch);
        while low < high {
            let middle = low + (high - low) / 2;
            if prefill_limits(self, middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        for batch in [low, low - 1].into_iter().filter(|batch| *batch > 0) {
            let plan = self.plan(Pool { batch, ..decode }, Some(prefill));
            self.consider(plan);
        }
    }

    /// The largest decode batch whose iteration meets the target for later tokens.
    fn decode_batch(&self, layout: Layout, most: u64) -> Option<u64> {
        let context = crate::steady::mean_context(self.case);
        let meets = |batch| {
            crate::iteration::decode(self.case, &layout, self.format, batch, context).total()
                <= self.case.workload.tpot
        };
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = high - (high - low) / 2;
            if meets(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        (low > 0).then_some(low)
    }

    /// Evaluates a plan and keeps it when it is among the best; whether it meets the targets.
    fn consider(&mut self, plan: Plan) -> bool {
        self.result.evaluated += 1;
        match evaluate(self.case, &plan) {
            Ok(found) => {
                self.keep(found);
                true
            }
            Err(reason) => {
                self.miss(plan, reason);
                false
            }
        }
    }

    /// Remembers the miss that came furthest: latency misses over memory misses, then the least.
    fn miss(&mut self, plan: Plan, reason: Infeasible) {
        let rank = |reason: &Infeasible| match reason {
            Infeasible::Tpot(time) => (0, time.get()),
            Infeasible::Ttft(time) => (1, time.get()),
            Infeasible::Memory(table) => (2, table.total.get()),
            Infeasible::TooManyChips => (3, 0.0),
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
