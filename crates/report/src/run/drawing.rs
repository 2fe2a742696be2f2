//! The timeline of a pipeline as an SVG file that stands alone, for light and dark pages.

use std::fmt::Write as _;

use chokepoint_engine::train::{Operation, OperationKind, Timeline};
use chokepoint_engine::{RunTimeline, TrainingRun};

use super::gantt::{Gantt, key};
use super::lines::heading;
use crate::messages::{Language, Words};
use crate::number::{count, fixed};
use crate::svg::{escape, text_width, ticks};

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
/// Top of the first rank.
const TOP: f64 = 84.0;
/// Height of a rank with its gap.
const PITCH: f64 = 26.0;
const BAR: f64 = 22.0;
/// Width of the cut between two spans.
const CUT: f64 = 28.0;
/// Cells of the widest span: forwards of about ten units.
const CELLS: usize = 100;
/// Narrowest bar with a number on it.
const NUMBERED: f64 = 15.0;

const KINDS: [OperationKind; 4] = [
    OperationKind::Forward,
    OperationKind::Backward,
    OperationKind::InputGradient,
    OperationKind::WeightGradient,
];

/// Colours: told apart with the common kinds of colour blindness, on both backgrounds.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:var(--ink)}\
svg{--page:#ffffff;--ink:#1c2126;--quiet:#5c6670;--grid:#d8dde2;--idle:#eef1f4}\
@media(prefers-color-scheme:dark){svg{--page:#14181c;--ink:#e8ecf0;--quiet:#9aa5b0;--grid:#333b43;--idle:#20262c}}\
.page{fill:var(--page)}.idle{fill:var(--idle)}.title{font-weight:600;font-size:15px}.tick{fill:var(--quiet);font-size:12px}\
.grid{stroke:var(--grid);stroke-width:1}.op{stroke:var(--page);stroke-width:.7}\
.forward{fill:#0072b2}.backward{fill:#e69f00}.input-gradient{fill:#f0c24b}.weight-gradient{fill:#009e73}\
.on{font-size:10px;text-anchor:middle;pointer-events:none}.on-forward{fill:#ffffff}.on-backward,.on-input-gradient,.on-weight-gradient{fill:#101418}";

/// The timeline as a whole file; absent without a result or where the order
/// of the schedule has no timeline.
#[must_use]
pub fn run_svg(run: &TrainingRun, language: Language) -> Option<String> {
    let words = Words::new(language);
    let RunTimeline {
        micro_batches,
        timeline,
    } = run.found.as_ref()?.timeline.as_ref()?;
    let gantt = Gantt::of(timeline, CELLS);
    let height = TOP + PITCH * gantt.ranks.len() as f64 + 48.0;
    let title = words.fill(
        "run.timeline-title",
        [
            ("model", &run.model),
            ("system", &run.system_name),
            ("chips", &count(run.chips)),
        ],
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\"><title>{title}</title><style>{STYLE}</style><rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>",
        title = escape(&title)
    );
    let below = heading(&words, *micro_batches, timeline);
    text(&mut out, "title", (16.0, 26.0), &title);
    text(&mut out, "tick", (16.0, 46.0), &below);
    legend(&mut out, &words, timeline);
    let room = WIDTH - LEFT - RIGHT;
    let widths = if gantt.spans.len() == 1 {
        room
    } else {
        (room - CUT) / 2.0
    };
    let bottom = TOP + PITCH * gantt.ranks.len() as f64;
    for (index, span) in gantt.spans.iter().enumerate() {
        let axis = Axis {
            from: span.0,
            to: span.1,
            left: LEFT + index as f64 * (widths + CUT),
            width: widths,
        };
        axis.draw(&mut out, bottom);
        for (row, rank) in gantt.ranks.iter().enumerate() {
            if let Some(rank) = rank {
                rank_row(&mut out, &gantt, *rank, &axis, TOP + PITCH * row as f64);
            }
        }
    }
    for (row, rank) in gantt.ranks.iter().enumerate() {
        let y = TOP + PITCH * row as f64 + 15.0;
        let name = rank.map_or_else(
            || "…".to_owned(),
            |rank| words.fill("run.rank", [("rank", &rank.to_string())]),
        );
        text(&mut out, "tick", (16.0, y), &name);
    }
    text(
        &mut out,
        "tick",
        (16.0, bottom + 38.0),
        &words.of("run", "timeline-axis"),
    );
    out += "</svg>\n";
    Some(out)
}

/// A span of time on the page.
struct Axis {
    from: f64,
    to: f64,
    left: f64,
    width: f64,
}

impl Axis {
    fn x(&self, time: f64) -> f64 {
        let share = (time - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE);
        self.left + share.clamp(0.0, 1.0) * self.width
    }

    /// Marks in milliseconds at round numbers.
    fn draw(&self, out: &mut String, bottom: f64) {
        let length = (self.to - self.from) * 1e3;
        let step = ticks(length, (self.width / 90.0) as usize);
        let step = step.get(1).copied().unwrap_or(length);
        let first = (self.from * 1e3 / step - 1e-9).ceil();
        let decimals = if step < 0.1 {
            3
        } else if step < 1.0 {
            1
        } else {
            0
        };
        for index in 0..64 {
            let mark = (first + f64::from(index)) * step;
            if mark > self.to * 1e3 * (1.0 + 1e-9) {
                break;
            }
            let x = self.x(mark / 1e3);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                TOP - 4.0,
                bottom + 16.0,
                fixed(mark, decimals)
            );
        }
    }
}

fn rank_row(out: &mut String, gantt: &Gantt, rank: usize, axis: &Axis, top: f64) {
    let _ = write!(
        out,
        "<rect class=\"idle\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
        axis.left, axis.width
    );
    for one in gantt.operations(rank, (axis.from, axis.to)) {
        operation(out, one, axis, top);
    }
}

fn operation(out: &mut String, one: &Operation, axis: &Axis, top: f64) {
    let (left, right) = (axis.x(one.start.get()), axis.x(one.end.get()));
    let (width, class) = (right - left, key(one.kind));
    let _ = write!(
        out,
        "<rect class=\"op {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
    );
    let number = one.micro_batch.to_string();
    if width >= NUMBERED.max(text_width(&number) * 10.0 + 3.0) {
        let _ = write!(
            out,
            "<text class=\"on on-{class}\" x=\"{:.1}\" y=\"{:.1}\">{number}</text>",
            left + width / 2.0,
            top + 15.0
        );
    }
}

/// What the colours mean, for the kinds that there are.
fn legend(out: &mut String, words: &Words, timeline: &Timeline) {
    let mut x = 16.0;
    let there = |kind: &OperationKind| timeline.operations.iter().any(|one| one.kind == *kind);
    let kinds = KINDS
        .iter()
        .filter(|kind| there(kind))
        .map(|kind| key(*kind));
    for class in kinds.chain(["idle"]) {
        let name = words.get(&format!("run.{class}"));
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"56\" width=\"14\" height=\"14\"/>"
        );
        text(out, "tick", (x + 20.0, 68.0), &name);
        x += 44.0 + text_width(&name) * 12.0;
    }
}

fn text(out: &mut String, class: &str, (x, y): (f64, f64), content: &str) {
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(content)
    );
}
