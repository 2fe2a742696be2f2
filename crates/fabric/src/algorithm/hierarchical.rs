//! Inside domains, between them on all rails at once, and inside again.

use super::builder::{Builder, Part};
use super::{Algorithm, Collective};

/// Stages, which run at once for different slices.
const SCATTER: u32 = 0;
const BETWEEN: u32 = 1;
const GATHER: u32 = 2;

impl Builder<'_> {
    /// Reduce-scatter inside each domain, the collective between ranks of one place in their
    /// domains, all-gather inside; half of it for the halves of an all-reduce.
    pub(super) fn hierarchical(
        &mut self,
        collective: Collective,
        algorithm: Algorithm,
    ) -> Option<()> {
        if self.ranks.domains() < 2 || self.ranks.inside() < 2 {
            return None;
        }
        for slice in 0..self.slices {
            let part = self.slice(slice);
            self.hierarchical_slice(collective, algorithm, part)?;
        }
        Some(())
    }

    fn hierarchical_slice(
        &mut self,
        collective: Collective,
        algorithm: Algorithm,
        slice: Part,
    ) -> Option<()> {
        let mut arrived = vec![Vec::new(); self.ranks.number() as usize];
        if collective != Collective::AllGather {
            self.begin(SCATTER);
            arrived = self.inside(Collective::ReduceScatter, algorithm, slice, &arrived)?;
        }
        self.begin(BETWEEN);
        arrived = self.between(collective, algorithm, slice, &arrived);
        if collective != Collective::ReduceScatter {
            self.begin(GATHER);
            self.inside(Collective::AllGather, algorithm, slice, &arrived)?;
        }
        Some(())
    }

    /// One half of the collective in every domain.
    fn inside(
        &mut self,
        collective: Collective,
        algorithm: Algorithm,
        part: Part,
        arrived: &[Vec<u32>],
    ) -> Option<Vec<Vec<u32>>> {
        let inside = self.ranks.inside();
        let mut next = Vec::with_capacity(arrived.len());
        for domain in 0..self.ranks.domains() {
            let first = domain * inside;
            let ranks: Vec<u32> = (first..first + inside).collect();
            let ready = &arrived[first as usize..(first + inside) as usize];
            next.extend(if algorithm == Algorithm::InSwitchTree {
                self.in_switch_among((domain, &ranks), part, collective, ready)?
            } else {
                self.direct_among(&ranks, part, collective, ready)
            });
        }
        Some(next)
    }

    /// The collective on every rail, on the piece of a domain that its rank owns.
    fn between(
        &mut self,
        collective: Collective,
        algorithm: Algorithm,
        part: Part,
        arrived: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let (inside, domains) = (self.ranks.inside(), self.ranks.domains());
        let mut next = arrived.to_vec();
        for rail in 0..inside {
            let ranks: Vec<u32> = (0..domains).map(|domain| domain * inside + rail).collect();
            let ready: Vec<Vec<u32>> = ranks
                .iter()
                .map(|rank| arrived[*rank as usize].clone())
                .collect();
            let piece = part.piece(rail, inside);
            let done = if algorithm == Algorithm::HierarchicalRing {
                self.around((&ranks, (0, 1)), piece, collective, &ready)
            } else {
                self.two_trees(&ranks, piece, collective, &ready)
            };
            for (rank, done) in ranks.iter().zip(done) {
                next[*rank as usize] = done;
            }
        }
        next
    }
}
