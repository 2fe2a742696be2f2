//! One pass over the versions of a day, in three-valued logic.

use std::collections::BTreeSet;

use crate::condition::{Condition, Threshold, Values};
use crate::country::Place;
use crate::metrics::Metric;
use crate::rule::{Rule, RuleKind, Standing, Treatment, listed, stands_under};
use crate::{
    ChipFacts, Country, Fact, Margin, Outcome, RuleBook, TraceStep, Transaction, Truth,
};

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
    controlled: Option<Truth>,
}

struct Examination<'a> {
    book: &'a RuleBook,
    facts: &'a ChipFacts,
    values: &'a Values,
    transaction: &'a Transaction,
    findings: Findings,
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
                RuleKind::Letter if !foreign => sets.extend(self.letter(rule)),
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
            strictest(&sets)
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

    fn covers(&self, places: &[Place], country: Country) -> bool {
        self.book.covers(places, country, self.transaction.on)
    }

    /// Whether a list is empty or covers the end user's headquarters.
    fn hq_in(&self, places: &[Place]) -> Truth {
        if places.is_empty() {
            return Truth::False;
        }
        self.transaction
            .end_user_hq
            .map_or(Truth::Unknown, |hq| self.covers(places, hq).into())
    }

    fn step(&mut self, rule: &Rule, statement: String, holds: Truth) {
        self.findings.trace.push(TraceStep {
            rule: rule.id.clone(),
            kind: Some(rule.kind),
            citation: rule.citation.clone(),
            statement,
            holds,
        });
    }

    fn not_binding(&mut self, rule: &Rule, standing: Standing) {
        let why = match standing {
            Standing::AwaitingCompliance => "compliance is not yet due",
            Standing::Suspended => "it is suspended",
            _ => "it is not enforced",
        };
        self.step(
            rule,
            format!("\"{}\" binds: on the books, but {why}", rule.title),
            Truth::False,
        );
    }

    /// Whether a version reaches the destination or the end user.
    fn scope(&mut self, rule: &Rule) -> Truth {
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

    /// What one law asks; none when it has no test of its own.
    fn law(&mut self, rule: &'a Rule, foreign: bool) -> Option<BTreeSet<Outcome>> {
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
    fn limbs(&mut self, rule: &'a Rule) -> Vec<(&'a str, Truth)> {
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
            format!("{} for {paragraph} gives {what}: {statement}", treatment.label),
            holds,
        );
        holds
    }

    /// What one letter asks; none when the maker is not an addressee.
    fn letter(&mut self, rule: &'a Rule) -> Option<BTreeSet<Outcome>> {
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
            return None;
        }
        self.findings.tested.push(rule.id.clone());
        let scope = self.scope(rule);
        if scope == Truth::False {
            return Some(BTreeSet::from([Outcome::OutOfScopeDestination]));
        }
        let named = Truth::from(rule.names(&self.facts.name));
        self.step(rule, format!("names \"{}\"", self.facts.name), named);
        let limbs = self.limbs(rule);
        let caught = Truth::any(limbs.iter().map(|(_, holds)| *holds)).or(named);
        let binds = caught.and(addressed);
        if addressed == Truth::Unknown && caught != Truth::False {
            self.findings.missing.insert("maker");
        }
        let mut outcomes = BTreeSet::new();
        if binds != Truth::False {
            outcomes.insert(Outcome::LetterLicenseRequired);
            self.findings.deciding.push(rule.id.clone());
        }
        if binds == Truth::True {
            self.open(rule, &rule.always_open);
        } else {
            outcomes.insert(Outcome::NotControlled);
        }
        if scope == Truth::Unknown {
            outcomes.insert(Outcome::OutOfScopeDestination);
        }
        Some(outcomes)
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

    fn all(&self, conditions: &[Condition]) -> (Truth, String) {
        let statements: Vec<String> = conditions
            .iter()
            .map(|condition| condition.statement(self.values))
            .collect();
        let holds = Truth::all(conditions.iter().map(|c| c.holds(self.values)));
        (holds, statements.join(" and "))
    }

    fn margins(&mut self, rule: &Rule, eccn: &str, conditions: &[Condition]) {
        for condition in conditions {
            if let (Threshold::Number(threshold), Some(value)) =
                (condition.value, self.values.number(condition.metric))
            {
                let ratio = if threshold > 0.0 {
                    value.scaled(1.0 / threshold)
                } else {
                    Fact::Unknown
                };
                self.findings.margins.push(Margin {
                    rule: rule.id.clone(),
                    eccn: eccn.to_owned(),
                    metric: condition.metric,
                    value,
                    threshold,
                    ratio,
                });
            }
        }
    }

    fn open(&mut self, rule: &Rule, keys: &[String]) {
        for condition in keys.iter().filter_map(|key| rule.condition(key)) {
            let text = format!("{}: {}", condition.key, condition.text);
            if !self.findings.open.contains(&text) {
                self.findings.open.push(text);
            }
        }
    }

    /// Notes the facts that conditions of an open test lack.
    fn miss(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            if condition.holds(self.values) == Truth::Unknown {
                let names = self.lacking(condition.metric);
                self.findings.missing.extend(names);
            }
        }
    }

    fn show(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            if condition.holds(self.values) == Truth::Unknown {
                let names = self.lacking(condition.metric);
                self.findings.to_show.extend(names);
            }
        }
    }

    /// The fields of the facts that would settle a metric.
    fn lacking(&self, metric: Metric) -> Vec<&'static str> {
        let facts = self.facts;
        let computed = facts.stated.is_none();
        let no_peaks = computed && !self.values.tpp.is_known();
        let no_area = computed && !facts.applicable_area_mm2.is_known();
        let both = |first: (bool, &'static str), second: (bool, &'static str)| {
            [first, second]
                .into_iter()
                .filter_map(|(lacks, name)| lacks.then_some(name))
                .collect()
        };
        let dram = "dram_bandwidth_gb_s";
        let io = "io_both_ways_gb_s";
        match metric {
            Metric::Tpp => vec![if computed { "peaks" } else { "stated.tpp" }],
            Metric::PerformanceDensity if computed => {
                both((no_peaks, "peaks"), (no_area, "applicable_area_mm2"))
            }
            Metric::PerformanceDensity => vec!["stated.performance_density"],
            Metric::IoBidirectional => vec![io],
            Metric::DramBandwidth => vec![dram],
            Metric::DramPlusIo => both(
                (!facts.dram_bandwidth_gb_s.is_known(), dram),
                (!facts.io_both_ways_gb_s.is_known(), io),
            ),
            Metric::MemoryBandwidthDensity => vec!["memory_stack_gb_s_per_mm2"],
            Metric::Datacenter => vec!["datacenter"],
            Metric::UsCommercial => vec!["us_commercial_on_2026_01_15"],
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
