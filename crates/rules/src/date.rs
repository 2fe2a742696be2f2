//! TOML dates as civil dates.

use jiff::civil::Date;
use serde::de::{Deserialize, Deserializer, Error};
use toml::value::Datetime;

/// Reads a TOML date without a time of day.
pub fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    civil(Datetime::deserialize(deserializer)?)
}

/// Reads a date that may be absent.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    Option::<Datetime>::deserialize(deserializer)?
        .map(civil)
        .transpose()
}

fn civil<E: Error>(moment: Datetime) -> Result<Date, E> {
    let whole_day = moment.date.filter(|_| moment.time.is_none());
    whole_day
        .and_then(|date| {
            let year = i16::try_from(date.year).ok()?;
            let month = i8::try_from(date.month).ok()?;
            let day = i8::try_from(date.day).ok()?;
            Date::new(year, month, day).ok()
        })
        .ok_or_else(|| E::custom(format!("{moment} is no day such as 2023-11-17")))
}
