//! One pass over the versions of a day, in three-valued logic.

use std::collections::BTreeSet;

use crate::condition::Values;
use crate::country::Place;
use crate::rule::{Rule, RuleKind, Standing};
use crate::{ChipFacts, Country, Margin, Outcome, RuleBook, TraceStep, Transaction, Truth};

/// What one pass found.
#[derive(Default)]
pub struct Findings {
    /// Every outcome that the pass could not rule out.
    pub outcomes: BTreeSet<Outcome>,
    /// The reasoning.
    pub trace: Vec<TraceStep>,
    /// Distances from thresholds.
    pub margins: Vec<Margin>,
    /// Requirements left open.
    pub open: Vec<String>,
    /// Facts that left a test open.
    pub missing: BTreeSet<&'static str>,
    /// Facts that the applicant has yet to show.
    pub to_show: BTreeSet<&'static str>,
    /// Versions that decide.
    pub deciding: Vec<String>,
    /// Versions that were tested.
    pub tested: Vec<String>,
    /// Paragraphs that hold.
    pub eccn: Option<String>,
    /// Whether some paragraph of the law holds.
    pub controlled: Option<Truth>,
}

/// A pass under way.
pub struct Examination<'a> {
    pub book: &'a RuleBook,
    pub facts: &'a ChipFacts,
    pub values: &'a Values,
    pub transaction: &'a Transaction,
    pub findings: Findings,
}

/// Examines one item, with all its facts as far as they are known.
pub fn examine(
    book: &RuleBook,
    facts: &ChipFacts,
    values: &Values,
    transaction: &Transaction,
) -> Findings {
    let mut pass = Examination {
        book,
        facts,
        values,
        transaction,
        findings: Findings::default(),
    };
    pass.run();
    pass.findings
}

impl<'a> Examination<'a> {
    fn run(&mut self) {
        let on = self.transaction.on;
        let foreign = self.maker_is_foreign();
        let mut sets = Vec::new();
        let mut letters = Truth::False;
        for rule in self.book.rules() {
            match rule.standing(on) {
                Standing::NotYet | Standing::Ended => continue,
                Standing::InForce => {}
                other => {
                    self.not_binding(rule, other);
                    continue;
                }
            }
            match rule.kind {
                RuleKind::Law => sets.extend(self.law(rule, foreign)),
                RuleKind::Letter if !foreign => letters = letters.or(self.letter(rule)),
                RuleKind::Tariff => {
                    self.limbs(rule);
                }
                _ => {}
            }
        }
        for rule in self.book.in_force(on) {
            if matches!(rule.kind, RuleKind::Guidance | RuleKind::Practice) {
                self.remark(rule);
            }
        }
        let nothing_in_force = self.findings.tested.is_empty();
        if nothing_in_force {
            self.findings.trace.push(TraceStep {
                rule: String::new(),
                kind: None,
                citation: String::new(),
                statement: format!("no rule in force on {on} tests the item"),
                holds: Truth::True,
            });
        }
        self.findings.outcomes = if foreign && !nothing_in_force {
            BTreeSet::from([Outcome::NotUsOrigin])
        } else {
            with_letters(strictest(&sets), letters)
        };
    }

    /// Whether a version in the book puts the maker's headquarters outside US control.
    fn maker_is_foreign(&self) -> bool {
        self.facts.maker.as_ref().is_some_and(|maker| {
            self.book
                .rules()
                .iter()
                .any(|rule| self.covers(&rule.makers_in, maker.headquarters))
        })
    }

    pub fn covers(&self, places: &[Place], country: Country) -> bool {
        self.book.covers(places, country, self.transaction.on)
    }

    /// Whether a list is empty or covers the end user's headquarters.
    pub fn hq_in(&self, places: &[Place]) -> Truth {
        if places.is_empty() {
            return Truth::False;
        }
        self.transaction
            .end_user_hq
            .map_or(Truth::Unknown, |hq| self.covers(places, hq).into())
    }

    /// Whether a version reaches the destination or the end user.
    pub fn scope(&mut self, rule: &Rule) -> Truth {
        let Transaction {
            destination,
            end_user_hq,
            ..
        } = *self.transaction;
        let to = self.covers(&rule.destinations, destination)
            && !self.covers(&rule.destinations_except, destination);
        let hq = self.hq_in(&rule.hq);
        let scope = Truth::from(to).or(hq);
        let whose = end_user_hq.map_or_else(|| "unknown".to_owned(), |hq| hq.to_string());
        self.step(
            rule,
            format!("destination {destination} or end user's headquarters {whose} is in scope"),
            scope,
        );
        if scope == Truth::Unknown {
            self.findings.missing.insert("end_user_hq");
        }
        scope
    }

    /// Whether one letter requires a licence.
    fn letter(&mut self, rule: &'a Rule) -> Truth {
        let maker = self.facts.maker.as_ref().map(|maker| maker.name.as_str());
        let addressed = rule.addresses(maker);
        self.step(
            rule,
            format!(
                "sent to {}; the maker is {}",
                rule.addressees.join(", "),
                maker.unwrap_or("unknown")
            ),
            addressed,
        );
        if addressed == Truth::False {
            return Truth::False;
        }
        self.findings.tested.push(rule.id.clone());
        let scope = self.scope(rule);
        if scope == Truth::False {
            return Truth::False;
        }
        let named = Truth::from(rule.names(&self.facts.name));
        self.step(rule, format!("names \"{}\"", self.facts.name), named);
        let limbs = self.limbs(rule);
        let caught = Truth::any(limbs.iter().map(|(_, holds)| *holds)).or(named);
        if addressed == Truth::Unknown && caught != Truth::False {
            self.findings.missing.insert("maker");
        }
        let binds = Truth::all([scope, addressed, caught]);
        if binds != Truth::False {
            self.findings.deciding.push(rule.id.clone());
        }
        if binds == Truth::True {
            self.open(rule, &rule.always_open);
        }
        binds
    }

    /// What guidance or practice says of the item; it decides nothing.
    fn remark(&mut self, rule: &'a Rule) {
        if rule.makers_in.is_empty() {
            let named = rule.names(&self.facts.name);
            let holds = Truth::from(rule.named.is_empty() || named);
            self.step(rule, format!("bears on the item: {}", rule.title), holds);
            return;
        }
        let Some(maker) = &self.facts.maker else {
            return;
        };
        if !self.covers(&rule.makers_in, maker.headquarters) {
            return;
        }
        let meets = self.findings.controlled.unwrap_or(Truth::False);
        self.step(
            rule,
            format!(
                "bears on the item, which meets a paragraph and whose maker is headquartered in {}: {}",
                maker.headquarters, rule.title
            ),
            meets,
        );
        if meets != Truth::False {
            self.findings.deciding.push(rule.id.clone());
            self.open(rule, &rule.always_open);
        }
    }
}

/// Joins what several versions ask: of each combination the strictest.
fn strictest(sets: &[BTreeSet<Outcome>]) -> BTreeSet<Outcome> {
    let mut sets = sets.iter();
    let Some(first) = sets.next() else {
        return BTreeSet::from([Outcome::NotControlled]);
    };
    sets.fold(first.clone(), |joined, set| {
        joined
            .iter()
            .flat_map(|&a| set.iter().map(move |&b| a.max(b)))
            .collect()
    })
}

/// Adds the licence that letters require, where they do.
fn with_letters(outcomes: BTreeSet<Outcome>, letters: Truth) -> BTreeSet<Outcome> {
    let licensed = || {
        outcomes
            .iter()
            .map(|&outcome| outcome.max(Outcome::LetterLicenseRequired))
    };
    match letters {
        Truth::False => outcomes,
        Truth::Unknown => licensed().chain(outcomes.iter().copied()).collect(),
        Truth::True => licensed().collect(),
    }
}
