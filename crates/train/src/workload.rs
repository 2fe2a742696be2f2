//! What is trained, and on what.

use chokepoint_chip::ChipSpec;
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_units::NumberFormat;

/// Precision of the optimizer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimizer {
    /// FP32 master weights and two FP32 moments: 12 bytes a parameter (Megatron-LM
    /// `dist_optimizer.md`).
    AdamFp32,
    /// FP32 master weights and two BF16 moments: 8 bytes a parameter (DeepSeek-V3 section 3.3.3).
    AdamBf16Moments,
}

impl Optimizer {
    /// Bytes of state for each parameter.
    #[must_use]
    pub const fn bytes_per_parameter(self) -> f64 {
        match self {
            Self::AdamFp32 => 12.0,
            Self::AdamBf16Moments => 8.0,
        }
    }
}

/// A pre-training workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Tokens of one sequence.
    pub sequence: u64,
    /// Sequences in one optimizer step.
    pub global_batch: u64,
    /// Tokens of the whole run.
    pub tokens: f64,
    /// Number formats allowed for the linear layers, most wanted first.
    pub formats: Vec<NumberFormat>,
    /// Precision of the optimizer's state.
    pub optimizer: Optimizer,
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
