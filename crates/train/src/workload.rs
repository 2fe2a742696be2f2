//! What is trained, and on what.

use chokepoint_chip::{ChipSpec, KernelClass};
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_units::{NumberFormat, Ops, Seconds};

/// Precision of the optimizer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimizer {
    /// FP32 master weights and two FP32 moments: 12 bytes a parameter (Megatron-LM
    /// `dist_optimizer.md`).
    AdamFp32,
    /// FP32 master weights and two BF16 moments: 8 bytes a parameter (DeepSeek-V3 section 3.3.3).
    AdamBf16Moments,
    /// Two BF16 moments and no master weights, as an optimizer keeps that steps 16-bit weights: 4
    /// bytes a parameter.
    AdamBf16,
    /// FP32 master weights and one FP32 momentum: 8 bytes a parameter (Muon, Jordan et al. 2024).
    Muon,
}

impl Optimizer {
    /// Name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdamFp32 => "adam-fp32",
            Self::AdamBf16Moments => "adam-bf16-moments",
            Self::AdamBf16 => "adam-bf16",
            Self::Muon => "muon",
        }
    }

    /// Bytes of state for each parameter.
    #[must_use]
    pub const fn bytes_per_parameter(self) -> f64 {
        match self {
            Self::AdamFp32 => 12.0,
            Self::AdamBf16Moments | Self::Muon => 8.0,
            Self::AdamBf16 => 4.0,
        }
    }
}

/// Which weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trained {
    /// All of them.
    #[default]
    All,
    /// Low-rank adapters beside the frozen attention projections (Hu et al. 2021): no gradient of
    /// a frozen weight is computed, kept or exchanged.
    Adapters {
        /// Rank of an adapter.
        rank: u64,
    },
}

/// How elements of a narrow format are scaled, which fixes what casting to it moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scaling {
    /// One factor a tensor from the largest values of earlier steps: one pass.
    Delayed,
    /// One factor a tensor from its own largest value: a pass to find it, a pass to cast.
    #[default]
    Current,
    /// A factor for each block, found and used in one pass (DeepSeek-V3 section 3.3.2: 1 x 128;
    /// OCP MX: 32; NVFP4: 16).
    Block,
}

impl Scaling {
    /// Name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Current => "current",
            Self::Block => "block",
        }
    }

    /// Bytes moved to cast one 16-bit element to a narrow format beyond the one pass that the
    /// chip's product in that format holds: with current scaling a pass to find the largest value.
    /// A second copy, column-wise for the weight gradient, is written too, but norms and activation
    /// functions cast on their way and save the read. Derived from the kernels of Transformer
    /// Engine.
    #[must_use]
    pub const fn cast_bytes(self) -> f64 {
        match self {
            Self::Delayed | Self::Block => 0.0,
            Self::Current => 2.0,
        }
    }
}

/// Shares of a chip's sustained rate by class of kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelRates {
    /// Plain matrix multiplication.
    pub gemm: f64,
    /// Grouped matrix multiplication.
    pub grouped: f64,
    /// Attention.
    pub attention: f64,
    /// Elementwise work.
    pub elementwise: f64,
}

impl KernelRates {
    /// What the chip's calibration states.
    pub const CALIBRATED: Self = Self {
        gemm: 1.0,
        grouped: 1.0,
        attention: 1.0,
        elementwise: 1.0,
    };

    /// Of a class of kernels.
    #[must_use]
    pub const fn of(&self, class: KernelClass) -> f64 {
        match class {
            KernelClass::Gemm => self.gemm,
            KernelClass::GroupedGemm => self.grouped,
            KernelClass::Prefill | KernelClass::Decode => self.attention,
            KernelClass::Stream => self.elementwise,
        }
    }
}

/// What the training software does, whatever the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Software {
    /// Attention is one fused kernel; otherwise its scores pass through memory.
    pub fused_attention: bool,
    /// Host time to start the kernels of one operator; zero when whole steps are replayed as
    /// graphs.
    pub launch: Seconds,
    /// What kernels of this release reach of the chip's sustained rate.
    pub rates: KernelRates,
    /// Relative half-width (80%) of them.
    pub rate_spread: f64,
    /// Host time of a layer and micro-batch, forward and backward, that nothing hides because the
    /// host waits for the chip in every layer.
    pub layer_wait: Seconds,
    /// Host time to start the kernels of one routed expert on a chip, forward and backward.
    pub expert_launch: Seconds,
}

impl Software {
    /// Fused attention, launches hidden, the rate that the chip's calibration states.
    pub const CURRENT: Self = Self {
        fused_attention: true,
        launch: Seconds::ZERO,
        rates: KernelRates::CALIBRATED,
        rate_spread: 0.0,
        layer_wait: Seconds::ZERO,
        expert_launch: Seconds::ZERO,
    };
}

/// A training workload.
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
    /// Format in which gradients are accumulated and exchanged: FP32 (Megatron-LM default) or a
    /// 16-bit one.
    pub gradients: NumberFormat,
    /// Scaling of narrow formats.
    pub scaling: Scaling,
    /// Which weights are trained.
    pub trained: Trained,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    pub imbalance: f64,
}

impl Workload {
    /// Pre-training with FP32 gradients and Adam, balanced experts.
    #[must_use]
    pub const fn pretraining(
        sequence: u64,
        global_batch: u64,
        tokens: f64,
        formats: Vec<NumberFormat>,
    ) -> Self {
        Self {
            sequence,
            global_batch,
            tokens,
            formats,
            optimizer: Optimizer::AdamFp32,
            gradients: NumberFormat::Fp32,
            scaling: Scaling::Current,
            trained: Trained::All,
            imbalance: 1.0,
        }
    }

    /// Bytes of a gradient.
    pub(crate) const fn gradient_bytes(&self) -> f64 {
        self.gradients.stored_bytes()
    }

    /// Parameters that are trained: all of the model, multi-token prediction included, or those of
    /// the adapters.
    #[must_use]
    pub fn trained_parameters(&self, architecture: &Architecture) -> f64 {
        match self.trained {
            Trained::All => architecture.parameters() as f64,
            Trained::Adapters { rank } => architecture.adapter_parameters(rank) as f64,
        }
    }

    /// Model FLOPs of training on one token, without recomputation; of frozen weights no gradients
    /// are counted.
    #[must_use]
    pub fn flops_per_token(&self, architecture: &Architecture) -> Ops {
        match self.trained {
            Trained::All => architecture.training_flops_per_token(self.sequence, true),
            Trained::Adapters { .. } => {
                architecture.adapter_training_flops_per_token(self.sequence, true)
            }
        }
    }

    /// Whether the weights of the model are trained, rather than adapters beside them.
    pub(crate) const fn trains_weights(&self) -> bool {
        matches!(self.trained, Trained::All)
    }
}

/// A workload on a number of chips of a system.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The model.
    pub architecture: &'a Architecture,
    /// The workload.
    pub workload: &'a Workload,
    /// The training software.
    pub software: &'a Software,
    /// The chip.
    pub chip: &'a ChipSpec,
    /// The network.
    pub fabric: &'a Fabric,
    /// Chips that may be used.
    pub chips: u64,
}
