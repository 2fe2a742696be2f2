//! What a timeline is made of.

use std::fmt;

use chokepoint_units::{Bytes, Seconds};

use crate::{Schedule, ScheduleError};

/// Most operations of a timeline, half a gigabyte of them; a pipeline of fewer than 2p micro-batches
/// counts as one of 2p, because filling it takes as long.
const MOST_OPERATIONS: u64 = 1 << 24;

/// One chunk of the model for one micro-batch on its rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chunk {
    /// Time of the forward.
    pub forward: Seconds,
    /// Time of the gradients of inputs.
    pub input_gradient: Seconds,
    /// Time of the gradients of weights.
    pub weight_gradient: Seconds,
    /// Kept from the start of the forward to the end of the weight gradients.
    pub activations: Bytes,
}

/// What a timeline is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pipeline<'a> {
    /// Pipeline schedule.
    pub schedule: Schedule,
    /// Ranks.
    pub pp: u64,
    /// Chunks of the model on each rank; 1 in `DualPipe`, whose mirror image is no other chunk.
    pub vp: u64,
    /// Micro-batches of the step.
    pub micro_batches: u64,
    /// The chunks, pp x vp, in the order of the model.
    pub chunks: &'a [Chunk],
    /// Time that a result takes to the next chunk on another rank.
    pub transfer: Seconds,
}

/// Why there is no timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineError {
    /// A degree is zero.
    ZeroDegree,
    /// The schedule does not go with the pipeline.
    Schedule(ScheduleError),
    /// There are not pp x vp chunks.
    Chunks,
    /// A time or an amount is negative or not a number.
    Times,
    /// More operations than a timeline holds.
    TooLarge,
    /// The order waits for itself.
    Circular,
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroDegree => "pp, vp and micro-batches must be at least 1",
            Self::Schedule(error) => return error.fmt(f),
            Self::Chunks => "a pipeline has pp x vp chunks",
            Self::Times => "times and activations must be finite and not negative",
            Self::TooLarge => {
                "3 pp x vp x micro-batches (at least 2 pp of them) exceeds 16777216 operations"
            }
            Self::Circular => "the order of the schedule waits for itself",
        })
    }
}

impl std::error::Error for PipelineError {}

impl Pipeline<'_> {
    /// Whether there is a timeline.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), PipelineError> {
        let (pp, vp, micro_batches) = (self.pp, self.vp, self.micro_batches);
        if [pp, vp, micro_batches].contains(&0) {
            return Err(PipelineError::ZeroDegree);
        }
        if pp.checked_mul(vp) != Some(self.chunks.len() as u64) {
            return Err(PipelineError::Chunks);
        }
        let rounds = micro_batches.max(pp.saturating_mul(2));
        let chunks = self.chunks.len() as u64;
        if chunks.saturating_mul(rounds).saturating_mul(3) > MOST_OPERATIONS {
            return Err(PipelineError::TooLarge);
        }
        self.schedule
            .check(pp, vp, micro_batches)
            .map_err(PipelineError::Schedule)?;
        let fits = |value: f64| value.is_finite() && value >= 0.0;
        let all = self.chunks.iter().all(|chunk| {
            fits(chunk.forward.get())
                && fits(chunk.input_gradient.get())
                && fits(chunk.weight_gradient.get())
                && fits(chunk.activations.get())
        });
        if all && fits(self.transfer.get()) {
            Ok(())
        } else {
            Err(PipelineError::Times)
        }
    }
}
