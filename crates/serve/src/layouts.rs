//! Every way to spread one instance, in powers of two.

use crate::{Case, Layout};

/// Largest tensor parallelism of an instance.
const MOST_TENSOR: u64 = 64;
/// Largest expert parallelism of an instance (published deployments reach 320).
const MOST_EXPERT: u64 = 512;
/// Most pipeline stages of an instance.
const MOST_STAGES: u64 = 16;

/// All layouts of a case: tensor parallelism that divides the heads; for a mixture attention data
/// parallelism with whole experts spread over all chips, or every expert split over the
/// tensor-parallel chips; and pipeline stages of these.
#[must_use]
pub fn layouts(case: &Case) -> Vec<Layout> {
    let heads = case
        .architecture
        .kinds
        .iter()
        .map(|kind| kind.attention.heads());
    let widest = heads.min().unwrap_or(1).min(MOST_TENSOR).min(case.chips);
    let mut found = Vec::new();
    for tp in powers_of_two(widest).filter(|tp| divides_heads(case, *tp)) {
        found.extend(stages_of(case, Layout::tensor(tp)));
        let Some(experts) = case.architecture.experts() else {
            continue;
        };
        let spread = powers_of_two(MOST_EXPERT.min(case.chips) / tp)
            .map(|dp| Layout::expert(tp, dp))
            .filter(|layout| layout.ep > 1 && layout.ep <= experts)
            .filter(|layout| experts.is_multiple_of(layout.ep));
        found.extend(spread.flat_map(|layout| stages_of(case, layout)));
    }
    found
}

/// A layout with every number of stages.
fn stages_of(case: &Case, layout: Layout) -> impl Iterator<Item = Layout> {
    let most = (case.chips / layout.chips())
        .min(MOST_STAGES)
        .min(case.architecture.layers.len() as u64);
    powers_of_two(most).map(move |pp| Layout { pp, ..layout })
}

fn divides_heads(case: &Case, tp: u64) -> bool {
    case.architecture
        .kinds
        .iter()
        .all(|kind| kind.attention.heads().is_multiple_of(tp))
}

/// 1, 2, 4 and so on up to a limit.
pub(crate) fn powers_of_two(limit: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |n| n.checked_mul(2)).take_while(move |n| *n <= limit)
}
