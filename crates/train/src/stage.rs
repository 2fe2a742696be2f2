//! Which layers each pipeline stage holds.

use crate::{Placement, Plan};

/// Layers of each kind on one stage; a model has at most this many kinds of layers.
pub(crate) const MAX_KINDS: usize = 8;

/// Layers of one pipeline stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stage {
    /// Layers of each kind.
    pub counts: [u32; MAX_KINDS],
    /// Holds the embedding.
    pub first: bool,
    /// Holds the vocabulary head.
    pub last: bool,
}

impl Stage {
    /// All layers of the stage.
    pub(crate) fn layers(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// Spreads layers, in order, over `pp x vp` chunks; a placement says on which stage each lies.
///
/// Where the layers do not divide, the chunks from the second on hold one more, so that the first
/// (with the embedding) and the last (with the vocabulary head) stay light. A `tail` of layers
/// after the last (multi-token prediction) counts as layers of the last chunk.
pub(crate) fn stages(
    layers: &[usize],
    tail: u64,
    pp: u64,
    vp: u64,
    placement: Placement,
) -> Vec<Stage> {
    let chunks = (pp * vp) as usize;
    let all = layers.len() + tail as usize;
    let (base, extra) = (all / chunks, all % chunks);
    let mut stages = vec![Stage::default(); pp as usize];
    let mut next = 0;
    for chunk in 0..chunks {
        let longer = (1..=extra).contains(&chunk) && chunks > 1;
        let size = base + usize::from(longer);
        let stage = &mut stages[placement.rank(chunk, pp as usize)];
        stage.first |= chunk == 0;
        stage.last |= chunk + 1 == chunks;
        for &kind in layers.iter().skip(next).take(size) {
            if let Some(count) = stage.counts.get_mut(kind) {
                *count += 1;
            }
        }
        next += size;
    }
    stages
}

/// Whether chunks are equal but for a first, or a first and last, that are a layer lighter, when so
/// many layers, those of multi-token prediction included, are dealt to them.
#[must_use]
pub const fn even_chunks(layers: u64, chunks: u64) -> bool {
    let longer = layers % chunks;
    longer == 0 || longer + 2 >= chunks
}

/// The fewest and the most layers that [`stages`] deals to a rank, those of a tail included.
///
/// Of the longer chunks from the second on, ceil(extra / pp) lie on the second rank where they go
/// round, and both of the last rank where they go there and back.
pub(crate) fn layers_of_ranks(layers: u64, tail: u64, plan: &Plan) -> (u64, u64) {
    let chunks = plan.pp * plan.vp;
    let (base, extra) = ((layers + tail) / chunks, (layers + tail) % chunks);
    let longer = match plan.schedule.placement() {
        Placement::Cyclic => extra.div_ceil(plan.pp),
        Placement::Vee if extra >= plan.pp => 2,
        Placement::Vee => extra.min(1),
    };
    (base * plan.vp, base * plan.vp + longer)
}

/// What rounding may take off a time.
const ROUNDING: f64 = 1e-9;

/// Neighbouring layers of one kind: (kind, how many); the kind is below `MAX_KINDS`.
pub(crate) type Run = (usize, u32);

/// The runs of a model that has at most `MAX_KINDS` kinds of layers.
pub(crate) fn runs(layers: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &kind in layers {
        match runs.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ if kind < MAX_KINDS => runs.push((kind, 1)),
            _ => {}
        }
    }
    runs
}

/// Times of the layers that are dealt out, and of what lies before and behind them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// Of a layer by kind, and one over it.
    pub layers: [f64; MAX_KINDS],
    pub inverse: [f64; MAX_KINDS],
    /// Of the embedding, on the first stage.
    pub embedding: f64,
    /// Of the vocabulary head, on the last.
    pub head: f64,
}

/// Spreads layers, in order, over `pp` stages so that the slowest is as fast as can be.
///
/// The linear partition problem: whether a time can be kept is seen by filling the stages one after
/// the other, each as far as the time allows. Where it cannot, no longer time changes anything
/// before the first at which one of the stages would take a further layer: that is tried next,
/// from the mean on (Nicol 1994). Every stage holds at least one layer.
///
/// Limits: memory is not looked at; where the balance does not fit, another that is hardly slower
/// may.
pub(crate) fn balanced_stages(runs: &[Run], pp: u64, costs: &Costs, into: &mut Vec<Stage>) {
    let mut whole = costs.embedding + costs.head;
    for (kind, count) in runs {
        whole += costs.layers[*kind] * f64::from(*count);
    }
    // Layers that take no time fit any.
    let mut longest = if whole > 0.0 { whole / pp as f64 } else { 1.0 };
    while let Err(next) = fill(runs, pp, costs, longest, |_, _, _, _| ()) {
        longest = next.max(longest) * (1.0 + ROUNDING);
    }
    into.clear();
    into.resize(pp as usize, Stage::default());
    let placed = fill(runs, pp, costs, longest, |stage, alike, kind, layers| {
        for stage in into.iter_mut().skip(stage).take(alike) {
            stage.counts[kind] += layers;
        }
    });
    debug_assert!(placed.is_ok(), "the time was kept before");
    if let Some(first) = into.first_mut() {
        first.first = true;
    }
    if let Some(last) = into.last_mut() {
        last.last = true;
    }
}

/// Places layers on stages, none of which takes longer than a time; where they do not all fit, the
/// least longer time that changes something. `place` takes the first stage, how many stages like it
/// follow, the kind and how many layers of it each gets.
fn fill(
    runs: &[Run],
    pp: u64,
    costs: &Costs,
    longest: f64,
    mut place: impl FnMut(usize, usize, usize, u32),
) -> Result<(), f64> {
    let stages = pp as u32;
    let mut left: u32 = runs.iter().map(|(_, count)| count).sum();
    let (mut run, mut used, mut stage) = (0, 0, 0);
    let mut next = f64::INFINITY;
    while stage < stages {
        let after = stages - 1 - stage;
        let mut time = if stage == 0 { costs.embedding } else { 0.0 };
        if after == 0 {
            time += costs.head;
        }
        let before = left;
        let mut alike = 1;
        while run < runs.len() && left > after {
            let (kind, count) = runs[run];
            let room = (longest - time) * costs.inverse[kind];
            let most = (count - used).min(left - after);
            let mut take = most.min(room.max(0.0) as u32);
            if take == 0 && left == before {
                take = 1;
            }
            if take == 0 {
                next = next.min(time + costs.layers[kind]);
                break;
            }
            if stage > 0 && after > 0 && left == before && take < most {
                // Stages that take the same and leave some of the run, while enough layers are left
                // for those behind.
                alike = ((count - used - 1) / take).min(after);
                if take > 1 {
                    alike = alike.min(left.saturating_sub(stages - stage) / (take - 1));
                }
                alike = alike.max(1);
            }
            time += costs.layers[kind] * f64::from(take);
            place(stage as usize, alike as usize, kind, take);
            used += take * alike;
            left -= take * alike;
            if used == count {
                run += 1;
                used = 0;
            }
            if take < most {
                next = next.min(time + costs.layers[kind]);
                break;
            }
        }
        // What rounding takes off is no reason to refuse.
        if time > longest * (1.0 + ROUNDING) {
            return Err(next.min(time));
        }
        stage += alike;
    }
    if left == 0 { Ok(()) } else { Err(next) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Costs, MAX_KINDS, Stage, balanced_stages, runs, stages};
    use crate::Placement;

    fn slowest(stages: &[Stage], costs: &Costs) -> f64 {
        let time = |stage: &Stage| -> f64 {
            let layers = stage.counts.iter().zip(&costs.layers);
            let layers: f64 = layers.map(|(count, cost)| f64::from(*count) * cost).sum();
            let first = if stage.first { costs.embedding } else { 0.0 };
            let last = if stage.last { costs.head } else { 0.0 };
            layers + first + last
        };
        stages.iter().map(time).fold(0.0, f64::max)
    }

    /// Least time of the slowest stage by dynamic programming over all cuts.
    fn least(layers: &[usize], pp: usize, costs: &Costs) -> f64 {
        let all = layers.len();
        let cost = |from: usize, to: usize| -> f64 {
            layers[from..to]
                .iter()
                .map(|kind| costs.layers[*kind])
                .sum()
        };
        let mut best = vec![f64::INFINITY; all + 1];
        for (to, best) in best.iter_mut().enumerate().skip(1) {
            let head = if pp == 1 { costs.head } else { 0.0 };
            *best = costs.embedding + cost(0, to) + head;
        }
        for stage in 1..pp {
            let head = if stage + 1 == pp { costs.head } else { 0.0 };
            for to in (0..=all).rev() {
                best[to] = (stage..to)
                    .map(|from| best[from].max(cost(from, to) + head))
                    .fold(f64::INFINITY, f64::min);
            }
        }
        best[all]
    }

    proptest! {
        /// As fast as the best of all cuts, whatever the order of the kinds of layers.
        #[test]
        fn balanced_stages_are_as_fast_as_any(
            layers in proptest::collection::vec((0..3_usize, 1..20_usize), 1..6),
            pp in 1..16_u64,
            times in proptest::array::uniform3(0.5..4.0),
            (embedding, head) in (0.0..3.0, 0.0..6.0),
        ) {
            let layers: Vec<usize> = layers
                .iter()
                .flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count))
                .collect();
            prop_assume!(layers.len() as u64 >= pp);
            let mut costs = Costs {
                layers: [1.0; MAX_KINDS],
                inverse: [1.0; MAX_KINDS],
                embedding,
                head,
            };
            for (kind, time) in times.into_iter().enumerate() {
                (costs.layers[kind], costs.inverse[kind]) = (time, 1.0 / time);
            }
            let mut found = Vec::new();
            balanced_stages(&runs(&layers), pp, &costs, &mut found);
            prop_assert!(found.iter().all(|stage| stage.layers() > 0));
            let placed: u32 = found.iter().map(Stage::layers).sum();
            prop_assert_eq!(placed as usize, layers.len());
            let slack = slowest(&found, &costs) / least(&layers, pp as usize, &costs) - 1.0;
            prop_assert!((-1e-9..=1e-6).contains(&slack), "{slack}");
        }
    }

    #[test]
    fn every_layer_lies_on_one_stage() {
        for (layers, pp, vp) in [
            (61, 16, 1),
            (126, 16, 7),
            (96, 8, 12),
            (5, 1, 1),
            (61, 61, 1),
            (80, 6, 2),
        ] {
            let kinds: Vec<usize> = (0..layers).map(|layer| usize::from(layer >= 3)).collect();
            let spread = stages(&kinds, 0, pp, vp, Placement::Cyclic);
            let total: u32 = spread.iter().map(Stage::layers).sum();
            assert_eq!(total as usize, layers);
            let dense: u32 = spread.iter().map(|stage| stage.counts[0]).sum();
            assert_eq!(dense as usize, layers.min(3));
            let largest = spread.iter().map(Stage::layers).max().unwrap_or_default();
            let least = layers.div_ceil((pp * vp) as usize) * vp as usize;
            assert!(largest as usize <= least, "{layers} {pp} {vp}");
        }
    }

    #[test]
    fn a_vee_has_both_ends_on_its_first_rank() {
        let kinds = [0, 0, 0, 1, 1, 1];
        let spread = stages(&kinds, 0, 3, 2, Placement::Vee);
        for stage in &spread {
            assert_eq!(stage.counts[..2], [1, 1]);
        }
        let ends: Vec<_> = spread
            .iter()
            .map(|stage| (stage.first, stage.last))
            .collect();
        assert_eq!(ends, [(true, true), (false, false), (false, false)]);
    }
}
