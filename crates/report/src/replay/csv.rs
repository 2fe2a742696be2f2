//! A replay as CSV: one line for all of it, and one for each request.

use chokepoint_engine::trace::{Outcome, Record};
use chokepoint_engine::units::Seconds;
use chokepoint_engine::{ReplayFound, ReplayRun, router_name};
use csv::{Error, Writer};

use super::{instances, joules_per_token, latencies, source, tokens_per_chip};
use crate::records::text;

/// A replay as CSV: a heading and a line, with blanks where there is no result.
///
/// # Errors
/// When a record cannot be written.
pub fn replay_csv(run: &ReplayRun) -> Result<String, Error> {
    let request = &run.request;
    let found = run.found.as_ref().ok();
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let whole = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let summary = found.map(|found| &found.summary);
    let mut cells: Vec<(String, String)> = [
        ("model", request.model.clone()),
        ("system", request.system.clone()),
        ("engine", request.engine.clone()),
        ("router", router_name(request.router).to_owned()),
        ("source", source(run).to_owned()),
        ("plan", found.map_or_else(String::new, ReplayFound::layouts)),
        ("instances", found.map_or_else(String::new, instances)),
        ("chips", whole(found.map(ReplayFound::chips))),
        ("requests", run.means.requests.to_string()),
        ("finished", whole(summary.map(|it| it.finished))),
        ("rejected", whole(summary.map(|it| it.rejected))),
        ("unfinished", whole(summary.map(|it| it.unfinished))),
        ("good", whole(summary.map(|it| it.good))),
        ("seconds", number(summary.map(|it| it.seconds.get()))),
        (
            "requests_per_second",
            number(summary.map(|it| it.requests_per_second)),
        ),
        (
            "good_requests_per_second",
            number(summary.map(|it| it.good_requests_per_second)),
        ),
        (
            "output_tokens_per_second",
            number(summary.map(|it| it.output_tokens_per_second)),
        ),
        (
            "output_tokens_per_second_per_chip",
            number(found.map(tokens_per_chip)),
        ),
        ("utilisation", number(found.map(ReplayFound::utilisation))),
        ("cached_share", number(found.map(ReplayFound::cached_share))),
        ("preemptions", whole(found.map(ReplayFound::preemptions))),
        (
            "chip_joules_per_output_token",
            number(found.and_then(joules_per_token)),
        ),
    ]
    .map(|(name, cell)| (name.to_owned(), cell))
    .into();
    cells.extend(changes(found));
    cells.extend(times(run));
    let reason = run.found.as_ref().err().map_or("", |reason| reason.key);
    cells.push(("reason".to_owned(), reason.to_owned()));
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(cells.iter().map(|(name, _)| name))?;
    writer.write_record(cells.iter().map(|(_, cell)| cell))?;
    text(writer)
}

/// Instances that came and went.
fn changes(found: Option<&ReplayFound>) -> [(String, String); 3] {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let failed = found.map(ReplayFound::failed);
    [
        (
            "failures",
            failed.map_or_else(String::new, |it| it.to_string()),
        ),
        (
            "mean_instances_up",
            number(found.and_then(ReplayFound::mean_up)),
        ),
        (
            "start_up_seconds",
            number(found.and_then(|it| it.start_up).map(Seconds::get)),
        ),
    ]
    .map(|(name, cell)| (name.to_owned(), cell))
}

/// Mean and percentiles of the latencies.
fn times(run: &ReplayRun) -> Vec<(String, String)> {
    let found = run.found.as_ref().ok();
    let mut cells = Vec::new();
    for (index, name) in ["ttft", "tpot", "whole"].into_iter().enumerate() {
        let times = found.and_then(|found| latencies(found)[index].1);
        let mut add = |what: &str, time: Option<Seconds>| {
            let time = time.map_or_else(String::new, |time| time.get().to_string());
            cells.push((format!("{name}_{what}_seconds"), time));
        };
        add("mean", times.map(|times| times.mean_seconds));
        add("p50", times.map(|times| times.p50_seconds));
        add("p90", times.map(|times| times.p90_seconds));
        add("p99", times.map(|times| times.p99_seconds));
    }
    cells
}

/// Name of an outcome.
pub(super) const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Finished => "finished",
        Outcome::RejectedTooLong => "rejected_too_long",
        Outcome::RejectedEmpty => "rejected_empty",
        Outcome::RejectedRetries => "rejected_retries",
        Outcome::Unfinished => "unfinished",
    }
}

/// Heading of the lines of requests.
#[must_use]
pub const fn record_columns() -> &'static str {
    "request,outcome,arrival_seconds,first_token_seconds,end_seconds,input_tokens,output_tokens,\
made_tokens,cached_tokens,class,instance,preemptions,retries\n"
}

/// The line of a request, in the order in which they end.
#[must_use]
pub fn record_line(record: &Record) -> String {
    let outcome = outcome_name(record.outcome);
    let first = record
        .first_token
        .map_or_else(String::new, |time| time.get().to_string());
    let instance = record
        .instance
        .map_or_else(String::new, |instance| instance.to_string());
    format!(
        "{},{outcome},{},{first},{},{},{},{},{},{},{instance},{},{}\n",
        record.request,
        record.arrival.get(),
        record.end.get(),
        record.input_tokens,
        record.output_tokens,
        record.made_tokens,
        record.cached_tokens,
        record.class,
        record.preemptions,
        record.retries,
    )
}
