//! Numbers for reading: significant digits, separators, units of size.

use chokepoint_engine::rules::Fact;

use crate::messages::Words;

/// What stands where there is no number.
pub(crate) const NONE: &str = "–";

/// Decimal exponent of a number after rounding to some significant digits, and the rounded number.
fn rounded(value: f64, digits: usize) -> Option<(f64, i32)> {
    let text = format!("{:.*e}", digits.saturating_sub(1), value);
    let exponent = text.split_once('e')?.1.parse().ok()?;
    Some((text.parse().ok()?, exponent))
}

/// A number with some significant digits and separators of thousands, without trailing zeros
/// after the point being cut: 3 digits give 1.20, 12.0, 123 and 1,230.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value.abs() < f64::MIN_POSITIVE {
        return "0".to_owned();
    }
    let Some((value, exponent)) = rounded(value, digits) else {
        return NONE.to_owned();
    };
    let kept = i32::try_from(digits).unwrap_or(3) - 1 - exponent;
    let decimals = usize::try_from(kept.max(0)).unwrap_or(0).min(9);
    separated(&format!("{value:.decimals$}"))
}

/// A number with a fixed number of decimals and separators of thousands.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() {
        separated(&format!("{value:.decimals$}"))
    } else {
        NONE.to_owned()
    }
}

/// A count in full.
pub(crate) fn count(value: u64) -> String {
    separated(&value.to_string())
}

fn separated(text: &str) -> String {
    let (sign, text) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(w, f)| (w, Some(f)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A range of two numbers.
pub(crate) fn range(low: f64, high: f64) -> String {
    format!("{}–{}", significant(low, 3), significant(high, 3))
}

/// A fact in words.
pub(crate) fn fact(words: &Words, value: Fact<f64>) -> String {
    match value {
        Fact::Known(value) => significant(value, 4),
        Fact::Range(low, high) if high.is_infinite() => {
            words.fill("report.at-least", [("low", &significant(low, 4))])
        }
        Fact::Range(low, high) => words.fill(
            "report.range",
            [
                ("low", &significant(low, 4)),
                ("high", &significant(high, 4)),
            ],
        ),
        Fact::Unknown => words.get("report.unknown"),
    }
}

/// Shares of a whole in tenths of a percent that sum to exactly 1000, by the largest remainder;
/// all zero where there is nothing to share.
pub(crate) fn tenths_of_percent(parts: &[f64]) -> Vec<u32> {
    let whole: f64 = parts.iter().sum();
    if !(whole > 0.0 && whole.is_finite()) {
        return vec![0; parts.len()];
    }
    let exact: Vec<f64> = parts.iter().map(|part| part / whole * 1000.0).collect();
    let mut shares: Vec<u32> = exact
        .iter()
        .map(|value| value.max(0.0).floor() as u32)
        .collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let remainder = |index: usize| exact[index] - exact[index].floor();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
    let missing = 1000_u32.saturating_sub(shares.iter().sum());
    for &index in order.iter().cycle().take(missing as usize) {
        shares[index] += 1;
    }
    shares
}

/// A share from [`tenths_of_percent`] for a table.
pub(crate) fn percent(tenths: u32) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.001_234, "0.00123"),
            (0.999_6, "1.00"),
            (1.2, "1.20"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234.0, "1,230"),
            (12_345_678.0, "12,300,000"),
            (-1_234.5, "-1,230"),
            (f64::NAN, NONE),
            (f64::INFINITY, NONE),
        ] {
            assert_eq!(significant(value, 3), text);
        }
        assert_eq!(count(1_048_576), "1,048,576");
        assert_eq!(fixed(1234.56, 1), "1,234.6");
    }

    #[test]
    fn shares_sum_to_the_whole() {
        for parts in [
            vec![1.0, 1.0, 1.0],
            vec![0.333, 0.333, 0.334, 1e-9],
            vec![5.0],
            vec![2.0; 7],
        ] {
            assert_eq!(
                tenths_of_percent(&parts).iter().sum::<u32>(),
                1000,
                "{parts:?}"
            );
        }
        assert_eq!(tenths_of_percent(&[0.0, 0.0]), [0, 0]);
        assert_eq!(tenths_of_percent(&[]), Vec::<u32>::new());
        assert_eq!(percent(1000), "100.0");
    }
}
