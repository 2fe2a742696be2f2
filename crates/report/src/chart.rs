//! Horizontal bar charts: plain with whiskers, and stacked.

use crate::palette::{PLAIN, Paint};
use crate::svg::{Anchor, Drawing, text_width, ticks};

/// A bar, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// Name above the bar.
    pub(crate) name: String,
    /// What is drawn.
    pub(crate) content: Content,
}

/// What a bar is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Nothing, for a reason.
    Missing(String),
    /// Segments from zero, the text at the end, and an interval of their sum.
    Segments(Vec<Segment>, String, Option<(f64, f64)>),
}

/// A segment of a bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    /// Length in units of the axis.
    pub(crate) length: f64,
    /// Colour.
    pub(crate) paint: Paint,
    /// Text on pointing at it.
    pub(crate) title: String,
    /// Text on it, where there is room.
    pub(crate) label: String,
}

impl Segment {
    /// The whole of a plain bar.
    pub(crate) fn plain(length: f64, title: String) -> Self {
        Self {
            length,
            paint: PLAIN,
            title,
            label: String::new(),
        }
    }
}

/// How a chart is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero to the longest bar.
    Longest,
    /// From zero to a hundred.
    Percent,
}

const WIDTH: f64 = 460.0;
const LEFT: f64 = 8.0;
const TOP: f64 = 6.0;
/// Height of a name with its bar.
const PITCH: f64 = 40.0;
/// From the top of a name to the top of its bar.
const NAME: f64 = 17.0;
const BAR: f64 = 16.0;
const AXIS: f64 = 24.0;
/// Size of the text on segments.
const LABEL_SIZE: f64 = 10.5;
/// Size of the text at the end of bars.
const END_SIZE: f64 = 12.0;

/// The longest reach of a bar with its interval.
fn reach(bar: &Bar) -> f64 {
    match &bar.content {
        Content::Missing(_) => 0.0,
        Content::Segments(segments, _, interval) => {
            let sum: f64 = segments.iter().map(|segment| segment.length).sum();
            interval.map_or(sum, |(_, high)| sum.max(high))
        }
    }
}

/// Draws bars with their axis. `tick` writes the values of the axis.
pub(crate) fn draw(
    title: &str,
    bars: &[Bar],
    scale: Scale,
    tick: impl Fn(f64) -> String,
) -> String {
    let marks = match scale {
        Scale::Longest => ticks(bars.iter().map(reach).fold(0.0, f64::max), 5),
        Scale::Percent => ticks(100.0, 5),
    };
    let end_room = bars
        .iter()
        .map(|bar| match &bar.content {
            Content::Segments(_, end, _) => text_width(end) * END_SIZE + 12.0,
            Content::Missing(_) => 0.0,
        })
        .fold(24.0, f64::max);
    let highest = marks.last().copied().unwrap_or(1.0);
    let room = WIDTH - LEFT - end_room;
    let x = |value: f64| LEFT + value / highest * room;
    let bottom = TOP + PITCH * bars.len() as f64;
    let mut drawing = Drawing::default();
    for mark in &marks {
        drawing.line("grid", (x(*mark), TOP + 2.0), (x(*mark), bottom));
        drawing.text(
            "tick",
            (x(*mark), bottom + 14.0),
            Anchor::Middle,
            &tick(*mark),
        );
    }
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + PITCH * index as f64;
        drawing.text("name", (LEFT, top + 13.0), Anchor::Start, &bar.name);
        one(&mut drawing, bar, top + NAME, &x);
    }
    drawing.finish(WIDTH, bottom + AXIS, title)
}

fn one(drawing: &mut Drawing, bar: &Bar, top: f64, x: &impl Fn(f64) -> f64) {
    let baseline = top + BAR / 2.0 + 4.0;
    let (segments, end, interval) = match &bar.content {
        Content::Missing(why) => {
            drawing.text("none", (x(0.0) + 4.0, baseline), Anchor::Start, why);
            return;
        }
        Content::Segments(segments, end, interval) => (segments, end, interval),
    };
    let mut from = 0.0;
    for segment in segments {
        let (left, right) = (x(from), x(from + segment.length));
        drawing.bar(
            left,
            top,
            right - left,
            BAR,
            segment.paint.fill,
            &segment.title,
        );
        if !segment.label.is_empty()
            && text_width(&segment.label) * LABEL_SIZE + 4.0 <= right - left
        {
            drawing.label(
                (f64::midpoint(left, right), baseline),
                segment.paint.text,
                &segment.label,
            );
        }
        from += segment.length;
    }
    drawing.frame(x(0.0), top, x(from) - x(0.0), BAR);
    let mut after = x(from);
    if let Some((low, high)) = *interval {
        let middle = top + BAR / 2.0;
        drawing.line("whisker-back", (x(low), middle), (x(high), middle));
        drawing.line("whisker", (x(low), middle), (x(high), middle));
        for value in [low, high] {
            drawing.line(
                "whisker",
                (x(value), middle - 4.0),
                (x(value), middle + 4.0),
            );
        }
        after = after.max(x(high));
    }
    drawing.text("end", (after + 6.0, baseline), Anchor::Start, end);
}
