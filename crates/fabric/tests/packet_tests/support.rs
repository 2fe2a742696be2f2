//! Networks and traffic that the tests of packets share.

use chokepoint_fabric::network::{Level, Routing, Tree};
use chokepoint_fabric::packet::{Options, PacketResult, run};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

/// 400 Gb/s.
pub const RATE: f64 = 50e9;
/// A full packet with its header, of which this much is payload.
pub const PACKET: f64 = 4160.0;
pub const PAYLOAD: f64 = 4096.0;

/// Leaves and spines: chips, chips of a leaf, spines, and the latency of the links at chips and of
/// those between switches, in seconds.
pub struct LeafSpine {
    pub chips: u32,
    pub leaf: u32,
    pub spines: u32,
    pub latency: [f64; 2],
}

impl LeafSpine {
    /// As many spines as a leaf has chips, and the same latency everywhere.
    pub fn full(chips: u32, leaf: u32, latency: f64) -> Self {
        Self {
            chips,
            leaf,
            spines: leaf,
            latency: [latency; 2],
        }
    }

    pub fn build(&self) -> Tree {
        self.with_rate(RATE)
    }

    pub fn with_rate(&self, rate: f64) -> Tree {
        let level = |at: usize, children, parents| Level {
            children,
            parents,
            rate: Bandwidth::new(rate),
            latency: Seconds::new(self.latency[at]),
        };
        let leaves = self.chips.div_ceil(self.leaf);
        let levels = vec![level(0, self.leaf, 1), level(1, leaves, self.spines)];
        Tree::new(self.chips, levels, Routing::Single).unwrap()
    }
}

/// One leaf of chips.
pub fn star(chips: u32, latency: f64) -> Tree {
    let level = Level {
        children: chips,
        parents: 1,
        rate: Bandwidth::new(RATE),
        latency: Seconds::new(latency),
    };
    Tree::new(chips, vec![level], Routing::Single).unwrap()
}

/// Transfers that all start at once: from, to and bytes.
pub fn at_once(transfers: impl IntoIterator<Item = (u32, u32, f64)>) -> Schedule {
    let mut schedule = Schedule::new(Seconds::new(0.0));
    for (from, to, size) in transfers {
        let size = Bytes::new(size);
        schedule.add(Transfer { from, to, size }, &[]);
    }
    schedule
}

/// Every chip to every other, the nearest in number first.
pub fn all_to_all(chips: u32, size: f64) -> Schedule {
    let pairs = (1..chips).flat_map(|shift| (0..chips).map(move |chip| (chip, shift)));
    at_once(pairs.map(|(chip, shift)| (chip, (chip + shift) % chips, size)))
}

/// Every chip to one other, at random; a chip that draws itself sends nothing over the network.
pub fn permutation(chips: u32, size: f64, seed: u64) -> Schedule {
    let mut to: Vec<u32> = (0..chips).collect();
    let mut state = seed;
    for last in (1..to.len()).rev() {
        // A linear congruential generator (Knuth's MMIX constants).
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        to.swap(last, (state >> 33) as usize % (last + 1));
    }
    at_once((0..chips).map(|chip| (chip, to[chip as usize], size)))
}

/// Runs a schedule, and checks what must hold for any: all bytes arrive, no link carries more than
/// its rate lets it.
pub fn checked(network: &Tree, schedule: &Schedule, options: &Options) -> PacketResult {
    let result = run(network, schedule, options).unwrap();
    let sizes = schedule.transfers().iter();
    let sizes = sizes.map(|it| Bytes::new(it.size.get().ceil()));
    assert_eq!(result.delivered, sizes.sum());
    for link in &result.links {
        assert!(link.busy <= result.makespan, "{link:?} {}", result.makespan);
    }
    result
}

pub fn microseconds(time: Seconds) -> f64 {
    time.get() * 1e6
}

/// Mean time of transfers, in microseconds.
pub fn mean(result: &PacketResult) -> f64 {
    let sum: f64 = result.finish.iter().map(|it| microseconds(*it)).sum();
    sum / result.finish.len() as f64
}
