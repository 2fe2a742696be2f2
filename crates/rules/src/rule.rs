//! A rule version as its file states it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::country::{Country, Group, Place};
use crate::{Outcome, Truth};

/// What kind of authority a version has. Only law and letters decide a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// A published regulation.
    Law,
    /// A letter to named companies ("is informed"), binding its addressees only.
    Letter,
    /// The authority's published reading of the law.
    Guidance,
    /// What was done without any published rule.
    Practice,
    /// A duty on import, which does not decide an export.
    Tariff,
    /// Lists of countries.
    Groups,
}

/// How far the data of a version can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grade {
    /// Primary: text of the law, or a filing.
    A,
    /// Reputable secondary.
    B,
    /// Press, estimate or memory.
    C,
}

/// Whether a version binds on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not effective yet.
    NotYet,
    /// On the books, compliance not yet due.
    AwaitingCompliance,
    /// Binding.
    InForce,
    /// Suspended for a time.
    Suspended,
    /// On the books, but the authority said that it does not enforce it.
    NotEnforced,
    /// Replaced or ended.
    Ended,
}

/// One dated version of a rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Version of the file format; 1.
    pub schema: u32,
    /// Id, equal to the file name.
    pub id: String,
    /// Authority.
    pub kind: RuleKind,
    /// Title.
    pub title: String,
    /// Citation: Federal Register, filing, notice.
    pub citation: String,
    /// Where it was read.
    pub sources: Vec<String>,
    /// How far the data can be trusted.
    pub grade: Grade,
    /// What the data leaves out or infers.
    #[serde(default)]
    pub note: Option<String>,
    /// Day of release to the public; without effect.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub released: Option<Date>,
    /// Day of publication; without effect.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub published: Option<Date>,
    /// First day in effect.
    #[serde(deserialize_with = "crate::date::required")]
    pub effective: Date,
    /// First day on which compliance is due, where later.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub compliance: Option<Date>,
    /// First day no longer in effect.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub until: Option<Date>,
    /// First day no longer enforced though still on the books.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub enforced_until: Option<Date>,
    /// First day of a suspension.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub suspended_from: Option<Date>,
    /// First day after a suspension.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub suspended_until: Option<Date>,
    /// Last day up to which later rules were looked for when the files were written.
    #[serde(default, deserialize_with = "crate::date::optional")]
    pub surveyed_until: Option<Date>,
    /// Id of the law whose exceptions and review this version changes.
    #[serde(default)]
    pub amends: Option<String>,
    /// Where the item must not go without a licence.
    #[serde(default)]
    pub destinations: Vec<Place>,
    /// Taken out of `destinations`.
    #[serde(default)]
    pub destinations_except: Vec<Place>,
    /// End users headquartered here are in scope wherever they are.
    #[serde(default)]
    pub hq: Vec<Place>,
    /// Companies a letter was sent to.
    #[serde(default)]
    pub addressees: Vec<String>,
    /// Chips named in the text.
    #[serde(default)]
    pub named: Vec<String>,
    /// Makers headquartered here are outside US control; guidance may still reach their chips.
    #[serde(default)]
    pub makers_in: Vec<Place>,
    /// Paragraphs from the one that goes first, as prefixes of the limbs' `eccn`.
    #[serde(default)]
    pub precedence: Vec<String>,
    /// Items that the paragraphs do not apply to.
    #[serde(default)]
    pub exclusion: Option<Exclusion>,
    /// The tests; one that holds is enough.
    #[serde(default, rename = "limb")]
    pub limbs: Vec<Limb>,
    /// Licence exceptions, tried in order before review.
    #[serde(default, rename = "exception")]
    pub exceptions: Vec<Treatment>,
    /// Review policies, tried in order.
    #[serde(default, rename = "review")]
    pub reviews: Vec<Treatment>,
    /// Requirements that facts about the chip cannot settle.
    #[serde(default, rename = "condition")]
    pub conditions: Vec<OpenCondition>,
    /// Keys of conditions that stay open whenever the version binds a transaction in its scope.
    #[serde(default)]
    pub always_open: Vec<String>,
    /// Numbers of the version that no limb uses, such as caps.
    #[serde(default, rename = "quantity")]
    pub quantities: Vec<NamedQuantity>,
    /// Groups of countries.
    #[serde(default, rename = "group")]
    pub groups: Vec<Group>,
}

/// Items that a version's paragraphs do not apply to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Name in the text, such as "Note 2 to 3A090".
    pub label: String,
    /// Conditions that all hold for an excluded item.
    pub all: Vec<Condition>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limb {
    /// Paragraph it stands in, such as `3A090.a.1`, `letter` or `tariff-band-1`.
    pub eccn: String,
    /// Conditions that all hold for an item that it catches.
    pub all: Vec<Condition>,
    /// Addressees that it is limited to; all when empty.
    #[serde(default)]
    pub makers: Vec<String>,
}

/// An exception or a review policy: when it applies, and what follows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Treatment {
    /// What the text calls it: `NAC`, `review of 742.6(b)(10)`.
    pub label: String,
    /// Paragraphs, as prefixes; all when empty.
    #[serde(default)]
    pub eccn: Vec<String>,
    /// Countries of departure; all when empty.
    #[serde(default)]
    pub origin: Vec<Place>,
    /// Destinations; all when empty.
    #[serde(default)]
    pub to: Vec<Place>,
    /// Headquarters of the end user; all when empty.
    #[serde(default)]
    pub hq: Vec<Place>,
    /// Destination or headquarters; all when empty.
    #[serde(default)]
    pub to_or_hq: Vec<Place>,
    /// Conditions on the item that all hold.
    #[serde(default)]
    pub all: Vec<Condition>,
    /// Conditions on the item that the applicant has to show: one known to fail rules the
    /// treatment out, one not known stays open.
    #[serde(default)]
    pub to_show: Vec<Condition>,
    /// What follows.
    pub outcome: Outcome,
    /// Keys of conditions that stay open.
    #[serde(default)]
    pub conditions: Vec<String>,
}

/// A requirement that facts about the chip cannot settle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenCondition {
    /// Stable key.
    pub key: String,
    /// What must be true, in English.
    pub text: String,
}

/// A number of a version that no limb uses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedQuantity {
    /// Stable key.
    pub key: String,
    /// The number.
    pub value: f64,
    /// Its unit in words.
    pub unit: String,
}

impl Rule {
    /// Whether the version binds on a day: it is in effect from `effective` until the day before
    /// `until`, and binds from `compliance`, until it is no longer enforced, unless suspended.
    #[must_use]
    pub fn standing(&self, on: Date) -> Standing {
        let reached = |date: Option<Date>| date.is_some_and(|date| on >= date);
        if on < self.effective {
            Standing::NotYet
        } else if reached(self.until) {
            Standing::Ended
        } else if reached(self.enforced_until) {
            Standing::NotEnforced
        } else if reached(self.suspended_from) && !reached(self.suspended_until) {
            Standing::Suspended
        } else if self.compliance.is_some_and(|date| on < date) {
            Standing::AwaitingCompliance
        } else {
            Standing::InForce
        }
    }

    /// Whether the version could ever bind.
    #[must_use]
    pub fn ever_binds(&self) -> bool {
        let from = self.compliance.unwrap_or(self.effective);
        [self.until, self.enforced_until]
            .into_iter()
            .flatten()
            .all(|end| from < end)
    }

    /// A number of the version by its key.
    #[must_use]
    pub fn quantity(&self, key: &str) -> Option<&NamedQuantity> {
        self.quantities.iter().find(|quantity| quantity.key == key)
    }

    /// The text of an open condition by its key.
    #[must_use]
    pub fn condition(&self, key: &str) -> Option<&OpenCondition> {
        self.conditions
            .iter()
            .find(|condition| condition.key == key)
    }

    /// Whether the version names a chip: all words of a name in the text stand next to each
    /// other, whole, in the chip's name, so "H20" is not found in "H200".
    #[must_use]
    pub fn names(&self, chip: &str) -> bool {
        let words = words(chip);
        self.named.iter().any(|name| {
            let wanted = self::words(name);
            !wanted.is_empty() && words.windows(wanted.len()).any(|part| part == wanted)
        })
    }

    /// Whether a letter was sent to a company; unknown when the maker is.
    #[must_use]
    pub fn addresses(&self, maker: Option<&str>) -> Truth {
        listed(&self.addressees, maker)
    }
}

/// Whether a company is on a list, without regard to case; unknown when there is no company.
#[must_use]
pub fn listed(companies: &[String], maker: Option<&str>) -> Truth {
    maker.map_or(Truth::Unknown, |maker| {
        companies
            .iter()
            .any(|company| company.eq_ignore_ascii_case(maker.trim()))
            .into()
    })
}

/// Whether a paragraph stands under a prefix: `3A090.a.1` under `3A090.a`, not under `3A09`.
#[must_use]
pub fn stands_under(eccn: &str, prefix: &str) -> bool {
    eccn.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Place {
    /// Whether a country is meant, given the groups of a book.
    pub(crate) fn covers<'a>(
        &self,
        country: Country,
        on: Date,
        mut groups: impl Iterator<Item = &'a Group>,
    ) -> bool {
        match self {
            Self::World => true,
            Self::Country(wanted) => *wanted == country,
            Self::Group(id) => groups.any(|group| group.id == *id && group.contains(country, on)),
        }
    }
}

fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_words() {
        let named = |name: &str, chip: &str| {
            let wanted = words(name);
            words(chip).windows(wanted.len()).any(|part| part == wanted)
        };
        assert!(named("H20", "H20 141GB"));
        assert!(named("h20", "nvidia-h20-sxm"));
        assert!(!named("H20", "H200 SXM"));
        assert!(!named("L40", "L40S"));
        assert!(named("Ascend 910C", "ascend-910c"));
    }

    #[test]
    fn paragraphs_nest_at_points() {
        assert!(stands_under("3A090.a.1", "3A090.a"));
        assert!(stands_under("3A090", "3A090"));
        assert!(!stands_under("3A090.ab", "3A090.a"));
    }
}
