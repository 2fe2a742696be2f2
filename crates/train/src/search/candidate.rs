//! What a search tries before there is a pipeline: ways to spread a layer, recomputation, overlaps.

use chokepoint_model::Recompute;
use chokepoint_units::{Bytes, Seconds};

use super::bounds::Whole;
use crate::layer::{LayerTable, layer_table, layer_table_with_ends};
use crate::memory::Held;
use crate::stage::MAX_KINDS;
use crate::variant::Variant;
use crate::{Case, ContextExchange, Plan, Schedule, Space, TensorOverlap};

/// Layer costs for each way to spread a layer, with a plan that has no pipeline yet.
pub(super) fn tables(case: &Case, space: &Space) -> Vec<(Plan, LayerTable)> {
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
pub(super) struct Candidate {
    pub table: usize,
    pub plan: Plan,
    variant: Variant,
    pub whole: Whole,
    /// The same under a schedule that runs pairs of micro-batches, where expert traffic is hidden.
    paired: Option<(Variant, Whole)>,
    /// What all layers keep of one micro-batch.
    pub kept: Bytes,
    /// Parameters of the whole model, of which pipeline stages hold parts.
    pub held: Held,
    /// Lower bound of the step time: all micro-batches through all layers, spread evenly over all
    /// chips.
    pub least_step: Seconds,
}

impl Candidate {
    /// Costs under a schedule; none where its pairs would hide nothing and serve for nothing.
    pub(super) fn costs(&self, schedule: Schedule) -> Option<(&Variant, &Whole)> {
        if schedule.pairs() {
            return self
                .paired
                .as_ref()
                .map(|(variant, whole)| (variant, whole));
        }
        Some((&self.variant, &self.whole))
    }
}

/// All choices of recomputation and overlaps with all tables.
pub(super) fn candidates(
    case: &Case,
    space: &Space,
    tables: &[(Plan, LayerTable)],
) -> Vec<Candidate> {
    let layers = layer_counts(case);
    let schedules = space.schedules.iter().copied();
    let pairs = schedules.clone().find(|schedule| schedule.pairs());
    let mut found = Vec::new();
    for (table, (plan, costs)) in tables.iter().enumerate() {
        let micro_batches = case.workload.global_batch.div_ceil(plan.micro_batch) as f64;
        let spread = micro_batches * (plan.tp * plan.cp) as f64 / case.chips as f64;
        let held = all_parameters(costs, &layers);
        for plan in variants(space, plan, costs.least_kv_heads) {
            let variant = costs.variant(&plan);
            let whole = Whole::of(&variant, &layers);
            let paired = pairs.filter(|_| plan.overlap_ep).map(|schedule| {
                let variant = costs.variant(&Plan { schedule, ..plan });
                let whole = Whole::of(&variant, &layers);
                (variant, whole)
            });
            found.push(Candidate {
                table,
                plan,
                kept: variant.kept(&layers),
                held,
                variant,
                whole,
                paired,
                least_step: Seconds::new(whole.time * spread),
            });
        }
    }
    found
}

/// Parameters of the whole model on the chips that share a layer, each counted once.
fn all_parameters(costs: &LayerTable, layers: &[u32; MAX_KINDS]) -> Held {
    let ends = &costs.ends;
    let tied = if costs.tied {
        costs.tied_parameters
    } else {
        0.0
    };
    let mut held = Held {
        dense: ends.first_parameters + ends.last_parameters - tied,
        expert: ends.last_expert_parameters,
        ..Held::default()
    };
    for (layer, count) in costs.layers.iter().zip(layers) {
        held.dense += layer.dense_parameters * f64::from(*count);
        held.expert += layer.expert_parameters * f64::from(*count);
    }
    held
}

/// All choices of recomputation, overlaps and context-parallel exchange with a way to spread a
/// layer that leaves so many key-value heads on a chip.
fn variants(space: &Space, plan: &Plan, kv_heads: u64) -> Vec<Plan> {
    let mut contexts = vec![plan.context];
    if plan.cp > 1 {
        let heads = plan.cp <= kv_heads;
        contexts.clone_from(&space.contexts);
        contexts.retain(|context| heads || *context != ContextExchange::AllToAll);
    }
    let mut overlaps = vec![TensorOverlap::None];
    if plan.tp > 1 {
        overlaps.clone_from(&space.tensor_overlaps);
    }
    let mut found = Vec::new();
    for &recompute in &space.recompute {
        let hides = plan.ep > 1 && recompute != Recompute::Full;
        let experts: &[bool] = if hides {
            &space.expert_overlaps
        } else {
            &[false]
        };
        for &overlap_tp in &overlaps {
            for &overlap_ep in experts {
                for &context in &contexts {
                    found.push(Plan {
                        recompute,
                        overlap_tp,
                        overlap_ep,
                        context,
                        ..*plan
                    });
                }
            }
        }
    }
    found
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
pub(super) fn least_multiple(ep: u64, inner: u64) -> u64 {
    ep / gcd(ep, inner)
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
