//! The traffic of a step beside itself.

use chokepoint_engine::units::Seconds;
use chokepoint_engine::{ContentionRow, RunContention};
use serde_json::{Value, json};

use crate::grid::{Column, Grid};
use crate::messages::Words;
use crate::number::{NONE, count, significant};

/// A line for each kind of traffic.
pub(super) fn grid(words: &Words, found: &RunContention) -> Grid {
    let head = |key| words.of("collective", key);
    Grid {
        title: words.get("contention.title"),
        columns: vec![
            Column::text(words.of("contention", "traffic")),
            Column::text(head("collective")),
            Column::number(head("size")),
            Column::number(head("groups")),
            Column::number(head("group-ranks")),
            Column::number(head("stride")),
            Column::number(head("alone")),
            Column::number(head("together")),
            Column::number(head("slower")),
            Column::number(words.of("contention", "in-step")),
        ],
        rows: found.rows.iter().map(|row| cells(words, row)).collect(),
    }
}

fn cells(words: &Words, row: &ContentionRow) -> Vec<String> {
    let (groups, ranks, stride) = row.groups;
    let mut cells = vec![
        words.of("part", row.kind),
        row.collective.name().to_owned(),
        count(row.message.get() as u64),
        count(groups),
        count(ranks),
        count(stride),
    ];
    match &row.found {
        Ok(found) => {
            cells.push(significant(found.alone.get() * 1e6, 4));
            cells.push(significant(found.together.get() * 1e6, 4));
            cells.push(significant(found.factor, 3));
            cells.push(significant(found.in_step, 4));
        }
        Err(_) => cells.resize(10, NONE.to_owned()),
    }
    cells
}

/// What it comes to, and why traffic was not run.
pub(super) fn lines(words: &Words, found: &RunContention) -> String {
    let mut out = String::new();
    if let Some(slowed) = found.step {
        let more = significant((slowed / found.alone - 1.0) * 100.0, 3);
        let [alone, time] = [found.alone, slowed].map(|time| significant(time.get(), 4));
        let values = [("alone", alone.as_str()), ("time", &time), ("more", &more)];
        out += &words.fill("contention.step", values);
        out.push('\n');
    }
    let mut reasons: Vec<String> = Vec::new();
    for reason in found.rows.iter().filter_map(|row| row.found.as_ref().err()) {
        let reason = words.statement(reason);
        if !reasons.contains(&reason) {
            out += &words.fill("collective.reason", [("reason", &reason)]);
            out.push('\n');
            reasons.push(reason);
        }
    }
    let (simulated, whole) = found.chips;
    let (simulated, whole) = (count(simulated), count(whole));
    let values = [("simulated", simulated.as_str()), ("chips", &whole)];
    out += &words.fill("contention.legend", values);
    out
}

/// The same as JSON.
pub(super) fn json(found: &RunContention) -> Value {
    json!({
        "chips_simulated": found.chips.0,
        "chips": found.chips.1,
        "step_seconds": found.alone.get(),
        "step_seconds_at_most": found.step.map(Seconds::get),
        "traffic": found.rows.iter().map(of_row).collect::<Vec<_>>(),
    })
}

fn of_row(row: &ContentionRow) -> Value {
    let found = row.found.as_ref().ok();
    let (groups, ranks, stride) = row.groups;
    json!({
        "kind": row.kind,
        "collective": row.collective.name(),
        "message_bytes": row.message.get(),
        "groups": groups,
        "group_ranks": ranks,
        "stride": stride,
        "alone_seconds": found.map(|found| found.alone.get()),
        "together_seconds": found.map(|found| found.together.get()),
        "factor": found.map(|found| found.factor),
        "factor_in_step": found.map(|found| found.in_step),
        "reason": row.found.as_ref().err(),
    })
}
