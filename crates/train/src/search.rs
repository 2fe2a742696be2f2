//! The fastest plan that fits, by exhaustive search with exact pruning.
//!
//! The space: tensor, context and expert parallelism, pipeline depth and virtual stages,
//! micro-batch, recomputation, schedule and overlaps. Data parallelism follows: for each number
//! of micro-batches the fewest replicas that reach it, and for the fewest micro-batches also as many
//! replicas as there are chips for (more shards of the optimizer, where memory is short) and as
//! many as fill whole scale-up domains (collectives without a part-filled one). Counts between
//! these differ by some millionths of a step and are not tried.

use chokepoint_model::Recompute;
use chokepoint_units::{NumberFormat, Seconds};

use crate::evaluate::{predict, step_parts};
use crate::layer::{LayerTable, Variant, layer_table};
use crate::memory::{MemoryTable, memory};
use crate::stage::{Stage, stages};
use crate::{Case, Placement, Plan, Prediction, Schedule};

/// Largest tensor parallelism; beyond it no published run goes.
const MOST_TENSOR: u64 = 64;
/// Shortest share of a sequence worth splitting off for context parallelism, tokens.
const LEAST_CONTEXT: u64 = 2048;
/// Largest micro-batch.
const MOST_MICRO_BATCH: u64 = 8;
/// Most virtual stages of a rank.
const MOST_VIRTUAL: u64 = 12;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The fastest plans that fit, each of another layout, fastest first.
    pub plans: Vec<Prediction>,
    /// Plans whose step time was computed.
    pub evaluated: u64,
    /// Plans that a bound or the memory ruled out before.
    pub pruned: u64,
    /// The plan that came nearest to fitting, where none fits.
    pub nearest_miss: Option<(Plan, MemoryTable)>,
}

/// Searches all plans of a case and keeps the fastest of `kept` different layouts.
///
/// Variants (a table of layer costs with a choice of recomputation and overlaps) are visited in
/// rising order of a lower bound of their step time, so that the search ends at the first whose
/// bound the plans found already beat.
#[must_use]
pub fn search(case: &Case, kept: usize) -> SearchResult {
    let format = case.chip.best_format(&case.workload.formats);
    let tables = tables(case, format);
    let mut candidates: Vec<Candidate> = tables
        .iter()
        .enumerate()
        .flat_map(|(index, (plan, table))| candidates(case, index, plan, table))
        .collect();
    candidates.sort_by(|a, b| a.least_step.get().total_cmp(&b.least_step.get()));
    let mut finder = Finder {
        case,
        kept: kept.max(1),
        stages: Vec::new(),
        result: SearchResult {
            plans: Vec::new(),
            evaluated: 0,
            pruned: 0,
            nearest_miss: None,
        },
    };
    for (visited, candidate) in candidates.iter().enumerate() {
        if candidate.least_step >= finder.worst_kept() {
            finder.result.pruned += (candidates.len() - visited) as u64;
            break;
        }
        finder.pipelines(
            candidate.plan,
            &tables[candidate.table].1,
            &candidate.variant,
        );
    }
    finder.result
}

/// Layer costs for each way to spread a layer, with a plan that has no pipeline yet.
fn tables(case: &Case, format: NumberFormat) -> Vec<(Plan, LayerTable)> {
    let heads = case
        .architecture
        .kinds
        .iter()
        .map(|kind| kind.attention.heads());
    let widest = heads.min().unwrap_or(1).min(MOST_TENSOR).min(case.chips);
    let mut tables = Vec::new();
    for tp in powers_of_two(widest) {
        for cp in powers_of_two((case.workload.sequence / LEAST_CONTEXT).max(1)) {
            for ep in expert_degrees(case, tp * cp) {
                for micro_batch in powers_of_two(MOST_MICRO_BATCH.min(case.workload.global_batch)) {
                    let plan = Plan {
                        tp,
                        cp,
                        ep,
                        micro_batch,
                        ..Plan::one(format)
                    };
                    tables.push((plan, layer_table(case, tp, cp, ep, micro_batch, format)));
                }
            }
        }
    }
    tables
}

/// A table with a choice of recomputation and overlaps.
struct Candidate {
    table: usize,
    plan: Plan,
    variant: Variant,
    /// Lower bound of the step time: all micro-batches through all layers, spread evenly over all
    /// chips.
    least_step: Seconds,
}

fn candidates(case: &Case, table: usize, plan: &Plan, costs: &LayerTable) -> Vec<Candidate> {
    let micro_batches = case.workload.global_batch.div_ceil(plan.micro_batch) as f64;
    let spread = micro_batches * (plan.tp * plan.cp) as f64 / case.chips as f64;
    let mut found = Vec::new();
    for recompute in Recompute::ALL {
        for overlap_tp in overlaps(plan.tp > 1) {
            for overlap_ep in overlaps(plan.ep > 1 && recompute != Recompute::Full) {
                let plan = Plan {
                    recompute,
                    overlap_tp,
                    overlap_ep,
                    ..*plan
                };
                let variant = costs.variant(&plan);
                let least_step = variant.whole(costs, &case.architecture.layers) * spread;
                found.push(Candidate {
                    table,
                    plan,
                    variant,
                    least_step,
                });
            }
        }
    }
    found
}

/// 1, 2, 4 ... up to a limit.
fn powers_of_two(limit: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |n| Some(n * 2)).take_while(move |n| *n <= limit)
}

/// Degrees of expert parallelism: divisors of the experts that enough chips exist for.
fn expert_degrees(case: &Case, inner: u64) -> Vec<u64> {
    match case.architecture.experts() {
        None => vec![1],
        Some(experts) => (1..=experts)
            .filter(|ep| experts.is_multiple_of(*ep))
            .filter(|ep| least_multiple(*ep, inner) * inner <= case.chips)
            .collect(),
    }
}

/// The least data parallelism for which an expert group of a size divides the inner ranks.
fn least_multiple(ep: u64, inner: u64) -> u64 {
    ep / gcd(ep, inner)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

struct Finder<'a> {
    case: &'a Case<'a>,
    /// How many plans of different layout to keep.
    kept: usize,
    /// Layers by stage at `slot(pp, vp)`; computed once.
    stages: Vec<Vec<Stage>>,
    result: SearchResult,
}

impl Finder<'_> {
    /// All pipelines of a candidate.
    fn pipelines(&mut self, plan: Plan, table: &LayerTable, variant: &Variant) {
        let layers = self.case.architecture.layers.len() as u64;
        let deepest = layers.min(self.case.chips / (plan.tp * plan.cp));
        for pp in 1..=deepest {
            if self.hopeless(Plan { pp, ..plan }, table, variant) {
                self.result.pruned += 1;
                continue;
            }
            let most = if pp == 1 {
                1
            } else {
                (layers / pp).min(MOST_VIRTUAL)
            };
            for vp in 1..=most {
                let plan = Plan { pp, vp, ..plan };
                self.replicas(plan, table, variant);
                if pp.is_multiple_of(2) && vp == 1 && plan.overlap_ep {
                    self.replicas(
                        Plan {
                            schedule: Schedule::DualPipe,
                            ..plan
                        },
                        table,
                        variant,
                    );
                }
            }
        }
    }

    /// Whether no virtual stages and no data-parallel degree can make a pipeline depth fit.
    ///
    /// One virtual stage holds the fewest micro-batches on every rank and the most replicas shard
    /// the optimizer furthest; uneven layers can make that wrong by less than the margin.
    fn hopeless(&mut self, plan: Plan, table: &LayerTable, variant: &Variant) -> bool {
        const MARGIN: f64 = 1.1;
        let inner = plan.tp * plan.cp;
        let unit = least_multiple(plan.ep, inner);
        let dp = self.case.chips / (inner * plan.pp) / unit * unit;
        if dp == 0 {
            return true;
        }
        let plan = Plan { dp, ..plan };
        let slot = self.slot(plan.pp, 1);
        let memory = memory(self.case, &plan, table, variant, &self.stages[slot]);
        self.remember_miss(plan, memory);
        memory.total > memory.usable * MARGIN
    }

    /// Remembers the plan that came nearest to fitting.
    fn remember_miss(&mut self, plan: Plan, memory: MemoryTable) {
        let nearer = self
            .result
            .nearest_miss
            .as_ref()
            .is_none_or(|(_, known)| memory.total < known.total);
        if memory.total > memory.usable && nearer {
            self.result.nearest_miss = Some((plan, memory));
        }
    }

    /// All data-parallel degrees of a plan, fewest micro-batches first, until no further one can
    /// beat the best known.
    fn replicas(&mut self, plan: Plan, table: &LayerTable, variant: &Variant) {
        let case = self.case;
        let inner = plan.tp * plan.cp;
        let unit = least_multiple(plan.ep, inner);
        let most = case.chips / (inner * plan.pp) / unit * unit;
        if most == 0 {
            return;
        }
        let slot = self.slot(plan.pp, plan.vp);
        let slowest = match plan.schedule {
            Schedule::DualPipe => variant.whole(table, &case.architecture.layers) / plan.pp as f64,
            _ => variant.slowest(table, &self.stages[slot]),
        };
        let sequences = case.workload.global_batch.div_ceil(plan.micro_batch);
        let mut micro_batches = sequences.div_ceil(most).max(1);
        let mut first = true;
        loop {
            let fewest = sequences.div_ceil(micro_batches).div_ceil(unit) * unit;
            if fewest > most {
                return;
            }
            if slowest * micro_batches as f64 >= self.worst_kept() {
                self.result.pruned += 1;
                return;
            }
            self.consider(Plan { dp: fewest, ..plan }, table, variant, slot);
            if first {
                let whole = self.whole_domains(&plan, most, unit);
                if most > fewest {
                    self.consider(Plan { dp: most, ..plan }, table, variant, slot);
                }
                if whole > fewest && whole < most {
                    self.consider(Plan { dp: whole, ..plan }, table, variant, slot);
                }
            }
            first = false;
            if fewest <= unit {
                return;
            }
            micro_batches = sequences.div_ceil(fewest - unit).max(micro_batches + 1);
        }
    }

    /// The most replicas, in multiples of `unit`, whose ranks of a stage fill whole domains.
    fn whole_domains(&self, plan: &Plan, most: u64, unit: u64) -> u64 {
        let inner = plan.tp * plan.cp;
        let fills = least_multiple(self.case.fabric.domain, inner);
        let both = fills / gcd(fills, unit) * unit;
        most / both * both
    }

    fn slot(&mut self, pp: u64, vp: u64) -> usize {
        let slot = (pp * (MOST_VIRTUAL + 1) + vp) as usize;
        if self.stages.len() <= slot {
            self.stages.resize(slot + 1, Vec::new());
        }
        if self.stages[slot].is_empty() {
            self.stages[slot] = stages(
                &self.case.architecture.layers,
                self.case.architecture.mtp_layers,
                pp,
                vp,
                Placement::Cyclic,
            );
        }
        slot
    }

    /// Step time that a plan must beat.
    fn worst_kept(&self) -> Seconds {
        if self.result.plans.len() < self.kept {
            return Seconds::new(f64::INFINITY);
        }
        self.result
            .plans
            .last()
            .map_or(Seconds::new(f64::INFINITY), |plan| plan.step)
    }

    fn consider(&mut self, plan: Plan, table: &LayerTable, variant: &Variant, slot: usize) {
        let case = self.case;
        if plan.check(case).is_err() {
            self.result.pruned += 1;
            return;
        }
        let stages = &self.stages[slot];
        let memory = memory(case, &plan, table, variant, stages);
        if memory.total > memory.usable {
            self.result.pruned += 1;
            self.remember_miss(plan, memory);
            return;
        }
        self.result.evaluated += 1;
        let parts = step_parts(case, &plan, table, variant, stages);
        if parts.total() < self.worst_kept() {
            self.keep(predict(case, &plan, parts, memory));
        }
    }

    /// Keeps a plan among the best; one plan for each (tp, cp, ep, pp).
    fn keep(&mut self, found: Prediction) {
        let layout = |plan: &Plan| (plan.tp, plan.cp, plan.ep, plan.pp);
        let kept = &mut self.result.plans;
        if let Some(same) = kept
            .iter()
            .position(|known| layout(&known.plan) == layout(&found.plan))
        {
            if kept[same].step <= found.step {
                return;
            }
            kept.remove(same);
        }
        let place = kept.partition_point(|known| known.step <= found.step);
        kept.insert(place, found);
        kept.truncate(self.kept);
    }
}

/// Both settings of an overlap where there is traffic to hide.
fn overlaps(traffic: bool) -> impl Iterator<Item = bool> {
    [false, true].into_iter().filter(move |on| traffic || !on)
}
