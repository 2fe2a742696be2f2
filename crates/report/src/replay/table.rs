//! A replay as text.

use chokepoint_engine::trace::Distribution;
use chokepoint_engine::{ReplayFound, ReplayRun, router_name};

use super::{instances, joules_per_token, latencies, source, tokens_per_chip, watts_per_chip};
use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::terminal::drawn;

/// Width of the tables.
const WIDTH: u16 = 120;

/// A replay as text: what ran, latencies, what came of it, what to know.
#[must_use]
pub fn replay_table(run: &ReplayRun, language: Language) -> String {
    let words = Words::new(language);
    let mut out = title(&words, run) + "\n";
    match &run.found {
        Ok(found) => {
            out += &format!("{}\n", plan(&words, run, found));
            out += &format!("{}\n", drawn(&times(&words, found), WIDTH));
            out += &format!("{}\n", drawn(&results(&words, run, found), WIDTH));
        }
        Err(reason) => {
            out += &words.fill("replay.reason", [("reason", &words.statement(reason))]);
            out.push('\n');
        }
    }
    for note in &run.notes {
        out += &words.statement(note);
        out.push('\n');
    }
    out
}

fn title(words: &Words, run: &ReplayRun) -> String {
    words.fill(
        "replay.title",
        [
            ("source", source(run)),
            ("requests", &count(run.means.requests)),
            ("input", &significant(run.means.input, 4)),
            ("output", &significant(run.means.output, 4)),
            ("model", &run.request.model),
            ("system", &run.system_name),
            ("engine", &run.engine_name),
        ],
    )
}

fn plan(words: &Words, run: &ReplayRun, found: &ReplayFound) -> String {
    let searched = if run.request.plan.is_some() {
        "given"
    } else {
        "searched"
    };
    words.fill(
        "replay.plan",
        [
            ("instances", &instances(found)),
            ("plan", &found.layouts()),
            ("searched", &words.of("replay", searched)),
            ("format", found.plan.precision.feed_forward.name()),
            ("cache", found.plan.precision.cache.name()),
            ("chips", &count(found.chips())),
            ("router", router_name(run.request.router)),
            ("room", &found.cache.to_string()),
            ("tokens", &count(found.room_tokens())),
            ("sequences", &count(u64::from(found.engine.max_sequences))),
            ("budget", &count(u64::from(found.engine.max_tokens))),
        ],
    )
}

fn times(words: &Words, found: &ReplayFound) -> Grid {
    let head = |key| words.of("replay", key);
    let row = |(key, times): (&'static str, Option<&Distribution>)| {
        let mut cells = vec![head(key)];
        match times {
            Some(times) => {
                let all = [
                    times.mean_seconds,
                    times.p50_seconds,
                    times.p90_seconds,
                    times.p95_seconds,
                    times.p99_seconds,
                    times.max_seconds,
                ];
                cells.extend(all.map(|time| significant(time.get() * 1e3, 4)));
            }
            None => cells.extend([NONE; 6].map(str::to_owned)),
        }
        cells
    };
    Grid {
        title: String::new(),
        columns: vec![
            Column::text(head("latency")),
            Column::number(head("mean")),
            Column::number("p50".to_owned()),
            Column::number("p90".to_owned()),
            Column::number("p95".to_owned()),
            Column::number("p99".to_owned()),
            Column::number(head("most")),
        ],
        rows: latencies(found).map(row).into(),
    }
}

fn results(words: &Words, run: &ReplayRun, found: &ReplayFound) -> Grid {
    let summary = &found.summary;
    let shown =
        |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| significant(value, 4));
    let percent = |share: f64| significant(share * 100.0, 3);
    let targets = &run.request.targets;
    let all = [targets.first_token, targets.token_interval, targets.whole];
    let targeted = all.iter().any(Option::is_some);
    let good = targeted.then_some(summary.good_requests_per_second);
    let share = summary.good as f64 / (summary.requests as f64).max(1.0);
    let mut rows = vec![
        ("finished", count(summary.finished)),
        ("rejected", count(summary.rejected)),
        ("unfinished", count(summary.unfinished)),
        ("seconds", significant(summary.seconds.get(), 5)),
        ("requests-rate", significant(summary.requests_per_second, 4)),
        ("good-rate", shown(good)),
        (
            "good-share",
            if targeted {
                percent(share)
            } else {
                NONE.to_owned()
            },
        ),
        (
            "tokens-rate",
            significant(summary.output_tokens_per_second, 4),
        ),
        ("tokens-rate-chip", significant(tokens_per_chip(found), 4)),
        ("utilisation", percent(found.utilisation())),
        ("cached", percent(found.cached_share())),
        ("preemptions", count(found.preemptions())),
        ("power", shown(watts_per_chip(found))),
        ("energy", shown(joules_per_token(found))),
    ];
    if found.start_up.is_some() || found.failures.is_some() {
        rows.push(("up", shown(found.mean_up())));
    }
    if found.failures.is_some() {
        rows.push(("failures", count(found.failed())));
    }
    Grid {
        title: String::new(),
        columns: vec![
            Column::text(words.of("replay", "result")),
            Column::number(words.of("replay", "value")),
        ],
        rows: rows
            .into_iter()
            .map(|(key, value)| vec![words.of("replay", key), value])
            .collect(),
    }
}
