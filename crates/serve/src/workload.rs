//! What is served, and on what.

use chokepoint_chip::{ChipSpec, Precision};
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_units::{NumberFormat, Seconds};

use crate::Software;

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
    /// Share of a prompt that is in the cache already, from earlier requests with the same prefix.
    pub prefix_hit: f64,
    /// Drafting of tokens that the model then checks together.
    pub speculation: Option<Speculation>,
}

/// Speculative decoding, or multi-token prediction: each iteration checks some drafted tokens and
/// keeps those up to the first wrong one, and one more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// Tokens drafted in one iteration, each by a multi-token-prediction module of the model or, where
    /// it has none, by one more layer with a head (EAGLE).
    pub drafted: u64,
    /// Of them kept in the mean.
    pub accepted: f64,
}

impl Workload {
    /// Tokens of a prompt that are computed.
    #[must_use]
    pub fn computed_input(&self) -> f64 {
        self.input as f64 * (1.0 - self.prefix_hit)
    }

    /// Tokens that an iteration computes for each sequence that decodes.
    #[must_use]
    pub fn checked(&self) -> f64 {
        1.0 + self.speculation.map_or(0.0, |it| it.drafted as f64)
    }

    /// Tokens that an iteration yields for each sequence, at most those of an answer after its first.
    #[must_use]
    pub fn yielded(&self) -> f64 {
        let yielded = 1.0 + self.speculation.map_or(0.0, |it| it.accepted);
        yielded.min(self.output.saturating_sub(1).max(1) as f64)
    }
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
    /// The engine.
    pub software: &'a Software,
    /// Chips that may be used.
    pub chips: u64,
}

impl Case<'_> {
    /// Number formats of a plan: the first wanted one in which the chip is faster than in 16 bits.
    #[must_use]
    pub fn precision(&self) -> Precision {
        let linear = self.chip.best_format(&self.workload.formats);
        Precision::uniform(linear, self.workload.cache_format)
    }
}
