//! In which order a rank runs its operations.

use super::pipeline::Pipeline;
use super::timeline::{Operation, OperationKind};
use crate::Schedule;

/// Writes the operations of one rank, in the schedule's own order, after what `out` holds.
///
/// `split` is scratch.
pub(super) fn order(
    pipeline: &Pipeline,
    rank: u32,
    split: &mut Vec<usize>,
    out: &mut Vec<Operation>,
) {
    let (pp, vp) = (pipeline.pp as u32, pipeline.vp as u32);
    let micro_batches = pipeline.micro_batches as u32;
    split.clear();
    let mut row = Row {
        rank,
        chunks: [rank, 2 * pp - 1 - rank],
        first: [0, 0],
        last: [micro_batches, micro_batches],
        forwards: [0, 0],
        backwards: [0, 0],
        split,
        filled: 0,
        out,
    };
    match pipeline.schedule {
        Schedule::OneForwardOneBackward => row.alternating(pp, vp, micro_batches),
        Schedule::ZeroBubbleH1 => row.delayed(pp - rank, rank, micro_batches),
        Schedule::ZeroBubbleH2 => row.delayed(2 * (pp - rank) - 1, 2 * rank, micro_batches),
        Schedule::ZeroBubbleV => row.vee(pp, micro_batches),
        Schedule::DualPipe => {
            let (half, mirror) = (micro_batches / 2, pp - 1 - rank);
            row.chunks = [rank, mirror];
            row.first = [0, half];
            row.last = [half, micro_batches];
            if rank > mirror {
                row.chunks.reverse();
                row.first.reverse();
                row.last.reverse();
            }
            row.bidirectional(pp / 2, rank.min(mirror), half);
        }
        Schedule::DualPipeV => row.bidirectional(pp, rank, micro_batches),
    }
}

/// The operations of a rank with one or two streams: a stream is a chunk with the micro-batches
/// that pass through it, in order.
struct Row<'a> {
    rank: u32,
    /// The chunk of each stream.
    chunks: [u32; 2],
    /// The first micro-batch of each stream.
    first: [u32; 2],
    /// One past the last micro-batch of each stream; operations from there on are left out.
    last: [u32; 2],
    forwards: [u32; 2],
    backwards: [u32; 2],
    /// Indices of the input gradients whose weight gradients run apart, in order.
    split: &'a mut Vec<usize>,
    /// How many of them have run.
    filled: usize,
    out: &'a mut Vec<Operation>,
}

impl Row<'_> {
    fn push(&mut self, kind: OperationKind, chunk: u32, micro_batch: u32, paired: bool) {
        self.out.push(Operation::planned(
            kind,
            self.rank,
            chunk,
            micro_batch,
            paired,
        ));
    }

    /// The next micro-batch of a stream, in one direction, if it has one more.
    fn next(&mut self, stream: usize, backward: bool) -> Option<u32> {
        let passed = if backward {
            &mut self.backwards
        } else {
            &mut self.forwards
        };
        let micro_batch = self.first[stream] + passed[stream];
        passed[stream] += 1;
        (micro_batch < self.last[stream]).then_some(micro_batch)
    }

    fn forward(&mut self, stream: usize) {
        if let Some(micro_batch) = self.next(stream, false) {
            let chunk = self.chunks[stream];
            self.push(OperationKind::Forward, chunk, micro_batch, false);
        }
    }

    /// Both gradients.
    fn backward(&mut self, stream: usize) {
        if let Some(micro_batch) = self.next(stream, true) {
            let chunk = self.chunks[stream];
            self.push(OperationKind::Backward, chunk, micro_batch, false);
        }
    }

    /// The gradients of inputs only.
    fn input_gradient(&mut self, stream: usize) {
        if let Some(micro_batch) = self.next(stream, true) {
            let chunk = self.chunks[stream];
            self.split.push(self.out.len());
            self.push(OperationKind::InputGradient, chunk, micro_batch, false);
        }
    }

    /// The oldest weight gradients that have not run, if there are any.
    fn weight_gradient(&mut self) {
        if let Some(&index) = self.split.get(self.filled) {
            self.filled += 1;
            let Operation {
                chunk, micro_batch, ..
            } = self.out[index];
            self.push(OperationKind::WeightGradient, chunk, micro_batch, false);
        }
    }

    /// A forward of one stream and a backward of the other as one block.
    fn pair(&mut self, forward: usize, backward: usize) {
        let from = self.out.len();
        self.forward(forward);
        self.backward(backward);
        for operation in &mut self.out[from..] {
            operation.paired = true;
        }
    }

    /// 1F1B: warm-up forwards, then one forward and one backward in turn, then the backwards that
    /// are left (Narayanan et al. 2021, section 2.2). p - r - 1 warm-up forwards with one chunk;
    /// interleaved, 2 (p - r - 1) + (v - 1) p of chunks, p micro-batches on each chunk in turn, the
    /// backwards through the chunks from the last to the first (Megatron-LM).
    fn alternating(&mut self, pp: u32, vp: u32, micro_batches: u32) {
        let (rank, all) = (self.rank, micro_batches * vp);
        let behind = pp - rank - 1;
        let warm_up = if vp == 1 {
            behind
        } else {
            2 * behind + (vp - 1) * pp
        };
        let warm_up = warm_up.min(all);
        let place = |step: u32| {
            let (round, within) = (step / (pp * vp), step % (pp * vp));
            (within / pp, round * pp + within % pp)
        };
        for step in 0..warm_up + all {
            if step < all {
                let (turn, micro_batch) = place(step);
                let chunk = turn * pp + rank;
                self.push(OperationKind::Forward, chunk, micro_batch, false);
            }
            if step >= warm_up {
                let (turn, micro_batch) = place(step - warm_up);
                let chunk = (vp - 1 - turn) * pp + rank;
                self.push(OperationKind::Backward, chunk, micro_batch, false);
            }
        }
    }

    /// ZB-H1 and ZB-H2: warm-up forwards, then input gradients and forwards in turn; weight
    /// gradients stay behind by a delay, which fills the drain. ZB-H1 warms up with p - r forwards
    /// and delays by r, so that every rank holds p micro-batches; ZB-H2 with 2 (p - r) - 1 and by
    /// 2 r, so that every rank is busy from its first operation on and holds 2p - 1 (Qi et al.
    /// 2024, section 2).
    fn delayed(&mut self, warm_up: u32, delay: u32, micro_batches: u32) {
        for _ in 0..warm_up {
            self.forward(0);
        }
        for step in 0..micro_batches {
            self.input_gradient(0);
            if step >= delay {
                self.weight_gradient();
            }
            self.forward(0);
        }
        for _ in 0..delay {
            self.weight_gradient();
        }
    }

    /// ZB-V: stream 0 goes down the V, stream 1 up. Forwards until the first backward arrives, 2p of
    /// chunks on every rank; up-backwards until the first down-backward arrives; then forward,
    /// input and weight gradients of both in turn; at the end weight gradients wait as on the way
    /// in (Qi et al. 2024, section 6; the phases are PyTorch's `ScheduleZBVZeroBubble`).
    ///
    /// Below 2p - 1 micro-batches the order is that of 2p - 1 with the missing ones left out.
    fn vee(&mut self, pp: u32, micro_batches: u32) {
        let (rank, left) = (self.rank, pp - self.rank);
        let all = micro_batches.max(2 * pp - 1);
        for _ in 0..2 * left - 1 {
            self.forward(0);
        }
        for _ in 0..rank {
            self.forward(1);
            self.forward(0);
        }
        for _ in 0..left {
            self.forward(1);
            self.input_gradient(1);
            self.weight_gradient();
        }
        for _ in 0..all - pp {
            self.forward(0);
            self.input_gradient(0);
            self.weight_gradient();
            self.forward(1);
            self.input_gradient(1);
            self.weight_gradient();
        }
        for _ in 0..rank {
            self.input_gradient(0);
            self.input_gradient(1);
        }
        for _ in 0..left {
            self.input_gradient(0);
            self.weight_gradient();
        }
        for _ in 0..2 * all {
            self.weight_gradient();
        }
    }

    /// `DualPipe` and `DualPipeV`: stream 0 comes from the near end of the pipeline, stream 1 from
    /// the far end; `depth` ranks lie between the near end and the middle and the rank is `place`
    /// of them away from it. The phases of DeepSeek-V3 figure 5; their lengths are those of the
    /// reference implementation (`deepseek-ai/DualPipe`).
    fn bidirectional(&mut self, depth: u32, place: u32, micro_batches: u32) {
        let (outer, inner) = (depth - place - 1, place + 1);
        for _ in 0..2 * outer {
            self.forward(0);
        }
        for _ in 0..inner {
            self.forward(0);
            self.forward(1);
        }
        for _ in 0..outer {
            self.input_gradient(1);
            self.weight_gradient();
            self.forward(1);
        }
        for step in 0..micro_batches + inner - 2 * depth {
            if step == 0 && outer == 0 {
                // In the middle nothing has arrived yet that the first backward could wait for.
                self.forward(0);
                self.backward(1);
            } else {
                self.pair(0, 1);
            }
            self.pair(1, 0);
        }
        for _ in 0..outer {
            self.backward(1);
            self.pair(1, 0);
        }
        for step in 0..2 * inner {
            let stream = usize::from(step % 2 == 0);
            if step < inner {
                self.backward(stream);
            } else {
                self.input_gradient(stream);
            }
        }
        for _ in 0..outer {
            self.weight_gradient();
            self.input_gradient(0);
        }
        for _ in 0..inner {
            self.weight_gradient();
        }
    }
}
