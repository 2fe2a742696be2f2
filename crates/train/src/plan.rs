//! A training plan: how a model is spread over chips.

use std::fmt;

use chokepoint_model::Recompute;
use chokepoint_units::NumberFormat;

use crate::schedule::ScheduleError;
use crate::stage::MAX_KINDS;
use crate::{Case, Schedule};

/// How a training run is spread over chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Tensor parallelism, with sequence parallelism.
    pub tp: u64,
    /// Context parallelism.
    pub cp: u64,
    /// Expert parallelism; lies within tensor x context x data parallelism, experts are whole.
    pub ep: u64,
    /// Pipeline stages.
    pub pp: u64,
    /// Virtual stages of each pipeline rank.
    pub vp: u64,
    /// Data parallelism.
    pub dp: u64,
    /// Sequences in one micro-batch.
    pub micro_batch: u64,
    /// What is computed again in the backward pass.
    pub recompute: Recompute,
    /// Pipeline schedule.
    pub schedule: Schedule,
    /// Number format of the linear layers.
    pub format: NumberFormat,
    /// Tensor-parallel traffic runs under the matrix multiplications beside it.
    pub overlap_tp: bool,
    /// Expert traffic runs under the compute of another micro-batch.
    pub overlap_ep: bool,
}

/// Why a plan makes no sense for a case, whatever its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanError {
    /// A degree is zero.
    ZeroDegree,
    /// The model has more kinds of layers than a stage counts.
    TooManyKinds,
    /// More chips than there are.
    TooManyChips,
    /// Attention heads are not a multiple of tensor parallelism.
    Heads,
    /// Experts are not a multiple of expert parallelism, or the model has none.
    Experts,
    /// Expert parallelism does not divide tensor x context x data parallelism.
    ExpertGroup,
    /// More pipeline chunks than layers.
    TooFewLayers,
    /// The sequence is not a multiple of context x tensor parallelism, which split it.
    Sequence,
    /// Expert traffic has no other micro-batch to run under, or the whole layer is recomputed.
    Overlap,
    /// The schedule does not go with the pipeline.
    Schedule(ScheduleError),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroDegree => "every degree of parallelism must be at least 1",
            Self::TooManyKinds => "the model has more than 8 kinds of layers",
            Self::TooManyChips => "tp x cp x pp x dp exceeds the chips",
            Self::Heads => "tp does not divide the attention heads",
            Self::Experts => "ep does not divide the routed experts",
            Self::ExpertGroup => "ep does not divide tp x cp x dp",
            Self::TooFewLayers => "pp x vp exceeds the layers",
            Self::Sequence => "cp x tp does not divide the sequence",
            Self::Overlap => {
                "overlap_ep needs at least two micro-batches, and no full recomputation"
            }
            Self::Schedule(error) => return error.fmt(f),
        })
    }
}

impl Plan {
    /// One chip, one sequence at a time, nothing split, recomputed or hidden.
    #[must_use]
    pub const fn one(format: NumberFormat) -> Self {
        Self {
            tp: 1,
            cp: 1,
            ep: 1,
            pp: 1,
            vp: 1,
            dp: 1,
            micro_batch: 1,
            recompute: Recompute::None,
            schedule: Schedule::OneForwardOneBackward,
            format,
            overlap_tp: false,
            overlap_ep: false,
        }
    }

    /// Chips that the plan occupies.
    #[must_use]
    pub const fn chips(&self) -> u64 {
        self.tp
            .saturating_mul(self.cp)
            .saturating_mul(self.pp)
            .saturating_mul(self.dp)
    }

    /// Micro-batches of one step on one replica; the last may be partly empty.
    #[must_use]
    pub const fn micro_batches(&self, global_batch: u64) -> u64 {
        global_batch.div_ceil(self.dp.saturating_mul(self.micro_batch))
    }

    /// Whether the plan makes sense for a case.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, case: &Case) -> Result<(), PlanError> {
        let degrees = [
            self.tp,
            self.cp,
            self.ep,
            self.pp,
            self.vp,
            self.dp,
            self.micro_batch,
        ];
        if degrees.contains(&0) {
            return Err(PlanError::ZeroDegree);
        }
        if self.chips() > case.chips {
            return Err(PlanError::TooManyChips);
        }
        let architecture = case.architecture;
        if architecture.kinds.len() > MAX_KINDS {
            return Err(PlanError::TooManyKinds);
        }
        if !architecture
            .kinds
            .iter()
            .all(|kind| kind.attention.heads().is_multiple_of(self.tp))
        {
            return Err(PlanError::Heads);
        }
        if self.ep > 1
            && !architecture
                .experts()
                .is_some_and(|experts| experts.is_multiple_of(self.ep))
        {
            return Err(PlanError::Experts);
        }
        if !(self.tp * self.cp * self.dp).is_multiple_of(self.ep) {
            return Err(PlanError::ExpertGroup);
        }
        if self.pp * self.vp > architecture.layers.len() as u64 {
            return Err(PlanError::TooFewLayers);
        }
        if !case
            .workload
            .sequence
            .is_multiple_of(self.cp.saturating_mul(self.tp))
        {
            return Err(PlanError::Sequence);
        }
        let micro_batches = self.micro_batches(case.workload.global_batch);
        if self.overlap_ep && (micro_batches < 2 || self.recompute == Recompute::Full) {
            return Err(PlanError::Overlap);
        }
        self.schedule
            .check(self.pp, self.vp, micro_batches)
            .map_err(PlanError::Schedule)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp={} pp={}", self.tp, self.pp)?;
        if self.vp > 1 {
            write!(f, " vp={}", self.vp)?;
        }
        write!(f, " dp={}", self.dp)?;
        if self.cp > 1 {
            write!(f, " cp={}", self.cp)?;
        }
        if self.ep > 1 {
            write!(f, " ep={}", self.ep)?;
        }
        write!(f, " mbs={} {}", self.micro_batch, self.format)?;
        if self.recompute != Recompute::None {
            write!(f, " recompute={}", self.recompute.name())?;
        }
        if self.schedule != Schedule::OneForwardOneBackward {
            write!(f, " {}", self.schedule)?;
        }
        match (self.overlap_tp, self.overlap_ep) {
            (true, true) => f.write_str(" overlap=tp+ep"),
            (true, false) => f.write_str(" overlap=tp"),
            (false, true) => f.write_str(" overlap=ep"),
            (false, false) => Ok(()),
        }
    }
}
