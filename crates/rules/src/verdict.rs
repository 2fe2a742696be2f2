//! What an examination yields.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::metrics::{Metric, Metrics};
use crate::{Fact, RuleKind, Truth};

/// Shown with every verdict.
pub const DISCLAIMER: &str = "Information, not legal advice: the exporter still has to classify \
the item and to check end use, end user and restricted-party lists.";

/// What the rules ask of a transaction, ordered from the least to the most restrictive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The maker is headquartered where US export control does not decide the sale; using the
    /// chip may still be risky under General Prohibition 10, which the trace says.
    NotUsOrigin,
    /// No version in the book reaches the destination or the end user.
    OutOfScopeDestination,
    /// No version catches the item.
    NotControlled,
    /// Controlled, but an exception without notification is open (740.8 for D:1 and D:4, 740.25
    /// for memory), if its conditions hold.
    ExceptionAvailable,
    /// Controlled, but an exception is open after notifying the authority (NAC, 740.8).
    NotificationRequired,
    /// A letter to the maker requires a licence; its review policy is not published.
    LetterLicenseRequired,
    /// A licence is required and presumed to be granted.
    LicensePresumptionOfApproval,
    /// A licence is required and reviewed case by case.
    LicenseCaseByCase,
    /// A licence is required and presumed to be denied.
    LicensePresumptionOfDenial,
    /// Missing facts, or a review policy that is not in the data, leave it open.
    Undetermined,
}

impl Outcome {
    /// All outcomes, from the least to the most restrictive.
    pub const ALL: [Self; 10] = [
        Self::NotUsOrigin,
        Self::OutOfScopeDestination,
        Self::NotControlled,
        Self::ExceptionAvailable,
        Self::NotificationRequired,
        Self::LetterLicenseRequired,
        Self::LicensePresumptionOfApproval,
        Self::LicenseCaseByCase,
        Self::LicensePresumptionOfDenial,
        Self::Undetermined,
    ];

    /// Stable key, also used in rule files and JSON.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotUsOrigin => "not_us_origin",
            Self::OutOfScopeDestination => "out_of_scope_destination",
            Self::NotControlled => "not_controlled",
            Self::ExceptionAvailable => "exception_available",
            Self::NotificationRequired => "notification_required",
            Self::LetterLicenseRequired => "letter_license_required",
            Self::LicensePresumptionOfApproval => "license_presumption_of_approval",
            Self::LicenseCaseByCase => "license_case_by_case",
            Self::LicensePresumptionOfDenial => "license_presumption_of_denial",
            Self::Undetermined => "undetermined",
        }
    }

    /// Whether a licence is required.
    #[must_use]
    pub const fn license(self) -> Truth {
        match self {
            Self::LetterLicenseRequired
            | Self::LicensePresumptionOfApproval
            | Self::LicenseCaseByCase
            | Self::LicensePresumptionOfDenial => Truth::True,
            Self::Undetermined => Truth::Unknown,
            _ => Truth::False,
        }
    }
}

/// The distance of one metric from one threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Margin {
    /// Id of the version.
    pub rule: String,
    /// Paragraph, or label of the treatment.
    pub eccn: String,
    /// The metric.
    pub metric: Metric,
    /// Its value, in its unit.
    pub value: Fact<f64>,
    /// The threshold, in the same unit.
    pub threshold: f64,
    /// Value over threshold.
    pub ratio: Fact<f64>,
}

/// One step of the reasoning.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceStep {
    /// Id of the version; empty where no version is in force.
    pub rule: String,
    /// Authority of the version; none where no version is in force.
    pub kind: Option<RuleKind>,
    /// Citation of the version.
    pub citation: String,
    /// What was asked, with the numbers, in English.
    pub statement: String,
    /// The answer.
    pub holds: Truth,
}

/// What the rules ask of a transaction on its day, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The answer; [`Outcome::Undetermined`] when more than one is possible.
    pub outcome: Outcome,
    /// Every outcome that some completion of the missing facts may lead to, the least restrictive
    /// first. It never leaves one out; it may hold one that no completion reaches. A fact that
    /// the applicant has to show ([`crate::Treatment::to_show`]) counts as shown while it is
    /// unknown, and stands in `missing_facts`.
    pub possible: Vec<Outcome>,
    /// Paragraphs that hold, joined by `+`, of the paragraph that goes first; none when no
    /// paragraph is certain to hold.
    pub eccn: Option<String>,
    /// Versions that decide, or, where nothing catches the item, those that were tested.
    pub rule_ids: Vec<String>,
    /// Distances from every numeric threshold tested.
    pub margins: Vec<Margin>,
    /// The reasoning in order.
    pub trace: Vec<TraceStep>,
    /// Requirements left open, as `key: text`.
    pub open_conditions: Vec<String>,
    /// Facts whose absence leaves the outcome or a condition open, by field name.
    pub missing_facts: Vec<String>,
    /// Performance figures that were used.
    pub metrics: Metrics,
    /// The day judged: that of the transaction.
    pub as_of: Date,
    /// To be shown with the verdict.
    pub disclaimer: &'static str,
}

impl Verdict {
    /// Whether a licence is required, over all possible outcomes.
    #[must_use]
    pub fn license_required(&self) -> Truth {
        let answers = || self.possible.iter().map(|outcome| outcome.license());
        if answers().all(|answer| answer == Truth::True) {
            Truth::True
        } else if answers().all(|answer| answer == Truth::False) {
            Truth::False
        } else {
            Truth::Unknown
        }
    }
}
