//! What one law asks: paragraphs, then exceptions and review.

use std::collections::BTreeSet;

use crate::country::Place;
use crate::examine::Examination;
use crate::rule::{Rule, Treatment, listed, stands_under};
use crate::{Outcome, RuleKind, Transaction, Truth};

impl<'a> Examination<'a> {
    /// What one law asks; none when it has no test of its own.
    pub fn law(&mut self, rule: &'a Rule, foreign: bool) -> Option<BTreeSet<Outcome>> {
        if rule.limbs.is_empty() {
            if !rule.always_open.is_empty() && self.scope(rule) != Truth::False {
                self.open(rule, &rule.always_open);
            }
            return None;
        }
        self.findings.tested.push(rule.id.clone());
        let scope = self.scope(rule);
        if scope == Truth::False && !foreign {
            return Some(BTreeSet::from([Outcome::OutOfScopeDestination]));
        }
        let excluded = self.excluded(rule);
        let limbs = self.limbs(rule);
        let paragraphs = self.paragraphs(rule, &limbs, excluded);
        if foreign {
            return None;
        }
        let mut outcomes = BTreeSet::new();
        let mut caught = false;
        if excluded != Truth::True {
            for (paragraph, holds) in paragraphs {
                if holds == Truth::False {
                    continue;
                }
                outcomes.extend(self.treat(rule, paragraph));
                caught = holds == Truth::True;
                if caught {
                    break;
                }
            }
        }
        if !caught || excluded == Truth::Unknown {
            outcomes.insert(Outcome::NotControlled);
        }
        if scope == Truth::Unknown {
            outcomes.insert(Outcome::OutOfScopeDestination);
        }
        Some(outcomes)
    }

    fn excluded(&mut self, rule: &Rule) -> Truth {
        let Some(exclusion) = &rule.exclusion else {
            return Truth::False;
        };
        let (holds, statement) = self.all(&exclusion.all);
        if holds == Truth::Unknown {
            self.miss(&exclusion.all);
        }
        self.step(rule, format!("{}: {statement}", exclusion.label), holds);
        holds
    }

    /// Tests every limb of a version.
    pub fn limbs(&mut self, rule: &'a Rule) -> Vec<(&'a str, Truth)> {
        let maker = self.facts.maker.as_ref().map(|maker| maker.name.as_str());
        let mut results = Vec::with_capacity(rule.limbs.len());
        for limb in &rule.limbs {
            let (mut holds, statement) = self.all(&limb.all);
            if !limb.makers.is_empty() {
                holds = holds.and(listed(&limb.makers, maker));
            }
            self.margins(rule, &limb.eccn, &limb.all);
            if holds == Truth::Unknown && rule.kind != RuleKind::Tariff {
                self.miss(&limb.all);
            }
            self.step(rule, format!("{}: {statement}", limb.eccn), holds);
            results.push((limb.eccn.as_str(), holds));
        }
        results
    }

    /// Gathers limbs into paragraphs by precedence, and notes the paragraph that holds.
    fn paragraphs(
        &mut self,
        rule: &'a Rule,
        limbs: &[(&'a str, Truth)],
        excluded: Truth,
    ) -> Vec<(&'a str, Truth)> {
        let under = |paragraph: &'a str| {
            limbs
                .iter()
                .filter(move |(eccn, _)| stands_under(eccn, paragraph))
        };
        let paragraphs: Vec<(&str, Truth)> = rule
            .precedence
            .iter()
            .map(|paragraph| {
                let holds = Truth::any(under(paragraph).map(|(_, holds)| *holds));
                (paragraph.as_str(), holds)
            })
            .collect();
        let any = Truth::any(paragraphs.iter().map(|(_, holds)| *holds)).and(excluded.negate());
        let before = self.findings.controlled.unwrap_or(Truth::False);
        self.findings.controlled = Some(before.or(any));
        if any != Truth::False {
            self.findings.deciding.push(rule.id.clone());
        }
        let leading = paragraphs
            .iter()
            .find(|(_, holds)| *holds != Truth::False)
            .filter(|(_, holds)| *holds == Truth::True && any == Truth::True);
        if let Some((paragraph, _)) = leading {
            let holding: Vec<&str> = under(paragraph)
                .filter(|(_, holds)| *holds == Truth::True)
                .map(|(eccn, _)| *eccn)
                .collect();
            self.findings.eccn = Some(holding.join("+"));
        }
        paragraphs
    }

    /// Exceptions, then review policies, of a law and of the versions that amend it; the latest
    /// amendment goes first.
    fn treatments(&self, law: &'a Rule) -> Vec<(&'a Rule, &'a Treatment)> {
        let book = self.book;
        let versions: Vec<&Rule> = book
            .in_force(self.transaction.on)
            .rev()
            .filter(|rule| rule.amends.as_deref() == Some(law.id.as_str()))
            .chain([law])
            .collect();
        let exceptions = versions
            .iter()
            .flat_map(|&rule| rule.exceptions.iter().map(move |entry| (rule, entry)));
        let reviews = versions
            .iter()
            .flat_map(|&rule| rule.reviews.iter().map(move |entry| (rule, entry)));
        exceptions.chain(reviews).collect()
    }

    /// What follows for an item in a paragraph.
    fn treat(&mut self, law: &'a Rule, paragraph: &str) -> BTreeSet<Outcome> {
        let mut outcomes = BTreeSet::new();
        for (rule, treatment) in self.treatments(law) {
            let holds = self.applies(rule, treatment, paragraph);
            if holds == Truth::False {
                continue;
            }
            outcomes.insert(treatment.outcome);
            if !self.findings.deciding.contains(&rule.id) {
                self.findings.deciding.push(rule.id.clone());
            }
            if holds == Truth::True {
                self.open(rule, &treatment.conditions);
                self.show(&treatment.to_show);
                return outcomes;
            }
        }
        self.step(
            law,
            format!("the data hold an exception or review policy for every case of {paragraph}"),
            Truth::False,
        );
        outcomes.insert(Outcome::Undetermined);
        outcomes
    }

    fn applies(&mut self, rule: &Rule, treatment: &Treatment, paragraph: &str) -> Truth {
        let Transaction {
            origin,
            destination,
            ..
        } = *self.transaction;
        let open_or_covers =
            |places: &[Place], country| places.is_empty() || self.covers(places, country);
        let fixed = (treatment.eccn.is_empty()
            || treatment.eccn.iter().any(|p| stands_under(paragraph, p)))
            && open_or_covers(&treatment.origin, origin)
            && open_or_covers(&treatment.to, destination);
        if !fixed {
            return Truth::False;
        }
        let hq = if treatment.hq.is_empty() {
            Truth::True
        } else {
            self.hq_in(&treatment.hq)
        };
        let either = if treatment.to_or_hq.is_empty() {
            Truth::True
        } else {
            Truth::from(self.covers(&treatment.to_or_hq, destination))
                .or(self.hq_in(&treatment.to_or_hq))
        };
        if hq.and(either) == Truth::Unknown {
            self.findings.missing.insert("end_user_hq");
        }
        let (all, mut statement) = self.all(&treatment.all);
        let (shown, to_show) = self.all(&treatment.to_show);
        if !treatment.to_show.is_empty() {
            statement = format!("{statement}; to be shown: {to_show}");
        }
        let not_refuted = Truth::from(shown != Truth::False);
        let holds = Truth::all([hq, either, all, not_refuted]);
        if holds == Truth::Unknown {
            self.miss(&treatment.all);
        }
        self.margins(rule, &treatment.label, &treatment.all);
        let what = treatment.outcome.key();
        self.step(
            rule,
            format!(
                "{} for {paragraph} gives {what}: {statement}",
                treatment.label
            ),
            holds,
        );
        holds
    }
}
