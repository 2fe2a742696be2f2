//! The front of interactivity against throughput as an SVG file that stands alone, for light and dark
//! pages.

use chokepoint_engine::{ServePlan, ServingRun};

use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::svg::{Anchor, Drawing, ticks};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 60.0;
/// Half of the side of a mark.
const MARK: f64 = 4.0;

const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:var(--ink)}\
svg{--page:#ffffff;--ink:#1c2126;--quiet:#5c6670;--grid:#d8dde2;--front:#0072b2}\
@media(prefers-color-scheme:dark){svg{--page:#14181c;--ink:#e8ecf0;--quiet:#9aa5b0;--grid:#333b43;--front:#56b4e9}}\
svg{background:var(--page)}.title{font-weight:600;font-size:15px}.tick{fill:var(--quiet);font-size:12px}\
.grid{stroke:var(--grid);stroke-width:1}.front{stroke:var(--front);stroke-width:2}</style>";

/// The front as a whole file; absent where none was asked for or found.
#[must_use]
pub fn serve_svg(run: &ServingRun, language: Language) -> Option<String> {
    let words = Words::new(language);
    if run.front.is_empty() {
        return None;
    }
    let mut drawing = Drawing::default();
    let chips = run.chips.map_or_else(|| NONE.to_owned(), count);
    let title = words.fill(
        "run.timeline-title",
        [
            ("model", run.model.as_str()),
            ("system", &run.system_name),
            ("chips", &chips),
        ],
    );
    drawing.text("title", (16.0, 26.0), Anchor::Start, &title);
    let points: Vec<(f64, f64)> = run.front.iter().map(rates).collect();
    let axes = Axes::of(&points);
    axes.draw(&mut drawing, &words);
    for pair in points.windows(2) {
        drawing.line("front", axes.place(pair[0]), axes.place(pair[1]));
    }
    for (plan, point) in run.front.iter().zip(&points) {
        let (x, y) = axes.place(*point);
        let side = 2.0 * MARK;
        drawing.bar(x - MARK, y - MARK, side, side, "var(--front)", &plan.plan);
    }
    let text = drawing.finish(WIDTH, HEIGHT, &title);
    Some(text.replacen("</title>", &format!("</title>{STYLE}"), 1) + "\n")
}

/// Tokens a second of a user and of a chip.
fn rates(plan: &ServePlan) -> (f64, f64) {
    let of = |key: &str| plan.metrics.get(key).copied().unwrap_or(0.0);
    (
        of("tokens_per_second_per_user"),
        of("output_tokens_per_second_per_chip"),
    )
}

/// Both axes from zero, with round numbers.
struct Axes {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Axes {
    fn of(points: &[(f64, f64)]) -> Self {
        let highest = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(0.0, f64::max);
        Self {
            x: ticks(highest(|point| point.0), 8),
            y: ticks(highest(|point| point.1), 6),
        }
    }

    /// Where a point is drawn.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |value: f64, marks: &[f64]| value / marks.last().copied().unwrap_or(1.0);
        (
            LEFT + share(x, &self.x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share(y, &self.y) * (HEIGHT - TOP - BOTTOM),
        )
    }

    fn draw(&self, drawing: &mut Drawing, words: &Words) {
        let (right, top) = (WIDTH - RIGHT, TOP);
        for mark in &self.x {
            let (x, y) = self.place((*mark, 0.0));
            drawing.line("grid", (x, y), (x, top));
            let text = significant(*mark, 3);
            drawing.text("tick", (x, y + 18.0), Anchor::Middle, &text);
        }
        for mark in &self.y {
            let (x, y) = self.place((0.0, *mark));
            drawing.line("grid", (x, y), (right, y));
            let text = significant(*mark, 3);
            drawing.text("tick", (16.0, y + 4.0), Anchor::Start, &text);
        }
        let below = words.of("metric", "tokens_per_second_per_user");
        drawing.text("tick", (right / 2.0, HEIGHT - 16.0), Anchor::Middle, &below);
        let beside = words.of("metric", "output_tokens_per_second_per_chip");
        drawing.text("tick", (16.0, TOP - 12.0), Anchor::Start, &beside);
    }
}
