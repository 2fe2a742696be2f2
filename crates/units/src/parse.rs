//! Reading "4.8 TB/s" and printing it back.
//!
//! Units are obligatory and case matters: `Gb` is a gigabit, `GB` a gigabyte, `GiB` 2^30 bytes.
//! Spellings that people use for two different things (`Gbs`, `GBps`, `Tbps`, a bare number) are
//! refused with both readings.

use std::fmt;

/// What a quantity measures; fixes which units are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Bytes.
    Data,
    /// Bytes per second, per direction.
    Bandwidth,
    /// Arithmetic operations.
    Ops,
    /// Dense arithmetic operations per second.
    OpsRate,
    /// Seconds.
    Time,
    /// Watts.
    Power,
    /// Joules.
    Energy,
    /// US dollars.
    Money,
    /// US dollars per hour.
    MoneyRate,
    /// Square millimetres.
    Area,
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError(String);

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnitError {}

impl Dimension {
    /// The units of the dimension with their size in the base unit, largest last.
    const fn units(self) -> &'static [(&'static str, f64)] {
        const KI: f64 = 1024.0;
        match self {
            Self::Data => &[
                ("b", 0.125),
                ("B", 1.0),
                ("kB", 1e3),
                ("KiB", KI),
                ("MB", 1e6),
                ("MiB", KI * KI),
                ("GB", 1e9),
                ("GiB", KI * KI * KI),
                ("TB", 1e12),
                ("TiB", KI * KI * KI * KI),
            ],
            Self::Bandwidth => &[
                ("B/s", 1.0),
                ("Mb/s", 1.25e5),
                ("Mbit/s", 1.25e5),
                ("MB/s", 1e6),
                ("Gb/s", 1.25e8),
                ("Gbit/s", 1.25e8),
                ("GB/s", 1e9),
                ("Tb/s", 1.25e11),
                ("Tbit/s", 1.25e11),
                ("TB/s", 1e12),
                ("PB/s", 1e15),
            ],
            Self::Ops => &[
                ("FLOP", 1.0),
                ("GFLOP", 1e9),
                ("TFLOP", 1e12),
                ("PFLOP", 1e15),
                ("EFLOP", 1e18),
            ],
            Self::OpsRate => &[
                ("GFLOP/s", 1e9),
                ("GOP/s", 1e9),
                ("TFLOP/s", 1e12),
                ("TOP/s", 1e12),
                ("PFLOP/s", 1e15),
                ("POP/s", 1e15),
                ("EFLOP/s", 1e18),
            ],
            Self::Time => &[
                ("ns", 1e-9),
                ("us", 1e-6),
                ("µs", 1e-6),
                ("ms", 1e-3),
                ("s", 1.0),
                ("min", 60.0),
                ("h", 3600.0),
                ("days", 86_400.0),
                ("d", 86_400.0),
                ("years", 31_557_600.0),
            ],
            Self::Power => &[("W", 1.0), ("kW", 1e3), ("MW", 1e6), ("GW", 1e9)],
            Self::Energy => &[
                ("J", 1.0),
                ("kJ", 1e3),
                ("Wh", 3600.0),
                ("kWh", 3.6e6),
                ("MWh", 3.6e9),
                ("GWh", 3.6e12),
            ],
            Self::Money => &[("USD", 1.0), ("kUSD", 1e3), ("MUSD", 1e6), ("BUSD", 1e9)],
            Self::MoneyRate => &[("USD/h", 1.0)],
            Self::Area => &[("mm2", 1.0), ("mm²", 1.0)],
        }
    }

    /// Name for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "an amount of data",
            Self::Bandwidth => "a bandwidth per direction",
            Self::Ops => "a number of operations",
            Self::OpsRate => "a dense operation rate",
            Self::Time => "a duration",
            Self::Power => "a power",
            Self::Energy => "an energy",
            Self::Money => "an amount of money",
            Self::MoneyRate => "a cost per hour",
            Self::Area => "an area",
        }
    }

    /// An example for messages.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Data => "\"80 GB\" or \"80 GiB\"",
            Self::Bandwidth => "\"4.8 TB/s\" or \"400 Gb/s\"",
            Self::Ops => "\"1.2 PFLOP\"",
            Self::OpsRate => "\"989.5 TFLOP/s\"",
            Self::Time => "\"50 ms\"",
            Self::Power => "\"700 W\"",
            Self::Energy => "\"3.2 kWh\"",
            Self::Money => "\"31000 USD\"",
            Self::MoneyRate => "\"1.3 USD/h\"",
            Self::Area => "\"814 mm2\"",
        }
    }

    /// The two readings that a number without a unit (or with a doubtful one) could have.
    const fn readings(self) -> (&'static str, &'static str) {
        match self {
            Self::Data => ("GB", "GiB"),
            Self::Bandwidth => ("GB/s", "Gb/s"),
            Self::Ops => ("TFLOP", "PFLOP"),
            Self::OpsRate => ("TFLOP/s", "PFLOP/s"),
            Self::Time => ("ms", "s"),
            Self::Power => ("W", "kW"),
            Self::Energy => ("J", "kWh"),
            Self::Money => ("USD", "MUSD"),
            Self::MoneyRate => ("USD/h", "USD/h"),
            Self::Area => ("mm2", "mm2"),
        }
    }

    /// The message for a number without a unit.
    #[must_use]
    pub fn bare_number(self, number: &str) -> String {
        let (first, second) = self.readings();
        let readings = if first == second {
            format!("write \"{number} {first}\"")
        } else {
            format!("write \"{number} {first}\" or \"{number} {second}\", whichever is meant")
        };
        format!(
            "expected {} with its unit, found the bare number {number}: {readings}",
            self.name()
        )
    }

    /// Prints a value with the unit that leaves the fewest digits before the point.
    #[must_use]
    pub fn print(self, base: f64) -> String {
        let decimal = self
            .units()
            .iter()
            .filter(|(name, _)| !skipped_when_printing(name));
        let mut chosen = ("", 1.0);
        for (index, &(name, size)) in decimal.enumerate() {
            if index == 0 || base.abs() >= size {
                chosen = (name, size);
            }
        }
        let value = base / chosen.1;
        format!("{} {}", four_digits(value), chosen.0)
    }
}

/// Binary, bit, alternative and integer spellings are read, not written.
fn skipped_when_printing(unit: &str) -> bool {
    unit.contains('i') && unit.ends_with('B')
        || unit == "b"
        || unit.ends_with("b/s")
        || unit.ends_with("bit/s")
        || unit.ends_with("OP/s") && !unit.ends_with("FLOP/s")
        || matches!(
            unit,
            "µs" | "mm²" | "d" | "Wh" | "kJ" | "min" | "years" | "kUSD"
        )
}

/// At most four significant digits, no trailing zeros after the point.
fn four_digits(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = if magnitude >= 1000.0 || magnitude == 0.0 {
        0
    } else if magnitude >= 100.0 {
        1
    } else if magnitude >= 10.0 {
        2
    } else if magnitude >= 0.1 {
        3
    } else {
        6
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Reads a quantity of a dimension, in its base unit.
///
/// # Errors
/// When there is no number, no unit, a unit of another dimension or an ambiguous spelling; or
/// when the number is not finite.
pub fn parse_quantity(dimension: Dimension, text: &str) -> Result<f64, UnitError> {
    let trimmed = text.trim();
    let split = trimmed
        .char_indices()
        .find(|&(at, c)| !is_number_part(trimmed, at, c))
        .map_or(trimmed.len(), |(at, _)| at);
    let (number, unit) = (trimmed[..split].trim(), trimmed[split..].trim());
    let value: f64 = number.replace(['_', ','], "").parse().map_err(|_| {
        UnitError(format!(
            "expected {}, such as {}, found \"{text}\"",
            dimension.name(),
            dimension.example()
        ))
    })?;
    if !value.is_finite() {
        return Err(UnitError(format!(
            "expected a finite number, found \"{text}\""
        )));
    }
    if value < 0.0 {
        return Err(UnitError(format!(
            "expected {}, which cannot be negative, found \"{text}\"",
            dimension.name()
        )));
    }
    if unit.is_empty() {
        return Err(UnitError(dimension.bare_number(number)));
    }
    match dimension.units().iter().find(|(name, _)| *name == unit) {
        Some((_, size)) => Ok(value * size),
        None => Err(UnitError(unknown_unit(dimension, number, unit))),
    }
}

/// Whether the character at a place still belongs to the number: digits, a sign, a point,
/// separators, and an exponent that is followed by a digit or sign.
fn is_number_part(text: &str, at: usize, c: char) -> bool {
    match c {
        '0'..='9' | '.' | '_' | ',' => true,
        '+' | '-' => at == 0 || text[..at].ends_with(['e', 'E']),
        'e' | 'E' => {
            at > 0
                && text[..at].ends_with(|p: char| p.is_ascii_digit() || p == '.')
                && text[at + 1..].starts_with(|n: char| n.is_ascii_digit() || n == '-' || n == '+')
        }
        _ => false,
    }
}

fn unknown_unit(dimension: Dimension, number: &str, unit: &str) -> String {
    let lower = unit.to_ascii_lowercase();
    if dimension == Dimension::Bandwidth && (lower.ends_with("bps") || lower.ends_with("bs")) {
        let prefix = &unit[..1];
        return format!(
            "the unit \"{unit}\" is ambiguous: write \"{number} {prefix}B/s\" for bytes or \"{number} {prefix}b/s\" for bits"
        );
    }
    if dimension == Dimension::OpsRate && (lower.ends_with("flops") || lower.ends_with("tops")) {
        let stem = unit.trim_end_matches(['s', 'S']);
        return format!(
            "the unit \"{unit}\" could be a count or a rate: write \"{number} {stem}/s\", dense"
        );
    }
    let names: Vec<&str> = dimension.units().iter().map(|(name, _)| *name).collect();
    format!(
        "unknown unit \"{unit}\" for {}: expected one of {}",
        dimension.name(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_datasheets_write() {
        let cases = [
            (Dimension::Bandwidth, "4.8 TB/s", 4.8e12),
            (Dimension::Bandwidth, "400 Gb/s", 50e9),
            (Dimension::Bandwidth, "100 Gbit/s", 12.5e9),
            (Dimension::Data, "80 GiB", 80.0 * 1_073_741_824.0),
            (Dimension::Data, "143,771 MiB", 143_771.0 * 1_048_576.0),
            (Dimension::OpsRate, "1979 TFLOP/s", 1.979e15),
            (Dimension::OpsRate, "1.5e3 TOP/s", 1.5e15),
            (Dimension::Time, "50ms", 0.05),
            (Dimension::Money, "3.1 MUSD", 3.1e6),
            (Dimension::Area, "814 mm2", 814.0),
        ];
        for (dimension, text, expected) in cases {
            let value = parse_quantity(dimension, text).unwrap();
            assert!((value / expected - 1.0).abs() < 1e-12, "{text}: {value}");
        }
    }

    #[test]
    fn refuses_what_could_mean_two_things() {
        let message = |dimension, text| parse_quantity(dimension, text).unwrap_err().to_string();
        let bare = message(Dimension::Bandwidth, "4.8");
        assert!(
            bare.contains("4.8 GB/s") && bare.contains("4.8 Gb/s"),
            "{bare}"
        );
        let doubtful = message(Dimension::Bandwidth, "400 Gbps");
        assert!(
            doubtful.contains("400 GB/s") && doubtful.contains("400 Gb/s"),
            "{doubtful}"
        );
        assert!(message(Dimension::OpsRate, "989 TFLOPS").contains("989 TFLOP/s"));
        assert!(message(Dimension::Power, "700 VA").contains("expected one of W"));
        assert!(message(Dimension::Data, "lots").contains("found \"lots\""));
        assert!(message(Dimension::Data, "1e999 GB").contains("finite"));
    }

    #[test]
    fn prints_what_it_reads() {
        let cases = [
            (Dimension::Bandwidth, 4.8e12, "4.8 TB/s"),
            (Dimension::Bandwidth, 450e9, "450 GB/s"),
            (Dimension::OpsRate, 989.5e12, "989.5 TFLOP/s"),
            (Dimension::Time, 0.0123, "12.3 ms"),
            (Dimension::Power, 132_000.0, "132 kW"),
            (Dimension::Data, 141e9, "141 GB"),
        ];
        for (dimension, base, text) in cases {
            assert_eq!(dimension.print(base), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_reading_agree(value in 1e-9..1e18_f64) {
            for dimension in [Dimension::Data, Dimension::Bandwidth, Dimension::Power, Dimension::Time] {
                if value < 1.0 && dimension != Dimension::Time || value > 1e16 { continue; }
                let text = dimension.print(value);
                let read = parse_quantity(dimension, &text).unwrap();
                proptest::prop_assert!((read / value - 1.0).abs() < 6e-3 || value < 1e-6, "{} {}", text, value);
            }
        }

        #[test]
        fn never_panics(text in ".*") {
            for dimension in [Dimension::Data, Dimension::Bandwidth, Dimension::OpsRate, Dimension::Time] {
                let _ = parse_quantity(dimension, &text);
            }
        }
    }
}
