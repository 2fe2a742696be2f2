//! How an engine's kernels differ from the curves.

use std::collections::BTreeMap;

use chokepoint_catalog::{EngineKernel, RowFactors};
use chokepoint_chip::ChipSpec;
use chokepoint_units::NumberFormat;

use crate::errors::{Errors, median};
use crate::pool::{EngineTimes, Times};
use crate::sample::{Case, usable};

/// Fewest shapes of a range with a median of its own.
const FEWEST: usize = 20;

/// The factors of an engine and what they gain.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineFit {
    /// Releases that were measured.
    pub version: String,
    /// Factors by class and format.
    pub factors: BTreeMap<(EngineKernel, NumberFormat), EngineFactors>,
}

/// The factors of one class in one format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineFactors {
    /// By rows.
    pub factors: RowFactors,
    /// Errors of the curve alone on the engine's shapes.
    pub without: Errors,
    /// Errors of the curve times the factor.
    pub with: Errors,
}

/// The factors of an engine on a chip with its curves, without the classes named as "class/engine"
/// in `left_out`.
pub(crate) fn engine(
    chip: &ChipSpec,
    own: &EngineTimes,
    name: &str,
    left_out: &[String],
) -> EngineFit {
    let used = own
        .times
        .iter()
        .filter(|((class, _), _)| !left_out.contains(&format!("{}/{name}", class.name())));
    let factors = used.filter_map(|((class, format), times)| {
        Some(((*class, *format), factors(chip, times, *format)?))
    });
    EngineFit {
        version: own.versions.join(", "),
        factors: factors.collect(),
    }
}

/// Medians of measured over predicted time by range of rows; a range of few shapes takes the median
/// of all.
fn factors(chip: &ChipSpec, times: &Times, format: NumberFormat) -> Option<EngineFactors> {
    let cases: Vec<(f64, f64)> = times
        .iter()
        .filter(|(shape, seconds)| usable(shape, format, **seconds, chip))
        .map(|(shape, seconds)| {
            let case = Case::new(*shape, format, *seconds);
            (shape.rows(), case.ratio(chip))
        })
        .collect();
    if cases.len() < FEWEST {
        return None;
    }
    let mut all: Vec<f64> = cases.iter().map(|(_, ratio)| 1.0 / ratio).collect();
    let mut factors = [two(median(&mut all)?); 4];
    for (range, factor) in factors.iter_mut().enumerate() {
        let own = cases
            .iter()
            .filter(|(rows, _)| RowFactors::range(*rows) == range);
        let mut own: Vec<f64> = own.map(|(_, ratio)| 1.0 / ratio).collect();
        if own.len() >= FEWEST {
            *factor = two(median(&mut own)?);
        }
    }
    let factors = RowFactors(factors);
    let without: Vec<f64> = cases.iter().map(|(_, ratio)| *ratio).collect();
    let with: Vec<f64> = cases
        .iter()
        .map(|(rows, ratio)| ratio * factors.of(*rows))
        .collect();
    Some(EngineFactors {
        factors,
        without: Errors::of_ratios(&without)?,
        with: Errors::of_ratios(&with)?,
    })
}

/// To two digits after the point, at least 0.05 and at most 20.
fn two(value: f64) -> f64 {
    ((value * 100.0).round() / 100.0).clamp(0.05, 20.0)
}
