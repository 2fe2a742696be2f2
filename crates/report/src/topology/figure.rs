//! Rows of boxes with lines between them: what a network is drawn from.

use std::fmt::Write as _;

use crate::svg::{escape, text_width};

/// Most boxes of a row that are all drawn; of more, some at either end.
const MOST: u64 = 8;
/// Boxes at either end of a row that is not drawn in full.
const ENDS: usize = 3;
/// Height of a box.
pub(super) const BOX: f64 = 26.0;
/// Widest box.
const WIDEST: f64 = 46.0;

/// A drawing under construction.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    pub(super) body: String,
}

/// A row of equal things.
pub(super) struct Row {
    /// How many there are; none where that is not known.
    pub(super) count: Option<u64>,
    /// Class of the boxes.
    pub(super) class: &'static str,
    /// What they are.
    pub(super) label: String,
    /// What joins them to the row below.
    pub(super) links: Option<Links>,
}

/// Lines between a row and the one below.
pub(super) struct Links {
    /// Class of the lines.
    pub(super) class: &'static str,
    /// What they are.
    pub(super) label: String,
    /// Which boxes are joined.
    pub(super) joined: Joined,
}

/// Which boxes of two rows are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// All to all.
    All,
    /// All to all in either half: pods, or planes that do not meet.
    Halves,
    /// Each to those below it.
    Own,
}

/// Where a panel lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) top: f64,
    pub(super) height: f64,
}

impl Panel {
    fn centre(self) -> f64 {
        self.left + self.width / 2.0
    }
}

impl Canvas {
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\"/>"
        );
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), content: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(content)
        );
    }

    /// A text in the middle of a place, on a ground of its own.
    fn label(&mut self, class: &str, (x, y): (f64, f64), content: &str) {
        let size = if class == "link-label" { 12.0 } else { 13.0 };
        let width = text_width(content) * size + 10.0;
        self.rect("ground", (x - width / 2.0, y - 13.0), (width, 18.0));
        self.text(class, (x, y), content);
    }

    /// Rows, the highest first.
    pub(super) fn rows(&mut self, panel: Panel, rows: &[Row]) {
        let pitch = match rows.len() {
            0 | 1 => 0.0,
            more => (panel.height - BOX - 40.0) / (more - 1) as f64,
        };
        let first = panel.top
            + if rows.len() == 1 {
                panel.height / 2.0
            } else {
                34.0
            };
        let y = |row: usize| first + pitch * row as f64;
        let slots: Vec<Vec<Option<f64>>> = rows
            .iter()
            .map(|row| slots(row.count.unwrap_or(1), panel))
            .collect();
        for (at, row) in rows.iter().enumerate().take(rows.len().saturating_sub(1)) {
            if let Some(links) = &row.links {
                let (above, below) = (y(at) + BOX, y(at + 1));
                self.bundle(links, (&slots[at], above), (&slots[at + 1], below));
            }
        }
        for (at, row) in rows.iter().enumerate() {
            self.row(row, &slots[at], y(at), panel);
            if let Some(links) = &row.links {
                let middle = (panel.centre(), y(at) + BOX + (pitch - BOX) / 2.0 - 4.0);
                self.label("link-label", middle, &links.label);
            }
        }
    }

    fn row(&mut self, row: &Row, slots: &[Option<f64>], y: f64, panel: Panel) {
        let width = box_width(slots.len(), panel);
        for slot in slots {
            match slot {
                Some(x) => self.rect(row.class, (x - width / 2.0, y), (width, BOX)),
                None => self.text("more", (panel.centre(), y + BOX / 2.0 + 5.0), "…"),
            }
        }
        self.label("row-label", (panel.centre(), y - 9.0), &row.label);
    }

    fn bundle(
        &mut self,
        links: &Links,
        (above, top): (&[Option<f64>], f64),
        (below, bottom): (&[Option<f64>], f64),
    ) {
        let pairs = above.iter().enumerate().flat_map(|(one, from)| {
            below
                .iter()
                .enumerate()
                .map(move |(other, to)| (one, from, other, to))
        });
        for (one, from, other, to) in pairs {
            let (few, many) = (above.len().min(below.len()), above.len().max(below.len()));
            let (near, far) = if above.len() <= below.len() {
                (one, other)
            } else {
                (other, one)
            };
            let joined = match links.joined {
                Joined::All => true,
                Joined::Halves => (2 * near >= few) == (2 * far >= many),
                Joined::Own => far * few / many == near,
            };
            if let (Some(from), Some(to)) = (from, to)
                && joined
            {
                self.line(links.class, (*from, top), (*to, bottom));
            }
        }
    }

    /// Boxes on a circle, each joined to all others.
    pub(super) fn circle(&mut self, panel: Panel, class: &str, row: &Row) {
        let drawn = row.count.unwrap_or(1).min(2 * MOST) as usize;
        let centre = (panel.centre(), panel.top + panel.height / 2.0 + 16.0);
        let radius = (panel.width.min(panel.height) / 2.0 - 50.0).max(40.0);
        let at = |index: usize| {
            let turn = core::f64::consts::TAU * index as f64 / drawn as f64;
            (
                centre.0 + radius * libm::sin(turn),
                centre.1 - radius * libm::cos(turn),
            )
        };
        for one in 0..drawn {
            for other in one + 1..drawn {
                self.line(class, at(one), at(other));
            }
        }
        for index in 0..drawn {
            let (x, y) = at(index);
            self.rect(row.class, (x - 17.0, y - BOX / 2.0), (34.0, BOX));
        }
        self.label("row-label", (centre.0, panel.top + 24.0), &row.label);
        if let Some(links) = &row.links {
            self.label("link-label", (centre.0, centre.1 + 5.0), &links.label);
        }
    }

    /// A grid whose rows and columns are rings.
    pub(super) fn grid(&mut self, panel: Panel, class: &str, row: &Row) {
        let side = 5;
        let step = (panel.width.min(panel.height) - 110.0) / f64::from(side);
        let left = panel.centre() - step * f64::from(side - 1) / 2.0;
        let top = panel.top + 70.0;
        let at = |index: i32| step * f64::from(index);
        for index in 0..side {
            let (near, far) = (-0.45 * step, at(side - 1) + 0.45 * step);
            let (x, y) = (left + at(index), top + at(index));
            self.line(class, (x, top + near), (x, top + far));
            self.line(class, (left + near, y), (left + far, y));
        }
        for index in 0..side * side {
            let (x, y) = (left + at(index % side), top + at(index / side));
            self.rect(row.class, (x - 15.0, y - BOX / 2.0), (30.0, BOX));
        }
        self.label("row-label", (panel.centre(), panel.top + 24.0), &row.label);
        if let Some(links) = &row.links {
            let below = top + at(side - 1) + 0.45 * step + 22.0;
            for (at, line) in links.label.lines().enumerate() {
                let y = below + 20.0 * at as f64;
                self.label("link-label", (panel.centre(), y), line);
            }
        }
    }
}

/// Middles of the boxes of a row; none where boxes are left out.
fn slots(count: u64, panel: Panel) -> Vec<Option<f64>> {
    let number = if count <= MOST {
        count.max(1) as usize
    } else {
        2 * ENDS + 1
    };
    let pitch = panel.width / number as f64;
    (0..number)
        .map(|slot| {
            let left_out = count > MOST && slot == ENDS;
            (!left_out).then_some(panel.left + (slot as f64 + 0.5) * pitch)
        })
        .collect()
}

fn box_width(slots: usize, panel: Panel) -> f64 {
    (panel.width / slots as f64 * 0.7).min(WIDEST)
}
