//! Time to move data between chips, and the parts of the network that moves it.
//!
//! A group of ranks maps to tiers by placement order: ranks that are near in the order share a
//! scale-up domain. Inside a domain collectives follow measured curves where the chip has any,
//! since latency plus size over bandwidth is wrong by up to 65% in the middle sizes
//! (NCCL on NVLink and PCIe, the curves of `data/calibration`); elsewhere the closed forms of Thakur,
//! Rabenseifner and Gropp (2005) by latency and bandwidth. Across domains they are hierarchical:
//! reduce inside, exchange the shard over the scale-out network on all rails at once, gather
//! inside, in a pipeline of segments. Experts are dispatched as the kernels for throughput
//! (training, prefill) or for latency (decode) do it.
//!
//! Limits: no contention between groups, no oversubscription, no failed links, no reduction in the
//! switches of the scale-out network. `tests/measured.rs` prints the errors against published
//! measurements.

mod collective;
mod curve;
pub mod flow;
mod group;
mod moe;
pub mod network;
mod parts;
pub mod schedule;
mod spec;

pub use group::Group;
pub use moe::Dispatch;
pub use parts::{FabricParts, fat_tree};
pub use spec::{Fabric, FabricScale};
