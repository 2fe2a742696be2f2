//! Time split into named parts that sum to the whole.

use std::ops::{Add, AddAssign, Mul};

use chokepoint_units::Seconds;

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
    /// Optimizer step.
    Optimizer,
}

impl Part {
    /// All parts, in the order of printing.
    pub const ALL: [Self; 12] = [
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
        Self::Optimizer,
    ];

    /// Key in output.
    #[must_use]
    pub const fn key(self) -> &'static str {
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
            Self::Optimizer => "optimizer",
        }
    }
}

/// Seconds by part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts([f64; Part::ALL.len()]);

impl Parts {
    /// Seconds of a part.
    #[must_use]
    pub const fn get(&self, part: Part) -> Seconds {
        Seconds::new(self.0[part as usize])
    }

    /// Adds to a part.
    pub fn put(&mut self, part: Part, time: Seconds) {
        self.0[part as usize] += time.get();
    }

    /// Sets a part.
    pub fn set(&mut self, part: Part, time: Seconds) {
        self.0[part as usize] = time.get();
    }

    /// Sum of all parts.
    #[must_use]
    pub fn total(&self) -> Seconds {
        Seconds::new(self.0.iter().sum())
    }

    /// Time in which the chip computes, as against waiting and communicating.
    #[must_use]
    pub fn compute(&self) -> Seconds {
        let parts = [
            Part::Gemm,
            Part::ExpertGemm,
            Part::Attention,
            Part::Elementwise,
            Part::Recompute,
        ];
        parts.into_iter().map(|part| self.get(part)).sum()
    }

    /// All parts with their seconds.
    pub fn iter(&self) -> impl Iterator<Item = (Part, Seconds)> + '_ {
        Part::ALL.into_iter().map(|part| (part, self.get(part)))
    }
}

impl Add for Parts {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Parts {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl Mul<f64> for Parts {
    type Output = Self;
    fn mul(mut self, factor: f64) -> Self {
        for mine in &mut self.0 {
            *mine *= factor;
        }
        self
    }
}
