//! From facts to verdict: case analysis over what is missing.

use std::collections::BTreeSet;

use crate::condition::{Threshold, Values};
use crate::examine::{Findings, examine};
use crate::metrics::{Metric, metrics};
use crate::rule::Rule;
use crate::{ChipFacts, DISCLAIMER, Fact, Outcome, RuleBook, Transaction, Verdict};

/// What the rules ask of a transaction on its day.
pub fn check(book: &RuleBook, facts: &ChipFacts, transaction: &Transaction) -> Verdict {
    let metrics = metrics(facts);
    let values = Values::new(facts, &metrics);
    let mut findings = examine(book, facts, &values, transaction);
    let possible = possible(book, facts, &values, transaction);
    let outcome = single(&possible);
    if let Some(tpp) = metrics
        .tpp_with_tf32_as_19_bits
        .filter(|tpp| *tpp != metrics.tpp)
    {
        let other = single(&self::possible(
            book,
            facts,
            &with_tpp(facts, &values, tpp),
            transaction,
        ));
        if other != outcome {
            findings.open.push(format!(
                "tf32_width: TF32 counted as 19 bits instead of 32 makes TPP {tpp} and the outcome {}",
                other.key()
            ));
        }
    }
    if let Some(last) = book.surveyed_until().filter(|last| transaction.on > *last) {
        findings.open.push(format!(
            "later_changes: the rule data were surveyed until {last}, before the day judged"
        ));
    }
    if outcome == Outcome::OutOfScopeDestination {
        findings.open.push(
            "other_controls: embargoes, sanctions and end-use rules are not examined".to_owned(),
        );
    }
    assemble(findings, outcome, &possible, metrics, transaction)
}

fn assemble(
    findings: Findings,
    outcome: Outcome,
    possible: &BTreeSet<Outcome>,
    metrics: crate::Metrics,
    transaction: &Transaction,
) -> Verdict {
    let mut missing = findings.to_show;
    if outcome == Outcome::Undetermined {
        missing.extend(findings.missing);
    }
    let rule_ids = if findings.deciding.is_empty() {
        findings.tested
    } else {
        findings.deciding
    };
    Verdict {
        outcome,
        possible: possible.iter().copied().collect(),
        eccn: findings.eccn,
        rule_ids,
        margins: findings.margins,
        trace: findings.trace,
        open_conditions: findings.open,
        missing_facts: missing.into_iter().map(str::to_owned).collect(),
        metrics,
        as_of: transaction.on,
        disclaimer: DISCLAIMER,
    }
}

/// The outcome when only one is possible.
fn single(possible: &BTreeSet<Outcome>) -> Outcome {
    let mut outcomes = possible.iter();
    match (outcomes.next(), outcomes.next()) {
        (Some(only), None) => *only,
        _ => Outcome::Undetermined,
    }
}

/// Every outcome that a completion of the missing facts may lead to.
///
/// TPP and the data-center question enter several tests at once, so each of their possible cases
/// is examined alone: TPP between two neighbouring thresholds, or at one; data center or not.
fn possible(
    book: &RuleBook,
    facts: &ChipFacts,
    values: &Values,
    transaction: &Transaction,
) -> BTreeSet<Outcome> {
    let thresholds = tpp_thresholds(book.in_force(transaction.on));
    let datacenter = if values.datacenter.truth() == crate::Truth::Unknown {
        vec![Fact::Known(false), Fact::Known(true)]
    } else {
        vec![values.datacenter]
    };
    let mut outcomes = BTreeSet::new();
    for tpp in split(values.tpp, &thresholds) {
        for &datacenter in &datacenter {
            let case = Values {
                datacenter,
                ..with_tpp(facts, values, tpp)
            };
            outcomes.extend(examine(book, facts, &case, transaction).outcomes);
        }
    }
    outcomes
}

/// The same values with another TPP, and the density that follows from the area.
fn with_tpp(facts: &ChipFacts, values: &Values, tpp: Fact<f64>) -> Values {
    let performance_density = match facts.stated {
        Some(stated) => stated.performance_density,
        None => tpp.over(facts.applicable_area_mm2),
    };
    Values {
        tpp,
        performance_density,
        ..*values
    }
}

/// All thresholds of TPP in some versions, ascending.
fn tpp_thresholds<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<f64> {
    let mut found = Vec::new();
    for rule in rules {
        let treatments = rule.exceptions.iter().chain(&rule.reviews);
        let conditions = rule
            .limbs
            .iter()
            .map(|limb| &limb.all)
            .chain(rule.exclusion.as_ref().map(|exclusion| &exclusion.all))
            .chain(treatments.flat_map(|treatment| [&treatment.all, &treatment.to_show]))
            .flatten();
        for condition in conditions.filter(|condition| condition.metric == Metric::Tpp) {
            if let Threshold::Number(number) = condition.value {
                found.push(number);
            }
        }
    }
    found.sort_by(f64::total_cmp);
    found.dedup_by(|a, b| a.total_cmp(b).is_eq());
    found
}

/// Cuts a range below, at and above each threshold inside it.
fn split(tpp: Fact<f64>, thresholds: &[f64]) -> Vec<Fact<f64>> {
    let (mut low, high) = tpp.bounds();
    let mut parts = Vec::new();
    for &threshold in thresholds {
        if threshold > high || low > high {
            break;
        }
        if low < threshold {
            parts.push(closed(low, threshold.next_down()));
        }
        if low <= threshold {
            parts.push(Fact::Known(threshold));
            low = threshold.next_up();
        }
    }
    if low <= high {
        parts.push(closed(low, high));
    }
    parts
}

/// A part of a range, which unlike [`Fact::from_bounds`] stays a range at `0` to infinity.
fn closed(low: f64, high: f64) -> Fact<f64> {
    if low < high {
        Fact::Range(low, high)
    } else {
        Fact::Known(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_at_every_threshold() {
        let parts = split(Fact::Unknown, &[1600.0, 4800.0]);
        assert_eq!(parts.len(), 5);
        assert_eq!(parts[1], Fact::Known(1600.0));
        assert_eq!(parts[4], Fact::Range(4800f64.next_up(), f64::INFINITY));
        assert_eq!(split(Fact::Known(4800.0), &[4800.0]), [Fact::Known(4800.0)]);
        assert_eq!(split(Fact::Known(2.0), &[1.0, 3.0]), [Fact::Known(2.0)]);
        assert_eq!(
            split(Fact::Range(4800.0, 4900.0), &[4800.0]),
            [Fact::Known(4800.0), Fact::Range(4800f64.next_up(), 4900.0)]
        );
    }
}
