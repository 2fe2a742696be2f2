//! Packets, one by one: the most exact of the network's models, and the slowest.
//!
//! A message is cut into packets. A packet is stored and forwarded at every link of its path: it
//! waits for those that came before it, takes its bytes over the link's rate, and arrives after the
//! link's latency. As links serve in order of arrival, a queue is one number, and a hop one event.
//!
//! - **Sender.** Messages that start at the same link take turns, packet by packet, as the queue
//!   pairs of a network card do. A message has at most a window of packets under way: by default
//!   one bandwidth-delay product of its path and of each port that it may start at. An acknowledgement comes back after a constant time,
//!   the latencies of the path and a header's time at each link; it takes no bandwidth.
//! - **Paths.** [`Balance`]: one for each message (ECMP), all in turn, or one at random for each
//!   packet. Build the network with `Routing::Single`: over bundles nothing can collide.
//! - **Buffers.** Unlimited, so lossless, or a number of bytes for each link. A packet that finds
//!   no room is trimmed to its header, as switches of Ultra Ethernet do (UEC specification 1.0,
//!   2025): the header goes on to the receiver past all queues, and the sender hears of it and
//!   sends the packet again. Headers of trimmed packets take no bandwidth; there are no timeouts.
//! - **Congestion control.** None, or DCTCP (Alizadeh et al. 2010, RFC 8257): packets that meet a
//!   queue above a threshold are marked, and the window shrinks with the share of packets that were
//!   marked or trimmed.
//!
//! Times are whole picoseconds; a packet's time on a link is rounded up. What happens at the same
//! picosecond happens in the order it was scheduled in, messages that start together by number, so
//! the same seed gives the same result.
//!
//! Limits: no pauses (priority flow control) and so no head-of-line blocking in switches, no
//! cut-through, no receiver-driven credit. A message waits at one port at a time; at random it
//! draws a few paths to find one that starts at an idle port. Where loss plays no part and paths
//! are random, the last message ends within 7% of htsim; all-to-alls of messages so small that they
//! are lost before windows react end up to 31% too early
//! (`tests/packet_tests/reference.rs`). `tests/packet_tests/fluid.rs` prints what packets add to
//! fluid traffic.

mod control;
mod engine;
mod error;
mod message;
mod order;
mod path;
mod port;
mod queue;
mod wire;

use chokepoint_units::{Bytes, Seconds};
use engine::Engine;

use crate::network::Network;
use crate::schedule::Schedule;

pub use error::PacketError;

/// Largest packet, header included.
const LARGEST: u32 = 1 << 24;

/// Which of equal paths packets take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One for each message, by a hash (ECMP).
    Message,
    /// All paths of a message in turn, from one chosen by a hash: the best that spraying can do.
    Rotate,
    /// One at random for each packet (oblivious spraying).
    Random,
}

/// How packets are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Bytes of a message in a packet.
    pub payload_bytes: u32,
    /// Bytes of a packet beside them.
    pub header_bytes: u32,
    /// Which paths packets take.
    pub balance: Balance,
    /// Seed of the hash that chooses paths.
    pub seed: u64,
    /// Bytes of a message that may be under way, headers included: at least one packet. One
    /// bandwidth-delay product where absent: the round trip of its path without queues, times the
    /// slower of its first and last link (of all links with [`Balance::Message`]), times the ports
    /// that its paths start at.
    pub window: Option<Bytes>,
    /// Bytes that may wait at a link, the packet that is leaving included; unlimited where absent.
    pub buffer: Option<Bytes>,
    /// Queue of a link, in bytes, above which packets are marked and windows shrink (DCTCP); no
    /// congestion control where absent.
    pub mark: Option<Bytes>,
}

impl Default for Options {
    /// 4,096 bytes and a header of 64, random paths, lossless, without congestion control.
    fn default() -> Self {
        Self {
            payload_bytes: 4096,
            header_bytes: 64,
            balance: Balance::Random,
            seed: 0,
            window: None,
            buffer: None,
            mark: None,
        }
    }
}

impl Options {
    /// Bytes of a full packet.
    const fn packet(&self) -> u32 {
        self.payload_bytes + self.header_bytes
    }

    /// Whether packets, window, buffer and threshold hold something.
    fn check(&self) -> Result<(), PacketError> {
        let full = self.payload_bytes.saturating_add(self.header_bytes);
        if self.payload_bytes == 0 || full > LARGEST {
            return Err(PacketError::Packet);
        }
        let holds = |bytes: Option<Bytes>| bytes.is_none_or(|it| it.get() >= f64::from(full));
        if !holds(self.window) {
            return Err(PacketError::Window);
        }
        if !holds(self.buffer) {
            return Err(PacketError::Buffer);
        }
        if self
            .mark
            .is_some_and(|it| it.get() < 0.0 || it.get().is_nan())
        {
            return Err(PacketError::Mark);
        }
        Ok(())
    }
}

/// What a link carried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carried {
    /// Bytes, headers included.
    pub bytes: Bytes,
    /// Time it took.
    pub busy: Seconds,
    /// Bytes of the longest queue, the packet that is leaving included. The first link of a
    /// message holds at most what other links brought it: senders wait their turn.
    pub longest_queue: Bytes,
}

/// What packets did.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketResult {
    /// When the last packet of each transfer had arrived.
    pub finish: Vec<Seconds>,
    /// When all had.
    pub makespan: Seconds,
    /// Payload that arrived.
    pub delivered: Bytes,
    /// Packets that arrived.
    pub packets: u64,
    /// Links that packets crossed, those of packets trimmed later included.
    pub hops: u64,
    /// Packets that were trimmed, and sent again.
    pub trims: u64,
    /// Packets that arrived with a mark.
    pub marks: u64,
    /// Events that were simulated.
    pub events: u64,
    /// By link.
    pub links: Vec<Carried>,
}

impl PacketResult {
    /// The link that was busy longest; of equals the first.
    #[must_use]
    pub fn busiest(&self) -> Option<u32> {
        let mut best: Option<(usize, Seconds)> = None;
        for (number, link) in self.links.iter().enumerate() {
            if best.is_none_or(|(_, busy)| link.busy > busy) {
                best = Some((number, link.busy));
            }
        }
        best.map(|(number, _)| number as u32)
    }
}

/// Sends all transfers of a schedule as packets.
///
/// A transfer starts when those that it waits for have arrived and the schedule's start has
/// passed. One of no bytes is a packet of only a header; one from a vertex to itself arrives when
/// it starts.
///
/// # Errors
///
/// Where packets, window or buffer hold nothing, or a link's rate, a latency or a transfer's size
/// is none.
pub fn run<Net: Network + ?Sized>(
    network: &Net,
    schedule: &Schedule,
    options: &Options,
) -> Result<PacketResult, PacketError> {
    options.check()?;
    run_over::<Net, 4>(network, schedule, options)
        .or_else(|error| error.longer(|| run_over::<Net, 8>(network, schedule, options)))
        .or_else(|error| error.longer(|| run_over::<Net, 32>(network, schedule, options)))
        .or_else(|error| error.longer(|| run_over::<Net, 128>(network, schedule, options)))
}

/// Runs with paths of at most `N` links: they travel with the packets, so shorter is faster.
fn run_over<Net: Network + ?Sized, const N: usize>(
    network: &Net,
    schedule: &Schedule,
    options: &Options,
) -> Result<PacketResult, PacketError> {
    Engine::<Net, N>::new(network, schedule, options)?.run()
}
