//! What the instances of a replay did over time, as an SVG file that stands alone.
//!
//! Each instance is a row; in each column of time the share in iterations with prompts stands at the
//! bottom, that in iterations which only decode above, and waiting is left blank.

use std::fmt::Write as _;

use chokepoint_engine::{Activity, ReplayRun, Spent};

use super::source;
use crate::messages::{Language, Words};
use crate::number::{count, significant};
use crate::svg::{escape, ticks};

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 64.0;
const ROOM: f64 = WIDTH - LEFT - 20.0;
/// Top of the first row.
const TOP: f64 = 84.0;
/// Height of a row with its gap.
const PITCH: f64 = 40.0;
const BAR: f64 = 34.0;
/// Most rows that are drawn.
const MOST_ROWS: usize = 64;
/// Share of the axis up to which a mark has room beside it.
const LAST_MARK: f64 = 0.98;
/// Marks of the axis.
const MARKS: usize = 10;

/// Colours: told apart with the common kinds of colour blindness, on both backgrounds.
pub(super) const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:var(--ink)}\
svg{--page:#ffffff;--ink:#1c2126;--quiet:#5c6670;--idle:#eef1f4}\
@media(prefers-color-scheme:dark){svg{--page:#14181c;--ink:#e8ecf0;--quiet:#9aa5b0;--idle:#20262c}}\
.page{fill:var(--page)}.idle{fill:var(--idle)}.title{font-weight:600;font-size:15px}.tick{fill:var(--quiet);font-size:12px}\
.prompts{fill:#e69f00}.decodes{fill:#0072b2}";

/// The drawing as a whole file; absent without a result.
#[must_use]
pub fn replay_svg(run: &ReplayRun, language: Language) -> Option<String> {
    let words = Words::new(language);
    let found = run.found.as_ref().ok()?;
    let activity = &found.activity;
    let rows = activity.instances.len().min(MOST_ROWS);
    let height = TOP + PITCH * rows as f64 + 48.0;
    let title = words.fill(
        "replay.drawing-title",
        [
            ("source", source(run)),
            ("model", &run.request.model),
            ("system", &run.system_name),
            ("chips", &count(found.chips())),
        ],
    );
    let label = escape(&title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\"><title>{label}</title><style>{STYLE}</style><rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>"
    );
    text(&mut out, "title", (16.0, 26.0), &title);
    for (index, key) in ["prompts", "decodes"].into_iter().enumerate() {
        let x = 16.0 + 260.0 * index as f64;
        rect(&mut out, key, (x, 44.0), (12.0, 12.0));
        text(&mut out, "tick", (x + 18.0, 54.5), &words.of("replay", key));
    }
    let end = end(activity);
    for (row, columns) in activity.instances.iter().take(rows).enumerate() {
        let y = TOP + PITCH * row as f64;
        text(&mut out, "tick", (16.0, y + 21.0), &row.to_string());
        rect(&mut out, "idle", (LEFT, y), (ROOM, BAR));
        instance(&mut out, activity.column.get(), columns, (y, end));
    }
    axis(&mut out, end, TOP + PITCH * rows as f64);
    text(
        &mut out,
        "tick",
        (16.0, height - 10.0),
        &words.of("replay", "axis"),
    );
    out += "</svg>\n";
    Some(out)
}

/// Time at which the last column ends.
fn end(activity: &Activity) -> f64 {
    let longest = activity.instances.iter().map(Vec::len).max().unwrap_or(0);
    activity.column.get() * longest.max(1) as f64
}

fn instance(out: &mut String, column: f64, columns: &[Spent], (y, end): (f64, f64)) {
    let width = column / end * ROOM;
    for (index, spent) in columns.iter().enumerate() {
        let x = LEFT + index as f64 * width;
        let mut bottom = y + BAR;
        for (class, time) in [("prompts", spent.prompts), ("decodes", spent.decodes)] {
            let tall = (time.get() / column).min(1.0) * BAR;
            bottom -= tall;
            if tall >= 0.05 {
                rect(out, class, (x, bottom), (width, tall));
            }
        }
    }
}

fn axis(out: &mut String, end: f64, bottom: f64) {
    for mark in ticks(end, MARKS) {
        if mark <= end * LAST_MARK {
            let x = LEFT + mark / end * ROOM;
            text(out, "tick", (x, bottom + 14.0), &significant(mark, 4));
        }
    }
}

fn rect(out: &mut String, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>"
    );
}

fn text(out: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(text)
    );
}
