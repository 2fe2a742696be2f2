//! The answer for a workload in a few sentences, computed from its rows.

use chokepoint_engine::{Comparison, Outcome, Row};

use crate::messages::Words;
use crate::number::{count, significant};
use crate::view::{Goal, View, metric};

/// A system with what it is ranked by.
struct Ranked<'a> {
    row: &'a Row,
    outcome: &'a Outcome,
    value: f64,
}

/// The answer for a workload: the best system by how much, whether that is certain, what binds
/// it, the cheapest, and whether the best may be exported.
pub(crate) fn answer(words: &Words, comparison: &Comparison, view: &View) -> String {
    let ranked = ranked(view);
    let all = count(view.rows.len() as u64);
    let Some(best) = ranked.first() else {
        return words.fill("answer.none", [("count", &all)]);
    };
    let mut sentences = vec![first_sentence(words, view, &ranked, best)];
    let others: Vec<&str> = ranked[1..]
        .iter()
        .filter(|other| overlap(view, best, other))
        .map(|other| other.row.system_name.as_str())
        .collect();
    if !others.is_empty() {
        let others = others.join(&words.of("answer", "overlap-list"));
        sentences.push(words.fill("answer.overlap", [("others", &others)]));
    }
    if let Some(second) = ranked.get(1).filter(|second| tie(view, best, second)) {
        sentences.push(words.fill("answer.tie", [("second", &second.row.system_name)]));
    }
    if let Some((resource, _)) = best.outcome.elasticities.first() {
        let name = words.of("resource", resource.key());
        sentences.push(words.fill("answer.binds", [("resource", &name)]));
    }
    sentences.extend(cheapest(words, view, best));
    let verdict = words.of("export-text", best.row.export.outcome.key());
    sentences.push(words.fill(
        "answer.export",
        [
            ("destination", &comparison.destination),
            ("verdict", &verdict),
            ("best", &best.row.system_name),
        ],
    ));
    sentences.join(&words.of("format", "sentence"))
}

/// Systems with a result, best first; equal ones in the order of the scenario.
fn ranked<'a>(view: &View<'a>) -> Vec<Ranked<'a>> {
    let goal = view.goal();
    let mut ranked: Vec<Ranked> = view
        .feasible()
        .filter_map(|(row, outcome)| {
            let value = match goal {
                Goal::Rate => metric(outcome, view.rate_key())?,
                Goal::Chips => row.chips as f64,
            };
            (value.is_finite() && value > 0.0).then_some(Ranked {
                row,
                outcome,
                value,
            })
        })
        .collect();
    match goal {
        Goal::Rate => ranked.sort_by(|a, b| b.value.total_cmp(&a.value)),
        Goal::Chips => ranked.sort_by(|a, b| a.value.total_cmp(&b.value)),
    }
    ranked
}

/// The median of values in order.
fn median(ranked: &[Ranked]) -> f64 {
    let middle = ranked.len() / 2;
    match ranked.len() {
        0 => f64::NAN,
        length if length.is_multiple_of(2) => {
            f64::midpoint(ranked[middle - 1].value, ranked[middle].value)
        }
        _ => ranked[middle].value,
    }
}

fn first_sentence(words: &Words, view: &View, ranked: &[Ranked], best: &Ranked) -> String {
    let unit = words.get(&format!("answer.unit-{}", view.kind_key()));
    let feasible = count(ranked.len() as u64);
    let name = &best.row.system_name;
    let rate =
        metric(best.outcome, view.rate_key()).map_or_else(String::new, |rate| significant(rate, 3));
    let Some(worst) = ranked.last().filter(|_| ranked.len() > 1) else {
        let key = if view.rows.len() > 1 {
            "answer.only"
        } else {
            "answer.single"
        };
        return words.fill(key, [("best", name), ("value", &rate), ("unit", &unit)]);
    };
    let (key, value, worst_factor, median_factor) = match view.goal() {
        Goal::Rate => (
            "answer.fastest",
            rate,
            best.value / worst.value,
            best.value / median(ranked),
        ),
        Goal::Chips => (
            "answer.fewest",
            count(best.row.chips),
            worst.value / best.value,
            median(ranked) / best.value,
        ),
    };
    words.fill(
        key,
        [
            ("best", name),
            ("value", &value),
            ("unit", &unit),
            ("worst", &worst.row.system_name),
            ("worst_factor", &significant(worst_factor, 2)),
            ("median_factor", &significant(median_factor, 2)),
            ("count", &feasible),
        ],
    )
}

/// Whether the interval of the best rate reaches that of the second.
fn overlap(view: &View, best: &Ranked, second: &Ranked) -> bool {
    let intervals = (
        view.rate_interval(best.outcome),
        view.rate_interval(second.outcome),
    );
    view.goal() == Goal::Rate
        && matches!(intervals, (Some((low, _)), Some((_, high))) if low <= high)
}

/// Whether the second needs no more chips than the best.
fn tie(view: &View, best: &Ranked, second: &Ranked) -> bool {
    view.goal() == Goal::Chips && best.row.chips == second.row.chips
}

fn cheapest(words: &Words, view: &View, best: &Ranked) -> Option<String> {
    let cost = |outcome: &Outcome| metric(outcome, view.cost_key()).filter(|cost| cost.is_finite());
    let priced = view
        .feasible()
        .filter_map(|(row, outcome)| Some((row, cost(outcome)?)));
    if view.rows.len() < 2 {
        return None;
    }
    let (row, cost) = priced.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let cost = significant(cost, 3);
    let same = row.system == best.row.system;
    let key = if same {
        "answer.cheapest-same"
    } else {
        "answer.cheapest"
    };
    let tokens = words.of("answer", &format!("tokens-{}", view.kind_key()));
    Some(words.fill(
        key,
        [
            ("cheapest", &row.system_name),
            ("cost", &cost),
            ("tokens", &tokens),
        ],
    ))
}
