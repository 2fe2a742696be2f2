//! A chip as the calculation needs it, resolved from the catalogue.

use std::collections::BTreeMap;

use chokepoint_catalog::{
    Calibration, Chip, DecodeCurve, Figure, GemmCurve, PowerCurve, PrefillCurve,
};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::{Bandwidth, Bytes, NumberFormat, OpsRate, Power, Quantity};

use crate::KernelClass;
use crate::carried::TensorRate;

/// Extra relative half-width when curves are borrowed from another chip: fits carried between
/// data-centre chips lose 0 to 13 points of error, 15 where the vendor differs
/// (`gemm_fit_transfer_*.csv` of the same measurements as the curves).
const BORROWED_SPREAD: f64 = 0.15;

/// Half-width of an 80% interval over the median absolute error, for a normal distribution.
const HALF_WIDTH_OVER_MEDIAN: f64 = 1.282 / 0.674;

/// The highest share of peak that a scaled curve may claim.
const HIGHEST_SHARE: f64 = 0.98;

/// A chip with its efficiency curves.
#[derive(Debug, Clone, PartialEq)]
pub struct ChipSpec {
    /// Catalogue id.
    pub id: String,
    /// Memory that a job can fill.
    pub capacity: Bytes,
    /// Peak memory bandwidth.
    pub bandwidth: Bandwidth,
    /// Thermal design power of the package.
    pub tdp: Power,
    /// Bandwidth to the host's memory, per direction, where it is known.
    pub host: Option<Bandwidth>,
    /// Whether the curves were measured on another chip.
    pub borrowed: bool,
    /// Figures that no source states and the catalogue assumes.
    pub assumed: Vec<String>,
    /// Relative half-widths of the nominal figures: compute and bandwidth.
    pub nominal_spread: NominalSpread,
    /// Share of a kernel's benchmark rate that it keeps inside a training step, by format, with its
    /// relative half-width (80%).
    pub sustained: BTreeMap<NumberFormat, Sustained>,
    pub(crate) peaks: BTreeMap<NumberFormat, OpsRate>,
    pub(crate) gemm: BTreeMap<NumberFormat, GemmCurve>,
    pub(crate) grouped: BTreeMap<NumberFormat, GemmCurve>,
    pub(crate) prefill: BTreeMap<NumberFormat, PrefillCurve>,
    pub(crate) decode: BTreeMap<NumberFormat, DecodeCurve>,
    pub(crate) latent: BTreeMap<NumberFormat, DecodeCurve>,
    /// Processors that take tiles of work, where the catalogue knows them.
    pub(crate) processors: Option<f64>,
    /// The same where they are of the kind that the curves were measured on.
    pub(crate) like_processors: Option<f64>,
    pub(crate) stream: f64,
    pub(crate) share_scale: f64,
    pub(crate) launch_scale: f64,
    pub(crate) power: PowerCurve,
}

/// What a kernel keeps of its benchmark rate inside a training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sustained {
    /// Share of the rate.
    pub share: f64,
    /// Its relative half-width (80%).
    pub spread: f64,
}

/// Relative half-widths (80%) of the nominal figures of a chip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NominalSpread {
    /// Of the peaks.
    pub compute: f64,
    /// Of the memory bandwidth.
    pub bandwidth: f64,
}

/// Factors on a chip's resources, for elasticities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChipScale {
    /// On all peaks.
    pub compute: f64,
    /// On memory bandwidth.
    pub bandwidth: f64,
    /// On memory capacity.
    pub capacity: f64,
    /// On the fixed time of kernels.
    pub launch: f64,
}

impl Default for ChipScale {
    fn default() -> Self {
        Self {
            compute: 1.0,
            bandwidth: 1.0,
            capacity: 1.0,
            launch: 1.0,
        }
    }
}

impl ChipSpec {
    /// From the catalogue.
    ///
    /// # Errors
    /// When a figure that every calculation needs is not published, naming it: memory capacity,
    /// memory bandwidth, power, or a 16-bit peak.
    pub fn new(chip: &Chip, curves: &Calibration) -> Result<Self, Diagnostic> {
        let capacity = needed(chip, "memory.capacity", chip.usable_memory())?;
        let bandwidth = needed(chip, "memory.bandwidth", chip.memory.bandwidth.as_ref())?;
        let tdp = needed(chip, "tdp", chip.tdp.as_ref())?;
        let wide = chip
            .peak
            .get(&NumberFormat::Bf16)
            .or_else(|| chip.peak.get(&NumberFormat::Fp16));
        let wide = needed(chip, "peak.bf16", wide)?;
        let assumed = chip
            .figures()
            .into_iter()
            .filter(|row| row.assumed)
            .map(|row| row.field)
            .collect();
        let cores = chip.cores.as_ref();
        let processors = cores
            .and_then(|cores| cores.count)
            .map(|count| count as f64);
        let tensor = chip.calibration.tensor_rate.as_ref();
        let tensor = TensorRate(tensor.map_or(1.0, |figure| figure.value));
        let streaming = cores.is_some_and(|cores| cores.unit.as_deref() == Some("SM"));
        Ok(Self {
            id: chip.id.clone(),
            capacity: capacity.value,
            bandwidth: bandwidth.value,
            tdp: tdp.value,
            borrowed: chip.calibration.borrowed,
            assumed,
            nominal_spread: NominalSpread {
                compute: wide.relative_spread(),
                bandwidth: bandwidth.relative_spread(),
            },
            host: chip
                .host
                .as_ref()
                .and_then(|host| host.bandwidth.as_ref())
                .map(|figure| figure.value),
            sustained: curves
                .sustained
                .iter()
                .map(|(format, of_curves)| {
                    let figure = chip.calibration.sustained.as_ref().unwrap_or(of_curves);
                    let sustained = Sustained {
                        share: figure.value,
                        spread: figure.ratio_spread(),
                    };
                    (*format, sustained)
                })
                .collect(),
            peaks: chip
                .peak
                .iter()
                .map(|(format, figure)| (*format, figure.value))
                .collect(),
            gemm: tensor.gemm(&curves.gemm),
            grouped: tensor.gemm(&curves.grouped_gemm),
            prefill: tensor.prefill(&curves.attention_prefill),
            decode: tensor.decode(&curves.attention_decode),
            latent: tensor.decode(&curves.attention_decode_latent),
            processors,
            like_processors: processors.filter(|_| !chip.calibration.borrowed || streaming),
            stream: curves.stream,
            share_scale: chip
                .calibration
                .scale
                .as_ref()
                .map_or(1.0, |figure| figure.value),
            launch_scale: 1.0,
            power: curves.power.clone(),
        })
    }

    /// The same chip with scaled resources: peaks, bandwidth, capacity and fixed times. Power and
    /// efficiencies stay.
    #[must_use]
    pub fn scaled(&self, scale: ChipScale) -> Self {
        let mut chip = self.clone();
        for peak in chip.peaks.values_mut() {
            *peak = *peak * scale.compute;
        }
        chip.bandwidth = self.bandwidth * scale.bandwidth;
        chip.capacity = self.capacity * scale.capacity;
        chip.launch_scale = self.launch_scale * scale.launch;
        chip
    }

    /// The same chip as it runs for long: arithmetic at the share of a kernel's benchmark rate that
    /// it sustains, since clocks fall under the power limit; memory-bound work is not slowed.
    ///
    /// Limits: the share is fitted on training steps (`sustained` of the calibration), kernels of
    /// tables run alone and short; a chip whose curves are borrowed takes the share with them.
    #[must_use]
    pub fn under_load(&self) -> Self {
        let mut chip = self.clone();
        for (format, peak) in &mut chip.peaks {
            *peak = *peak * self.sustained(*format).share;
        }
        chip
    }

    /// Processors that take tiles of work, where the catalogue knows them.
    #[must_use]
    pub const fn processors(&self) -> Option<f64> {
        self.processors
    }

    /// Dense peak in a format, where the chip has it.
    #[must_use]
    pub fn peak(&self, format: NumberFormat) -> Option<OpsRate> {
        self.peaks.get(&format).copied()
    }

    /// The first of some formats in which the chip multiplies faster than in 16 bits, else the
    /// 16-bit format it has.
    #[must_use]
    pub fn best_format(&self, wanted: &[NumberFormat]) -> NumberFormat {
        let wide = self.wide_format();
        let base = self.peak(wide).map_or(0.0, OpsRate::get);
        wanted
            .iter()
            .copied()
            .find(|format| {
                let rate = self.peak(*format).map_or(0.0, OpsRate::get);
                if format.bits() >= 16 {
                    rate > 0.0
                } else {
                    rate > base
                }
            })
            .unwrap_or(wide)
    }

    /// What kernels keep inside a training step whose linear layers are in a format.
    #[must_use]
    pub fn sustained(&self, format: NumberFormat) -> Sustained {
        let whole = Sustained {
            share: 1.0,
            spread: 0.0,
        };
        pick(&self.sustained, format).copied().unwrap_or(whole)
    }

    /// The 16-bit format of the chip.
    #[must_use]
    pub fn wide_format(&self) -> NumberFormat {
        if self.peaks.contains_key(&NumberFormat::Bf16) {
            NumberFormat::Bf16
        } else {
            NumberFormat::Fp16
        }
    }

    /// Compute share of a curve, carried to this chip by the ratio of both chips' best-shape shares
    /// of peak; no scale lifts a share above 0.98.
    pub(crate) fn share(&self, share: f64) -> f64 {
        (share * self.share_scale).min(HIGHEST_SHARE.max(share))
    }

    /// Relative half-width (80%) of the time of a class of kernels in a format: error of the fit,
    /// spread of the nominal figure that binds the class, and 0.15 where the curves were measured
    /// on another chip, in quadrature. The median absolute error of a fit is widened by 1.282/0.674
    /// as for a normal distribution; elementwise kernels take 5%, attention and grouped products
    /// without a curve 15%.
    ///
    /// Limits: errors of fits have heavier tails than a normal distribution; the 90th percentile of
    /// the files is 2 to 15 times the median.
    #[must_use]
    pub fn spread(&self, class: KernelClass, format: NumberFormat) -> f64 {
        let median = match class {
            KernelClass::Gemm => pick(&self.gemm, format).map(|c| c.median_error),
            KernelClass::GroupedGemm => pick(&self.grouped, format).map(|c| c.median_error),
            KernelClass::Prefill => pick(&self.prefill, format).map(|c| c.median_error),
            KernelClass::Decode => pick(&self.decode, format).map(|c| c.median_error),
            KernelClass::Stream => Some(0.05),
        };
        let fit = median.unwrap_or(0.15) * HALF_WIDTH_OVER_MEDIAN;
        let nominal = match class {
            KernelClass::Gemm | KernelClass::GroupedGemm | KernelClass::Prefill => {
                self.nominal_spread.compute
            }
            KernelClass::Decode | KernelClass::Stream => self.nominal_spread.bandwidth,
        };
        let borrowed = if self.borrowed { BORROWED_SPREAD } else { 0.0 };
        libm::sqrt(fit * fit + nominal * nominal + borrowed * borrowed)
    }
}

/// A figure that a calculation cannot do without.
fn needed<'a, T: Quantity>(
    chip: &Chip,
    field: &str,
    figure: Option<&'a Figure<T>>,
) -> Result<&'a Figure<T>, Diagnostic> {
    figure.ok_or_else(|| {
        Diagnostic::new(
            Code::Value,
            format!("{field} of chip \"{}\" is not published", chip.id),
        )
        .help(format!(
            "give it in the scenario: [chip.{}] or a file under --data",
            chip.id
        ))
    })
}

/// The curve of a format, or of the nearest format in width that was measured.
pub(crate) fn pick<T>(curves: &BTreeMap<NumberFormat, T>, format: NumberFormat) -> Option<&T> {
    curves.get(&format).or_else(|| {
        curves
            .iter()
            .min_by_key(|(known, _)| known.bits().abs_diff(format.bits()))
            .map(|(_, curve)| curve)
    })
}
