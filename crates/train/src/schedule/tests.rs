//! The timeline against published figures, the closed forms and its own invariants.

use std::collections::BTreeMap;

use chokepoint_units::{Bytes, Seconds};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

const MIB: f64 = 1_048_576.0;

/// A chunk of 1/v of a rank with the given times of a whole rank.
fn chunk(vp: u64, [forward, input, weight]: [f64; 3]) -> Chunk {
    let share = |time: f64| Seconds::new(time / vp as f64);
    Chunk {
        forward: share(forward),
        input_gradient: share(input),
        weight_gradient: share(weight),
        activations: Bytes::new(MIB / vp as f64),
    }
}

fn timeline(
    schedule: Schedule,
    (pp, vp, micro_batches): (u64, u64, u64),
    chunks: &[Chunk],
    transfer: f64,
) -> Timeline {
    let pipeline = Pipeline {
        schedule,
        pp,
        vp,
        micro_batches,
        chunks,
        transfer: Seconds::new(transfer),
    };
    Scheduler::new().run(&pipeline).unwrap().clone()
}

fn equal(schedule: Schedule, shape: (u64, u64, u64), times: [f64; 3], transfer: f64) -> Timeline {
    let chunks = vec![chunk(shape.1, times); (shape.0 * shape.1) as usize];
    timeline(schedule, shape, &chunks, transfer)
}

/// Most kept activations by rank, in those of one micro-batch on a whole rank.
fn peaks(timeline: &Timeline) -> Vec<f64> {
    let ranks = timeline.ranks.iter();
    ranks.map(|rank| rank.peak.get() / MIB).collect()
}

/// Total time of a device with F = B = W = 1, and the activations at their fullest, from Narayanan
/// et al. 2021, Korthikanti et al. 2022 section 4.2.3, Qi et al. 2024 and the DualPipe README. Each
/// rank is busy for 3 m.
#[test]
fn timelines_take_the_published_time_and_memory() {
    use Schedule as S;
    let cases = [
        (S::OneForwardOneBackward, (8, 1, 20), 81.0, 8.0),
        (S::ZeroBubbleH1, (8, 1, 20), 67.0, 8.0),
        (S::ZeroBubbleH2, (8, 1, 20), 60.0, 15.0),
        (S::ZeroBubbleV, (8, 2, 20), 60.0, 8.0),
        (S::DualPipe, (8, 1, 20), 66.0, 9.0),
        (S::DualPipeV, (8, 2, 20), 67.0, 8.5),
        (S::DualPipeV, (4, 2, 10), 33.0, 4.5),
        (S::OneForwardOneBackward, (16, 1, 64), 237.0, 16.0),
        (S::OneForwardOneBackward, (16, 2, 64), 214.5, 23.5),
        (S::ZeroBubbleH1, (16, 1, 64), 207.0, 16.0),
        (S::ZeroBubbleH2, (16, 1, 64), 192.0, 31.0),
        (S::ZeroBubbleV, (16, 2, 64), 192.0, 16.0),
        (S::DualPipe, (16, 1, 64), 206.0, 17.0),
        (S::DualPipeV, (16, 2, 64), 207.0, 16.5),
    ];
    for (schedule, shape, time, peak) in cases {
        let found = equal(schedule, shape, [1.0; 3], 0.0);
        let step = found.step().get();
        assert!((step - time).abs() < 1e-9, "{schedule} {shape:?}: {step}");
        let fullest = peaks(&found).into_iter().fold(0.0, f64::max);
        assert!((fullest - peak).abs() < 1e-9, "{schedule}: {fullest}");
        let busy = 3.0 * shape.2 as f64;
        for rank in &found.ranks {
            assert!((rank.busy.get() - busy).abs() < 1e-9);
            let idle = found.idle(rank).get();
            assert!((idle - (time - busy)).abs() < 1e-9, "{schedule}: {idle}");
        }
    }
}

/// DeepSeek-V3 figure 5: 8 ranks and 20 micro-batches; both directions mirror each other, and the
/// middle ranks start three forwards after the ends.
#[test]
fn dualpipe_mirrors_its_ranks() {
    let found = equal(Schedule::DualPipe, (8, 1, 20), [1.0; 3], 0.0);
    for (rank, times) in found.ranks.iter().enumerate() {
        let mirror = &found.ranks[7 - rank];
        assert_eq!(times, mirror);
        assert_eq!(found.rank(rank).len(), found.rank(7 - rank).len());
    }
    assert!((found.ranks[3].start.get() - 3.0).abs() < 1e-12);
    assert!(found.rank(8).is_empty());
    let idle = found.idle_share().unwrap();
    assert!((idle - 6.0 / 66.0).abs() < 1e-12, "{idle}");
}

#[test]
fn pipelines_without_a_timeline_say_why() {
    let one = chunk(1, [1.0; 3]);
    let run = |pp, chunks: &[Chunk]| {
        let pipeline = Pipeline {
            schedule: Schedule::ZeroBubbleH1,
            pp,
            vp: 1,
            micro_batches: 4,
            chunks,
            transfer: Seconds::ZERO,
        };
        Scheduler::new().run(&pipeline).map(Timeline::step)
    };
    assert_eq!(run(0, &[]), Err(PipelineError::ZeroDegree));
    assert_eq!(run(3, &[one; 2]), Err(PipelineError::Chunks));
    let single = ScheduleError::ZeroBubble;
    assert_eq!(run(1, &[one]), Err(PipelineError::Schedule(single)));
    let broken = chunk(1, [f64::NAN, 1.0, 1.0]);
    assert_eq!(run(2, &[one, broken]), Err(PipelineError::Times));
    let large = vec![one; 1 << 21];
    assert_eq!(run(1 << 21, &large), Err(PipelineError::TooLarge));
}

/// A schedule with a shape that it runs.
fn shapes() -> impl Strategy<Value = (Schedule, (u64, u64, u64))> {
    (0..Schedule::ALL.len(), 1_u64..=9, 1_u64..=4, 1_u64..=30).prop_map(|(index, p, v, m)| {
        let schedule = Schedule::ALL[index];
        let shape = match schedule {
            Schedule::OneForwardOneBackward if p > 1 && v > 1 => (p, v, p * m.div_ceil(4)),
            Schedule::OneForwardOneBackward => (p, 1, m),
            Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 => (p + 1, 1, m),
            Schedule::ZeroBubbleV => (p + 1, 2, m),
            Schedule::DualPipe => (2 * p, 1, 4 * p + 2 * (m - 1)),
            Schedule::DualPipeV => (p + 1, 2, 2 * p + 2 + m),
        };
        (schedule, shape)
    })
}

/// The same with enough micro-batches to fill the pipeline.
fn full_shapes() -> impl Strategy<Value = (Schedule, (u64, u64, u64))> {
    shapes().prop_map(|(schedule, (p, v, m))| {
        let enough = if v > 1 || schedule == Schedule::DualPipe {
            m + 2 * p
        } else {
            m + 2 * p - 1
        };
        (schedule, (p, v, enough))
    })
}

fn times() -> impl Strategy<Value = [f64; 3]> {
    [0.3..3.0, 0.3..3.0, 0.3..3.0]
}

fn uneven(spread: f64) -> impl Strategy<Value = Vec<[f64; 3]>> {
    let time = move || 1.0 - spread..1.0 + spread;
    proptest::collection::vec([time(), time(), time()], 40)
}

fn check(found: &Timeline, pipeline: &Pipeline) -> Result<(), TestCaseError> {
    let micro_batches = pipeline.micro_batches as usize;
    let mut ends = BTreeMap::new();
    for operation in &found.operations {
        let parts: &[OperationKind] = match operation.kind {
            OperationKind::Backward => {
                &[OperationKind::InputGradient, OperationKind::WeightGradient]
            }
            _ => &[operation.kind],
        };
        for part in parts {
            let key = (*part, operation.chunk, operation.micro_batch);
            let twice = ends.insert(key, (operation.rank, operation.end.get()));
            prop_assert!(twice.is_none(), "{key:?} twice");
        }
    }
    prop_assert_eq!(ends.len(), 3 * pipeline.chunks.len() * micro_batches);
    let transfer = pipeline.transfer.get();
    for operation in &found.operations {
        let (chunk, micro_batch) = (operation.chunk, operation.micro_batch);
        let last = pipeline.chunks.len() as u32 - 1;
        let needs = match operation.kind {
            OperationKind::Forward => chunk
                .checked_sub(1)
                .map(|before| (OperationKind::Forward, before)),
            OperationKind::WeightGradient => Some((OperationKind::InputGradient, chunk)),
            _ if chunk == last => Some((OperationKind::Forward, chunk)),
            _ => Some((OperationKind::InputGradient, chunk + 1)),
        };
        if let Some((kind, needed)) = needs {
            let (rank, end) = ends[&(kind, needed, micro_batch)];
            let hop = if rank == operation.rank {
                0.0
            } else {
                transfer
            };
            prop_assert!(end + hop <= operation.start.get() + 1e-9, "{operation:?}");
        }
    }
    let mut bound = 0.0_f64;
    for (rank, times) in found.ranks.iter().enumerate() {
        let operations = found.rank(rank);
        prop_assert!(operations.iter().all(|one| one.rank as usize == rank));
        prop_assert!(operations.windows(2).all(|two| two[0].end <= two[1].start));
        let busy: f64 = operations
            .iter()
            .map(|one| (one.end - one.start).get())
            .sum();
        prop_assert!((busy - times.busy.get()).abs() < 1e-6);
        prop_assert_eq!(Some(times.start), operations.first().map(|one| one.start));
        prop_assert_eq!(Some(times.end), operations.last().map(|one| one.end));
        bound = bound.max(busy);
    }
    let all = |chunk: &Chunk| chunk.forward + chunk.input_gradient + chunk.weight_gradient;
    let work: Seconds = pipeline.chunks.iter().map(all).sum();
    let busy: Seconds = found.ranks.iter().map(|rank| rank.busy).sum();
    prop_assert!((busy - work * pipeline.micro_batches as f64).get().abs() < 1e-6);
    let through = |chunk: &Chunk| chunk.forward + chunk.input_gradient;
    let once: Seconds = pipeline.chunks.iter().map(through).sum();
    prop_assert!(found.makespan() >= once);
    prop_assert!(found.step().get() >= bound - 1e-9);
    prop_assert!(found.step() <= found.makespan());
    Ok(())
}

proptest! {
    /// Every operation runs once, on one rank at a time, after what it needs; work is conserved
    /// and no step is shorter than its slowest rank or one micro-batch; and a second run in the
    /// same buffers says the same.
    #[test]
    fn timelines_keep_their_invariants(
        (schedule, (pp, vp, micro_batches)) in shapes(),
        times in uneven(0.9),
        transfer in 0.0..0.5,
    ) {
        let chunks: Vec<Chunk> = times.iter().map(|one| chunk(vp, *one)).collect();
        let count = (pp * vp) as usize;
        let pipeline = Pipeline {
            schedule,
            pp,
            vp,
            micro_batches,
            chunks: &chunks[..count],
            transfer: Seconds::new(transfer),
        };
        let mut scheduler = Scheduler::new();
        let found = scheduler.run(&pipeline).unwrap().clone();
        check(&found, &pipeline)?;
        prop_assert_eq!(&found, scheduler.run(&pipeline).unwrap());
        for (rank, peak) in peaks(&found).into_iter().enumerate() {
            let held = schedule.in_flight(pp, vp, rank as u64, micro_batches);
            prop_assert!(peak <= held + 1e-9, "{schedule} rank {rank}: {peak} {held}");
        }
    }

    /// The closed form of activations is that of the timeline on every rank.
    #[test]
    fn activations_are_the_closed_form((schedule, shape) in full_shapes()) {
        prop_assume!(schedule.check(shape.0, shape.1, shape.2).is_ok());
        let found = equal(schedule, shape, [1.0; 3], 0.0);
        for (rank, peak) in peaks(&found).into_iter().enumerate() {
            let held = schedule.in_flight(shape.0, shape.1, rank as u64, shape.2);
            prop_assert!((peak - held).abs() < 1e-9, "{schedule} rank {rank}: {peak} {held}");
        }
    }

    /// The closed form of the bubble is that of the timeline; of ZB-V, at most half of the weight
    /// gradients above.
    #[test]
    fn bubbles_are_the_closed_form((schedule, shape) in full_shapes(), times in times()) {
        prop_assume!(schedule.check(shape.0, shape.1, shape.2).is_ok());
        for (times, differ) in [([1.0; 3], false), (times, true)] {
            let step = equal(schedule, shape, times, 0.0).step();
            let [f, b, w] = times.map(Seconds::new);
            let busy = (f + b + w) * shape.2 as f64;
            let above = (busy + schedule.bubble(shape, f, b, w) - step).get();
            let loose = if schedule == Schedule::ZeroBubbleV && differ {
                w.get() / 2.0
            } else {
                0.0
            };
            prop_assert!((-1e-9..=loose + 1e-9).contains(&above), "{schedule} {shape:?} {above}");
        }
    }

    /// With too few micro-batches to fill the drain too, at F = B = W; within a tenth where they
    /// differ by up to a fifth.
    #[test]
    fn few_micro_batches_leave_what_the_timeline_says(
        which in 0..3_usize,
        pp in 2_u64..=16,
        micro_batches in 1_u64..=24,
        times in [0.8..1.2, 0.8..1.2, 0.8..1.2],
    ) {
        let (schedule, vp) = [
            (Schedule::ZeroBubbleH1, 1),
            (Schedule::ZeroBubbleH2, 1),
            (Schedule::ZeroBubbleV, 2),
        ][which];
        let shape = (pp, vp, micro_batches);
        for (times, slack) in [([1.0; 3], 1e-9), (times, 0.15)] {
            let step = equal(schedule, shape, times, 0.0).step();
            let [f, b, w] = times.map(Seconds::new);
            let closed = (f + b + w) * micro_batches as f64 + schedule.bubble(shape, f, b, w);
            let error = closed / step - 1.0;
            prop_assert!(error.abs() <= slack, "{schedule} {shape:?} {error}");
        }
    }

    /// The closed form of exposed transfers is that of the timeline, at F = B = W; `DualPipe` hides
    /// what the timeline, where transfers run beside nothing, exposes.
    #[test]
    fn transfers_are_the_closed_form((schedule, shape) in full_shapes(), transfer in 0.01..0.1) {
        prop_assume!(schedule.check(shape.0, shape.1, shape.2).is_ok());
        let before = equal(schedule, shape, [1.0; 3], 0.0).step();
        let transfer = transfer / shape.1 as f64;
        let exposed = (equal(schedule, shape, [1.0; 3], transfer).step() - before) / Seconds::new(transfer);
        let closed = schedule.exposed_transfers(shape.0, shape.1, shape.2);
        if schedule.pairs() {
            prop_assert!(closed <= exposed + 1e-6, "{schedule} {shape:?} {exposed} {closed}");
        } else {
            prop_assert!((exposed - closed).abs() < 1e-6, "{schedule} {shape:?} {exposed} {closed}");
        }
    }

    /// 1F1B over stages whose times differ by up to a fifth: the closed form is exact with a full
    /// pipeline, and never above the timeline otherwise.
    #[test]
    fn uneven_stages_are_the_closed_form(
        pp in 1_u64..=12,
        micro_batches in 1_u64..=40,
        times in uneven(0.2),
    ) {
        let stages = &times[..pp as usize];
        let chunks: Vec<Chunk> = stages.iter().map(|one| chunk(1, *one)).collect();
        let shape = (pp, 1, micro_batches);
        let exact = timeline(Schedule::OneForwardOneBackward, shape, &chunks, 0.0).step().get();
        let count = micro_batches as f64;
        let mut closed = 0.0_f64;
        for (rank, own) in stages.iter().enumerate() {
            let sum = |stages: &[[f64; 3]]| Seconds::new(stages.iter().flatten().sum());
            let idle = idle_of_uneven_1f1b(
                (Seconds::new(own[0]), Seconds::new(own[1] + own[2])),
                (sum(&stages[..rank]), sum(&stages[rank + 1..])),
                pp - 1 - rank as u64,
                micro_batches,
            );
            closed = closed.max(own.iter().sum::<f64>() * count + idle.get());
        }
        prop_assert!(closed <= exact + 1e-9, "{closed} {exact}");
        if micro_batches >= pp {
            prop_assert!((closed - exact).abs() < 1e-9, "{closed} {exact}");
        } else {
            prop_assert!(closed > 0.85 * exact, "{closed} {exact}");
        }
    }
}
