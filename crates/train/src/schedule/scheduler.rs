//! The exact scheduler.
//!
//! Each rank runs its operations in its schedule's order, one at a time, each as soon as what it
//! needs is there: the forward of the chunk before, or the backward of the chunk behind, and the
//! transfer of its result where the two lie on different ranks. That is the longest path through
//! the step, exact for any times, equal or not. A pair of `DualPipe` is one block: its halves run
//! one after the other, it starts when both can, and both results leave at its end; only so do its
//! published idle counts come out.
//!
//! Limits: transfers take no time of the ranks and do not contend with each other; the optimizer,
//! and the all-reduces around it, come after.

use chokepoint_units::{Bytes, Seconds};

use super::order::order;
use super::pipeline::{Chunk, Pipeline, PipelineError};
use super::timeline::{Operation, OperationKind, RankTimes, Timeline};

/// Makes timelines; its buffers are used again for the next.
#[derive(Debug, Default)]
pub struct Scheduler {
    timeline: Option<Timeline>,
    split: Vec<usize>,
    cursors: Vec<Cursor>,
    /// When the result of a chunk's forward, and of its backward, is there for its neighbour, by
    /// micro-batch and chunk; unknown before it has run.
    forwards: Vec<f64>,
    backwards: Vec<f64>,
    /// Time from each chunk to the next.
    hops: Vec<f64>,
}

/// How far a rank is.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    next: usize,
    end: usize,
    now: f64,
    kept: f64,
}

/// A result that is not there yet.
const PENDING: f64 = f64::INFINITY;

impl Scheduler {
    /// A scheduler without a timeline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The timeline of a pipeline.
    ///
    /// # Errors
    /// Why there is none.
    pub fn run(&mut self, pipeline: &Pipeline) -> Result<&Timeline, PipelineError> {
        pipeline.check()?;
        let kept = self.timeline.take();
        let mut timeline = kept.unwrap_or_else(|| Timeline::empty(pipeline.schedule));
        self.prepare(pipeline, &mut timeline);
        let mut left = timeline.operations.len();
        while left > 0 {
            let before = left;
            for (cursor, times) in self.cursors.iter_mut().zip(&mut timeline.ranks) {
                let mut walk = Walk {
                    chunks: pipeline.chunks,
                    forwards: &mut self.forwards,
                    backwards: &mut self.backwards,
                    hops: &self.hops,
                };
                left -= walk.advance(cursor, times, &mut timeline.operations);
            }
            if left == before {
                return Err(PipelineError::Circular);
            }
        }
        timeline.note_starts();
        Ok(self.timeline.insert(timeline))
    }

    /// The orders of all ranks, and nothing run.
    fn prepare(&mut self, pipeline: &Pipeline, timeline: &mut Timeline) {
        let (pp, chunks) = (pipeline.pp as usize, pipeline.chunks.len());
        let results = chunks * pipeline.micro_batches as usize;
        timeline.schedule = pipeline.schedule;
        timeline.operations.clear();
        timeline.operations.reserve(3 * results);
        timeline.ends.clear();
        timeline.ranks.clear();
        self.cursors.clear();
        for rank in 0..pp {
            let next = timeline.operations.len();
            order(
                pipeline,
                rank as u32,
                &mut self.split,
                &mut timeline.operations,
            );
            let end = timeline.operations.len();
            timeline.ends.push(end);
            timeline.ranks.push(RankTimes::default());
            self.cursors.push(Cursor {
                next,
                end,
                now: 0.0,
                kept: 0.0,
            });
        }
        for results_of in [&mut self.forwards, &mut self.backwards] {
            results_of.clear();
            results_of.resize(results, PENDING);
        }
        let placement = pipeline.schedule.placement();
        self.hops.clear();
        self.hops.extend((0..chunks).map(|chunk| {
            let next = chunk + 1;
            let stays = next == chunks || placement.rank(chunk, pp) == placement.rank(next, pp);
            if stays { 0.0 } else { pipeline.transfer.get() }
        }));
    }
}

/// A walk over the operations of a rank as far as what they need is there.
struct Walk<'a> {
    chunks: &'a [Chunk],
    forwards: &'a mut [f64],
    backwards: &'a mut [f64],
    hops: &'a [f64],
}

impl Walk<'_> {
    /// Runs what can run; how many operations that was.
    fn advance(
        &mut self,
        cursor: &mut Cursor,
        times: &mut RankTimes,
        operations: &mut [Operation],
    ) -> usize {
        let from = cursor.next;
        while cursor.next < cursor.end {
            let [first, rest @ ..] = &mut operations[cursor.next..cursor.end] else {
                break;
            };
            let mut start = self.ready(first);
            // A pair starts when both halves can, and both its results leave at its end.
            let second = match rest {
                [second, ..] if first.paired => Some(second),
                _ => None,
            };
            if let Some(second) = &second {
                start = start.max(self.ready(second));
            }
            if start == PENDING {
                break;
            }
            start = start.max(cursor.now);
            self.time(first, start, cursor, times);
            cursor.next += 1;
            if let Some(second) = second {
                self.time(second, cursor.now, cursor, times);
                self.leave(second, cursor.now);
                cursor.next += 1;
            }
            self.leave(first, cursor.now);
        }
        times.end = Seconds::new(cursor.now);
        cursor.next - from
    }

    fn index(&self, chunk: usize, operation: &Operation) -> usize {
        operation.micro_batch as usize * self.chunks.len() + chunk
    }

    /// When what an operation needs from other chunks is there.
    fn ready(&self, operation: &Operation) -> f64 {
        let chunk = operation.chunk as usize;
        match operation.kind {
            OperationKind::Forward if chunk == 0 => 0.0,
            OperationKind::Forward => self.forwards[self.index(chunk - 1, operation)],
            OperationKind::WeightGradient => 0.0,
            OperationKind::InputGradient | OperationKind::Backward
                if chunk + 1 == self.chunks.len() =>
            {
                self.forwards[self.index(chunk, operation)]
            }
            OperationKind::InputGradient | OperationKind::Backward => {
                self.backwards[self.index(chunk + 1, operation)]
            }
        }
    }

    /// Gives an operation its time, and the rank what it does to it.
    fn time(
        &self,
        operation: &mut Operation,
        start: f64,
        cursor: &mut Cursor,
        times: &mut RankTimes,
    ) {
        let chunk = &self.chunks[operation.chunk as usize];
        let takes = match operation.kind {
            OperationKind::Forward => chunk.forward,
            OperationKind::InputGradient => chunk.input_gradient,
            OperationKind::WeightGradient => chunk.weight_gradient,
            OperationKind::Backward => chunk.input_gradient + chunk.weight_gradient,
        };
        cursor.now = start + takes.get();
        operation.start = Seconds::new(start);
        operation.end = Seconds::new(cursor.now);
        times.busy += takes;
        match operation.kind {
            OperationKind::Forward => {
                cursor.kept += chunk.activations.get();
                times.peak = times.peak.max(Bytes::new(cursor.kept));
            }
            OperationKind::InputGradient => {}
            OperationKind::WeightGradient | OperationKind::Backward => {
                cursor.kept -= chunk.activations.get();
            }
        }
    }

    /// Sends the result of an operation to the neighbour that waits for it.
    fn leave(&mut self, operation: &Operation, now: f64) {
        let chunk = operation.chunk as usize;
        let index = self.index(chunk, operation);
        match operation.kind {
            OperationKind::Forward => self.forwards[index] = now + self.hops[chunk],
            OperationKind::WeightGradient => {}
            OperationKind::InputGradient | OperationKind::Backward => {
                let hop = chunk.checked_sub(1).map_or(0.0, |before| self.hops[before]);
                self.backwards[index] = now + hop;
            }
        }
    }
}
