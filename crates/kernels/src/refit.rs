//! All curves of one chip, fitted again.

use std::collections::BTreeMap;

use chokepoint_catalog::{Calibration, Chip, EngineKernel, EngineKernels, RowFactors};
use chokepoint_chip::{ChipSpec, Curve};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::NumberFormat;

use crate::curves::{curve, put};
use crate::engines::{EngineFit, engine};
use crate::errors::Errors;
use crate::fit::{Held, Problem, loss};
use crate::measured::Measurement;
use crate::pool::Pool;
use crate::sample::{Case, Halves, halves};
use crate::tables::TableFile;

/// Classes that are fitted; what others build on comes first.
const CLASSES: [EngineKernel; 5] = [
    EngineKernel::Gemm,
    EngineKernel::GroupedGemm,
    EngineKernel::Prefill,
    EngineKernel::Decode,
    EngineKernel::LatentDecode,
];

/// Formats with tables, widest first.
const FORMATS: [NumberFormat; 3] = [NumberFormat::Bf16, NumberFormat::Fp8, NumberFormat::Fp4];

/// Most that times of a present curve may be apart from those of a refit, at the median and at the
/// 90th percentile of shapes, for the curve to stay: coefficients trade off, times count.
pub const APART: [f64; 2] = [0.02, 0.06];

/// The curves and factors of a chip as fitted.
#[derive(Debug, Clone)]
pub struct ChipFit {
    /// What a calibration file should say: new curves where the present ones are apart, factors of
    /// engines over them, all else as it is.
    pub calibration: Calibration,
    /// The same with all new curves.
    pub fitted: Calibration,
    /// Every class and format that was fitted.
    pub classes: Vec<ClassFit>,
    /// Engines by name.
    pub engines: BTreeMap<String, EngineFit>,
}

/// How well one class in one format is fitted.
#[derive(Debug, Clone, Copy)]
pub struct ClassFit {
    /// The class.
    pub class: EngineKernel,
    /// The format.
    pub format: NumberFormat,
    /// Shapes that were fitted.
    pub shapes: usize,
    /// Errors of the present curve on shapes that were not; of the one that stands in for it where
    /// there is none.
    pub before: Errors,
    /// Errors of the new curve on them.
    pub after: Errors,
    /// How far times of the present curve are from those of the new one.
    pub apart: Errors,
    /// Which curve stays.
    pub verdict: Verdict,
}

/// Which curve stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The present one: within [`APART`] of the new one, or no worse on the half held out.
    Stays,
    /// The present one, because the calibration says that tables do not decide it.
    Held,
    /// The new one.
    Replaced,
}

/// Fits the curves of a chip on tables, and the factors of engines over them.
///
/// # Errors
/// When a table cannot be read, there are no products in 16 bits, or the chip lacks a figure that
/// every calculation needs.
pub fn refit(
    chip: &Chip,
    present: &Calibration,
    files: &[TableFile],
) -> Result<ChipFit, Diagnostic> {
    let rules = present.refit.as_ref();
    let left_out = rules.map_or(&[][..], |refit| &refit.left_out);
    fit_pool(chip, present, &Pool::read(files, left_out)?)
}

/// Fits the curves of a chip on kernels that a user measured; factors of engines stay as they are.
///
/// Limits: classes and formats of few shapes keep their curves.
///
/// # Errors
/// When there are too few products in 16 bits, or the chip lacks a figure that every calculation
/// needs.
pub fn refit_measured(
    chip: &Chip,
    present: &Calibration,
    measurement: &Measurement,
) -> Result<ChipFit, Diagnostic> {
    fit_pool(chip, present, &Pool::of(measurement))
}

fn fit_pool(chip: &Chip, present: &Calibration, pool: &Pool) -> Result<ChipFit, Diagnostic> {
    let rules = present.refit.as_ref();
    let left_out = rules.map_or(&[][..], |refit| &refit.left_out);
    let held = Held(rules.map_or(&[][..], |refit| &refit.held));
    if !pool
        .fastest
        .contains_key(&(EngineKernel::Gemm, NumberFormat::Bf16))
    {
        let message = format!("there are no or too few 16-bit products of {}", chip.id);
        return Err(Diagnostic::new(Code::Value, message));
    }
    let spec = ChipSpec::new(chip, present)?;
    let mut work = Work {
        before: spec.clone(),
        chip: spec,
        calibration: present.clone(),
        fitted: present.clone(),
        classes: Vec::new(),
        held,
    };
    for class in CLASSES {
        for format in FORMATS {
            work.class(pool, class, format);
        }
    }
    let engines: BTreeMap<String, EngineFit> = pool
        .engines
        .iter()
        .map(|(name, own)| (name.clone(), engine(&work.chip, own, name, left_out)))
        .collect();
    let mut calibration = work.calibration;
    alike(&mut calibration);
    if !engines.is_empty() {
        calibration.engine = engines
            .iter()
            .map(|(name, fit)| (name.clone(), stated(fit, present)))
            .collect();
    }
    Ok(ChipFit {
        calibration,
        fitted: work.fitted,
        classes: work.classes,
        engines,
    })
}

/// A refit on its way.
struct Work<'a> {
    /// With the present curves.
    before: ChipSpec,
    /// With the curves that stay so far.
    chip: ChipSpec,
    /// With the curves that stay so far.
    calibration: Calibration,
    /// With the new curves so far.
    fitted: Calibration,
    classes: Vec<ClassFit>,
    held: Held<'a>,
}

impl Work<'_> {
    /// Fits a class in a format, where there are measurements.
    fn class(&mut self, pool: &Pool, class: EngineKernel, format: NumberFormat) {
        let Some(halves) = self.halves(pool, class, format) else {
            return;
        };
        let Some(new) = self.fit(&halves, class, format) else {
            return;
        };
        put(&mut self.fitted, format, new);
        let present = curve(&self.calibration, class, format);
        let mut with_new = self.chip.clone();
        with_new.set_curve(format, new);
        let apart = apart(&self.chip, &with_new, &halves.held_out);
        let (before, after) = (
            Errors::of(&self.before, &halves.held_out),
            Errors::of(&with_new, &halves.held_out),
        );
        let (Some(apart), Some(before), Some(after)) = (apart, before, after) else {
            return;
        };
        let near = apart.median <= APART[0] && apart.p90 <= APART[1];
        let better = loss(&with_new, &halves.held_out) < loss(&self.chip, &halves.held_out);
        let verdict = if present.is_some() && self.held.class(class) {
            Verdict::Held
        } else if present.is_some() && (near || !better) {
            Verdict::Stays
        } else {
            Verdict::Replaced
        };
        if verdict == Verdict::Replaced {
            put(&mut self.calibration, format, new);
            self.chip = with_new;
        }
        self.classes.push(ClassFit {
            class,
            format,
            shapes: halves.fitted.len(),
            before,
            after,
            apart,
            verdict,
        });
    }

    /// The curve of least error; nothing for grouped products in a format without plain ones.
    fn fit(&self, halves: &Halves, class: EngineKernel, format: NumberFormat) -> Option<Curve> {
        let problem = Problem {
            chip: &self.chip,
            halves,
            format,
            held: self.held,
        };
        let present = &self.calibration;
        let wide = present.gemm.get(&NumberFormat::Bf16);
        Some(match class {
            EngineKernel::Gemm | EngineKernel::GemmBlock => {
                Curve::Gemm(problem.gemm(present.gemm.get(&format)))
            }
            EngineKernel::GroupedGemm | EngineKernel::GroupedGemmBlock => {
                let plain = present.gemm.get(&format)?;
                Curve::GroupedGemm(problem.grouped(plain, present.grouped_gemm.get(&format)))
            }
            EngineKernel::Prefill => {
                Curve::Prefill(problem.prefill(present.attention_prefill.get(&format)))
            }
            EngineKernel::Decode => Curve::Decode(problem.decode()),
            EngineKernel::LatentDecode => Curve::LatentDecode(problem.latent(wide?.compute)),
        })
    }

    /// The measurements of a class in a format that the chip has.
    fn halves(&self, pool: &Pool, class: EngineKernel, format: NumberFormat) -> Option<Halves> {
        let times = pool.fastest.get(&(class, format))?;
        let products = matches!(class, EngineKernel::Gemm | EngineKernel::GroupedGemm);
        if products && self.chip.peak(format).is_none() {
            return None;
        }
        let halves = halves(times, format, &self.chip);
        (!halves.fitted.is_empty() && !halves.held_out.is_empty()).then_some(halves)
    }
}

/// Times with present curves over those with new ones.
fn apart(present: &ChipSpec, new: &ChipSpec, cases: &[Case]) -> Option<Errors> {
    let ratios: Vec<f64> = cases
        .iter()
        .map(|case| case.ratio(present) / case.ratio(new))
        .collect();
    Errors::of_ratios(&ratios)
}

/// Formats without tables take the curves of those they run like: FP16 those of BF16, INT8 those of
/// FP8, or of BF16 on a chip without FP8.
fn alike(calibration: &mut Calibration) {
    fn copy<T: Copy>(curves: &mut BTreeMap<NumberFormat, T>, integers: bool) {
        let wide = curves.get(&NumberFormat::Bf16).copied();
        let narrow = curves.get(&NumberFormat::Fp8).copied();
        curves.extend(wide.map(|curve| (NumberFormat::Fp16, curve)));
        let integer = narrow.or(if integers { wide } else { None });
        curves.extend(integer.map(|curve| (NumberFormat::Int8, curve)));
    }
    copy(&mut calibration.gemm, true);
    copy(&mut calibration.grouped_gemm, true);
    copy(&mut calibration.attention_prefill, false);
    copy(&mut calibration.attention_decode, false);
    copy(&mut calibration.attention_decode_latent, false);
}

/// Factors as a calibration file states them.
fn stated(fit: &EngineFit, present: &Calibration) -> EngineKernels {
    let class = |class: EngineKernel| -> BTreeMap<NumberFormat, RowFactors> {
        let own = fit.factors.iter().filter(|((known, _), _)| *known == class);
        own.map(|((_, format), found)| (*format, found.factors))
            .collect()
    };
    EngineKernels {
        version: fit.version.clone(),
        source: present.source.clone(),
        gemm: class(EngineKernel::Gemm),
        gemm_block: class(EngineKernel::GemmBlock),
        grouped_gemm: class(EngineKernel::GroupedGemm),
        grouped_gemm_block: class(EngineKernel::GroupedGemmBlock),
        attention_prefill: class(EngineKernel::Prefill),
        attention_decode: class(EngineKernel::Decode),
        attention_decode_latent: class(EngineKernel::LatentDecode),
    }
}
