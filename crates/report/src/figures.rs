//! The charts of a workload.

use std::fmt::Write;

use chokepoint_engine::{Outcome, Row};

use crate::chart::{Bar, Content, Scale, Segment, draw};
use crate::messages::Words;
use crate::number::{count, fixed, percent, significant};
use crate::palette;
use crate::svg::escape;
use crate::tables::cost_parts;
use crate::view::{Goal, View, metric, part};

/// All charts of a workload as figures; nothing when no system has a result.
pub(crate) fn figures(words: &Words, view: &View) -> String {
    if view.feasible().next().is_none() {
        return String::new();
    }
    let headline = match view.goal() {
        Goal::Rate => rate(words, view),
        Goal::Chips => chips(words, view),
    };
    let mut out = String::from("<div class=\"figures\">");
    for figure in [
        Some(headline),
        cost(words, view),
        Some(breakdown(words, view)),
        Some(elasticity(words, view)),
    ] {
        out.push_str(&figure.unwrap_or_default());
    }
    out.push_str("</div>\n");
    out
}

/// Parts of a legend: key of the colour, text.
type Legend = Vec<(&'static str, String)>;

fn figure(heading: &str, note: &str, legend: &Legend, svg: &str) -> String {
    let mut out = format!(
        "<figure><figcaption><strong>{}</strong> <span>{}</span></figcaption>",
        escape(heading),
        escape(note)
    );
    if !legend.is_empty() {
        out.push_str("<ul class=\"legend\">");
        for (key, text) in legend {
            let fill = palette::of(key).fill;
            let _ = write!(
                out,
                "<li><i style=\"background:{fill}\"></i>{}</li>",
                escape(text)
            );
        }
        out.push_str("</ul>");
    }
    let _ = write!(out, "{svg}</figure>");
    out
}

/// A bar for each row: of its result, or that there is none.
fn bars(
    words: &Words,
    view: &View,
    mut content: impl FnMut(&Row, &Outcome) -> Content,
) -> Vec<Bar> {
    let missing = || Content::Missing(words.of("chart", "infeasible"));
    let mut bar = |row: &&Row| Bar {
        name: row.system_name.clone(),
        content: row
            .outcome
            .as_ref()
            .map_or_else(missing, |outcome| content(row, outcome)),
    };
    view.rows.iter().map(&mut bar).collect()
}

/// A value of an axis, short.
fn tick(value: f64) -> String {
    let short = |scaled: f64, unit: &str| {
        let text = format!("{scaled:.3}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    if value >= 1e9 {
        short(value / 1e9, "G")
    } else if value >= 1e6 {
        short(value / 1e6, "M")
    } else if value >= 1e4 {
        short(value / 1e3, "k")
    } else {
        short(value, "")
    }
}

fn rate(words: &Words, view: &View) -> String {
    let heading = words.get(&format!("chart.rate-{}", view.kind_key()));
    let bars = bars(words, view, |row, outcome| {
        let value = metric(outcome, view.rate_key()).unwrap_or_default();
        let text = significant(value, 3);
        let title = format!("{}: {text}", row.system_name);
        Content::Segments(
            vec![Segment::plain(value, title)],
            text,
            view.rate_interval(outcome),
        )
    });
    let svg = draw(&heading, &bars, Scale::Longest, tick);
    figure(
        &heading,
        &words.of("chart", "rate-note"),
        &Legend::new(),
        &svg,
    )
}

fn chips(words: &Words, view: &View) -> String {
    let heading = words.of("chart", "chips");
    let bars = bars(words, view, |row, _| {
        let text = count(row.chips);
        let title = format!("{}: {text}", row.system_name);
        Content::Segments(vec![Segment::plain(row.chips as f64, title)], text, None)
    });
    let svg = draw(&heading, &bars, Scale::Longest, tick);
    figure(
        &heading,
        &words.of("chart", "chips-note"),
        &Legend::new(),
        &svg,
    )
}

/// Cost of a unit of work, split as the cost of a chip-hour; absent when nothing has a price.
fn cost(words: &Words, view: &View) -> Option<String> {
    let heading = words.get(&format!("chart.cost-{}", view.kind_key()));
    view.feasible()
        .find_map(|(_, outcome)| cost_parts(outcome))?;
    let bars = bars(words, view, |row, outcome| {
        let unit = metric(outcome, view.cost_key());
        let (Some(unit), Some(parts)) = (unit, cost_parts(outcome)) else {
            return Content::Missing(words.of("chart", "no-price"));
        };
        let whole: f64 = parts.iter().map(|(_, usd)| usd).sum();
        let segment = |(key, usd): &(&str, f64)| {
            let length = if whole > 0.0 { unit * usd / whole } else { 0.0 };
            segment(
                words,
                &row.system_name,
                ("column", key),
                length,
                &significant(length, 3),
                "",
            )
        };
        Content::Segments(
            parts.iter().map(segment).collect(),
            significant(unit, 3),
            None,
        )
    });
    let keys = [
        "depreciation",
        "colocation",
        "electricity",
        "maintenance",
        "staff",
    ];
    let legend = keys.map(|key| (key, words.of("column", key))).to_vec();
    let svg = draw(&heading, &bars, Scale::Longest, tick);
    Some(figure(
        &heading,
        &words.of("chart", "cost-note"),
        &legend,
        &svg,
    ))
}

/// A segment of a key, with its name and value on pointing at it.
fn segment(
    words: &Words,
    system: &str,
    key: (&str, &str),
    length: f64,
    value: &str,
    label: &str,
) -> Segment {
    let name = words.of(key.0, key.1);
    Segment {
        length,
        paint: palette::of(key.1),
        title: format!("{system}: {name} {value}"),
        label: label.to_owned(),
    }
}

fn breakdown(words: &Words, view: &View) -> String {
    let heading = words.get(&format!("chart.breakdown-{}", view.kind_key()));
    let (keys, shares) = view.shares();
    let mut shares = shares.into_iter();
    let bars = bars(words, view, |row, outcome| {
        let each = keys.iter().zip(shares.next().unwrap_or_default());
        let segments = each
            .map(|(key, share)| {
                let value = format!("{} % ({})", percent(share), duration(part(outcome, key)));
                let label = format!("{:.0}", f64::from(share) / 10.0);
                segment(
                    words,
                    &row.system_name,
                    ("part", key),
                    f64::from(share) / 10.0,
                    &value,
                    &label,
                )
            })
            .collect();
        Content::Segments(segments, duration(outcome.whole), None)
    });
    let legend = keys
        .iter()
        .map(|key| (*key, words.of("part", key)))
        .collect();
    let svg = draw(&heading, &bars, Scale::Percent, tick);
    figure(
        &heading,
        &words.of("chart", "breakdown-note"),
        &legend,
        &svg,
    )
}

/// A time in the unit that suits it.
fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{} s", significant(seconds, 3))
    } else if seconds >= 1e-3 {
        format!("{} ms", significant(seconds * 1e3, 3))
    } else {
        format!("{} µs", significant(seconds * 1e6, 3))
    }
}

fn elasticity(words: &Words, view: &View) -> String {
    let heading = words.of("chart", "elasticity");
    let keys: Vec<&'static str> = crate::view::RESOURCES
        .iter()
        .map(|resource| resource.key())
        .filter(|key| {
            view.feasible()
                .any(|(_, outcome)| of_resource(outcome, key) >= 0.005)
        })
        .collect();
    let bars = bars(words, view, |row, outcome| {
        let segments = keys
            .iter()
            .map(|key| {
                let value = of_resource(outcome, key);
                let text = fixed(value, 2);
                segment(
                    words,
                    &row.system_name,
                    ("resource", key),
                    value,
                    &text,
                    &text,
                )
            })
            .collect();
        let largest = outcome.elasticities.first();
        let name = largest.map(|(resource, _)| words.of("resource-short", resource.key()));
        Content::Segments(segments, name.unwrap_or_default(), None)
    });
    let legend = keys
        .iter()
        .map(|key| (*key, words.of("resource", key)))
        .collect();
    let svg = draw(&heading, &bars, Scale::Longest, tick);
    figure(
        &heading,
        &words.of("chart", "elasticity-note"),
        &legend,
        &svg,
    )
}

/// Elasticity to a resource; zero where it is absent or negative.
fn of_resource(outcome: &Outcome, key: &str) -> f64 {
    let found = outcome
        .elasticities
        .iter()
        .find(|(resource, _)| resource.key() == key);
    found.map_or(0.0, |(_, elasticity)| elasticity.max(0.0))
}
