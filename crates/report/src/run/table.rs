//! A training run as text for a terminal.

use chokepoint_engine::{Outcome, RunFound, RunGoodput, RunPlan, TrainingRun};

use super::lines::lines;
use super::{contention, degraded, sites};
use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, fixed, percent, range, significant, tenths_of_percent};
use crate::terminal::drawn;
use crate::view::metric;

/// Width of tables.
const WIDTH: u16 = 140;

/// Measures that are shown, in order.
const SHOWN: [&str; 12] = [
    "step_seconds",
    "tokens_per_second",
    "tokens_per_second_per_chip",
    "mfu",
    "run_days",
    "chip_hours",
    "chip_hours_per_trillion_tokens",
    "power_watts",
    "chip_power_watts",
    "energy_kilowatt_hours",
    "usd_per_run",
    "usd_per_million_tokens",
];

/// The run as text: the plan, its measures, where the time and the memory go, what binds, what
/// failures leave, the next-best plans and the timeline of the pipeline.
#[must_use]
pub fn run_table(run: &TrainingRun, language: Language) -> String {
    let words = Words::new(language);
    let mut out = heading(&words, run);
    match (&run.found, &run.reason) {
        (Some(found), _) => result(&mut out, &words, run, found),
        (None, Some(reason)) => line(&mut out, &words.statement(reason)),
        (None, None) => line(&mut out, &words.of("report", "infeasible")),
    }
    if !run.notes.is_empty() {
        line(&mut out, "");
        line(&mut out, &words.of("report", "notes"));
        for note in &run.notes {
            line(&mut out, &format!("- {}", words.statement(note)));
        }
    }
    out
}

fn heading(words: &Words, run: &TrainingRun) -> String {
    words.fill(
        "run.heading",
        [
            ("model", &run.model),
            ("system", &run.system_name),
            ("chips", &count(run.chips)),
            ("tokens", &significant(run.workload.tokens / 1e12, 3)),
            ("sequence", &count(run.workload.sequence)),
            ("batch", &count(run.workload.global_batch)),
        ],
    ) + "\n"
}

/// A line of text.
pub(crate) fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn result(out: &mut String, words: &Words, run: &TrainingRun, found: &RunFound) {
    let outcome = &found.outcome;
    let (key, count_of_sites) = match &found.sites {
        Some(split) => ("sites.plan", split.sites.max(1)),
        None => ("run.plan", 1),
    };
    line(
        out,
        &words.fill(
            key,
            [
                ("plan", &outcome.plan),
                ("used", &count(outcome.chips_used / count_of_sites)),
            ],
        ),
    );
    if run.evaluated > 1 {
        let searched = [
            ("evaluated", count(run.evaluated)),
            ("pruned", count(run.pruned)),
        ];
        let searched = searched.each_ref().map(|(key, text)| (*key, text.as_str()));
        line(out, &words.fill("run.searched", searched));
    }
    table(out, &metrics(words, outcome));
    table(
        out,
        &parts(words, outcome, words.of("run", "breakdown"), ("s", 1.0)),
    );
    table(out, &memory(words, outcome, words.of("report", "memory")));
    if let Some(text) = chokepoint(words, outcome) {
        line(out, &text);
    }
    if let Some(beside) = &found.contention {
        table(out, &contention::grid(words, beside));
        line(out, &contention::lines(words, beside));
    }
    if let Some(split) = &found.sites {
        table(out, &sites::table(words, split));
        if let Some(text) = sites::missing(words, split) {
            line(out, &text);
        }
    }
    if let Some(goodput) = &found.goodput {
        table(out, &failures(words, run, goodput));
    }
    if let Some(degraded) = &found.degraded {
        table(out, &degraded::grid(words, degraded));
        line(out, &degraded::line(words, degraded));
    }
    if !found.others.is_empty() {
        table(out, &plans(words, "run.others", &found.others));
    }
    if !found.front.is_empty() {
        table(out, &plans(words, "run.front", &found.front));
    }
    if let Some(text) = lines(words, run) {
        line(out, &text);
    }
}

/// A table under its title.
pub(crate) fn table(out: &mut String, grid: &Grid) {
    line(out, &grid.title);
    line(out, &drawn(grid, WIDTH));
}

/// A table of a text and a number.
pub(crate) fn pairs(title: String, heads: [String; 2], rows: Vec<[String; 2]>) -> Grid {
    let [what, value] = heads;
    Grid {
        title,
        columns: vec![Column::text(what), Column::number(value)],
        rows: rows.into_iter().map(Vec::from).collect(),
    }
}

fn metrics(words: &Words, outcome: &Outcome) -> Grid {
    let mut rows = Vec::new();
    for key in SHOWN {
        let Some(value) = metric(outcome, key) else {
            continue;
        };
        rows.push([words.of("metric", key), significant(value, 4)]);
        if key == "step_seconds" {
            let (low, high) = outcome.interval;
            rows.push([words.of("run", "step-interval"), range(low, high)]);
        }
    }
    let heads = [words.of("column", "measure"), words.of("run", "value")];
    pairs(words.of("report", "results"), heads, rows)
}

/// Parts of a time in a unit of so many to a second.
pub(crate) fn parts(
    words: &Words,
    outcome: &Outcome,
    title: String,
    (unit, of_a_second): (&str, f64),
) -> Grid {
    let times: Vec<f64> = outcome.breakdown.iter().map(|(_, time)| *time).collect();
    let shares = tenths_of_percent(&times);
    let mut rows: Vec<Vec<String>> = outcome
        .breakdown
        .iter()
        .zip(&shares)
        .filter(|((_, time), _)| *time > 0.0)
        .map(|((key, time), share)| {
            vec![
                words.of("part", key),
                percent(*share),
                significant(*time * of_a_second, 3),
            ]
        })
        .collect();
    rows.push(vec![
        words.of("column", "total"),
        percent(shares.iter().sum()),
        significant(outcome.whole * of_a_second, 3),
    ]);
    Grid {
        title,
        columns: vec![
            Column::text(words.of("run", "part")),
            Column::number("%".to_owned()),
            Column::number(unit.to_owned()),
        ],
        rows,
    }
}

/// What the memory of the fullest chip holds.
pub(crate) fn memory(words: &Words, outcome: &Outcome, title: String) -> Grid {
    let gigabytes = |bytes: f64| fixed(bytes / 1e9, 1);
    let mut rows: Vec<[String; 2]> = outcome
        .memory
        .iter()
        .map(|(key, bytes)| [words.of("memory", key), gigabytes(*bytes)])
        .collect();
    for (key, name) in [
        ("memory_bytes", words.of("column", "total")),
        ("memory_usable_bytes", words.of("run", "usable")),
    ] {
        let bytes = metric(outcome, key);
        rows.push([name, bytes.map_or_else(|| NONE.to_owned(), gigabytes)]);
    }
    let heads = [words.of("run", "use"), "GB".to_owned()];
    pairs(title, heads, rows)
}

/// What binds, and what would be next.
pub(crate) fn chokepoint(words: &Words, outcome: &Outcome) -> Option<String> {
    let name = |index: usize| {
        let (resource, elasticity) = outcome.elasticities.get(index)?;
        let text = words.of("resource", resource.key());
        Some((text, fixed(*elasticity, 2)))
    };
    let (first, elasticity) = name(0)?;
    let (second, next) = name(1)?;
    Some(words.fill(
        "run.chokepoint",
        [
            ("resource", &first),
            ("elasticity", &elasticity),
            ("second", &second),
            ("next", &next),
        ],
    ))
}

fn failures(words: &Words, run: &TrainingRun, goodput: &RunGoodput) -> Grid {
    let mut rows = Vec::new();
    let mut put = |key: &str, value: Option<f64>, digits: usize| {
        let value = value.map_or_else(|| NONE.to_owned(), |value| significant(value, digits));
        rows.push([words.of("run", key), value]);
    };
    put("days", Some(goodput.days), 3);
    put("mtbf", goodput.mtbf_hours, 3);
    put("interval", goodput.interval_minutes, 3);
    put("checkpoint", Some(goodput.checkpoint_bytes / 1e12), 3);
    put("usd", goodput.usd, 4);
    rows.push([words.of("run", "spares"), count(goodput.spare_chips)]);
    let shares: Vec<f64> = goodput.causes.iter().map(|(_, share)| *share).collect();
    for ((cause, _), share) in goodput.causes.iter().zip(tenths_of_percent(&shares)) {
        rows.push([words.of("cause", cause), percent(share)]);
    }
    let title = words.fill(
        "run.goodput",
        [("name", goodput.name.as_str()), ("prices", &run.prices)],
    );
    let heads = [words.of("column", "measure"), words.of("run", "value")];
    pairs(title, heads, rows)
}

fn plans(words: &Words, title: &str, plans: &[RunPlan]) -> Grid {
    let row = |plan: &RunPlan| {
        vec![
            significant(plan.step_seconds, 3),
            fixed(plan.slower * 100.0, 2),
            fixed(plan.memory_bytes / 1e9, 1),
            plan.plan.clone(),
        ]
    };
    Grid {
        title: words.get(title),
        columns: vec![
            Column::number(words.of("column", "step")),
            Column::number(words.of("run", "slower")),
            Column::number(words.of("column", "memory")),
            Column::text(words.of("column", "plan")),
        ],
        rows: plans.iter().map(row).collect(),
    }
}
