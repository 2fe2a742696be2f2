//! When every operation of a step runs.

use chokepoint_units::{Bytes, Seconds};
use serde::Serialize;

use crate::Schedule;

/// What an operation computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// The forward.
    Forward,
    /// Gradients of inputs, which the chunk before waits for.
    InputGradient,
    /// Gradients of weights, which nothing waits for but the optimizer.
    WeightGradient,
    /// Both gradients in one.
    Backward,
}

/// One operation of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Operation {
    /// What it computes.
    pub kind: OperationKind,
    /// Whether it is half of a pair: a forward and the backward after it, each under the other's
    /// communication.
    pub paired: bool,
    /// The rank.
    pub rank: u32,
    /// The chunk of the model.
    pub chunk: u32,
    /// The micro-batch.
    pub micro_batch: u32,
    /// When it starts.
    pub start: Seconds,
    /// When it ends.
    pub end: Seconds,
}

impl Operation {
    /// An operation that has no time yet.
    pub(super) const fn planned(
        kind: OperationKind,
        rank: u32,
        chunk: u32,
        micro_batch: u32,
        paired: bool,
    ) -> Self {
        Self {
            kind,
            paired,
            rank,
            chunk,
            micro_batch,
            start: Seconds::ZERO,
            end: Seconds::ZERO,
        }
    }
}

/// One rank of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct RankTimes {
    /// Start of its first operation.
    pub start: Seconds,
    /// End of its last operation.
    pub end: Seconds,
    /// Time in which it computes.
    pub busy: Seconds,
    /// Most activations that it keeps at one time.
    pub peak: Bytes,
}

/// When every operation of a step runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// The schedule.
    pub schedule: Schedule,
    /// Each rank's times.
    pub ranks: Vec<RankTimes>,
    /// All operations, rank by rank, in order of time on each.
    pub operations: Vec<Operation>,
    /// Where the operations of each rank end.
    #[serde(skip)]
    pub(super) ends: Vec<usize>,
}

impl Timeline {
    /// Without ranks.
    pub(super) const fn empty(schedule: Schedule) -> Self {
        Self {
            schedule,
            ranks: Vec::new(),
            operations: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Notes when the first operation of each rank starts.
    pub(super) fn note_starts(&mut self) {
        let mut from = 0;
        for (rank, end) in self.ranks.iter_mut().zip(&self.ends) {
            if let Some(first) = self.operations.get(from) {
                rank.start = first.start;
            }
            from = *end;
        }
    }

    /// Operations of a rank in order of time; none of a rank that there is not.
    #[must_use]
    pub fn rank(&self, rank: usize) -> &[Operation] {
        let from = rank
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied());
        let to = self.ends.get(rank).copied();
        from.zip(to)
            .and_then(|(from, to)| self.operations.get(from..to))
            .unwrap_or_default()
    }

    /// End of the last operation; the first starts at 0.
    #[must_use]
    pub fn makespan(&self) -> Seconds {
        let ends = self.ranks.iter().map(|rank| rank.end);
        ends.fold(Seconds::ZERO, Seconds::max)
    }

    /// Time that the step takes a rank.
    ///
    /// Where all ranks wait for each other before the optimizer: the makespan. ZB-H2 and ZB-V
    /// validate the optimizer afterwards, so that each rank begins its next step at its own end
    /// (Qi et al. 2024, section 4): the longest time from a rank's own first to its own last
    /// operation.
    #[must_use]
    pub fn step(&self) -> Seconds {
        if !self.schedule.validates_afterwards() {
            return self.makespan();
        }
        let spans = self.ranks.iter().map(|rank| rank.end - rank.start);
        spans.fold(Seconds::ZERO, Seconds::max)
    }

    /// Time of the step in which a rank does not compute.
    #[must_use]
    pub fn idle(&self, rank: &RankTimes) -> Seconds {
        self.step() - rank.busy
    }

    /// Share of all ranks' time in which they do not compute; none of a step that takes no time.
    #[must_use]
    pub fn idle_share(&self) -> Option<f64> {
        let busy: Seconds = self.ranks.iter().map(|rank| rank.busy).sum();
        let all = self.step() * self.ranks.len() as f64;
        (all > Seconds::ZERO).then(|| 1.0 - busy / all)
    }
}
