//! Curves of a chip carried to one whose tensor units are slower in otherwise equal processors.
//!
//! H20 is H100's processor with a tensor rate of 23%. What keeps a kernel from the peak there - the
//! exponentials of attention, sums of partial results, loads, the fill of a pipeline - is the work of
//! other units, whose time stays. In units of the tensor peak it shrinks with the tensor rate r:
//! a share s becomes 1 / (1 + (1/s - 1) r); columns of softmax and depths of a prologue become r times
//! as many.
//!
//! Check, nothing fitted: attention of 128-wide heads over 2,048 keys reaches 126 to 129 of 148 TFLOP/s
//! on H20 (Dao-AILab/flash-attention, issue 1310) and latent decode attention 125 to 130
//! (deepseek-ai/FlashMLA, issue 30); this gives 129 and 128, where the curves of H100 alone gave 90 and 91.
//!
//! Limits: other units are taken to overlap with tensor units as they do on the curves' chip.

use std::collections::BTreeMap;

use chokepoint_catalog::{DecodeCurve, GemmCurve, PrefillCurve};
use chokepoint_units::NumberFormat;

/// Tensor rate of a processor over that of the curves' chip.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TensorRate(pub f64);

impl TensorRate {
    pub(crate) fn gemm(
        self,
        curves: &BTreeMap<NumberFormat, GemmCurve>,
    ) -> BTreeMap<NumberFormat, GemmCurve> {
        each(curves, |curve| GemmCurve {
            compute: self.share(curve.compute),
            prologue: curve.prologue * self.0,
            ..*curve
        })
    }

    pub(crate) fn prefill(
        self,
        curves: &BTreeMap<NumberFormat, PrefillCurve>,
    ) -> BTreeMap<NumberFormat, PrefillCurve> {
        each(curves, |curve| PrefillCurve {
            compute: self.share(curve.compute),
            softmax: curve.softmax * self.0,
            ..*curve
        })
    }

    pub(crate) fn decode(
        self,
        curves: &BTreeMap<NumberFormat, DecodeCurve>,
    ) -> BTreeMap<NumberFormat, DecodeCurve> {
        each(curves, |curve| DecodeCurve {
            compute: curve.compute.map(|share| self.share(share)),
            ..*curve
        })
    }

    fn share(self, share: f64) -> f64 {
        1.0 / (1.0 + (1.0 / share - 1.0) * self.0)
    }
}

fn each<T>(
    curves: &BTreeMap<NumberFormat, T>,
    carry: impl Fn(&T) -> T,
) -> BTreeMap<NumberFormat, T> {
    curves
        .iter()
        .map(|(format, curve)| (*format, carry(curve)))
        .collect()
}
