//! All rule versions together: reading and checking the files.

use chokepoint_diag::{Code, Diagnostic, from_toml};
use jiff::civil::Date;

use crate::country::{Country, Group, Place};
use crate::rule::{Rule, RuleKind, Standing, Treatment, stands_under};
use crate::{ChipFacts, Outcome, Transaction, Verdict};

/// Every rule version, by day of effect and then by id.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleBook {
    rules: Vec<Rule>,
}

/// A rule with the file it came from, for messages.
struct Source<'a> {
    name: &'a str,
    text: &'a str,
    rule: Rule,
}

impl RuleBook {
    /// Reads rule files, given as name and text.
    ///
    /// # Errors
    /// The first mistake found: text that is not TOML, an unknown key, metric, operator, outcome,
    /// group or condition, a missing citation or source, dates in the wrong order, a test without
    /// a destination, precedence or review, an id that is not the file's name or is used twice.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Diagnostic> {
        let files: Vec<(N, T)> = files.into_iter().collect();
        let mut sources = Vec::with_capacity(files.len());
        for (name, text) in &files {
            let (name, text) = (name.as_ref(), text.as_ref());
            let rule: Rule = toml::from_str(text).map_err(|error| from_toml(name, text, &error))?;
            let source = Source { name, text, rule };
            source.check()?;
            sources.push(source);
        }
        sources.sort_by(|a, b| (a.rule.effective, &a.rule.id).cmp(&(b.rule.effective, &b.rule.id)));
        for (index, source) in sources.iter().enumerate() {
            source.check_among(&sources, index)?;
        }
        Ok(Self {
            rules: sources.into_iter().map(|source| source.rule).collect(),
        })
    }

    /// All versions, by day of effect.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A version by its id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Versions that bind on a day.
    pub fn in_force(&self, on: Date) -> impl DoubleEndedIterator<Item = &Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.standing(on) == Standing::InForce)
    }

    /// The last day whose rules were looked up, where the files say.
    #[must_use]
    pub fn surveyed_until(&self) -> Option<Date> {
        self.rules
            .iter()
            .filter_map(|rule| rule.surveyed_until)
            .max()
    }

    /// Whether a list of places covers a country on a day.
    #[must_use]
    pub fn covers(&self, places: &[Place], country: Country, on: Date) -> bool {
        places
            .iter()
            .any(|place| place.covers(country, on, self.groups()))
    }

    /// What the rules ask of a transaction on its day.
    #[must_use]
    pub fn check(&self, facts: &ChipFacts, transaction: &Transaction) -> Verdict {
        crate::check::check(self, facts, transaction)
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.rules.iter().flat_map(|rule| &rule.groups)
    }
}

impl Source<'_> {
    /// A diagnostic at the first line that starts with a key, or at the first place of a text.
    fn wrong(&self, code: Code, at: &str, message: impl Into<String>) -> Diagnostic {
        let starts = self.text.starts_with(at).then_some(0);
        let line = starts.or_else(|| self.text.find(&format!("\n{at}")).map(|place| place + 1));
        let place = line.or_else(|| self.text.find(at)).unwrap_or(0);
        let length = if self.text[place..].starts_with(at) {
            at.len()
        } else {
            0
        };
        Diagnostic::new(code, message).at(self.name, self.text, place..place + length)
    }

    fn check(&self) -> Result<(), Diagnostic> {
        self.check_head()?;
        self.check_dates()?;
        self.check_tests()?;
        self.check_conditions()
    }

    fn check_head(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        if rule.schema != 1 {
            return Err(self.wrong(
                Code::Value,
                "schema",
                format!("expected schema 1, found {}", rule.schema),
            ));
        }
        let stem = self.name.rsplit(['/', '\\']).next().unwrap_or(self.name);
        let stem = stem.strip_suffix(".toml").unwrap_or(stem);
        if stem != rule.id {
            return Err(self.wrong(
                Code::Value,
                "id",
                format!("the id \"{}\" is not the file's name \"{stem}\"", rule.id),
            ));
        }
        if rule.citation.trim().is_empty() {
            return Err(self.wrong(Code::Provenance, "citation", "the citation is empty"));
        }
        if rule.sources.iter().all(|source| source.trim().is_empty()) {
            return Err(self.wrong(Code::Provenance, "sources", "there is no source"));
        }
        Ok(())
    }

    fn check_dates(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        let later = [
            ("until", rule.until, true),
            ("enforced_until", rule.enforced_until, true),
            ("compliance", rule.compliance, false),
            ("suspended_from", rule.suspended_from, false),
        ];
        for (key, date, strictly) in later {
            let Some(date) = date else { continue };
            if date < rule.effective || (strictly && date == rule.effective) {
                return Err(self.wrong(
                    Code::Value,
                    key,
                    format!("{key} {date} is not after effective {}", rule.effective),
                ));
            }
        }
        match (rule.suspended_from, rule.suspended_until) {
            (None, Some(_)) => Err(self.wrong(
                Code::Value,
                "suspended_until",
                "suspended_until stands without suspended_from",
            )),
            (Some(from), Some(until)) if until <= from => Err(self.wrong(
                Code::Value,
                "suspended_until",
                format!("suspended_until {until} is not after suspended_from {from}"),
            )),
            _ => Ok(()),
        }
    }

    fn check_tests(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        if let Some(limb) = rule.limbs.iter().find(|limb| limb.all.is_empty()) {
            let message = format!(
                "the limb {} has no condition and would catch everything",
                limb.eccn
            );
            return Err(self.wrong(Code::Value, &format!("eccn = \"{}\"", limb.eccn), message));
        }
        if rule.exclusion.as_ref().is_some_and(|e| e.all.is_empty()) {
            return Err(self.wrong(
                Code::Value,
                "[exclusion]",
                "the exclusion has no condition and would exclude everything",
            ));
        }
        match rule.kind {
            RuleKind::Law if !rule.limbs.is_empty() => self.check_law(),
            RuleKind::Letter => self.check_letter(),
            _ => Ok(()),
        }
    }

    fn check_law(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        if rule.destinations.is_empty() {
            return Err(self.wrong(Code::Field, "kind", "a law with limbs needs `destinations`"));
        }
        if rule.amends.is_some() {
            return Err(self.wrong(
                Code::Value,
                "amends",
                "a version that amends another cannot have limbs of its own",
            ));
        }
        for limb in &rule.limbs {
            if !rule.precedence.iter().any(|p| stands_under(&limb.eccn, p)) {
                return Err(self.wrong(
                    Code::Value,
                    &format!("eccn = \"{}\"", limb.eccn),
                    format!(
                        "the limb {} stands under no paragraph of `precedence`",
                        limb.eccn
                    ),
                ));
            }
        }
        if rule.reviews.is_empty() && rule.ever_binds() {
            return Err(self.wrong(Code::Field, "kind", "a law with limbs needs a `[[review]]`"));
        }
        Ok(())
    }

    fn check_letter(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        if rule.addressees.is_empty() {
            return Err(self.wrong(Code::Field, "kind", "a letter needs `addressees`"));
        }
        if rule.destinations.is_empty() {
            return Err(self.wrong(Code::Field, "kind", "a letter needs `destinations`"));
        }
        let makers = rule.limbs.iter().flat_map(|limb| &limb.makers);
        for maker in makers {
            if !rule.addressees.contains(maker) {
                return Err(self.wrong(
                    Code::UnknownId,
                    "makers",
                    format!("\"{maker}\" is not among the addressees"),
                ));
            }
        }
        Ok(())
    }

    fn treatments(&self) -> impl Iterator<Item = &Treatment> {
        self.rule.exceptions.iter().chain(&self.rule.reviews)
    }

    fn check_conditions(&self) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        for treatment in self.treatments() {
            if matches!(
                treatment.outcome,
                Outcome::NotUsOrigin
                    | Outcome::OutOfScopeDestination
                    | Outcome::NotControlled
                    | Outcome::LetterLicenseRequired
                    | Outcome::Undetermined
            ) {
                let key = treatment.outcome.key();
                return Err(self.wrong(
                    Code::Value,
                    &format!("outcome = \"{key}\""),
                    format!("{key} cannot be the outcome of an exception or a review"),
                ));
            }
        }
        let used = self
            .treatments()
            .flat_map(|treatment| &treatment.conditions);
        for key in used.chain(&rule.always_open) {
            if rule.condition(key).is_none() {
                let known = rule.conditions.iter().map(|known| known.key.as_str());
                let Diagnostic { message, help, .. } =
                    Diagnostic::unknown_id("condition", key, known);
                let mut found = self.wrong(Code::UnknownId, &format!("\"{key}\""), message);
                found.help = help;
                return Err(found);
            }
        }
        Ok(())
    }

    /// Checks what needs the other files.
    fn check_among(&self, all: &[Self], index: usize) -> Result<(), Diagnostic> {
        let rule = &self.rule;
        if all[..index].iter().any(|other| other.rule.id == rule.id) {
            return Err(self.wrong(
                Code::Value,
                "id",
                format!("the id \"{}\" is used by two files", rule.id),
            ));
        }
        if let Some(amended) = &rule.amends {
            let is_law =
                |other: &Self| other.rule.id == *amended && other.rule.kind == RuleKind::Law;
            if !all.iter().any(is_law) {
                return Err(self.wrong(
                    Code::UnknownId,
                    "amends",
                    format!("there is no law \"{amended}\" to amend"),
                ));
            }
        }
        let known = || all.iter().flat_map(|other| &other.rule.groups);
        for group in &rule.groups {
            if !group.id.contains(':') || known().filter(|other| other.id == group.id).count() > 1 {
                return Err(self.wrong(
                    Code::Value,
                    &format!("\"{}\"", group.id),
                    format!("the group \"{}\" is listed twice or has no colon", group.id),
                ));
            }
        }
        for place in self.places() {
            let Place::Group(id) = place else { continue };
            if !known().any(|group| group.id == *id) {
                return Err(self.wrong(
                    Code::UnknownId,
                    &format!("\"{id}\""),
                    format!("there is no group of countries \"{id}\""),
                ));
            }
        }
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        let rule = &self.rule;
        let of_treatments = self.treatments().flat_map(|treatment| {
            [
                &treatment.origin,
                &treatment.to,
                &treatment.hq,
                &treatment.to_or_hq,
            ]
        });
        [
            &rule.destinations,
            &rule.destinations_except,
            &rule.hq,
            &rule.makers_in,
        ]
        .into_iter()
        .chain(of_treatments)
        .flatten()
    }
}
