//! A serving run as text for a terminal.

use chokepoint_engine::{Ask, Goal, Outcome, RandomArrivals, ServeFound, ServePlan, ServingRun};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, fixed, range, significant};
use crate::run::{chokepoint, line, memory, pairs, parts, table};
use crate::view::metric;

/// Measures that are shown, in order.
const SHOWN: [&str; 16] = [
    "ttft_seconds",
    "ttft_percentile_seconds",
    "tpot_seconds",
    "tpot_percentile_seconds",
    "tokens_per_second_per_user",
    "requests_per_second",
    "utilisation",
    "steady_requests_per_second",
    "output_tokens_per_second",
    "output_tokens_per_second_per_chip",
    "power_watts",
    "chip_power_watts",
    "joules_per_output_token",
    "chip_hours_per_million_output_tokens",
    "usd_per_chip_hour",
    "usd_per_million_output_tokens",
];

/// The run as text: the plan, its measures, where the time and the memory go, what binds, the
/// next-best plans and the front.
#[must_use]
pub fn serve_table(run: &ServingRun, language: Language) -> String {
    let words = Words::new(language);
    let mut out = heading(&words, run) + "\n";
    match (&run.found, &run.reason) {
        (Some(found), _) => result(&mut out, &words, run, found),
        (None, Some(reason)) => line(&mut out, &words.statement(reason)),
        (None, None) => line(&mut out, &words.of("report", "infeasible")),
    }
    if !run.front.is_empty() {
        table(&mut out, &front(&words, &run.front));
    }
    line(&mut out, "");
    line(&mut out, &words.of("report", "notes"));
    for note in &run.notes {
        line(&mut out, &format!("- {}", words.statement(note)));
    }
    out
}

/// What is served where, and within which targets.
fn heading(words: &Words, run: &ServingRun) -> String {
    let workload = &run.workload;
    let chips = run.chips.map_or_else(|| NONE.to_owned(), count);
    let held = match &run.arrivals {
        None => words.of("serve", "in-the-mean"),
        Some(arrivals) => {
            let percent = arrivals.percent.to_string();
            words.fill("serve.for-percentile", [("percent", &percent)])
        }
    };
    words.fill(
        "serve.heading",
        [
            ("held", held.as_str()),
            ("model", run.model.as_str()),
            ("system", &run.system_name),
            ("chips", &chips),
            ("input", &count(workload.input)),
            ("output", &count(workload.output)),
            ("ttft", &workload.ttft.to_string()),
            ("tpot", &workload.tpot.to_string()),
        ],
    )
}

fn result(out: &mut String, words: &Words, run: &ServingRun, found: &ServeFound) {
    let outcome = &found.outcome;
    let plan = [
        ("plan", outcome.plan.clone()),
        ("used", count(outcome.chips_used)),
    ];
    let plan = plan.each_ref().map(|(key, text)| (*key, text.as_str()));
    line(out, &words.fill("serve.plan", plan));
    let key = match &run.ask {
        Ask::Best(Goal::Throughput) => Some("serve.searched"),
        Ask::Best(Goal::Cost) => Some("serve.searched-cost"),
        Ask::Best(Goal::Energy) => Some("serve.searched-energy"),
        Ask::Rate(_) => Some("serve.searched-rate"),
        Ask::Given(_) => None,
    };
    if let Some(arrivals) = &run.arrivals {
        line(out, &replayed(words, run.evaluated, arrivals));
    } else if let Some(key) = key {
        let counts = [
            ("evaluated", count(run.evaluated)),
            ("pruned", count(run.pruned)),
        ];
        let counts = counts.each_ref().map(|(key, text)| (*key, text.as_str()));
        line(out, &words.fill(key, counts));
    }
    table(out, &metrics(words, outcome));
    if !outcome.breakdown.is_empty() {
        let title = words.of("serve", "breakdown");
        table(out, &parts(words, outcome, title, ("ms", 1e3)));
    }
    table(out, &memory(words, outcome, words.of("serve", "memory")));
    if let Some(text) = chokepoint(words, outcome) {
        line(out, &text);
    }
    if !found.others.is_empty() {
        table(out, &others(words, outcome, &found.others));
    }
}

/// How plans were replayed.
fn replayed(words: &Words, plans: u64, arrivals: &RandomArrivals) -> String {
    let counts = [
        ("plans", count(plans)),
        ("replays", count(arrivals.replays)),
        ("untried", count(arrivals.untried)),
        ("counted", count(arrivals.counted)),
        ("seed", arrivals.seed.to_string()),
    ];
    let counts = counts.each_ref().map(|(key, text)| (*key, text.as_str()));
    words.fill("serve.replayed", counts)
}

fn metrics(words: &Words, outcome: &Outcome) -> Grid {
    let mut rows = Vec::new();
    for key in SHOWN {
        let value = match key {
            "usd_per_chip_hour" => outcome.hourly.map(|cost| cost.total.get()),
            _ => metric(outcome, key),
        };
        let Some(value) = value else {
            continue;
        };
        rows.push([words.of("metric", key), significant(value, 4)]);
        if key == "output_tokens_per_second" {
            let (low, high) = outcome.interval;
            rows.push([words.of("serve", "rate-interval"), range(low, high)]);
        }
    }
    let heads = [words.of("column", "measure"), words.of("run", "value")];
    pairs(words.of("report", "results"), heads, rows)
}

/// A measure of a plan beside the best.
fn of(plan: &ServePlan, key: &str, digits: usize) -> String {
    let value = plan.metrics.get(key).copied();
    value.map_or_else(|| NONE.to_owned(), |value| significant(value, digits))
}

/// Next-best plans with what each yields.
fn others(words: &Words, best: &Outcome, plans: &[ServePlan]) -> Grid {
    let whole = metric(best, "output_tokens_per_second").unwrap_or(f64::NAN);
    let row = |plan: &ServePlan| {
        let rate = plan.metrics.get("output_tokens_per_second").copied();
        let relative = rate.map_or(f64::NAN, |rate| rate / whole * 100.0);
        vec![
            count(plan.chips),
            fixed(relative, 1),
            of(plan, "output_tokens_per_second_per_chip", 3),
            of(plan, "tokens_per_second_per_user", 3),
            of(plan, "ttft_seconds", 3),
            of(plan, "usd_per_million_output_tokens", 3),
            plan.plan.clone(),
        ]
    };
    Grid {
        title: words.of("serve", "others"),
        columns: vec![
            Column::number(words.of("column", "chips")),
            Column::number(words.of("serve", "relative")),
            Column::number(words.of("column", "rate-chip")),
            Column::number(words.of("column", "rate-user")),
            Column::number(words.of("column", "ttft")),
            Column::number(words.of("column", "cost-tokens")),
            Column::text(words.of("column", "plan")),
        ],
        rows: plans.iter().map(row).collect(),
    }
}

fn front(words: &Words, plans: &[ServePlan]) -> Grid {
    let row = |plan: &ServePlan| {
        vec![
            of(plan, "tokens_per_second_per_user", 3),
            of(plan, "output_tokens_per_second_per_chip", 3),
            of(plan, "ttft_seconds", 3),
            plan.plan.clone(),
        ]
    };
    Grid {
        title: words.of("serve", "front"),
        columns: vec![
            Column::number(words.of("column", "rate-user")),
            Column::number(words.of("column", "rate-chip")),
            Column::number(words.of("column", "ttft")),
            Column::text(words.of("column", "plan")),
        ],
        rows: plans.iter().map(row).collect(),
    }
}
