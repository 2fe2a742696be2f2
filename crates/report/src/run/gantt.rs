//! Which part of a timeline is shown: all of it, or its beginning and its end.

use chokepoint_engine::train::{Operation, OperationKind, Timeline};

/// Most ranks that are shown.
const MOST_RANKS: usize = 16;

/// A timeline cut to what can be seen.
#[derive(Debug, Clone)]
pub(super) struct Gantt<'a> {
    timeline: &'a Timeline,
    /// Shown spans of time: one, or the first and the last.
    pub spans: Vec<(f64, f64)>,
    /// Shown ranks; a gap stands where some are left out.
    pub ranks: Vec<Option<usize>>,
}

impl<'a> Gantt<'a> {
    /// A timeline in so many cells, none longer than a mean forward.
    pub(super) fn of(timeline: &'a Timeline, cells: usize) -> Self {
        let makespan = timeline.makespan().get();
        let unit = mean_forward(timeline);
        let spans = if unit > 0.0 && makespan > unit * cells as f64 {
            let part = unit * (cells / 2) as f64;
            vec![(0.0, part), (makespan - part, makespan)]
        } else {
            vec![(0.0, makespan)]
        };
        let count = timeline.ranks.len();
        let ranks = if count > MOST_RANKS {
            let half = MOST_RANKS / 2;
            let first = (0..half).map(Some);
            let last = (count - half..count).map(Some);
            first.chain([None]).chain(last).collect()
        } else {
            (0..count).map(Some).collect()
        };
        Self {
            timeline,
            spans,
            ranks,
        }
    }

    /// Operations of a rank that lie, in part, in a span.
    pub(super) fn operations(
        &self,
        rank: usize,
        (from, to): (f64, f64),
    ) -> impl Iterator<Item = &'a Operation> {
        let all = self.timeline.rank(rank).iter();
        all.filter(move |one| one.end.get() > from && one.start.get() < to)
    }
}

fn mean_forward(timeline: &Timeline) -> f64 {
    let forwards = || {
        let all = timeline.operations.iter();
        all.filter(|one| one.kind == OperationKind::Forward)
    };
    let time: f64 = forwards().map(|one| (one.end - one.start).get()).sum();
    time / forwards().count().max(1) as f64
}

/// Key of what an operation computes.
pub(super) const fn key(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Forward => "forward",
        OperationKind::Backward => "backward",
        OperationKind::InputGradient => "input-gradient",
        OperationKind::WeightGradient => "weight-gradient",
    }
}
