//! Countries and the lists that rules speak of.

use std::fmt;

use chokepoint_diag::{Code, Diagnostic};
use serde::{Deserialize, Serialize, Serializer};

/// An ISO 3166-1 alpha-2 code, such as `CN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// The United States.
    pub const US: Self = Self(*b"US");

    /// Reads a two-letter code in either case.
    ///
    /// # Errors
    /// When the text is not two ASCII letters. Whether the code is assigned is not checked.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        match text.trim().as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err(Diagnostic::new(
                Code::Value,
                format!("\"{text}\" is no two-letter country code"),
            )
            .help("write an ISO 3166-1 alpha-2 code: CN, HK, MO, SG, AE")),
        }
    }
}

impl TryFrom<String> for Country {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|diagnostic| diagnostic.message)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One entry of a list of places: a country, a dated group of countries, or the whole world.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// One country.
    Country(Country),
    /// A group by its id, such as `D:5`; its members depend on the date.
    Group(String),
    /// Everywhere (written `*`).
    World,
}

impl TryFrom<String> for Place {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::World);
        }
        if text.contains(':') {
            return Ok(Self::Group(text));
        }
        Country::parse(&text).map(Self::Country).map_err(|_| {
            format!(
                "\"{text}\" is no place: write a country code (\"CN\"), a group with a colon (\"D:5\") or \"*\""
            )
        })
    }
}

/// A group of countries as first listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Id with a colon, such as `D:5`.
    pub id: String,
    /// Members when the file that lists it takes effect, and before.
    pub countries: Vec<Country>,
    /// Later changes, each from its own day.
    #[serde(default, rename = "change")]
    pub changes: Vec<GroupChange>,
}

/// A country joins or leaves a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    /// First day of the change.
    #[serde(deserialize_with = "crate::date::required")]
    pub on: jiff::civil::Date,
    /// Countries that join.
    #[serde(default)]
    pub add: Vec<Country>,
    /// Countries that leave.
    #[serde(default)]
    pub remove: Vec<Country>,
}

impl Group {
    /// Whether a country belongs to the group on a day.
    #[must_use]
    pub fn contains(&self, country: Country, on: jiff::civil::Date) -> bool {
        let mut member = self.countries.contains(&country);
        for change in self.changes.iter().filter(|change| change.on <= on) {
            member = (member || change.add.contains(&country)) && !change.remove.contains(&country);
        }
        member
    }
}
