//! What failed parts of the network take of a run.

use chokepoint_engine::{DegradedRow, RunDegraded};
use serde_json::{Value, json};

use crate::grid::{Column, Grid};
use crate::messages::Words;
use crate::number::{count, significant};

/// A line for each kind of part.
pub(super) fn grid(words: &Words, found: &RunDegraded) -> Grid {
    let row = |row: &DegradedRow| {
        let slowdown = match &row.slowdown {
            Ok(slowdown) => significant((slowdown - 1.0) * 100.0, 3),
            Err(_) => words.of("degraded", "stops"),
        };
        vec![
            words.of("network-part", row.part),
            count(row.there),
            significant(row.share * 100.0, 3),
            slowdown,
        ]
    };
    Grid {
        title: words.get("degraded.title"),
        columns: vec![
            Column::text(words.of("degraded", "part")),
            Column::number(words.of("degraded", "there")),
            Column::number(words.of("degraded", "share")),
            Column::number(words.of("degraded", "slower")),
        ],
        rows: found.rows.iter().map(row).collect(),
    }
}

/// What it comes to.
pub(super) fn line(words: &Words, found: &RunDegraded) -> String {
    let more = significant((found.slowdown - 1.0) * 100.0, 3);
    let (simulated, whole) = (count(found.chips.0), count(found.chips.1));
    let values = [
        ("more", more.as_str()),
        ("simulated", &simulated),
        ("chips", &whole),
    ];
    words.fill("degraded.legend", values)
}

/// The same as JSON.
pub(super) fn json(found: &RunDegraded) -> Value {
    let row = |row: &DegradedRow| {
        json!({
            "part": row.part,
            "number": row.there,
            "time_share": row.share,
            "slowdown": row.slowdown.as_ref().ok(),
            "reason": row.slowdown.as_ref().err(),
        })
    };
    json!({
        "chips_simulated": found.chips.0,
        "chips": found.chips.1,
        "mean_slowdown": found.slowdown,
        "parts": found.rows.iter().map(row).collect::<Vec<_>>(),
    })
}
