//! Pipelines of a candidate: depths, schedules, replicas, sharding; bounds first, costs last.

use chokepoint_units::Seconds;

use super::SearchResult;
use super::bounds::{Least, Whole, cannot_hold, least_memory, least_time};
use super::candidate::{Candidate, gcd, least_multiple};
use crate::evaluate::{deal_balanced, predict, rest, step_parts, step_time};
use crate::layer::LayerTable;
use crate::memory::{MemoryTable, memory, usable};
use crate::pipeline::{Pace, pace, rank_times};
use crate::stage::{Run, Stage, even_chunks, runs, stages};
use crate::variant::{Times, Variant};
use crate::{Case, Placement, Plan, Prediction, Schedule, Sharding, Space};

pub(super) struct Finder<'a> {
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
    /// Times of its ranks for one micro-batch.
    ranks: &'a [Times],
    /// The rank that sets the pace with the fewest micro-batches.
    pace: Pace,
}

impl<'a> Finder<'a> {
    /// A finder of the fastest of `kept` different layouts.
    pub(super) fn new(case: &'a Case<'a>, space: &'a Space, kept: usize) -> Self {
        let below = space.shardings.len() * space.data_overlaps.len() * space.offloads.len();
        Self {
            case,
            space,
            kept: kept.max(1),
            below: below as u64,
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
        }
    }

    /// What was found.
    pub(super) fn into_result(self) -> SearchResult {
        self.result
    }

    /// All pipelines of a candidate.
    ///
    /// The slowest of pp stages takes at least the mean, as often as the fewest micro-batches that
    /// the replicas leave.
    pub(super) fn pipelines(&mut self, candidate: &Candidate, table: &LayerTable, depths: &[u64]) {
        let layers = self.case.architecture.layers.len() as u64;
        let inner = candidate.plan.tp * candidate.plan.cp;
        let unit = least_multiple(candidate.plan.ep * candidate.plan.etp, inner);
        let group = self.case.workload.global_batch;
        let sequences = group.div_ceil(candidate.plan.micro_batch);
        for &pp in depths {
            let most = self.case.chips / (inner * pp) / unit * unit;
            let exact = self.case.chips.is_multiple_of(inner * pp * unit);
            if most == 0 || pp > layers || self.space.all_chips && !exact {
                continue;
            }
            let fewest = sequences.div_ceil(most).max(1);
            if Seconds::new(candidate.whole.time * (fewest as f64 / pp as f64)) >= self.worst_kept()
            {
                self.result.pruned += self.pipelines_of(pp) * self.below;
                continue;
            }
            self.balanced.clear();
            for at in 0..self.space.schedules.len() {
                let schedule = self.space.schedules[at];
                self.schedule(candidate, table, schedule, pp, (most, unit, fewest));
            }
        }
    }

    /// All pipelines of a candidate with a schedule and a depth.
    fn schedule(
        &mut self,
        candidate: &Candidate,
        table: &LayerTable,
        schedule: Schedule,
        pp: u64,
        (most, unit, fewest): (u64, u64, u64),
    ) {
        let architecture = self.case.architecture;
        let ways = self.ways(schedule, pp);
        // More virtual stages leave less idle, however even.
        let needed = |vp| schedule.least_micro_batches(pp, vp, fewest);
        let hopeless = |whole: &Whole| {
            let most = (pp, ways.1);
            least_time(whole, schedule, most, needed(ways.0), Least::default()) >= self.worst_kept()
        };
        let Some((variant, whole)) = candidate
            .costs(schedule)
            .filter(|(_, whole)| !hopeless(whole))
        else {
            self.result.pruned += self.pipelines_with(schedule, pp) * self.below;
            return;
        };
        for vp in ways.0..=ways.1 {
            if !self.has_virtual(pp, vp) {
                continue;
            }
            let micro_batches = needed(vp);
            if self.space.all_chips && micro_batches > fewest {
                self.result.pruned += self.below * self.balances(schedule, pp, vp).count() as u64;
                continue;
            }
            for balanced in self.balances(schedule, pp, vp) {
                let plan = Plan {
                    schedule,
                    pp,
                    vp,
                    balanced,
                    ..candidate.plan
                };
                let refused = plan.overlap_ep && !plan.can_overlap_experts();
                let least = if balanced {
                    whole.balanced(&plan)
                } else {
                    whole.even(
                        &plan,
                        architecture.layers.len() as u64,
                        architecture.mtp_layers,
                    )
                };
                if refused
                    || least_time(whole, schedule, (pp, vp), micro_batches, least)
                        >= self.worst_kept()
                    || self.cannot_hold(candidate, &plan, most, micro_batches)
                    || balanced && self.is_balanced(variant, pp)
                {
                    self.result.pruned += self.below;
                    continue;
                }
                self.piped(plan, table, variant, (most, unit, micro_batches));
            }
        }
    }

    /// Whether no way to deal layers, to shard and to offload on at most so many replicas fits.
    /// Once it is known what comes near, a pipeline that does not come nearer is not looked at.
    fn cannot_hold(
        &self,
        candidate: &Candidate,
        plan: &Plan,
        most: u64,
        micro_batches: u64,
    ) -> bool {
        let usable = usable(self.case.chip);
        let offloads = &self.space.offloads;
        let kept_here = offloads.iter().all(|offload| !offload.activations);
        if kept_here && cannot_hold(candidate.kept, plan, micro_batches, usable) {
            return true;
        }
        let Some((_, miss)) = &self.result.nearest_miss else {
            return false;
        };
        let sharded = self.furthest(plan, most);
        offloads.iter().all(|&offload| {
            let plan = Plan { offload, ..sharded };
            let (held, kept) = (candidate.held, candidate.kept);
            let least = least_memory(self.case.workload, &plan, held, kept, micro_batches);
            least > usable && least >= miss.total
        })
    }

    /// A plan that shards its state as far as the space and so many replicas allow.
    fn furthest(&self, plan: &Plan, dp: u64) -> Plan {
        let furthest = self.space.shardings.iter().copied().max();
        Plan {
            dp,
            sharding: furthest.unwrap_or(Sharding::Optimizer),
            ..*plan
        }
    }

    /// Whether no dealing of layers beats an even one: equal layers that divide, and ends that take
    /// no longer than a layer. (A stage that gives up a layer for an end makes another one longer
    /// by a layer.)
    fn is_balanced(&self, variant: &Variant, pp: u64) -> bool {
        let architecture = self.case.architecture;
        let layer = variant.times[0].total();
        self.space.balanced.contains(&false)
            && architecture.kinds.len() == 1
            && (architecture.layers.len() as u64).is_multiple_of(pp)
            && variant.first.total().max(variant.last.total()) <= layer
    }

    /// Counts the plans of candidates whose bound rules them out.
    pub(super) fn prune_rest(&mut self, candidates: &[&Candidate], depths: &[u64]) {
        let layers = self.case.architecture.layers.len() as u64;
        for candidate in candidates {
            let inner = candidate.plan.tp * candidate.plan.cp;
            let unit = least_multiple(candidate.plan.ep * candidate.plan.etp, inner);
            for &pp in depths {
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
            let schedules = self.space.schedules.iter();
            self.counts[at] = schedules
                .map(|schedule| self.pipelines_with(*schedule, pp))
                .sum();
        }
        self.counts[at]
    }

    /// Pipelines of a depth and a schedule.
    fn pipelines_with(&self, schedule: Schedule, pp: u64) -> u64 {
        let (least, most) = self.ways(schedule, pp);
        let virtuals = (least..=most).filter(|vp| self.has_virtual(pp, *vp));
        virtuals
            .map(|vp| self.balances(schedule, pp, vp).count() as u64)
            .sum()
    }

    /// Least and most virtual stages that a schedule may have; (1, 0) where it cannot run.
    fn ways(&self, schedule: Schedule, pp: u64) -> (u64, u64) {
        let layers = self.case.architecture.layers.len() as u64;
        // The first and the last chunk may hold an end alone.
        let most = ((layers + 2) / pp).min(self.space.most_virtual);
        match schedule {
            Schedule::OneForwardOneBackward if pp > 1 => (1, most),
            Schedule::OneForwardOneBackward => (1, 1),
            Schedule::ZeroBubbleV | Schedule::DualPipeV if pp > 1 && most >= 2 => (2, 2),
            Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 if pp > 1 => (1, 1),
            Schedule::DualPipe if pp.is_multiple_of(2) => (1, 1),
            _ => (1, 0),
        }
    }

    /// Layers with those of multi-token prediction, which are dealt with them.
    fn all_layers(&self) -> u64 {
        let architecture = self.case.architecture;
        architecture.layers.len() as u64 + architecture.mtp_layers
    }

    /// Whether a number of virtual stages is one that the space has.
    fn has_virtual(&self, pp: u64, vp: u64) -> bool {
        vp == 1 || even_chunks(self.all_layers(), pp * vp)
    }

    /// Ways to deal the layers of a pipeline.
    fn balances(&self, schedule: Schedule, pp: u64, vp: u64) -> impl Iterator<Item = bool> + use<> {
        let cyclic = schedule.placement() == Placement::Cyclic;
        let can = pp > 1 && vp == 1 && cyclic;
        let [even, balanced] = [false, true].map(|choice| self.space.balanced.contains(&choice));
        let ways = [even.then_some(false), (balanced && can).then_some(true)];
        ways.into_iter().flatten()
    }

    /// A pipeline with at least so many micro-batches on at most so many replicas.
    fn piped(
        &mut self,
        plan: Plan,
        table: &LayerTable,
        variant: &Variant,
        (most, unit, micro_batches): (u64, u64, u64),
    ) {
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
            pace: pace(&plan, micro_batches, &ranks, &stages),
        };
        let slow = busy(&piped.pace, micro_batches) >= self.worst_kept();
        if slow || self.hopeless(&piped, most) {
            self.result.pruned += self.below;
        } else {
            self.replicas(&piped, (most, unit, micro_batches));
        }
        if plan.balanced {
            self.balanced = stages;
        } else {
            self.stages[slot] = stages;
        }
        self.ranks = ranks;
    }

    /// Whether no data-parallel degree can make a pipeline fit: the most replicas shard the state
    /// furthest, in any way that the space has and with all that it lets wait in the host's memory.
    /// (Sharding weights gathers layers, which may take more than it saves.)
    fn hopeless(&mut self, piped: &Piped, dp: u64) -> bool {
        let plan = Plan { dp, ..piped.plan };
        let mut least: Option<MemoryTable> = None;
        let offloads = self.space.offloads.iter();
        let ways = offloads.flat_map(|offload| {
            let shardings = self.space.shardings.iter();
            shardings.map(move |sharding| (*offload, *sharding))
        });
        for (offload, sharding) in ways {
            let plan = Plan {
                offload,
                sharding,
                ..plan
            };
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
    fn replicas(&mut self, piped: &Piped, (most, unit, least): (u64, u64, u64)) {
        let plan = piped.plan;
        if self.space.all_chips {
            self.consider(piped, most);
            return;
        }
        let sequences = self.case.workload.global_batch.div_ceil(plan.micro_batch);
        let mut micro_batches = least;
        loop {
            let fewest = sequences.div_ceil(micro_batches).div_ceil(unit) * unit;
            if fewest > most {
                return;
            }
            // A rank takes as much of each of them, however many there are.
            let busy = piped.pace.times.total() * micro_batches as f64;
            if Seconds::new(busy) >= self.worst_kept() {
                self.result.pruned += self.below;
                return;
            }
            self.consider(piped, fewest);
            if sequences.div_ceil(most) == micro_batches {
                let whole = self.whole_domains(&plan, most, unit);
                if most > fewest {
                    self.consider(piped, most);
                }
                if whole > fewest && whole < most {
                    self.consider(piped, whole);
                }
            }
            if fewest <= unit {
                return;
            }
            let next = sequences.div_ceil(fewest - unit).max(micro_batches + 1);
            micro_batches = plan.schedule.least_micro_batches(plan.pp, plan.vp, next);
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
        let vee = u64::from(plan.schedule.placement() == Placement::Vee);
        let slot = ((plan.pp * (self.space.most_virtual + 1) + plan.vp) * 2 + vee) as usize;
        if self.stages.len() <= slot {
            self.stages.resize(slot + 1, Vec::new());
        }
        if self.stages[slot].is_empty() && !plan.balanced {
            self.stages[slot] = stages(
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
    pub(super) fn worst_kept(&self) -> Seconds {
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
        let batch = case.workload.global_batch;
        if self.space.whole_batches && !batch.is_multiple_of(dp * plan.micro_batch) {
            self.result.pruned += self.below;
            return;
        }
        let micro_batches = plan.micro_batches(batch);
        let pace = if plan.schedule.pairs() {
            // Whatever the number of micro-batches.
            piped.pace
        } else {
            pace(&plan, micro_batches, piped.ranks, piped.stages)
        };
        if busy(&pace, micro_batches) >= self.worst_kept() || plan.check(case).is_err() {
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

    /// The choices of sharding in rising order, up to the first that fits or is too slow: its place.
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
            self.result.evaluated += 1;
            self.result.pruned += overlaps - 1;
            let rest = rest(case, &plan, piped.table, piped.variant, piped.stages, pace);
            if step_time(case, &plan, pace, &rest) < self.worst_kept() {
                let memory = memory(case, &plan, piped.table, piped.variant, piped.stages);
                if memory.total > memory.usable {
                    self.remember_miss(plan, memory);
                    continue;
                }
                let parts = step_parts(case, &plan, piped.table, piped.variant, piped.stages);
                self.keep(predict(case, &plan, parts, memory));
            }
            // Sharding nothing costs an all-reduce, which may be slower or faster.
            if sharding != Sharding::None {
                self.result.pruned += (shardings.len() - at - 1) as u64 * overlaps;
                return Some(at);
            }
        }
        None
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

/// Time of m micro-batches on the rank that sets the pace, and the bubble.
fn busy(pace: &Pace, micro_batches: u64) -> Seconds {
    Seconds::new(pace.times.total() * micro_batches as f64) + pace.bubble
}
