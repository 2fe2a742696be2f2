//! Exchange between partners: recursive halving and doubling.

use super::Collective;
use super::builder::{Builder, Then};

impl Builder<'_> {
    /// Halving scatters: partners n/2, n/4 .. 1 apart exchange the half that the other keeps.
    /// Doubling gathers the same way back. A number of ranks that is no power of two is done for
    /// all-reduce alone: those beyond one hand their message to a partner before, and get the
    /// result behind (Thakur, Rabenseifner and Gropp 2005, section 4.5).
    pub(super) fn recursive(&mut self, collective: Collective) -> Option<()> {
        let ranks = self.ranks.number();
        let core = 1 << ranks.ilog2();
        if ranks < 2 || core < ranks && collective != Collective::AllReduce {
            return None;
        }
        for slice in 0..self.slices {
            self.recursive_slice(collective, slice, core);
        }
        Some(())
    }

    fn recursive_slice(&mut self, collective: Collective, slice: u32, core: u32) {
        let (ranks, part) = (self.ranks.number(), self.slice(slice));
        let mut arrived = vec![Vec::new(); core as usize];
        for beyond in core..ranks {
            let sent = self.pass((beyond, beyond - core), part, Then::Sum, &[]);
            arrived[(beyond - core) as usize].push(sent);
        }
        // Parts of the ranks of a block are pieces of the whole; those of a core are halves.
        let block = |rank: u32, size: u32| part.pieces(rank / size * size, size, core);
        let mut apart = core / 2;
        while apart > 0 && collective != Collective::AllGather {
            arrived = self.exchange(core, apart, &arrived, |rank| {
                (block(rank ^ apart, apart), Then::Sum)
            });
            apart /= 2;
        }
        apart = 1;
        while apart < core && collective != Collective::ReduceScatter {
            arrived = self.exchange(core, apart, &arrived, |rank| {
                (block(rank, apart), Then::Copy)
            });
            apart *= 2;
        }
        for beyond in core..ranks {
            let after = arrived[(beyond - core) as usize].clone();
            self.pass((beyond - core, beyond), part, Then::Copy, &after);
        }
    }

    /// Every rank sends something to the partner so far apart.
    fn exchange(
        &mut self,
        core: u32,
        apart: u32,
        arrived: &[Vec<u32>],
        what: impl Fn(u32) -> (super::builder::Part, Then),
    ) -> Vec<Vec<u32>> {
        let mut next = arrived.to_vec();
        for rank in 0..core {
            let (part, then) = what(rank);
            let after = &arrived[rank as usize];
            let sent = self.pass((rank, rank ^ apart), part, then, after);
            next[(rank ^ apart) as usize].push(sent);
        }
        next
    }
}
