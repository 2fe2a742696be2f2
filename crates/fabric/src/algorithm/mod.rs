//! Algorithms of collectives, each as an explicit schedule of transfers.
//!
//! The message of S bytes is cut in units; a transfer carries some of them, summed into what the
//! receiver has or copied over it. Sizes follow nccl-tests, as in [`Fabric`](crate::Fabric):
//! all-reduce, reduce-scatter and broadcast take what each rank contributes, all-gather what each
//! ends with, all-to-all what each sends in all, its own share included.
//!
//! Limits: summing takes no time beyond the start of what follows; broadcasts go over trees of all
//! ranks, which use one card of a domain for most of what crosses.

mod builder;
mod direct;
mod exchange;
mod hierarchical;
mod pairwise;
mod ranks;
mod ring;
mod tree;

use chokepoint_units::{Bytes, Seconds};

use crate::schedule::Schedule;
use builder::Builder;
pub use exchange::{Dispatching, dispatch, uneven_all_to_all};
pub use ranks::Ranks;

/// What ranks do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Collective {
    /// Every rank ends with the sum.
    AllReduce,
    /// Every rank ends with its part of the sum.
    ReduceScatter,
    /// Every rank ends with all parts.
    AllGather,
    /// Every rank sends another part to every rank.
    AllToAll,
    /// The first rank's message ends on every rank.
    Broadcast,
    /// Every rank sends to the next, the last to the first.
    SendReceive,
}

/// How they do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Around rings, one for each rail (Patarasuk and Yuan 2009).
    Ring,
    /// Up and down a binary tree, in slices.
    Tree,
    /// Two binary trees, inner ranks of one being leaves of the other, each with half of the
    /// message (Sanders, Speck and Träff 2009).
    DoubleTree,
    /// Halves exchanged between partners ever nearer, and back (Thakur, Rabenseifner and Gropp
    /// 2005).
    RecursiveHalving,
    /// Every rank to every other at once.
    Direct,
    /// Summed and copied in the switches of a domain (NVLS).
    InSwitch,
    /// Inside domains, then rail by rail around rings between them, then inside again.
    HierarchicalRing,
    /// The same with two trees on each rail.
    HierarchicalTree,
    /// Inside domains in the switches, between them two trees on each rail (`NVLSTree`).
    InSwitchTree,
    /// Over a peer that sits on the receiver's rail (PXN).
    RailAligned,
}

impl Collective {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AllReduce,
        Self::ReduceScatter,
        Self::AllGather,
        Self::AllToAll,
        Self::Broadcast,
        Self::SendReceive,
    ];

    /// Its name in options and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllReduce => "all-reduce",
            Self::ReduceScatter => "reduce-scatter",
            Self::AllGather => "all-gather",
            Self::AllToAll => "all-to-all",
            Self::Broadcast => "broadcast",
            Self::SendReceive => "send-receive",
        }
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ring,
        Self::Tree,
        Self::DoubleTree,
        Self::RecursiveHalving,
        Self::Direct,
        Self::InSwitch,
        Self::HierarchicalRing,
        Self::HierarchicalTree,
        Self::InSwitchTree,
        Self::RailAligned,
    ];

    /// Its name in options and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Tree => "tree",
            Self::DoubleTree => "double-tree",
            Self::RecursiveHalving => "recursive-halving",
            Self::Direct => "direct",
            Self::InSwitch => "in-switch",
            Self::HierarchicalRing => "hierarchical-ring",
            Self::HierarchicalTree => "hierarchical-tree",
            Self::InSwitchTree => "in-switch-tree",
            Self::RailAligned => "rail-aligned",
        }
    }
}

/// The transfers of a collective of `size` bytes in so many slices; none where the algorithm does
/// not do the collective on such ranks.
#[must_use]
pub fn schedule(
    (collective, algorithm): (Collective, Algorithm),
    ranks: &Ranks,
    size: Bytes,
    slices: u32,
    start: Seconds,
) -> Option<Schedule> {
    build((collective, algorithm), ranks, size, slices.max(1), start).map(Builder::into_schedule)
}

fn build(
    (collective, algorithm): (Collective, Algorithm),
    ranks: &Ranks,
    size: Bytes,
    slices: u32,
    start: Seconds,
) -> Option<Builder<'_>> {
    use Algorithm as A;
    use Collective as C;
    let mut builder = Builder::new(ranks, size, slices, start)?;
    let done = match (collective, algorithm) {
        (C::AllReduce | C::ReduceScatter | C::AllGather, A::Ring) => builder.ring(collective),
        (C::AllReduce | C::Broadcast, A::Tree) => builder.trees(collective, false),
        (C::AllReduce | C::Broadcast, A::DoubleTree) => builder.trees(collective, true),
        (C::AllReduce | C::ReduceScatter | C::AllGather, A::RecursiveHalving) => {
            builder.recursive(collective)
        }
        (C::AllReduce | C::ReduceScatter | C::AllGather, A::Direct) => builder.direct(collective),
        (C::AllReduce | C::ReduceScatter | C::AllGather | C::Broadcast, A::InSwitch) => {
            builder.in_switch(collective)
        }
        (C::AllReduce | C::ReduceScatter | C::AllGather, A::HierarchicalRing) => {
            builder.hierarchical(collective, algorithm)
        }
        (C::AllReduce, A::HierarchicalTree | A::InSwitchTree) => {
            builder.hierarchical(collective, algorithm)
        }
        (C::AllToAll, A::Direct) => builder.all_to_all(),
        (C::AllToAll, A::RailAligned) => builder.rail_aligned(),
        (C::SendReceive, A::Direct) => builder.send_receive(),
        _ => None,
    };
    done.map(|()| builder)
}

#[cfg(test)]
mod tests;
