//! Collectives alone and together.

use chokepoint_engine::units::Seconds;
use chokepoint_engine::{ShareRow, ShareRun};
use csv::Writer;
use serde_json::{Value, json};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::records::text;
use crate::terminal::drawn;

/// Width of the table.
const WIDTH: u16 = 140;

/// Traffic alone and together as text: a line for each kind.
#[must_use]
pub fn share_table(run: &ShareRun, language: Language) -> String {
    let words = Words::new(language);
    let head = |key| words.of("collective", key);
    let mut columns = vec![
        Column::text(head("collective")),
        Column::number(head("size")),
        Column::number(head("groups")),
        Column::number(head("group-ranks")),
        Column::number(head("stride")),
        Column::text(head("algorithm")),
        Column::number(head("slices")),
        Column::number(head("alone")),
        Column::number(head("together")),
        Column::number(head("slower")),
    ];
    if run.whole.is_some() {
        columns.push(Column::number(head("whole-together")));
    }
    let chips = count(run.chips);
    let title = [
        ("chips", chips.as_str()),
        ("system", &run.system_name),
        ("network", &run.network),
    ];
    let grid = Grid {
        title: words.fill("collective.share-title", title),
        columns,
        rows: run.rows.iter().map(|row| cells(&words, run, row)).collect(),
    };
    let mut out = format!("{}\n{}\n", grid.title, drawn(&grid, WIDTH));
    if let Some((time, busiest)) = &run.together {
        let time = significant(time.get() * 1e6, 4);
        let (wire, share) = busiest.as_ref().map_or_else(
            || (NONE.to_owned(), NONE.to_owned()),
            |busiest| {
                let share = significant(busiest.share * 100.0, 3);
                (words.of("wire", busiest.wire), share)
            },
        );
        let values = [("time", time.as_str()), ("wire", &wire), ("share", &share)];
        out += &words.fill("collective.share-together", values);
        out.push('\n');
    }
    if let Some(whole) = run.whole {
        let time = significant(whole.get() * 1e6, 4);
        out += &words.fill("collective.share-whole", [("time", time.as_str())]);
        out.push('\n');
    }
    out += &words.of("collective", "share-legend");
    out.push('\n');
    for note in &run.notes {
        out += &words.statement(note);
        out.push('\n');
    }
    out
}

fn cells(words: &Words, run: &ShareRun, row: &ShareRow) -> Vec<String> {
    let traffic = &row.traffic;
    let mut cells = vec![
        traffic.collective.name().to_owned(),
        count(traffic.size.get() as u64),
        count(row.groups),
        count(traffic.ranks),
        count(traffic.stride),
    ];
    match &row.found {
        Ok(found) => {
            let (algorithm, slices) = found.algorithm;
            cells.push(algorithm.name().to_owned());
            cells.push(count(u64::from(slices)));
            cells.push(significant(found.alone.get() * 1e6, 4));
            cells.push(significant(found.together.get() * 1e6, 4));
            cells.push(significant(found.together / found.alone, 3));
        }
        Err(reason) => {
            cells.push(words.statement(reason));
            cells.extend([NONE, NONE, NONE, NONE].map(str::to_owned));
        }
    }
    if run.whole.is_some() {
        let whole = row.found.as_ref().ok().and_then(|found| found.whole);
        let shown = whole.map(|whole| significant(whole.get() * 1e6, 4));
        cells.push(shown.unwrap_or_else(|| NONE.to_owned()));
    }
    cells
}

/// The same as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn share_json(run: &ShareRun) -> Result<String, serde_json::Error> {
    let rows: Vec<Value> = run.rows.iter().map(of_row).collect();
    let busiest = run.together.and_then(|(_, busiest)| busiest);
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "system": run.system,
        "system_name": run.system_name,
        "network": run.network,
        "chips": run.chips,
        "rows": rows,
        "together_seconds": run.together.map(|(time, _)| time.get()),
        "busiest_wire": busiest.map(|busiest| busiest.wire),
        "busiest_share": busiest.map(|busiest| busiest.share),
        "undamaged_together_seconds": run.whole.map(Seconds::get),
        "notes": run.notes,
    }))
}

fn of_row(row: &ShareRow) -> Value {
    let found = row.found.as_ref().ok();
    json!({
        "collective": row.traffic.collective.name(),
        "size_bytes": row.traffic.size.get(),
        "groups": row.groups,
        "group_ranks": row.traffic.ranks,
        "stride": row.traffic.stride,
        "algorithm": found.map(|found| found.algorithm.0.name()),
        "slices": found.map(|found| found.algorithm.1),
        "alone_seconds": found.map(|found| found.alone.get()),
        "together_seconds": found.map(|found| found.together.get()),
        "undamaged_together_seconds": found.and_then(|found| found.whole).map(Seconds::get),
        "reason": row.found.as_ref().err(),
    })
}

/// The same as CSV: a line for each kind of traffic.
///
/// # Errors
/// When a record cannot be written.
pub fn share_csv(run: &ShareRun) -> Result<String, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record([
        "collective",
        "size_bytes",
        "groups",
        "group_ranks",
        "stride",
        "algorithm",
        "slices",
        "alone_us",
        "together_us",
        "reason",
        "undamaged_together_us",
    ])?;
    for row in &run.rows {
        let found = row.found.as_ref().ok();
        let time = |value: Option<f64>| value.map_or_else(String::new, |it| (it * 1e6).to_string());
        let algorithm = found.map(|found| found.algorithm);
        writer.write_record([
            row.traffic.collective.name().to_owned(),
            row.traffic.size.get().to_string(),
            row.groups.to_string(),
            row.traffic.ranks.to_string(),
            row.traffic.stride.to_string(),
            algorithm.map_or_else(String::new, |(it, _)| it.name().to_owned()),
            algorithm.map_or_else(String::new, |(_, slices)| slices.to_string()),
            time(found.map(|found| found.alone.get())),
            time(found.map(|found| found.together.get())),
            row.found
                .as_ref()
                .err()
                .map_or("", |reason| reason.key)
                .to_owned(),
            time(found.and_then(|found| found.whole).map(Seconds::get)),
        ])?;
    }
    text(writer)
}
