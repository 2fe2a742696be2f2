//! Times of traces: dates with a fraction of a second, and seconds as numbers.

/// Femtoseconds in a second.
const SECOND: u128 = 1_000_000_000_000_000;
/// The largest time taken, in seconds: 10,000 years.
const MOST_SECONDS: u64 = 320_000_000_000;

/// Femtoseconds from the year 0 of `2023-11-16 18:17:03.9799600`, perhaps with `T` between date
/// and time and with `Z` or an offset such as `+00:00` at the end.
pub(super) fn date(text: &str) -> Result<u128, &'static str> {
    const EXPECTED: &str = "a date and time such as 2023-11-16 18:17:03.9799600";
    parse_date(text).ok_or(EXPECTED)
}

fn parse_date(text: &str) -> Option<u128> {
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    let [year, month, day] = three(date, '-')?;
    let days = days(year, month, day)?;
    let time = time.trim_end_matches('Z');
    let (clock, offset) = match time.rfind(['+', '-']) {
        Some(at) => (&time[..at], offset_minutes(&time[at..])?),
        None => (time, 0),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = three(clock, ':')?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(days) * 86_400
        + i64::from(hour) * 3600
        + i64::from(minute) * 60
        + i64::from(second)
        - offset * 60;
    let seconds = u128::try_from(seconds).ok()?;
    Some(seconds * SECOND + fraction_of_second(fraction)?)
}

/// Three whole numbers of at most four digits.
fn three(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(separator);
    for number in &mut numbers {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Minutes of `+00:00`.
fn offset_minutes(text: &str) -> Option<i64> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let minutes: u32 = minutes.parse().ok().filter(|&m: &u32| m < 60)?;
    let hours: u32 = hours.parse().ok().filter(|&h: &u32| h < 24)?;
    let total = i64::from(hours * 60 + minutes);
    Some(if sign == "-" { -total } else { total })
}

/// Days from the year 0 in the Gregorian calendar, counted from March so that the leap day is
/// the last of a year.
fn days(year: u32, month: u32, day: u32) -> Option<u32> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = LENGTHS.get(month.checked_sub(1)? as usize)? + u32::from(leap && month == 2);
    if year == 0 || !(1..=length).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + of_year)
}

/// Femtoseconds of the digits after the point; those beyond 15 are dropped.
fn fraction_of_second(digits: &str) -> Option<u128> {
    let mut value = 0;
    let mut unit = SECOND / 10;
    for digit in digits.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        value += u128::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some(value)
}

/// Femtoseconds of a number of seconds such as `5` or `45.125`.
pub(super) fn seconds(text: &str) -> Result<u128, &'static str> {
    const EXPECTED: &str = "seconds that are not negative, such as 45 or 45.125";
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    let whole = whole
        .parse::<u64>()
        .ok()
        .filter(|&s| plain && s <= MOST_SECONDS);
    match (whole, fraction_of_second(fraction)) {
        (Some(whole), Some(fraction)) => Ok(u128::from(whole) * SECOND + fraction),
        _ => Err(EXPECTED),
    }
}

/// Femtoseconds of a number of milliseconds.
pub(super) fn milliseconds(value: f64) -> Option<u128> {
    let limit = MOST_SECONDS as f64 * 1000.0;
    (0.0..=limit)
        .contains(&value)
        .then(|| (value * 1e12).round() as u128)
}

#[cfg(test)]
mod tests {
    use super::{SECOND, date, seconds};

    #[test]
    fn dates_differ_by_what_a_calendar_says() {
        let between =
            |a: &str, b: &str| (date(b).unwrap() - date(a).unwrap()) as f64 / SECOND as f64;
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-9, "{got} {wanted}");
        near(
            between("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.0319600"),
            0.052,
        );
        near(
            between("2024-02-28 23:59:59", "2024-03-01 00:00:00"),
            86_401.0,
        );
        near(between("2023-02-28T23:59:59Z", "2023-03-01T00:00:00Z"), 1.0);
        near(
            between("2023-12-31 23:00:00", "2024-01-01 00:00:00+00:00"),
            3600.0,
        );
        near(
            between("2024-05-10 00:00:00+02:00", "2024-05-10 00:00:00+00:00"),
            7200.0,
        );
        near(
            between("2000-01-01 00:00:00", "2400-01-01 00:00:00"),
            146_097.0 * 86_400.0,
        );
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "2023",
            "2023-13-01 00:00:00",
            "2023-02-29 00:00:00",
            "2023-01-01 24:00:00",
            "2023-01-01 00:00",
            "2023-01-01 00:00:00.x",
            "-5",
            "2023-01-01 00:00:00+99:00",
            "é",
            "0000-01-01 00:00:00",
            "2023-01-01 00:00:00+",
        ] {
            assert!(date(text).is_err(), "{text}");
        }
        assert_eq!(seconds("45.125"), Ok(45 * SECOND + SECOND / 8));
        for text in [
            "-1",
            "",
            ".5",
            "1e3",
            "nan",
            "99999999999999999999",
            "1.2.3",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
