//! Which layers each pipeline stage holds.

use crate::Placement;

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

/// Halvings of the range in which the time of the slowest balanced stage lies: to a millionth.
const HALVINGS: u32 = 20;

/// Spreads layers, in order, over `pp` stages so that the slowest is as fast as can be, to a
/// millionth, the embedding's time counted on the first and the head's on the last.
///
/// The least time of the slowest stage is found by bisection: a time can be kept when filling the
/// stages one after the other, each as far as the time allows, places all layers (the linear
/// partition problem, for which filling greedily is optimal). Every stage holds at least one
/// layer.
pub(crate) fn balanced_stages(
    layers: &[usize],
    pp: u64,
    cost: impl Fn(usize) -> f64,
    embedding: f64,
    head: f64,
    into: &mut Vec<Stage>,
) {
    let costs = |layer: usize| layers.get(layer).map_or(0.0, |kind| cost(*kind));
    let all = layers.len();
    let work = Layers {
        costs: &costs,
        all,
        embedding,
        head,
    };
    let longest = (0..all).map(costs).fold(0.0, f64::max);
    let whole = (0..all).map(costs).sum::<f64>() + embedding + head;
    // Any stage as full as the mean and one layer more is enough.
    let (mut low, mut high) = (
        whole / pp as f64,
        whole / pp as f64 + longest + embedding + head,
    );
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if work.fill(pp as usize, middle, |_, _| ()) {
            high = middle;
        } else {
            low = middle;
        }
    }
    into.clear();
    into.resize(pp as usize, Stage::default());
    work.fill(pp as usize, high, |stage, layer| {
        if let Some(count) = into[stage].counts.get_mut(layers[layer]) {
            *count += 1;
        }
    });
    if let Some(first) = into.first_mut() {
        first.first = true;
    }
    if let Some(last) = into.last_mut() {
        last.last = true;
    }
}

/// Layers to be dealt out.
struct Layers<'a> {
    costs: &'a dyn Fn(usize) -> f64,
    all: usize,
    embedding: f64,
    head: f64,
}

impl Layers<'_> {
    /// Places layers on stages, none of which takes longer than a time; whether they all fit.
    fn fill(&self, pp: usize, longest: f64, mut place: impl FnMut(usize, usize)) -> bool {
        let mut next = 0;
        for stage in 0..pp {
            let after = pp - 1 - stage;
            let mut time = if stage == 0 { self.embedding } else { 0.0 };
            if after == 0 {
                time += self.head;
            }
            let start = next;
            while next + after < self.all {
                let cost = (self.costs)(next);
                let full = time + cost > longest && after > 0;
                if full && next > start {
                    break;
                }
                time += cost;
                place(stage, next);
                next += 1;
            }
            if time > longest || next == start {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::stages;
    use crate::Placement;

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
            let total: u32 = spread.iter().map(super::Stage::layers).sum();
            assert_eq!(total as usize, layers);
            let dense: u32 = spread.iter().map(|stage| stage.counts[0]).sum();
            assert_eq!(dense as usize, layers.min(3));
            let largest = spread
                .iter()
                .map(super::Stage::layers)
                .max()
                .unwrap_or_default();
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
