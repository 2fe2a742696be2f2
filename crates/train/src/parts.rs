//! The parts of a training step.

use chokepoint_units::PartName;

/// Seconds by part of a step.
pub type Parts = chokepoint_units::Parts<Part>;

/// Parts of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Part {
    /// Plain matrix multiplications, forward and backward.
    Gemm,
    /// Expert matrix multiplications.
    ExpertGemm,
    /// Attention.
    Attention,
    /// Elementwise work bound by memory.
    Elementwise,
    /// Forward work done again in the backward pass.
    Recompute,
    /// Exposed tensor- and sequence-parallel communication.
    TensorParallel,
    /// Exposed context-parallel communication.
    ContextParallel,
    /// Exposed expert dispatch and combine.
    ExpertParallel,
    /// Exposed pipeline transfers.
    PipelineTransfer,
    /// Idle pipeline stages: fill, drain and uneven stages.
    PipelineBubble,
    /// Exposed gradient reduction and parameter gathering.
    DataParallel,
    /// Exposed traffic with the host's memory.
    Offload,
    /// The chip waits for the host to start kernels.
    HostGap,
    /// Optimizer step.
    Optimizer,
}

/// Parts in which the chip computes, as against waiting and communicating.
pub(crate) const COMPUTE: [Part; 5] = [
    Part::Gemm,
    Part::ExpertGemm,
    Part::Attention,
    Part::Elementwise,
    Part::Recompute,
];

impl PartName for Part {
    const ALL: &'static [Self] = &[
        Self::Gemm,
        Self::ExpertGemm,
        Self::Attention,
        Self::Elementwise,
        Self::Recompute,
        Self::TensorParallel,
        Self::ContextParallel,
        Self::ExpertParallel,
        Self::PipelineTransfer,
        Self::PipelineBubble,
        Self::DataParallel,
        Self::Offload,
        Self::HostGap,
        Self::Optimizer,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn key(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::ExpertGemm => "expert_gemm",
            Self::Attention => "attention",
            Self::Elementwise => "elementwise",
            Self::Recompute => "recompute",
            Self::TensorParallel => "tensor_parallel",
            Self::ContextParallel => "context_parallel",
            Self::ExpertParallel => "expert_parallel",
            Self::PipelineTransfer => "pipeline_transfer",
            Self::PipelineBubble => "pipeline_bubble",
            Self::DataParallel => "data_parallel",
            Self::Offload => "offload",
            Self::HostGap => "host_gap",
            Self::Optimizer => "optimizer",
        }
    }
}
