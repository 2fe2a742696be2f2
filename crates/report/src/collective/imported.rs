//! Measured times beside what was predicted without and with them.

use chokepoint_engine::{CollectiveRun, Imported};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::terminal::drawn;

/// Width of the table.
const WIDTH: u16 = 120;

/// What was imported as text: a line for each size.
#[must_use]
pub fn imported_table(
    imported: &Imported,
    (before, after): (&CollectiveRun, &CollectiveRun),
    language: Language,
) -> String {
    let words = Words::new(language);
    let head = |key| Column::number(words.of("collective", key));
    let time = |run: &CollectiveRun, at: usize| {
        let found = run.rows.get(at).and_then(|row| row.found.as_ref().ok());
        found.map_or_else(
            || NONE.to_owned(),
            |found| significant(found.time.get() * 1e6, 4),
        )
    };
    let rows = imported.rows.iter().enumerate().map(|(at, row)| {
        vec![
            count(row.size.get() as u64),
            significant(row.time.get() * 1e6, 4),
            time(before, at),
            time(after, at),
        ]
    });
    let ranks = count(imported.ranks);
    let grid = Grid {
        title: words.fill(
            "collective.imported",
            [
                ("collective", imported.collective.name()),
                ("ranks", &ranks),
                ("system", &after.system_name),
            ],
        ),
        columns: vec![
            head("size"),
            head("measured"),
            head("before"),
            head("after"),
        ],
        rows: rows.collect(),
    };
    let mut out = format!("{}\n{}\n", grid.title, drawn(&grid, WIDTH));
    if let Some((device, chip)) = &imported.device {
        let names = [("device", device.as_str()), ("chip", chip)];
        out += &words.fill("collective.other-device", names);
        out.push('\n');
    }
    out
}
