//! A collective as a table: a line for each size.

use chokepoint_engine::{CollectiveFound, CollectiveRow, CollectiveRun};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::terminal::drawn;

/// Width of the table.
const WIDTH: u16 = 120;

/// A collective as text.
#[must_use]
pub fn collective_table(run: &CollectiveRun, language: Language) -> String {
    let words = Words::new(language);
    let grid = Grid {
        title: title(&words, run),
        columns: columns(&words, run),
        rows: run.rows.iter().map(|row| cells(&words, run, row)).collect(),
    };
    let mut out = format!("{}\n{}\n", grid.title, drawn(&grid, WIDTH));
    let mut reasons: Vec<String> = Vec::new();
    for reason in run.rows.iter().filter_map(|row| row.found.as_ref().err()) {
        let reason = words.statement(reason);
        if !reasons.contains(&reason) {
            out += &words.fill("collective.reason", [("reason", &reason)]);
            out.push('\n');
            reasons.push(reason);
        }
    }
    out += &words.of("collective", "legend");
    out.push('\n');
    for note in &run.notes {
        out += &words.statement(note);
        out.push('\n');
    }
    out
}

fn title(words: &Words, run: &CollectiveRun) -> String {
    let (inside, domains) = run.shape;
    let (ranks, inside, domains) = (count(run.request.ranks), count(inside), count(domains));
    words.fill(
        "collective.title",
        [
            ("collective", run.request.collective.name()),
            ("ranks", &ranks),
            ("system", &run.system_name),
            ("inside", &inside),
            ("domains", &domains),
            ("network", &run.network),
            (
                "fidelity",
                &words.of("fidelity", run.request.fidelity.name()),
            ),
        ],
    )
}

fn columns(words: &Words, run: &CollectiveRun) -> Vec<Column> {
    let head = |key| words.of("collective", key);
    let mut columns = vec![
        Column::number(head("size")),
        Column::number(head("time")),
        Column::number(head("algbw")),
        Column::number(head("busbw")),
    ];
    if run.request.fidelity.simulates() {
        columns.push(Column::text(head("algorithm")));
        columns.push(Column::number(head("slices")));
        columns.push(Column::text(head("busiest")));
        columns.push(Column::number(head("busy")));
    }
    if !run.request.damage.is_empty() {
        columns.push(Column::number(head("whole")));
        columns.push(Column::number(head("slower")));
    }
    columns
}

fn cells(words: &Words, run: &CollectiveRun, row: &CollectiveRow) -> Vec<String> {
    let simulates = run.request.fidelity.simulates();
    let mut cells = vec![count(row.size.get() as u64)];
    match &row.found {
        Ok(found) => {
            cells.push(significant(found.time.get() * 1e6, 4));
            cells.push(significant(found.algorithm_bandwidth.get() / 1e9, 3));
            cells.push(significant(found.bus_bandwidth.get() / 1e9, 3));
            if simulates {
                cells.extend(simulated(words, found));
            }
        }
        Err(_) => cells.resize(if simulates { 8 } else { 4 }, NONE.to_owned()),
    }
    if !run.request.damage.is_empty() {
        let time = row.found.as_ref().ok().map(|found| found.time);
        let slower = time.zip(row.whole).map(|(time, whole)| time / whole);
        let shown = |value: Option<f64>, digits| {
            value.map_or_else(|| NONE.to_owned(), |value| significant(value, digits))
        };
        cells.push(shown(row.whole.map(|whole| whole.get() * 1e6), 4));
        cells.push(shown(slower, 3));
    }
    cells
}

fn simulated(words: &Words, found: &CollectiveFound) -> [String; 4] {
    let (algorithm, slices) = found.algorithm.map_or_else(
        || (NONE.to_owned(), NONE.to_owned()),
        |(algorithm, slices)| (algorithm.name().to_owned(), count(u64::from(slices))),
    );
    let (busiest, busy) = found.busiest.as_ref().map_or_else(
        || (NONE.to_owned(), NONE.to_owned()),
        |busiest| {
            let share = significant(busiest.share * 100.0, 3);
            (words.of("wire", busiest.wire), share)
        },
    );
    [algorithm, slices, busiest, busy]
}
