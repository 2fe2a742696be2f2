//! Errors of curves on measurements.

use chokepoint_chip::ChipSpec;

use crate::sample::Case;

/// Absolute relative errors of predicted times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Median.
    pub median: f64,
    /// 90th percentile.
    pub p90: f64,
    /// Shapes.
    pub count: usize,
}

impl Errors {
    /// Of a chip's curves on some cases; nothing where there are none.
    pub(crate) fn of(chip: &ChipSpec, cases: &[Case]) -> Option<Self> {
        let ratios: Vec<f64> = cases.iter().map(|case| case.ratio(chip)).collect();
        Self::of_ratios(&ratios)
    }

    /// Of predicted over measured times.
    pub(crate) fn of_ratios(ratios: &[f64]) -> Option<Self> {
        let mut errors: Vec<f64> = ratios.iter().map(|ratio| (ratio - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&errors, 0.5)?,
            p90: quantile(&errors, 0.9)?,
            count: errors.len(),
        })
    }
}

/// Median of some values.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5)
}

/// A quantile of sorted values, between neighbours.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted.get(below)?, sorted.get((below + 1).min(last))?);
    Some(low + (high - low) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::{Errors, median};

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
        // Errors 0, 0.1, 0.2, ..., 1: the 90th percentile is the tenth step.
        let ratios: Vec<f64> = (0..=10)
            .map(|tenths| 1.0 + f64::from(tenths) / 10.0)
            .collect();
        let errors = Errors::of_ratios(&ratios).unwrap();
        assert!((errors.median - 0.5).abs() < 1e-12 && (errors.p90 - 0.9).abs() < 1e-12);
    }
}
