//! A number with its provenance.

use chokepoint_units::Quantity;
use serde::{Deserialize, Serialize};

/// How far a figure can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grade {
    /// Primary: datasheet, paper's own table, repository data, submitted measurement.
    A,
    /// Reputable secondary that cites a primary.
    B,
    /// Press, broker, estimate, or a declared assumption.
    C,
}

impl Grade {
    /// Half-width of the 80% interval, relative, of a figure that states no low and high.
    ///
    /// Grades A and B are nominal values of parts as sold; C is the spread that press and broker
    /// figures of one part showed (`reference/hardware.md` section 6: 910C 752-800, 910B 280-376,
    /// MLU590 256-390, CloudMatrix power 500-600 kW).
    #[must_use]
    pub const fn relative_spread(self) -> f64 {
        match self {
            Self::A => 0.0,
            Self::B => 0.03,
            Self::C => 0.15,
        }
    }

    /// The letter.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// A value with its source.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure<T> {
    /// The value in its unit.
    pub value: T,
    /// Id of the source in `sources.toml`.
    pub source: String,
    /// Page, table, section or file within the source.
    #[serde(default, rename = "where")]
    pub place: Option<String>,
    /// How far it can be trusted.
    pub grade: Grade,
    /// Date of the statement, as far as known: year, year-month or year-month-day.
    #[serde(default)]
    pub as_of: Option<String>,
    /// Lower end of the published or plausible range.
    #[serde(default)]
    pub low: Option<T>,
    /// Upper end of the published or plausible range.
    #[serde(default)]
    pub high: Option<T>,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// The arithmetic, when the value is computed from other figures.
    #[serde(default)]
    pub derived: Option<String>,
    /// True when no source states the value and the project assumes it; output says so.
    #[serde(default)]
    pub assumed: bool,
}

impl<T: Quantity> Figure<T> {
    /// Relative half-width of the 80% interval: from low and high where stated, else by grade.
    #[must_use]
    pub fn relative_spread(&self) -> f64 {
        let range = self.low.zip(self.high);
        self.spread(
            self.value.base(),
            range.map(|(low, high)| (low.base(), high.base())),
        )
    }
}

impl Figure<f64> {
    /// [`Figure::relative_spread`] of a number without a unit.
    #[must_use]
    pub fn ratio_spread(&self) -> f64 {
        self.spread(self.value, self.low.zip(self.high))
    }
}

impl<T: Copy + ToString> Figure<T> {
    /// The figure as a row for printing.
    #[must_use]
    pub fn row(&self, field: impl Into<String>) -> FigureRow {
        FigureRow {
            field: field.into(),
            value: self.value.to_string(),
            low: self.low.map(|low| low.to_string()),
            high: self.high.map(|high| high.to_string()),
            source: self.source.clone(),
            place: self.place.clone(),
            grade: self.grade,
            as_of: self.as_of.clone(),
            note: self.note.clone().or_else(|| self.derived.clone()),
            assumed: self.assumed,
        }
    }
}

impl<T> Figure<T> {
    fn spread(&self, value: f64, range: Option<(f64, f64)>) -> f64 {
        match range {
            Some((low, high)) if value > 0.0 => (high - low).abs() / (2.0 * value),
            _ => self.grade.relative_spread(),
        }
    }
}

/// One figure of the catalogue ready for printing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureRow {
    /// Dotted name of the field.
    pub field: String,
    /// Value with unit.
    pub value: String,
    /// Lower end with unit.
    pub low: Option<String>,
    /// Upper end with unit.
    pub high: Option<String>,
    /// Source id.
    pub source: String,
    /// Place in the source.
    pub place: Option<String>,
    /// Grade.
    pub grade: Grade,
    /// Date of the statement.
    pub as_of: Option<String>,
    /// Note or derivation.
    pub note: Option<String>,
    /// Whether the project assumes it.
    pub assumed: bool,
}
