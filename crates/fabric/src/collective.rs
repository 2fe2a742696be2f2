//! Collectives over a group of ranks.
//!
//! Sizes follow nccl-tests: all-reduce and reduce-scatter take the bytes each rank contributes,
//! all-gather the bytes each rank ends with, all-to-all the bytes each rank sends in all
//! (its own share included).

use chokepoint_catalog::CollectiveKind;
use chokepoint_units::{Bytes, Seconds};

use crate::curve::{bus_factor, closed_form, nearest};
use crate::{Fabric, Group};

impl Fabric {
    /// Every rank ends with the sum.
    #[must_use]
    pub fn all_reduce(&self, group: Group, size: Bytes) -> Seconds {
        self.collective(CollectiveKind::AllReduce, group, size)
    }

    /// Every rank ends with all parts, `size` bytes.
    #[must_use]
    pub fn all_gather(&self, group: Group, size: Bytes) -> Seconds {
        self.collective(CollectiveKind::AllGather, group, size)
    }

    /// Every rank contributes `size` bytes and ends with its part of the sum.
    #[must_use]
    pub fn reduce_scatter(&self, group: Group, size: Bytes) -> Seconds {
        self.collective(CollectiveKind::ReduceScatter, group, size)
    }

    /// Every rank sends `size` bytes in all, an equal part to each rank.
    #[must_use]
    pub fn all_to_all(&self, group: Group, size: Bytes) -> Seconds {
        self.collective(CollectiveKind::AllToAll, group, size)
    }

    /// One step of a chain or ring of ranks: each sends to its neighbour at once, and the slowest
    /// hop sets the pace. A chain that fits in a domain runs at the domain's links; a longer one
    /// has hops that cross the scale-out network.
    ///
    /// Limits: point to point reaches the share of the links that collectives of chips without
    /// curves reach; hops inside and across do not slow each other.
    #[must_use]
    pub fn send(&self, chain: Group, size: Bytes) -> Seconds {
        if chain.size <= 1 {
            return Seconds::ZERO;
        }
        let inside = self.domain_latency + size / self.inside_bandwidth(2);
        let (_, domains) = chain.split(self.domain);
        if domains <= 1 {
            inside
        } else {
            inside.max(self.across(size))
        }
    }

    /// One message across the scale-out network: latency + size / bandwidth.
    #[must_use]
    pub fn across(&self, size: Bytes) -> Seconds {
        self.out_latency + size / self.out_bandwidth
    }

    /// Relative half-width (80%) of the time of communication among a group: inside a domain the
    /// spread of the curves over NCCL versions and their interpolation (two-line fits miss by 3 to
    /// 10%), across domains that of formulas not measured on the system itself.
    #[must_use]
    pub fn spread(&self, group: Group) -> f64 {
        let (_, domains) = group.split(self.domain);
        if domains <= 1 { 0.12 } else { 0.30 }
    }

    /// One domain: its curve or closed form. Several: a stage inside the domains and one between
    /// them on the shard of each rank, all rails at once (hierarchical, as NCCL's `NVLSTree`, ring
    /// and `CollNet` move data: each link carries the same bytes). All-to-all has no stages; its
    /// local and remote parts run side by side.
    fn collective(&self, kind: CollectiveKind, group: Group, size: Bytes) -> Seconds {
        if group.size <= 1 || size <= Bytes::ZERO {
            return Seconds::ZERO;
        }
        let (inside, domains) = group.split(self.domain);
        if domains <= 1 {
            return self.inside(kind, size, inside);
        }
        let shard = size / inside as f64;
        match kind {
            CollectiveKind::AllReduce => {
                let whole = self.inside(kind, size, inside);
                let halves = self.inside(CollectiveKind::ReduceScatter, size, inside)
                    + self.inside(CollectiveKind::AllGather, size, inside);
                self.staged(whole.min(halves), self.outside(kind, shard, domains))
            }
            CollectiveKind::AllGather | CollectiveKind::ReduceScatter => self.staged(
                self.inside(kind, size, inside),
                self.outside(kind, shard, domains),
            ),
            CollectiveKind::AllToAll => {
                let local = size / domains as f64;
                let remote = size - local;
                let crossing = self.out_latency + remote / self.out_bandwidth;
                crossing.max(self.inside(kind, local, inside))
            }
        }
    }

    /// Two stages in a pipeline of segments: with p segments the longer stage runs through and
    /// the shorter adds one segment and p handovers, long + short/p + p h; the best p = sqrt(short
    /// / h) gives long + 2 sqrt(short h). Small messages go through whole: long + short. (Segmented
    /// pipelines: Rabenseifner 2004; van de Geijn et al.)
    fn staged(&self, inside: Seconds, outside: Seconds) -> Seconds {
        let (long, short) = (inside.max(outside), inside.min(outside));
        let rest = Seconds::new(2.0 * libm::sqrt(short.get() * self.handover.get()));
        long + short.min(rest)
    }

    /// Inside one domain.
    pub(crate) fn inside(&self, kind: CollectiveKind, size: Bytes, ranks: u64) -> Seconds {
        if ranks <= 1 {
            return Seconds::ZERO;
        }
        match nearest(&self.curves, kind, ranks) {
            Some(curve) => curve.seconds(size, ranks, self.link),
            None => closed_form(
                kind,
                size,
                ranks,
                self.inside_bandwidth(ranks),
                self.domain_latency,
            ),
        }
    }

    /// Between domains, one rank of each, over the scale-out network: bandwidth of a ring, latency
    /// of a double tree (NCCL chooses by size; the faster bound of both is taken).
    fn outside(&self, kind: CollectiveKind, size: Bytes, ranks: u64) -> Seconds {
        let levels = libm::ceil(libm::log2(ranks as f64));
        let rounds = if kind == CollectiveKind::AllReduce {
            2.0 * levels
        } else {
            levels
        };
        self.out_latency * rounds + size * bus_factor(kind, ranks) / self.out_bandwidth
    }
}
