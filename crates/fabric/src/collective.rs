//! Collectives over a group of ranks.
//!
//! Sizes follow nccl-tests: all-reduce and reduce-scatter take the bytes each rank contributes,
//! all-gather the bytes each rank ends with, all-to-all the bytes each rank sends in all
//! (its own share included).

use chokepoint_catalog::CollectiveKind;
use chokepoint_units::{Bytes, Seconds};

use crate::carry::passes;
use crate::curve::{bus_factor, closed_form};
use crate::{Fabric, Group};

/// Rate of NCCL's trees between nodes over that of its rings: 24 GB/s a channel on Blackwell beyond
/// two nodes, where a ring fills a port of 50 GB/s less headers (`tuning.cc`: tree Simple 20 to 36,
/// times 0.92).
const TREE_RATE: f64 = 0.44;

/// Message at which half of the second latency of a message is due: flags travel with the data up to
/// some ten KiB (NCCL's LL protocol); larger ones first ask for room. All-reduce of two nodes over
/// EFA takes 69 us up to 1 KiB and 123 to 135 us from 64 KiB to 1 MiB, two latencies of 26.8 us more
/// (coll-1955 to 1960).
const FLAGGED: Bytes = Bytes::new(32.0 * 1024.0);

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

    /// An all-reduce by the kernel of a serving engine, where it was measured on the chip: each rank
    /// reads the whole message of every other in one step (`OneShot` of the calibration). The
    /// engine falls back on the library where that is faster, as `TensorRT-LLM` does above some MiB;
    /// across domains it always does.
    #[must_use]
    pub fn all_reduce_one_shot(&self, group: Group, size: Bytes) -> Seconds {
        let library = self.all_reduce(group, size);
        let (inside, domains) = group.split(self.domain);
        match self.one_shot {
            Some(kernel) if domains <= 1 && inside > 1 && size > Bytes::ZERO => {
                let peers = (inside - 1) as f64;
                let read = size * peers / (self.domain_bandwidth * kernel.share);
                library.min(kernel.launch + kernel.peer * (peers - 1.0) + read)
            }
            _ => library,
        }
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

    /// Relative half-width (80%) of the time of communication among a group: on a rank count that
    /// was measured the spread of the curves over NCCL versions and their interpolation (two-line
    /// fits miss by 3 to 10%), on another that of carrying them, across domains and in closed form
    /// that of formulas not measured on the system itself (`chokepoint validate --network`).
    #[must_use]
    pub fn spread(&self, group: Group) -> f64 {
        let (inside, domains) = group.split(self.domain);
        if self.own.has_shape((inside, domains)) {
            0.12
        } else if domains > 1 || !self.has_curves() {
            0.30
        } else if self.curves.has_ranks(inside) {
            0.12
        } else {
            0.18
        }
    }

    /// One domain: its curve or closed form. Several: a stage inside the domains and one between
    /// them. All-to-all has no stages; its local and remote parts run side by side.
    pub(crate) fn collective(&self, kind: CollectiveKind, group: Group, size: Bytes) -> Seconds {
        if group.size <= 1 || size <= Bytes::ZERO {
            return Seconds::ZERO;
        }
        let (inside, domains) = group.split(self.domain);
        if domains <= 1 {
            return self.inside(kind, size, inside);
        }
        let within = match kind {
            CollectiveKind::AllReduce => {
                let halves = self.inside(CollectiveKind::ReduceScatter, size, inside)
                    + self.inside(CollectiveKind::AllGather, size, inside);
                self.inside(kind, size, inside).min(halves)
            }
            CollectiveKind::AllGather | CollectiveKind::ReduceScatter => {
                self.inside(kind, size, inside)
            }
            CollectiveKind::AllToAll => {
                let local = size / domains as f64;
                let remote = size - local;
                let crossing = self.out_latency + remote / self.out_bandwidth;
                let whole = crossing.max(self.inside(kind, local, inside));
                return whole * self.own.correction(kind, (inside, domains), size);
            }
        };
        self.over_domains(kind, size, within, (inside, domains))
            * self.own.correction(kind, (inside, domains), size)
    }

    /// A collective over several domains: a stage inside the domains, given, and one between them on
    /// the shard of each rank, on all rails at once (each link carries the same bytes), by trees for
    /// small messages and by rings for large ones.
    ///
    /// A ring passes all ranks, so that its first segment comes round after p (n - 1) hops in p
    /// passes: of an all-reduce over 20 racks of GB200 38 of the network and 2,840 of the links, 3.8
    /// of the 4.6 to 5.4 ms by which measured times exceed size over bandwidth there (coll-1937 to
    /// 1942).
    fn over_domains(
        &self,
        kind: CollectiveKind,
        size: Bytes,
        within: Seconds,
        (inside, domains): (u64, u64),
    ) -> Seconds {
        let passes = passes(kind);
        let wires = size * bus_factor(kind, domains) / self.out_bandwidth / self.rails(inside);
        let levels = passes * libm::ceil(libm::log2(domains as f64));
        // One rank of each domain: NCCL's PAT has the rate of a ring at the latency of a tree.
        let rate = if inside > 1 || kind == CollectiveKind::AllReduce {
            TREE_RATE
        } else {
            1.0
        };
        let tree = self.staged(within, self.crossings(levels, size) + wires / rate);
        let hops = passes * ((inside - 1) * domains) as f64;
        let round = self.crossings(passes * (domains - 1) as f64, size)
            + self.curves.hop() * (self.link.latency * hops);
        tree.min(self.staged(within, wires) + round)
    }

    /// Ranks of a domain whose ports one collective uses.
    fn rails(&self, inside: u64) -> f64 {
        (inside as f64).min(self.rails)
    }

    /// Time of some messages across the scale-out network one after the other, without their bytes:
    /// a latency each, and a second one for those that ask for room ([`FLAGGED`]).
    fn crossings(&self, count: f64, size: Bytes) -> Seconds {
        self.out_latency * (count * (1.0 + size / (size + FLAGGED)))
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
        self.own
            .time(kind, size, ranks)
            .or_else(|| self.curves.time(kind, size, ranks, self.link))
            .unwrap_or_else(|| {
                closed_form(
                    kind,
                    size,
                    ranks,
                    self.inside_bandwidth(ranks),
                    self.domain_latency,
                )
            })
    }
}
