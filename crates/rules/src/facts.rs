//! What is asked: a chip's facts and a transaction.

use chokepoint_units::NumberFormat;
use jiff::civil::Date;
use serde::Serialize;

use crate::{Country, Fact};

/// The facts of one item that export control asks for.
///
/// The item is counted at the highest level of integration up to a circuit board
/// (88 FR 73458, technical notes to 3A090): chiplets and packages on one board add up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChipFacts {
    /// Name as sold, or catalogue id; letters and guidance name chips.
    pub name: String,
    /// Dense peak of every supported format, in 10^12 operations per second, where a
    /// multiply-accumulate is two operations (the datasheet's dense TOPS or TFLOPS).
    /// A format that is not listed is not supported.
    pub peaks: Vec<(NumberFormat, Fact<f64>)>,
    /// Area of the logic dies on a non-planar process, whole dies with caches, memory stacks
    /// left out, in mm2. Not the same as the die area of the package.
    pub applicable_area_mm2: Fact<f64>,
    /// Total DRAM bandwidth, in GB/s (10^9 bytes per second).
    pub dram_bandwidth_gb_s: Fact<f64>,
    /// Input and output over all external links, **both directions summed**, memory interfaces
    /// left out, in GB/s: the count of the 2022 rule. Twice a bandwidth per direction.
    pub io_both_ways_gb_s: Fact<f64>,
    /// Designed or marketed for data centers.
    pub datacenter: Fact<bool>,
    /// Who makes it; none where unknown.
    pub maker: Option<Maker>,
    /// Commercially available in the United States on 2026-01-15 (91 FR 1684).
    pub us_commercial_on_2026_01_15: Fact<bool>,
    /// Performance figures as the maker states them, used instead of peaks and area.
    pub stated: Option<StatedMetrics>,
    /// For a bare memory stack: bandwidth over package area, in GB/s per mm2 (technical note to
    /// 3A090.c). None for a processor, to which 3A090.c does not apply.
    pub memory_stack_gb_s_per_mm2: Option<Fact<f64>>,
}

/// Performance figures as a maker states them, for instance in a notification to BIS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StatedMetrics {
    /// Total processing performance, in dense TOPS times bits.
    pub tpp: Fact<f64>,
    /// Performance density, in TPP per mm2 of applicable area.
    pub performance_density: Fact<f64>,
}

/// The company that makes a chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maker {
    /// Name as in the letters: `NVIDIA`, `AMD`, `Intel`; compared without regard to case.
    pub name: String,
    /// Where the company, or its ultimate parent, is headquartered.
    pub headquarters: Country,
}

impl Maker {
    /// A maker by name and headquarters.
    #[must_use]
    pub fn new(name: impl Into<String>, headquarters: Country) -> Self {
        Self {
            name: name.into(),
            headquarters,
        }
    }
}

impl ChipFacts {
    /// An item of which nothing but the name is known yet.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            peaks: Vec::new(),
            applicable_area_mm2: Fact::Unknown,
            dram_bandwidth_gb_s: Fact::Unknown,
            io_both_ways_gb_s: Fact::Unknown,
            datacenter: Fact::Unknown,
            maker: None,
            us_commercial_on_2026_01_15: Fact::Unknown,
            stated: None,
            memory_stack_gb_s_per_mm2: None,
        }
    }

    /// A processor given by its stated performance figures; units as in the fields.
    #[must_use]
    pub fn from_metrics(
        stated: StatedMetrics,
        dram_bandwidth_gb_s: Fact<f64>,
        io_both_ways_gb_s: Fact<f64>,
        datacenter: Fact<bool>,
        maker: Option<Maker>,
    ) -> Self {
        Self {
            stated: Some(stated),
            dram_bandwidth_gb_s,
            io_both_ways_gb_s,
            datacenter,
            maker,
            ..Self::named("unnamed")
        }
    }

    /// A bare memory stack, in GB/s per mm2 of package; it computes nothing.
    #[must_use]
    pub fn memory_stack(
        name: impl Into<String>,
        gb_s_per_mm2: Fact<f64>,
        maker: Option<Maker>,
    ) -> Self {
        Self {
            stated: Some(StatedMetrics {
                tpp: Fact::Known(0.0),
                performance_density: Fact::Known(0.0),
            }),
            memory_stack_gb_s_per_mm2: Some(gb_s_per_mm2),
            maker,
            ..Self::named(name)
        }
    }
}

/// Who sends the item where, for whom, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// Country the item leaves: `US` for an export, another for a reexport.
    pub origin: Country,
    /// Country it goes to.
    pub destination: Country,
    /// Where the end user, or its ultimate parent, is headquartered; none where unknown.
    pub end_user_hq: Option<Country>,
    /// Day of the shipment.
    pub on: Date,
}
