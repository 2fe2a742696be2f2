//! Countries and the lists that rules speak of.

use std::fmt;

use chokepoint_diag::{Code, Diagnostic};
use serde::{Deserialize, Serialize, Serializer};

/// An ISO 3166-1 alpha-2 code, such as `CN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Country([u8; 2]);

/// The assigned codes of ISO 3166-1 alpha-2.
const ASSIGNED: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

impl Country {
    /// The United States.
    pub const US: Self = Self(*b"US");

    /// Reads a two-letter code in either case.
    ///
    /// # Errors
    /// When the text is not an assigned code: a typing error must not pass for a country that no
    /// rule reaches.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let code = text.trim().to_ascii_uppercase();
        let assigned = ASSIGNED
            .split_ascii_whitespace()
            .find(|known| *known == code);
        match assigned.map(str::as_bytes) {
            Some([a, b]) => Ok(Self([*a, *b])),
            _ => Err(
                Diagnostic::new(Code::Value, format!("\"{text}\" is no country code"))
                    .help("write an assigned ISO 3166-1 alpha-2 code: CN, HK, MO, SG, AE, GB, DE"),
            ),
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
