//! The fastest plan that fits, by exhaustive search with exact pruning.
//!
//! Data parallelism follows from the rest: for each number of micro-batches the fewest replicas
//! that reach it, and for the fewest micro-batches also as many replicas as there are chips for
//! (more shards of the state, where memory is short) and as many as fill whole scale-up domains
//! (collectives without a part-filled one). Counts between these differ by some millionths of a
//! step and are not tried.

use chokepoint_units::{Bytes, Seconds};

use crate::evaluate::{deal_balanced, predict, rest, step_parts, step_time};
use crate::layer::{LayerTable, layer_table, layer_table_with_ends};
use crate::memory::{MemoryTable, memory, usable};
use crate::pipeline::{Pace, pace, rank_times};
use crate::stage::{MAX_KINDS, Run, Stage, runs};
use crate::variant::{Times, Variant};
use crate::{Case, ContextExchange, Plan, Prediction, Schedule, Sharding, Space, TensorOverlap};

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The fastest plans that fit, each of another layout, fastest first.
    pub plans: Vec<Prediction>,
    /// Plans whose step time or memory was computed.
    pub evaluated: u64,
    /// Plans that a bound, or a plan that is never slower and never larger, ruled out before.
    pub pruned: u64,
    /// The plan that came nearest to fitting, where none fits.
    pub nearest_miss: Option<(Plan, MemoryTable)>,
}

/// Searches what mainstream frameworks run ([`Space::of`]) and keeps the fastest of `kept`
/// different layouts; with the host's memory ([`Space::with_offload`]) where nothing fits without.
#[must_use]
pub fn search(case: &Case, kept: usize) -> SearchResult {
    let space = Space::of(case);
    let found = search_in(case, &space, kept);
    if !found.plans.is_empty() || case.chip.host.is_none() {
        return found;
    }
    let offloading = search_in(case, &space.with_offload(), kept);
    SearchResult {
        evaluated: found.evaluated + offloading.evaluated,
        pruned: found.pruned + offloading.pruned,
        ..offloading
    }
}

/// Searches a space and keeps the fastest of `kept` different layouts.
///
/// Variants (a table of layer costs with a choice of recomputation and overlaps) are visited in
/// rising order of a lower bound of their step time, so that the search ends at the first whose
/// bound the plans found already beat.
#[must_use]
pub fn search_in(case: &Case, space: &Space, kept: usize) -> SearchResult {
    let tables = tables(case, space);
    let mut candidates: Vec<Candidate> = tables
        .iter()
        .enumerate()
        .flat_map(|(index, (plan, table))| candidates(case, space, index, plan, table))
        .collect();
    candidates.sort_by(|a, b| a.least_step.get().total_cmp(&b.least_step.get()));
    let mut finder = Finder {
        case,
        space,
        kept: kept.max(1),
        below: (space.shardings.len() * space.data_overlaps.len() * space.offloads.len()) as u64,
        stages: Vec::new(),
        runs: runs(&case.architecture.layers),
        balanced: Vec::new(),
        ranks: Vec::new(),
        counts: Vec::new(),
        result: SearchResult {
            plans: Vec::new(),
            evaluated: 0,
            pruned: 0,
            nearest_miss: None,
        },
    };
    for (visited, candidate) in candidates.iter().enumerate() {
        if candidate.least_step >= finder.worst_kept() {
            finder.prune_rest(&candidates[visited..]);
            break;
        }
        finder.pipelines(candidate, &tables[candidate.table].1);
    }
    finder.result
}

/// Plans that trade time for memory: the fastest that fits, then the fastest that needs less, and
/// so on, at most `points` of them; each is an exact search.
#[must_use]
pub fn front(case: &Case, space: &Space, points: usize) -> Vec<Prediction> {
    let mut chip = case.chip.clone();
    let mut found = Vec::new();
    while found.len() < points {
        let case = Case {
            chip: &chip,
            ..*case
        };
        let Some(best) = search_in(&case, space, 1).plans.pop() else {
            break;
        };
        // A hundredth less: plans whose memory is all but the same are no choice.
        chip.capacity = chip.capacity * (0.99 * (best.memory.total / best.memory.usable));
        found.push(best);
    }
    found
}

/// Layer costs for each way to spread a layer, with a plan that has no pipeline yet.
fn tables(case: &Case, space: &Space) -> Vec<(Plan, LayerTable)> {
    let format = case.chip.best_format(&case.workload.formats);
    let mut tables: Vec<(Plan, LayerTable)> = Vec::new();
    let ends_of = |plan: &Plan| (plan.tp, plan.cp, plan.micro_batch, plan.tensor);
    for plan in spreads(case, space, Plan::one(format)) {
        let table = match tables.last() {
            Some((known, table)) if ends_of(known) == ends_of(&plan) => {
                layer_table_with_ends(case, &plan, &table.ends)
            }
            _ => layer_table(case, &plan),
        };
        tables.push((plan, table));
    }
    tables
}

/// All ways to spread a layer: degrees inside a pipeline stage, exchanges and micro-batch.
fn spreads(case: &Case, space: &Space, one: Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    for &tp in &space.tensor {
        for &cp in &space.context {
            for &micro_batch in &space.micro_batches {
                for &tensor in only_with(tp > 1, &space.exchanges) {
                    for &ep in &space.expert {
                        for etp in etps(space, tp) {
                            let plan = Plan {
                                tp,
                                cp,
                                ep,
                                etp,
                                micro_batch,
                                tensor,
                                ..one
                            };
                            let group = least_multiple(ep * etp, tp * cp) * tp * cp;
                            if group <= case.chips && plan.check_spread(case).is_ok() {
                                found.push(plan);
                            }
                        }
                    }
                }
            }
        }
    }
    found
}

/// All choices where there is something to choose, else the last, which is the plain one.
fn only_with<T>(any: bool, choices: &[T]) -> &[T] {
    let from = if any {
        0
    } else {
        choices.len().saturating_sub(1)
    };
    &choices[from..]
}

fn etps(space: &Space, tp: u64) -> impl Iterator<Item = u64> {
    space
        .expert_tensor
        .iter()
        .filter(move |split| tp > 1 || !**split)
        .map(move |split| if *split { tp } else { 1 })
}

/// A table with a choice of recomputation and overlaps.
struct Candidate {
    table: usize,
    plan: Plan,
    variant: Variant,
    /// All layers for one micro-batch.
    whole: Seconds,
    /// What all layers keep of one micro-batch.
    kept: Bytes,
    /// Lower bound of the step time: all micro-batches through all layers, spread evenly over all
    /// chips.
    least_step: Seconds,
}

fn candidates(
    case: &Case,
    space: &Space,
    table: usize,
    plan: &Plan,
    costs: &LayerTable,
) -> Vec<Candidate> {
    let micro_batches = case.workload.global_batch.div_ceil(plan.micro_batch) as f64;
    let spread = micro_batches * (plan.tp * plan.cp) as f64 / case.chips as f64;
    let layers = layer_counts(case);
    let mut found = Vec::new();
    let none = [TensorOverlap::None];
    let exposed = [false];
    for &recompute in &space.recompute {
        let overlaps: &[TensorOverlap] = if plan.tp > 1 {
            &space.tensor_overlaps
        } else {
            &none
        };
        for &overlap_tp in overlaps {
            let hides = plan.ep > 1 && recompute != chokepoint_model::Recompute::Full;
            let experts: &[bool] = if hides {
                &space.expert_overlaps
            } else {
                &exposed
            };
            for &overlap_ep in experts {
                let plan = Plan {
                    recompute,
                    overlap_tp,
                    overlap_ep,
                    ..*plan
                };
                let (plan, variant, whole) = fastest_context(space, &plan, costs, &layers);
                found.push(Candidate {
                    table,
                    plan,
                    kept: variant.kept(&layers),
                    variant,
                    whole,
                    least_step: whole * spread,
                });
            }
        }
    }
    found
}

/// The variant with the context-parallel exchange that takes least; they need the same memory.
fn fastest_context(
    space: &Space,
    plan: &Plan,
    costs: &LayerTable,
    layers: &[u32; MAX_KINDS],
) -> (Plan, Variant, Seconds) {
    let of = |context: ContextExchange| {
        let plan = Plan { context, ..*plan };
        let variant = costs.variant(&plan);
        let whole = variant.whole(layers);
        (plan, variant, whole)
    };
    let mut best = of(plan.context);
    if plan.cp > 1 {
        for &context in &space.contexts {
            let heads = plan.cp <= costs.least_kv_heads;
            if context == ContextExchange::AllToAll && !heads {
                continue;
            }
            let other = of(context);
            if other.2 < best.2 {
                best = other;
            }
        }
    }
    best
}

/// Layers of each kind.
fn layer_counts(case: &Case) -> [u32; MAX_KINDS] {
    let mut counts = [0; MAX_KINDS];
    for &kind in &case.architecture.layers {
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        }
    }
    counts
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
    space: &'a Space,
    /// How many plans of different layout to keep.
    kept: usize,
    /// Choices of sharding, data-parallel overlap and offload for each pipeline.
    below: u64,
    /// Evenly dealt stages at `slot`; computed once.
    stages: Vec<Vec<Stage>>,
    /// The model's runs of equal layers.
    runs: Vec<Run>,
    /// Balanced stages of the candidate and depth at hand; empty until dealt.
    balanced: Vec<Stage>,
    /// Room for the times of a pipeline's ranks.
    ranks: Vec<Times>,
    /// Pipelines by depth, where counted.
    counts: Vec<u64>,
    result: SearchResult,
}

/// A candidate's pipeline.
struct Piped<'a> {
    plan: Plan,
    table: &'a LayerTable,
    variant: &'a Variant,
    stages: &'a [Stage],
    /// Times of its ranks for one micro-batch, and of the slowest.
    ranks: &'a [Times],
    slowest: f64,
}

impl Finder<'_> {
    /// All pipelines of a candidate.
    ///
    /// The slowest of pp stages takes at least the mean, as often as the fewest micro-batches that
    /// the replicas leave.
    fn pipelines(&mut self, candidate: &Candidate, table: &LayerTable) {
        let layers = self.case.architecture.layers.len() as u64;
        let inner = candidate.plan.tp * candidate.plan.cp;
        let unit = least_multiple(candidate.plan.ep * candidate.plan.etp, inner);
        let group = self.case.workload.global_batch;
        let sequences = group.div_ceil(candidate.plan.micro_batch);
        for &pp in &self.space.pipeline {
            let most = self.case.chips / (inner * pp) / unit * unit;
            let exact = self.case.chips.is_multiple_of(inner * pp * unit);
            if most == 0 || pp > layers || self.space.all_chips && !exact {
                continue;
            }
            let fewest = sequences.div_ceil(most) as f64;
            if candidate.whole * (fewest / pp as f64) >= self.worst_kept() {
                self.result.pruned += self.pipelines_of(pp) * self.below;
                continue;
            }
            if self.cannot_hold(candidate, pp, fewest) {
                self.result.pruned += self.pipelines_of(pp) * self.below;
                continue;
            }
            let plan = Plan {
                pp,
                ..candidate.plan
            };
            self.balanced.clear();
            for &schedule in &self.space.schedules {
                for vp in self.virtual_stages(schedule, pp, layers) {
                    for balanced in self.balances(schedule, pp, vp) {
                        // DualPipe's pairs hide expert traffic or serve for nothing.
                        let idle = schedule.pairs() && !plan.overlap_ep;
                        let plan = Plan {
                            schedule,
                            vp,
                            balanced,
                            ..plan
                        };
                        let refused = plan.overlap_ep && !plan.can_overlap_experts();
                        if idle || refused || balanced && self.is_balanced(&candidate.variant, pp) {
                            self.result.pruned += self.below;
                            continue;
                        }
                        self.piped(plan, table, &candidate.variant, most, unit);
                    }
                }
            }
        }
    }

    /// Whether the activations alone fill more than the memory, however layers are dealt.
    ///
    /// Rank r of p holds at least min(p - r, m) micro-batches of its layers (1F1B; other schedules
    /// hold as many or more on the rank that they spare most). Of all ways to deal out what a
    /// micro-batch keeps, K, the fullest rank is emptiest where all hold the same: K / sum of
    /// 1 / min(p - r, m).
    fn cannot_hold(&self, candidate: &Candidate, pp: u64, micro_batches: f64) -> bool {
        if self
            .space
            .offloads
            .iter()
            .any(|offload| offload.activations)
        {
            return false;
        }
        let holds = |behind: u64| 1.0 / (behind as f64).min(micro_batches);
        let shares: f64 = (1..=pp).map(holds).sum();
        candidate.kept * (1.0 / shares) > usable(self.case.chip)
    }

    /// Whether no dealing of layers beats an even one: equal layers that divide, and ends that take
    /// no longer than a layer. (A stage that gives up a layer for an end makes another one longer
    /// by a layer.)
    fn is_balanced(&self, variant: &Variant, pp: u64) -> bool {
        let architecture = self.case.architecture;
        let layer = variant.times[0].total();
        architecture.kinds.len() == 1
            && (architecture.layers.len() as u64).is_multiple_of(pp)
            && variant.first.total().max(variant.last.total()) <= layer
    }

    /// Counts the plans of candidates whose bound rules them out.
    fn prune_rest(&mut self, candidates: &[Candidate]) {
        let layers = self.case.architecture.layers.len() as u64;
        for candidate in candidates {
            let inner = candidate.plan.tp * candidate.plan.cp;
            let unit = least_multiple(candidate.plan.ep * candidate.plan.etp, inner);
            for at in 0..self.space.pipeline.len() {
                let pp = self.space.pipeline[at];
                let exact = self.case.chips.is_multiple_of(inner * pp * unit);
                if pp > layers || inner * pp * unit > self.case.chips {
                    break;
                }
                if exact || !self.space.all_chips {
                    self.result.pruned += self.pipelines_of(pp) * self.below;
                }
            }
        }
    }

    /// Pipelines of a depth: schedules with their virtual stages and ways to deal layers.
    fn pipelines_of(&mut self, pp: u64) -> u64 {
        let at = pp as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if self.counts[at] == 0 {
            let layers = self.case.architecture.layers.len() as u64;
            let schedules = self.space.schedules.iter();
            let of = |schedule: &Schedule| -> usize {
                let stages = self.virtual_stages(*schedule, pp, layers).into_iter();
                stages
                    .map(|vp| self.balances(*schedule, pp, vp).len())
                    .sum()
            };
            self.counts[at] = schedules.map(of).sum::<usize>() as u64;
        }
        self.counts[at]
    }

    /// Numbers of virtual stages that a schedule may have.
    fn virtual_stages(&self, schedule: Schedule, pp: u64, layers: u64) -> Vec<u64> {
        let most = (layers / pp).min(self.space.most_virtual);
        match schedule {
            Schedule::OneForwardOneBackward if pp > 1 => (1..=most)
                .filter(|vp| !self.space.even_virtual || layers.div_ceil(pp).is_multiple_of(*vp))
                .collect(),
            Schedule::ZeroBubbleV | Schedule::DualPipeV if pp > 1 && most >= 2 => vec![2],
            Schedule::OneForwardOneBackward => vec![1],
            Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 if pp > 1 => vec![1],
            Schedule::DualPipe if pp.is_multiple_of(2) => vec![1],
            _ => Vec::new(),
        }
    }

    fn balances(&self, schedule: Schedule, pp: u64, vp: u64) -> Vec<bool> {
        let cyclic = schedule.placement() == crate::Placement::Cyclic;
        let can = pp > 1 && vp == 1 && cyclic;
        let choices = self.space.balanced.iter().copied();
        choices.filter(|balanced| can || !balanced).collect()
    }

    fn piped(&mut self, plan: Plan, table: &LayerTable, variant: &Variant, most: u64, unit: u64) {
        let slot = self.slot(&plan);
        let stages = if plan.balanced {
            if self.balanced.len() as u64 != plan.pp {
                deal_balanced(&self.runs, &plan, variant, &mut self.balanced);
            }
            std::mem::take(&mut self.balanced)
        } else {
            std::mem::take(&mut self.stages[slot])
        };
        let mut ranks = std::mem::take(&mut self.ranks);
        rank_times(&plan, variant, &stages, &mut ranks);
        let piped = Piped {
            plan,
            table,
            variant,
            stages: &stages,
            ranks: &ranks,
            slowest: ranks.iter().map(Times::total).fold(0.0, f64::max),
        };
        let sequences = self.case.workload.global_batch.div_ceil(plan.micro_batch);
        let fewest = sequences.div_ceil(most) as f64;
        let slow = Seconds::new(piped.slowest * fewest) >= self.worst_kept();
        if slow || self.hopeless(&piped, most) {
            self.result.pruned += self.below;
        } else {
            self.replicas(&piped, most, unit);
        }
        if plan.balanced {
            self.balanced = stages;
        } else {
            self.stages[slot] = stages;
        }
        self.ranks = ranks;
    }

    /// Whether no data-parallel degree can make a pipeline fit: the most replicas shard the state
    /// furthest, with all that the space lets wait in the host's memory.
    fn hopeless(&mut self, piped: &Piped, dp: u64) -> bool {
        let plan = Plan {
            dp,
            sharding: self
                .space
                .shardings
                .iter()
                .copied()
                .max()
                .unwrap_or(Sharding::Optimizer),
            ..piped.plan
        };
        let mut least: Option<MemoryTable> = None;
        for &offload in &self.space.offloads {
            let plan = Plan { offload, ..plan };
            if plan.check_techniques(self.case).is_err() {
                continue;
            }
            let memory = memory(self.case, &plan, piped.table, piped.variant, piped.stages);
            if memory.total <= memory.usable {
                return false;
            }
            if least.is_none_or(|known| memory.total < known.total) {
                least = Some(memory);
                self.remember_miss(plan, memory);
            }
        }
        true
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

    /// All data-parallel degrees of a pipeline, fewest micro-batches first, until no further one
    /// can beat the best known.
    fn replicas(&mut self, piped: &Piped, most: u64, unit: u64) {
        let plan = piped.plan;
        let sequences = self.case.workload.global_batch.div_ceil(plan.micro_batch);
        if self.space.all_chips {
            self.consider(piped, most);
            return;
        }
        let mut micro_batches = sequences.div_ceil(most).max(1);
        let mut first = true;
        loop {
            let fewest = sequences.div_ceil(micro_batches).div_ceil(unit) * unit;
            if fewest > most {
                return;
            }
            let busy = Seconds::new(piped.slowest * micro_batches as f64);
            if busy >= self.worst_kept() {
                self.result.pruned += self.below;
                return;
            }
            self.consider(piped, fewest);
            if first {
                let whole = self.whole_domains(&plan, most, unit);
                if most > fewest {
                    self.consider(piped, most);
                }
                if whole > fewest && whole < most {
                    self.consider(piped, whole);
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

    /// The slot of evenly dealt stages, which are computed on first use.
    fn slot(&mut self, plan: &Plan) -> usize {
        let vee = u64::from(plan.schedule.placement() == crate::Placement::Vee);
        let slot = ((plan.pp * (self.space.most_virtual + 1) + plan.vp) * 2 + vee) as usize;
        if self.stages.len() <= slot {
            self.stages.resize(slot + 1, Vec::new());
        }
        if self.stages[slot].is_empty() && !plan.balanced {
            self.stages[slot] = crate::stage::stages(
                &self.case.architecture.layers,
                self.case.architecture.mtp_layers,
                plan.pp,
                plan.vp,
                plan.schedule.placement(),
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

    /// All choices of sharding, overlap and offload of a pipeline with so many replicas.
    ///
    /// A later sharding splits more and takes no less time, an offload takes no less than none:
    /// once a plan without offload fits, those that split as far or further are ruled out, with
    /// offload or without. A plan that exposes data-parallel traffic is never faster than one that
    /// does not.
    fn consider(&mut self, piped: &Piped, dp: u64) {
        let case = self.case;
        let plan = Plan { dp, ..piped.plan };
        if plan.check(case).is_err() {
            self.result.pruned += self.below;
            return;
        }
        let micro_batches = plan.micro_batches(case.workload.global_batch);
        let pace = pace(&plan, micro_batches, piped.ranks, piped.stages);
        let busy = Seconds::new(pace.times.total() * micro_batches as f64) + pace.bubble;
        if busy >= self.worst_kept() {
            self.result.pruned += self.below;
            return;
        }
        let overlap_dp = self.space.data_overlaps.contains(&true);
        let overlaps = self.space.data_overlaps.len() as u64;
        let mut shardings: &[Sharding] = &self.space.shardings;
        for &offload in &self.space.offloads {
            let left = (self.space.shardings.len() - shardings.len()) as u64;
            self.result.pruned += left * overlaps;
            let found = self.shard(
                piped,
                &pace,
                &Plan {
                    offload,
                    overlap_dp,
                    ..plan
                },
                shardings,
            );
            if let (false, Some(fits)) = (offload.any(), found) {
                shardings = &shardings[..fits];
            }
        }
    }

    /// The choices of sharding in rising order, up to the first that fits: its place.
    fn shard(
        &mut self,
        piped: &Piped,
        pace: &Pace,
        plan: &Plan,
        shardings: &[Sharding],
    ) -> Option<usize> {
        let case = self.case;
        let overlaps = self.space.data_overlaps.len() as u64;
        if plan.offload.any() && plan.check_techniques(case).is_err() {
            self.result.pruned += shardings.len() as u64 * overlaps;
            return None;
        }
        for (at, &sharding) in shardings.iter().enumerate() {
            let plan = Plan { sharding, ..*plan };
            let memory = memory(case, &plan, piped.table, piped.variant, piped.stages);
            self.result.evaluated += 1;
            self.result.pruned += overlaps - 1;
            if memory.total > memory.usable {
                self.remember_miss(plan, memory);
                continue;
            }
            self.time(piped, pace, &plan, memory);
            // Sharding nothing costs an all-reduce, which may be slower or faster.
            if sharding != Sharding::None {
                self.result.pruned += (shardings.len() - at - 1) as u64 * overlaps;
                return Some(at);
            }
        }
        None
    }

    /// Computes the time of a plan that fits, and keeps it where it is among the best.
    fn time(&mut self, piped: &Piped, pace: &Pace, plan: &Plan, memory: MemoryTable) {
        let case = self.case;
        let rest = rest(case, plan, piped.table, piped.variant, piped.stages, pace);
        if step_time(case, plan, pace, &rest) < self.worst_kept() {
            let parts = step_parts(case, plan, piped.table, piped.variant, piped.stages);
            self.keep(predict(case, plan, parts, memory));
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
