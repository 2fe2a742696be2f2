//! The quantities that the rules compare with thresholds.

use chokepoint_units::NumberFormat;
use serde::{Deserialize, Serialize};

use crate::{ChipFacts, Fact};

/// A quantity that a rule file may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Total processing performance: dense TOPS times bits, highest over formats.
    Tpp,
    /// TPP over applicable die area, per mm2.
    PerformanceDensity,
    /// External links, both directions summed, GB/s.
    IoBidirectional,
    /// Total DRAM bandwidth, GB/s.
    DramBandwidth,
    /// DRAM bandwidth plus links in both directions, GB/s.
    DramPlusIo,
    /// Bandwidth of a bare memory stack over its area, GB/s per mm2; a processor has none.
    MemoryBandwidthDensity,
    /// Designed or marketed for data centers.
    Datacenter,
    /// On sale in the United States on 2026-01-15.
    #[serde(rename = "us_commercial_on_2026_01_15")]
    UsCommercial,
}

impl Metric {
    /// Name in rule files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tpp => "tpp",
            Self::PerformanceDensity => "performance_density",
            Self::IoBidirectional => "io_bidirectional",
            Self::DramBandwidth => "dram_bandwidth",
            Self::DramPlusIo => "dram_plus_io",
            Self::MemoryBandwidthDensity => "memory_bandwidth_density",
            Self::Datacenter => "datacenter",
            Self::UsCommercial => "us_commercial_on_2026_01_15",
        }
    }

    /// Whether it is a yes or no, which rule files compare with `true` or `false`.
    #[must_use]
    pub const fn is_flag(self) -> bool {
        matches!(self, Self::Datacenter | Self::UsCommercial)
    }
}

/// TPP of one number format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FormatTpp {
    /// The format.
    pub format: NumberFormat,
    /// Dense peak, 10^12 operations per second.
    pub dense_tops: Fact<f64>,
    /// Bits of the operands as counted.
    pub bits: u32,
    /// `dense_tops` times `bits`.
    pub tpp: Fact<f64>,
}

/// Performance figures of one item, as 88 FR 73458 defines them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    /// Highest TPP over the supported formats.
    pub tpp: Fact<f64>,
    /// The format with the highest TPP among those known; none for stated figures.
    pub tpp_format: Option<NumberFormat>,
    /// TPP per mm2 of applicable area.
    pub performance_density: Fact<f64>,
    /// TPP if TF32 counted by the 19 bits that it uses instead of the 32 that it occupies;
    /// present when the chip has TF32. The text settles neither reading.
    pub tpp_with_tf32_as_19_bits: Option<Fact<f64>>,
    /// One row for each supported format.
    pub per_format: Vec<FormatTpp>,
}

/// Bits of TF32 that carry information: sign, 8 exponent, 10 mantissa.
const TF32_USED_BITS: f64 = 19.0;

/// Computes the performance figures of an item.
///
/// TPP(format) is dense TOPS times bits: the factor two of the text (a multiply-accumulate is
/// two operations) is already in datasheet TOPS and is not applied again. Bits are those of the
/// widest operand: TF32 counts 32, block-scaled 4-bit formats 4 (scales left out). The highest
/// over formats governs; a supported format without a figure leaves the upper end open.
#[must_use]
pub fn metrics(facts: &ChipFacts) -> Metrics {
    let per_format: Vec<FormatTpp> = facts
        .peaks
        .iter()
        .map(|&(format, dense_tops)| FormatTpp {
            format,
            dense_tops,
            bits: format.bits(),
            tpp: dense_tops.scaled(f64::from(format.bits())),
        })
        .collect();
    if let Some(stated) = facts.stated {
        return Metrics {
            tpp: stated.tpp,
            tpp_format: None,
            performance_density: stated.performance_density,
            tpp_with_tf32_as_19_bits: None,
            per_format,
        };
    }
    let tpp = highest(per_format.iter().map(|row| row.tpp));
    let has_tf32 = per_format
        .iter()
        .any(|row| row.format == NumberFormat::Tf32);
    let with_19_bits = || {
        highest(per_format.iter().map(|row| match row.format {
            NumberFormat::Tf32 => row.dense_tops.scaled(TF32_USED_BITS),
            _ => row.tpp,
        }))
    };
    let governing = per_format
        .iter()
        .filter(|row| row.tpp != Fact::Unknown)
        .fold(None, |best: Option<&FormatTpp>, row| match best {
            Some(held) if held.tpp.bounds().0 >= row.tpp.bounds().0 => Some(held),
            _ => Some(row),
        });
    Metrics {
        tpp,
        tpp_format: governing.map(|row| row.format),
        performance_density: tpp.over(facts.applicable_area_mm2),
        tpp_with_tf32_as_19_bits: has_tf32.then(with_19_bits),
        per_format,
    }
}

fn highest(mut items: impl Iterator<Item = Fact<f64>>) -> Fact<f64> {
    items
        .next()
        .map_or(Fact::Unknown, |first| items.fold(first, Fact::larger))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(peaks: &[(NumberFormat, Fact<f64>)]) -> ChipFacts {
        ChipFacts {
            peaks: peaks.to_vec(),
            ..ChipFacts::named("test")
        }
    }

    #[test]
    fn the_worked_examples_of_the_text() {
        use Fact::Known;
        use NumberFormat::{Bf16, Fp4, Fp8, Fp16, Int8};
        let cases = [
            (vec![(Int8, Known(600.0))], 4800.0, Int8),
            (vec![(Fp16, Known(300.0))], 4800.0, Fp16),
            (vec![(Fp8, Known(1979.0))], 15832.0, Fp8),
            (
                vec![(Fp8, Known(1835.0)), (Bf16, Known(1835.0))],
                29360.0,
                Bf16,
            ),
            (
                vec![(Fp4, Known(14000.0)), (Fp8, Known(4500.0))],
                56000.0,
                Fp4,
            ),
        ];
        for (peaks, tpp, format) in cases {
            let found = metrics(&chip(&peaks));
            assert_eq!(found.tpp, Known(tpp));
            assert_eq!(found.tpp_format, Some(format));
        }
    }

    #[test]
    fn tf32_is_reported_both_ways() {
        let found = metrics(&chip(&[
            (NumberFormat::Tf32, Fact::Known(667.0)),
            (NumberFormat::Bf16, Fact::Known(667.0)),
        ]));
        assert_eq!(found.tpp, Fact::Known(21344.0));
        assert_eq!(
            found.tpp_with_tf32_as_19_bits,
            Some(Fact::Known(667.0 * 19.0))
        );
    }

    #[test]
    fn an_unknown_format_leaves_the_upper_end_open() {
        let found = metrics(&ChipFacts {
            applicable_area_mm2: Fact::Known(100.0),
            ..chip(&[
                (NumberFormat::Fp8, Fact::Known(250.0)),
                (NumberFormat::Fp4, Fact::Unknown),
            ])
        });
        assert_eq!(found.tpp, Fact::Range(2000.0, f64::INFINITY));
        assert_eq!(found.performance_density, Fact::Range(20.0, f64::INFINITY));
        assert_eq!(metrics(&chip(&[])).tpp, Fact::Unknown);
    }
}
