//! What is served, and on what.

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_units::{NumberFormat, Seconds};

/// Requests of one length under latency targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Tokens of a prompt.
    pub input: u64,
    /// Tokens of an answer.
    pub output: u64,
    /// Longest mean time to the first token.
    pub ttft: Seconds,
    /// Longest mean time for each later token.
    pub tpot: Seconds,
    /// Number formats allowed for weights and linear layers, most wanted first.
    pub formats: Vec<NumberFormat>,
    /// Number format of the key-value cache.
    pub cache_format: NumberFormat,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    pub imbalance: f64,
}

/// A workload on a number of chips of a system.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The model.
    pub architecture: &'a Architecture,
    /// The workload.
    pub workload: &'a Workload,
    /// The chip.
    pub chip: &'a ChipSpec,
    /// The network.
    pub fabric: &'a Fabric,
    /// Chips that may be used.
    pub chips: u64,
}
