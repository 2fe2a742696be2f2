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
