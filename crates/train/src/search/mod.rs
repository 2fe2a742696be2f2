//! The fastest plan that fits, by exhaustive search with exact pruning.
//!
//! Data parallelism follows from the rest: for each number of micro-batches the fewest replicas
//! that reach it, and for the fewest micro-batches also as many replicas as there are chips for
//! (more shards of the state, where memory is short) and as many as fill whole scale-up domains
//! (collectives without a part-filled one). Counts between these differ by some millionths of a
//! step and are not tried.

mod bounds;
mod candidate;
mod finder;

use crate::memory::MemoryTable;
use crate::{Case, Plan, Prediction, Space};
use candidate::{Candidate, candidates, tables};
use finder::Finder;

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

/// Searches what mainstream frameworks run ([`Space::of`]), as [`search_or_offload`] does.
#[must_use]
pub fn search(case: &Case, kept: usize) -> SearchResult {
    search_or_offload(case, &Space::of(case), kept)
}

/// Searches a space and keeps the fastest of `kept` different layouts; with the host's memory
/// ([`Space::with_offload`]) where nothing fits without.
#[must_use]
pub fn search_or_offload(case: &Case, space: &Space, kept: usize) -> SearchResult {
    let found = search_in(case, space, kept);
    if !found.plans.is_empty() || case.chip.host.is_none() {
        return found;
    }
    let offloading = search_in(case, &space.clone().with_offload(), kept);
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
    let all = candidates(case, space, &tables);
    let mut candidates: Vec<&Candidate> = all.iter().collect();
    candidates.sort_by(|a, b| a.least_step.get().total_cmp(&b.least_step.get()));
    let mut finder = Finder::new(case, space, kept);
    // Powers of two find good plans early, which rule out most of the rest.
    let (even, odd): (Vec<u64>, Vec<u64>) = space
        .pipeline
        .iter()
        .partition(|depth| depth.is_power_of_two());
    for depths in [even, odd] {
        for (visited, candidate) in candidates.iter().enumerate() {
            if candidate.least_step >= finder.worst_kept() {
                finder.prune_rest(&candidates[visited..], &depths);
                break;
            }
            finder.pipelines(candidate, &tables[candidate.table].1, &depths);
        }
    }
    finder.into_result()
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
