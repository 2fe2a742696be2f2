//! Export verdicts in HTML: a table, and the reasoning of each system to unfold.

use std::fmt::Write;

use chokepoint_engine::rules::{Fact, Margin, RuleKind, Truth, Verdict};
use chokepoint_engine::{Comparison, Row};

use crate::grid::{Column, Filled, Grid};
use crate::html::grid_table;
use crate::messages::Words;
use crate::number::{NONE, fact, significant};
use crate::svg::escape;

/// The section of export verdicts: a verdict belongs to a system, whatever its workload.
pub(crate) fn section(words: &Words, comparison: &Comparison) -> String {
    let mut systems: Vec<&Row> = Vec::new();
    for row in &comparison.rows {
        if !systems.iter().any(|known| known.system == row.system) {
            systems.push(row);
        }
    }
    let heading = escape(&words.of("report", "export"));
    let mut out = format!("<section id=\"export\"><h2>{heading}</h2>\n");
    out.push_str(&grid_table(&overview(words, &systems)));
    let _ = write!(out, "<h3>{}</h3>", escape(&words.of("report", "trace")));
    let _ = writeln!(
        out,
        "<p class=\"quiet\">{}</p>",
        escape(&words.of("report", "trace-language"))
    );
    for row in systems {
        out.push_str(&details(words, row));
    }
    let _ = writeln!(
        out,
        "<p>{}</p></section>",
        escape(&words.of("report", "disclaimer"))
    );
    out
}

fn overview(words: &Words, systems: &[&Row]) -> Grid {
    let text = |key: &str| Column::text(words.of("column", key));
    let columns: Vec<Filled> = vec![
        (text("system"), Box::new(|row| row.system_name.clone())),
        (
            text("verdict"),
            Box::new(|row| words.of("export", row.export.outcome.key())),
        ),
        (
            text("eccn"),
            Box::new(|row| row.export.eccn.clone().unwrap_or_else(|| NONE.to_owned())),
        ),
        (
            Column::number(words.of("column", "tpp")),
            Box::new(|row| fact(words, row.export.metrics.tpp)),
        ),
        (
            Column::number(words.of("column", "density")),
            Box::new(|row| fact(words, row.export.metrics.performance_density)),
        ),
        (text("margin"), Box::new(|row| closest(words, &row.export))),
        (
            text("rules"),
            Box::new(|row| row.export.rule_ids.join(", ")),
        ),
    ];
    Grid::of(
        words.of("report", "export"),
        columns,
        systems.iter().copied(),
    )
}

/// How far a ratio is from one, as a factor; one when it may be on either side.
fn distance(margin: &Margin) -> f64 {
    let (low, high) = margin.ratio.bounds();
    if low > 1.0 {
        low
    } else if high < 1.0 {
        1.0 / high
    } else {
        1.0
    }
}

/// Whether a margin is of a version that decides: a law or a letter.
fn decides(verdict: &Verdict, margin: &Margin) -> bool {
    let steps = verdict.trace.iter().filter(|step| step.rule == margin.rule);
    steps
        .filter_map(|step| step.kind)
        .any(|kind| matches!(kind, RuleKind::Law | RuleKind::Letter))
}

/// The threshold of a deciding version that is nearest to its known metric.
fn closest(words: &Words, verdict: &Verdict) -> String {
    let known = |margin: &&Margin| margin.ratio != Fact::Unknown && decides(verdict, margin);
    let closest = verdict
        .margins
        .iter()
        .filter(known)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)));
    closest.map_or_else(|| NONE.to_owned(), |found| margin(words, found))
}

fn margin(words: &Words, margin: &Margin) -> String {
    let key = if margin.ratio == Fact::Unknown {
        "report.margin-open"
    } else {
        "report.margin"
    };
    words.fill(
        key,
        [
            ("metric", &words.of("export-metric", margin.metric.name())),
            ("value", &fact(words, margin.value)),
            ("threshold", &significant(margin.threshold, 4)),
            ("eccn", &margin.eccn),
            ("ratio", &fact(words, margin.ratio)),
        ],
    )
}

fn details(words: &Words, row: &Row) -> String {
    let verdict = &row.export;
    let colon = words.of("format", "colon");
    let summary = format!(
        "{}{colon}{}",
        row.system_name,
        words.of("export-text", verdict.outcome.key())
    );
    let mut out = format!("<details><summary>{}</summary>", escape(&summary));
    if verdict.possible.len() > 1 {
        let names: Vec<String> = verdict
            .possible
            .iter()
            .map(|outcome| words.of("export", outcome.key()))
            .collect();
        let list = names.join(&words.of("format", "list"));
        let _ = write!(
            out,
            "<p>{}</p>",
            escape(&words.fill("report.possible", [("outcomes", &list)]))
        );
    }
    if !verdict.missing_facts.is_empty() {
        let facts = verdict.missing_facts.join(&words.of("format", "comma"));
        let _ = write!(
            out,
            "<p>{}</p>",
            escape(&words.fill("report.missing", [("facts", &facts)]))
        );
    }
    let margins: Vec<String> = verdict
        .margins
        .iter()
        .map(|each| margin(words, each))
        .collect();
    list(&mut out, &words.of("report", "margins"), &margins);
    list(
        &mut out,
        &words.of("report", "open"),
        &verdict.open_conditions,
    );
    out.push_str(&grid_table(&trace(words, verdict)));
    out.push_str("</details>\n");
    out
}

fn list(out: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(out, "<h4>{}</h4><ul>", escape(heading));
    for item in items {
        let _ = write!(out, "<li>{}</li>", escape(item));
    }
    out.push_str("</ul>");
}

fn trace(words: &Words, verdict: &Verdict) -> Grid {
    let columns = ["trace-question", "trace-answer", "trace-rule"]
        .map(|key| Column::text(words.of("column", key)));
    let answer = |holds: Truth| match holds {
        Truth::True => words.of("truth", "true"),
        Truth::False => words.of("truth", "false"),
        Truth::Unknown => words.of("truth", "unknown"),
    };
    let rows = verdict
        .trace
        .iter()
        .map(|step| {
            let rule = [step.rule.as_str(), step.citation.as_str()];
            let rule: Vec<&str> = rule.into_iter().filter(|text| !text.is_empty()).collect();
            vec![step.statement.clone(), answer(step.holds), rule.join(": ")]
        })
        .collect();
    Grid {
        title: words.of("report", "trace"),
        columns: columns.into(),
        rows,
    }
}
