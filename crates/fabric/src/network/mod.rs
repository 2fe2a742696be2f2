//! The wires of a network as its simulators see them: directed links, and which of them a message
//! takes.
//!
//! Link ids are arithmetic; paths are computed, never stored.

mod degraded;
mod dragonfly;
mod mesh;
mod torus;
mod tree;

use chokepoint_units::{Bandwidth, Seconds};

pub use degraded::Degraded;
pub use dragonfly::{Dragonfly, Groups};
pub use mesh::Mesh;
pub use torus::{Shape as TorusShape, Torus};
pub use tree::{Level, Tree};

/// A directed link, or a bundle of parallel links that messages are sprayed over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Bytes of a second that it carries.
    pub rate: Bandwidth,
    /// Time from one end to the other, the switch before it included.
    pub latency: Seconds,
}

/// How a message chooses among equal paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Packet by packet over all of them: parallel links are one bundle of their summed rate.
    Spray,
    /// One path for each message, by a hash (ECMP).
    Single,
}

/// A network between vertices: chips first, then switches that take part in a collective.
pub trait Network {
    /// Chips.
    fn chips(&self) -> u32;

    /// Directed links, by id.
    fn links(&self) -> &[Link];

    /// Appends the links that a message takes from one vertex to another, in order; none from a
    /// vertex to itself. `choice` is a hash that picks one of equal paths, where there is a choice.
    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>);
}
