//! The tables of a workload.

use chokepoint_engine::{Kind, Outcome, Row};

use crate::grid::{Column, Filled, Grid};
use crate::messages::Words;
use crate::number::{NONE, count, fixed, percent, range, significant};
use crate::view::{View, metric};

/// A cell of rows that have a result.
fn of_outcome<'a>(
    cell: impl Fn(&Row, &Outcome) -> Option<String> + 'a,
) -> Box<dyn Fn(&Row) -> String + 'a> {
    Box::new(move |row| {
        let outcome = row.outcome.as_ref();
        outcome
            .and_then(|outcome| cell(row, outcome))
            .unwrap_or_else(|| NONE.to_owned())
    })
}

/// A cell with a measure, in a multiple of its unit.
fn of_metric(key: &'static str, scale: f64) -> Box<dyn Fn(&Row) -> String> {
    of_outcome(move |_, outcome| Some(significant(metric(outcome, key)? * scale, 3)))
}

fn text(words: &Words, key: &str) -> Column {
    Column::text(words.of("column", key))
}

fn number(words: &Words, key: &str) -> Column {
    Column::number(words.of("column", key))
}

fn system_column(words: &Words) -> Filled<'static> {
    (
        text(words, "system"),
        Box::new(|row| row.system_name.clone()),
    )
}

fn optional(value: Option<String>) -> String {
    value.unwrap_or_else(|| NONE.to_owned())
}

/// The main table: one row for each system.
pub(crate) fn results(words: &Words, view: &View) -> Grid {
    let mut columns = vec![
        system_column(words),
        (
            number(words, "chips"),
            Box::new(|row: &Row| {
                if row.chips > 0 {
                    count(row.chips)
                } else {
                    NONE.to_owned()
                }
            }) as Box<dyn Fn(&Row) -> String>,
        ),
    ];
    columns.extend(match view.kind {
        Kind::Training => training_columns(words),
        Kind::Serving => serving_columns(words),
    });
    columns.extend(common_columns(words, view));
    Grid::of(
        words.of("report", "results"),
        columns,
        view.rows.iter().copied(),
    )
}

/// A headline cell: the measure, or that there is no plan.
fn headline(words: &Words, key: &'static str) -> Box<dyn Fn(&Row) -> String> {
    let missing = words.of("report", "infeasible");
    Box::new(move |row| {
        let value = row
            .outcome
            .as_ref()
            .and_then(|outcome| metric(outcome, key));
        value.map_or_else(|| missing.clone(), |value| significant(value, 3))
    })
}

fn training_columns(words: &Words) -> Vec<Filled<'static>> {
    vec![
        (number(words, "step"), headline(words, "step_seconds")),
        (
            number(words, "step-interval"),
            of_outcome(|_, outcome| Some(range(outcome.interval.0, outcome.interval.1))),
        ),
        (
            number(words, "mfu"),
            of_outcome(|_, outcome| Some(fixed(metric(outcome, "mfu")? * 100.0, 1))),
        ),
        (number(words, "days"), of_metric("run_days", 1.0)),
        (number(words, "cost-run"), of_metric("usd_per_run", 1e-6)),
    ]
}

fn serving_columns(words: &Words) -> Vec<Filled<'static>> {
    vec![
        (
            number(words, "rate-chip"),
            headline(words, "output_tokens_per_second_per_chip"),
        ),
        (
            number(words, "rate-interval"),
            of_outcome(|row, outcome| {
                let chips = row.chips.max(1) as f64;
                Some(range(
                    outcome.interval.0 / chips,
                    outcome.interval.1 / chips,
                ))
            }),
        ),
        (
            number(words, "rate-user"),
            of_metric("tokens_per_second_per_user", 1.0),
        ),
        (number(words, "ttft"), of_metric("ttft_seconds", 1.0)),
        (
            number(words, "cost-tokens"),
            of_metric("usd_per_million_output_tokens", 1.0),
        ),
    ]
}

/// Columns of memory, power, capital, binding resource and law.
fn common_columns<'a>(words: &'a Words, view: &View) -> Vec<Filled<'a>> {
    let provisioned = |row: &Row| row.power.provisioned.get() * row.chips as f64;
    let megawatts = view.rows.iter().any(|row| provisioned(row) >= 1e6);
    let (power, scale) = if megawatts {
        ("power-mw", 1e-6)
    } else {
        ("power-kw", 1e-3)
    };
    vec![
        (
            number(words, "memory"),
            of_outcome(|_, outcome| {
                let gigabytes = |key| Some(significant(metric(outcome, key)? / 1e9, 3));
                Some(format!(
                    "{}/{}",
                    gigabytes("memory_bytes")?,
                    gigabytes("memory_usable_bytes")?
                ))
            }),
        ),
        (
            number(words, power),
            Box::new(move |row| {
                if row.chips > 0 {
                    significant(provisioned(row) * scale, 3)
                } else {
                    NONE.to_owned()
                }
            }),
        ),
        (
            number(words, "capital"),
            Box::new(|row| {
                optional(
                    row.capital
                        .map(|cost| significant(cost.total.get() / 1e6, 3)),
                )
            }),
        ),
        (
            text(words, "chokepoint"),
            of_outcome(move |_, outcome| chokepoint(words, outcome)),
        ),
        (
            text(words, "export"),
            Box::new(|row| words.of("export", row.export.outcome.key())),
        ),
    ]
}

/// The binding resource and its elasticity.
fn chokepoint(words: &Words, outcome: &Outcome) -> Option<String> {
    let (resource, elasticity) = outcome.elasticities.first()?;
    Some(format!(
        "{} {}",
        words.of("resource-short", resource.key()),
        fixed(*elasticity, 2)
    ))
}

/// The plan of each system, or why there is none.
pub(crate) fn plans(words: &Words, view: &View, alternatives: bool) -> Grid {
    let mut columns: Vec<Filled> = vec![
        system_column(words),
        (
            number(words, "chips-used"),
            of_outcome(|_, outcome| Some(count(outcome.chips_used))),
        ),
        (
            text(words, "plan"),
            Box::new(|row| plan_or_reason(words, row)),
        ),
    ];
    if alternatives {
        columns.push((
            text(words, "next-best"),
            of_outcome(|_, outcome| {
                let (plan, rate) = outcome.alternatives.first()?;
                Some(format!("{plan} ({})", fixed(*rate, 3)))
            }),
        ));
    }
    Grid::of(
        words.of("report", "plans"),
        columns,
        view.rows.iter().copied(),
    )
}

/// The plan in one line, or why there is none.
pub(crate) fn plan_or_reason(words: &Words, row: &Row) -> String {
    match (&row.outcome, &row.reason) {
        (Some(outcome), _) => outcome.plan.clone(),
        (None, Some(reason)) => words.statement(reason),
        (None, None) => words.of("report", "infeasible"),
    }
}

/// Shares of time of each system with a result; absent when there is none.
pub(crate) fn breakdown(words: &Words, view: &View) -> Option<Grid> {
    let (keys, shares) = view.shares();
    let mut columns = vec![text(words, "system")];
    columns.extend(keys.iter().map(|key| Column::number(words.of("part", key))));
    columns.push(number(words, "total-ms"));
    let rows: Vec<Vec<String>> = view
        .feasible()
        .zip(shares)
        .map(|((row, outcome), shares)| {
            let mut cells = vec![row.system_name.clone()];
            cells.extend(shares.into_iter().map(percent));
            cells.push(significant(outcome.whole * 1e3, 3));
            cells
        })
        .collect();
    let title = words.get(&format!("report.breakdown-{}", view.kind_key()));
    (!rows.is_empty()).then_some(Grid {
        title,
        columns,
        rows,
    })
}

/// Parts of the cost of a chip-hour: key and US dollars.
pub(crate) fn cost_parts(outcome: &Outcome) -> Option<[(&'static str, f64); 5]> {
    let hourly = outcome.hourly?;
    Some([
        ("depreciation", hourly.capital.get()),
        ("colocation", hourly.colocation.get()),
        ("electricity", hourly.electricity.get()),
        ("maintenance", hourly.maintenance.get()),
        ("staff", hourly.staff.get()),
    ])
}

/// The cost of a chip-hour of each system with a price; absent when there is none.
pub(crate) fn cost(words: &Words, view: &View) -> Option<Grid> {
    let keys = [
        "system",
        "depreciation",
        "colocation",
        "electricity",
        "maintenance",
        "staff",
        "total",
    ];
    let columns = keys
        .iter()
        .enumerate()
        .map(|(index, key)| Column {
            heading: words.of("column", key),
            numeric: index > 0,
        })
        .collect();
    let rows: Vec<Vec<String>> = view
        .feasible()
        .filter_map(|(row, outcome)| {
            let mut cells = vec![row.system_name.clone()];
            cells.extend(cost_parts(outcome)?.iter().map(|(_, usd)| fixed(*usd, 3)));
            cells.push(fixed(outcome.hourly?.total.get(), 3));
            Some(cells)
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        title: words.of("report", "cost"),
        columns,
        rows,
    })
}

/// Purchase price, parts of the network and power of a chip's share.
pub(crate) fn money(words: &Words, view: &View) -> Grid {
    let capital = |key: &str, part: fn(&chokepoint_engine::cost::Capital) -> f64| -> Filled {
        (
            number(words, key),
            Box::new(move |row| {
                optional(row.capital.map(|cost| significant(part(&cost) / 1e6, 3)))
            }),
        )
    };
    let of_row =
        |key: &str, cell: fn(&Row) -> String| -> Filled { (number(words, key), Box::new(cell)) };
    let columns = vec![
        system_column(words),
        capital("systems", |cost| cost.systems.get()),
        capital("network", |cost| cost.network.get()),
        capital("optics", |cost| cost.optics.get()),
        capital("storage", |cost| cost.storage.get()),
        of_row("tiers", |row| row.parts.tiers.to_string()),
        of_row("switches", |row| count(row.parts.switches)),
        of_row("links", |row| count(row.parts.links)),
        of_row("modules", |row| count(row.parts.modules)),
        of_row("domain-modules", |row| count(row.domain_modules)),
        of_row("chip-watts", |row| fixed(row.power.chip.get(), 0)),
        of_row("host-watts", |row| {
            if row.power.host_unknown {
                NONE.to_owned()
            } else {
                fixed(row.power.host.get(), 0)
            }
        }),
        of_row("network-watts", |row| {
            optional(row.parts.power.map(|_| fixed(row.power.network.get(), 0)))
        }),
    ];
    Grid::of(
        words.of("report", "money"),
        columns,
        view.rows.iter().copied(),
    )
}

/// Memory of the fullest chip by use; absent when there is no result.
pub(crate) fn memory(words: &Words, view: &View) -> Option<Grid> {
    let keys: Vec<&str> = view
        .feasible()
        .next()?
        .1
        .memory
        .iter()
        .map(|(key, _)| *key)
        .collect();
    let mut columns = vec![text(words, "system")];
    columns.extend(
        keys.iter()
            .map(|key| Column::number(words.of("memory", key))),
    );
    columns.push(number(words, "total"));
    let gigabytes = |bytes: f64| fixed(bytes / 1e9, 1);
    let rows = view
        .feasible()
        .map(|(row, outcome)| {
            let held = |key: &&str| {
                outcome
                    .memory
                    .iter()
                    .find(|(name, _)| name == key)
                    .map(|(_, bytes)| *bytes)
            };
            let mut cells = vec![row.system_name.clone()];
            cells.extend(keys.iter().map(|key| optional(held(key).map(gigabytes))));
            cells.push(gigabytes(
                outcome.memory.iter().map(|(_, bytes)| bytes).sum(),
            ));
            cells
        })
        .collect();
    Some(Grid {
        title: words.of("report", "memory"),
        columns,
        rows,
    })
}

/// Every measure of every system with a result; absent when there is none.
pub(crate) fn metrics(words: &Words, view: &View) -> Option<Grid> {
    let keys: Vec<&str> = crate::records::METRICS
        .into_iter()
        .filter(|key| {
            view.feasible()
                .any(|(_, outcome)| metric(outcome, key).is_some())
        })
        .collect();
    let mut columns = vec![text(words, "measure")];
    columns.extend(
        view.feasible()
            .map(|(row, _)| Column::number(row.system_name.clone())),
    );
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let mut cells = vec![words.of("metric", key)];
            let value = |outcome| optional(metric(outcome, key).map(|value| significant(value, 4)));
            cells.extend(view.feasible().map(|(_, outcome)| value(outcome)));
            cells
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        title: words.of("report", "all-metrics"),
        columns,
        rows,
    })
}
