//! Time to move data between chips, and the parts of the network that moves it.
//!
//! A group of ranks maps to tiers by placement order: ranks that are near in the order share a
//! scale-up domain. Inside a domain collectives follow measured curves where the chip has any,
//! since latency plus size over bandwidth is wrong by up to 65% in the middle sizes
//! (NCCL on NVLink and PCIe, the curves of `data/calibration`), carried to other rank counts by hops
//! and bytes; elsewhere the closed forms of Thakur, Rabenseifner and Gropp (2005) by latency and
//! bandwidth. Across domains they are hierarchical: reduce inside, exchange the shard over the
//! scale-out network, gather inside, in a pipeline of segments, by rings or trees. Experts are
//! dispatched as the kernels for throughput (training, prefill) or for latency (decode) do it.
//!
//! `chokepoint validate --network` prints the errors against published measurements: 5% in the
//! median in one node without the curves of the same rank count, 7% across domains.
//!
//! The formulas and curves ([`Fabric`]) are what training and serving use. [`network`],
//! [`topology`], [`algorithm`], [`flow`] and [`packet`] look closer: links of a system, transfers of
//! an algorithm, and what they do to each other.
//!
//! Limits of the formulas: no contention between groups, no oversubscription, no failed links; no
//! reduction in the switches of the scale-out network; all-to-all keeps to its rails (writes from 8 ports into one
//! reach 20 of 44 GB/s over EFA, coll-1887); kernels of UCCL and MORI, which take 20 to 80% longer
//! than their links, are not modelled apart.

pub mod algorithm;
mod carry;
mod collective;
mod curve;
pub mod flow;
pub mod goal;
mod group;
mod moe;
pub mod network;
mod own;
pub mod packet;
pub mod schedule;
mod spec;
pub mod topology;

pub use curve::bus_factor;
pub use group::Group;
pub use moe::Dispatch;
pub use spec::{Fabric, FabricScale};
pub use topology::{FabricParts, fat_tree, scale_out_parts};
