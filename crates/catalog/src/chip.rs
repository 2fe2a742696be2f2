//! One accelerator package as sold.

use std::collections::BTreeMap;

use chokepoint_units::{Area, Bandwidth, Bytes, NumberFormat, OpsRate, Power};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A chip file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name as sold.
    pub name: String,
    /// Who designs it.
    pub vendor: String,
    /// Whether one can buy it.
    pub status: Status,
    /// When announced.
    #[serde(default)]
    pub announced: Option<String>,
    /// When first shipped.
    #[serde(default)]
    pub shipped: Option<String>,
    /// Process node.
    #[serde(default)]
    pub process: Option<String>,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Which efficiency curves describe it.
    pub calibration: CalibrationUse,
    /// Dense peak rates by number format.
    #[serde(default)]
    pub peak: BTreeMap<NumberFormat, Figure<OpsRate>>,
    /// Memory on the package.
    #[serde(default)]
    pub memory: Memory,
    /// Link to the scale-up domain.
    #[serde(default)]
    pub scale_up: Option<ScaleUp>,
    /// Link to the host.
    #[serde(default)]
    pub host: Option<Host>,
    /// Thermal design power of the package.
    #[serde(default)]
    pub tdp: Option<Figure<Power>>,
    /// Logic silicon.
    #[serde(default)]
    pub die: Die,
    /// Cores, clock and cache, for reference.
    #[serde(default)]
    pub cores: Option<Cores>,
    /// Facts that export rules ask for.
    pub export: Export,
}

/// Whether a part can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Sold today.
    Shipping,
    /// A variant for China, restricted or withdrawn.
    ChinaVariant,
    /// No longer sold.
    EndOfLife,
    /// Offered only as a cloud service.
    CloudOnly,
    /// Announced by its maker.
    Announced,
    /// Press reports only.
    Rumour,
}

/// Which efficiency curves describe a chip.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationUse {
    /// Id of the calibration file.
    pub curve: String,
    /// True when the curves were measured on another chip; intervals widen and output says so.
    #[serde(default)]
    pub borrowed: bool,
    /// Ratio of this chip's achieved fraction of its peak to the curve's, with its source, where
    /// a measurement of this chip exists.
    #[serde(default)]
    pub scale: Option<Figure<f64>>,
    /// Tensor rate of a processor over that of the curves' chip, where the processors are alike
    /// otherwise.
    #[serde(default)]
    pub tensor_rate: Option<Figure<f64>>,
    /// Share of a kernel's benchmark rate that this chip sustains, in place of that of the curves: for
    /// a chip whose power limit is not where the curves' chip has it.
    #[serde(default)]
    pub sustained: Option<Figure<f64>>,
}

/// Memory on the package.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Memory technology.
    #[serde(default)]
    pub kind: Option<String>,
    /// Capacity as the vendor prints it.
    #[serde(default)]
    pub capacity: Option<Figure<Bytes>>,
    /// Capacity that software sees, where measured; preferred for fit checks.
    #[serde(default)]
    pub visible: Option<Figure<Bytes>>,
    /// Peak bandwidth.
    #[serde(default)]
    pub bandwidth: Option<Figure<Bandwidth>>,
}

/// Link into the scale-up domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleUp {
    /// Link technology and lane count.
    pub link: String,
    /// Bandwidth of all links together, per direction.
    #[serde(default)]
    pub bandwidth: Option<Figure<Bandwidth>>,
    /// Largest domain that the link technology is sold in, in chips.
    #[serde(default)]
    pub domain: Option<u64>,
}

/// Link to the host.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Link technology.
    pub link: String,
    /// Bandwidth per direction.
    #[serde(default)]
    pub bandwidth: Option<Figure<Bandwidth>>,
}

/// Logic silicon of the package.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Die {
    /// Number of logic dies.
    #[serde(default)]
    pub count: Option<u64>,
    /// Area of the compute dies together.
    #[serde(default)]
    pub area: Option<Figure<Area>>,
    /// Area of all non-planar logic dies, where it differs: export rules divide by it.
    #[serde(default)]
    pub applicable_area: Option<Figure<Area>>,
}

/// Cores, clock and cache, for reference.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cores {
    /// How many.
    #[serde(default)]
    pub count: Option<u64>,
    /// What they are called.
    #[serde(default)]
    pub unit: Option<String>,
    /// Boost clock, MHz.
    #[serde(default)]
    pub boost_mhz: Option<f64>,
    /// Last-level cache.
    #[serde(default)]
    pub cache: Option<Bytes>,
}

/// Where the designer is headquartered, as far as export rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Maker {
    /// United States.
    Us,
    /// China.
    China,
}

/// Facts that export rules ask for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Headquarters of the designer.
    pub maker: Maker,
    /// Designed or marketed for data centres.
    pub datacenter: bool,
    /// On sale in the United States on 2026-01-15; absent when unknown.
    #[serde(default)]
    pub us_sale_2026_01_15: Option<bool>,
    /// Bounds of TPP where rated peaks are unpublished: lower.
    #[serde(default)]
    pub tpp_low: Option<f64>,
    /// Bounds of TPP where rated peaks are unpublished: upper.
    #[serde(default)]
    pub tpp_high: Option<f64>,
}

impl Chip {
    /// Every figure of the chip, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows: Vec<FigureRow> = self
            .peak
            .iter()
            .map(|(format, figure)| figure.row(format!("peak.{format}")))
            .collect();
        rows.extend(
            self.memory
                .capacity
                .iter()
                .map(|f| f.row("memory.capacity")),
        );
        rows.extend(self.memory.visible.iter().map(|f| f.row("memory.visible")));
        rows.extend(
            self.memory
                .bandwidth
                .iter()
                .map(|f| f.row("memory.bandwidth")),
        );
        rows.extend(
            self.scale_up
                .iter()
                .filter_map(|s| s.bandwidth.as_ref())
                .map(|f| f.row("scale_up.bandwidth")),
        );
        rows.extend(
            self.host
                .iter()
                .filter_map(|h| h.bandwidth.as_ref())
                .map(|f| f.row("host.bandwidth")),
        );
        rows.extend(self.tdp.iter().map(|f| f.row("tdp")));
        rows.extend(
            self.calibration
                .sustained
                .iter()
                .map(|f| f.row("calibration.sustained")),
        );
        rows.extend(
            self.calibration
                .tensor_rate
                .iter()
                .map(|f| f.row("calibration.tensor_rate")),
        );
        rows.extend(self.die.area.iter().map(|f| f.row("die.area")));
        rows.extend(
            self.die
                .applicable_area
                .iter()
                .map(|f| f.row("die.applicable_area")),
        );
        rows
    }

    /// Memory that a job can fill: what software sees where known, else the printed capacity.
    #[must_use]
    pub fn usable_memory(&self) -> Option<&Figure<Bytes>> {
        self.memory
            .visible
            .as_ref()
            .or(self.memory.capacity.as_ref())
    }
}
