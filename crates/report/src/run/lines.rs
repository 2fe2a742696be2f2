//! The timeline of a pipeline as lines of text, one for each rank.

use chokepoint_engine::train::{OperationKind, Timeline};
use chokepoint_engine::{RunTimeline, TrainingRun};

use super::gantt::Gantt;
use crate::messages::Words;
use crate::number::significant;

/// Cells of a line beside the rank: with it 100 columns.
const CELLS: usize = 92;

/// The mark of what is left out.
const CUT: &str = " … ";

/// Lines for each rank with a heading and a legend; none without a pipeline.
pub(super) fn lines(words: &Words, run: &TrainingRun) -> Option<String> {
    let RunTimeline {
        micro_batches,
        timeline,
    } = run.found.as_ref()?.timeline.as_ref()?;
    if timeline.ranks.len() < 2 {
        return None;
    }
    let mut out = heading(words, *micro_batches, timeline);
    out.push('\n');
    let gantt = Gantt::of(timeline, CELLS - CUT.chars().count());
    let cells = if gantt.spans.len() == 1 {
        CELLS
    } else {
        (CELLS - CUT.chars().count()) / 2
    };
    for rank in &gantt.ranks {
        let Some(rank) = rank else {
            out += "  …\n";
            continue;
        };
        let spans: Vec<String> = gantt
            .spans
            .iter()
            .map(|span| row(&gantt, *rank, *span, cells))
            .collect();
        out += &format!("{rank:>5}  {}\n", spans.join(CUT));
    }
    out += &words.of("run", "timeline-legend");
    out.push('\n');
    Some(out)
}

/// What the timeline shows, in a line.
pub(super) fn heading(words: &Words, micro_batches: u64, timeline: &Timeline) -> String {
    let idle = timeline.idle_share().unwrap_or_default();
    words.fill(
        "run.timeline",
        [
            ("schedule", timeline.schedule.name()),
            ("ranks", &timeline.ranks.len().to_string()),
            ("micro_batches", &micro_batches.to_string()),
            ("ms", &significant(timeline.step().get() * 1e3, 4)),
            ("idle", &significant(idle * 100.0, 2)),
        ],
    )
}

/// What a rank does at the middle of each cell.
fn row(gantt: &Gantt, rank: usize, span: (f64, f64), cells: usize) -> String {
    let width = (span.1 - span.0) / cells as f64;
    let mut operations = gantt.operations(rank, span).peekable();
    (0..cells)
        .map(|cell| {
            let middle = span.0 + (cell as f64 + 0.5) * width;
            while operations.next_if(|one| one.end.get() <= middle).is_some() {}
            match operations.peek() {
                Some(one) if one.start.get() <= middle => mark(one.kind),
                _ => '.',
            }
        })
        .collect()
}

const fn mark(kind: OperationKind) -> char {
    match kind {
        OperationKind::Forward => 'F',
        OperationKind::Backward | OperationKind::InputGradient => 'B',
        OperationKind::WeightGradient => 'W',
    }
}
