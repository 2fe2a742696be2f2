//! Curves of a chip one by one: what a fit tries.

use chokepoint_catalog::{DecodeCurve, GemmCurve, PrefillCurve};
use chokepoint_units::NumberFormat;

use crate::ChipSpec;

/// One curve of a class of kernels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// Of plain products.
    Gemm(GemmCurve),
    /// Of grouped products.
    GroupedGemm(GemmCurve),
    /// Of attention of many query tokens.
    Prefill(PrefillCurve),
    /// Of attention over a cache.
    Decode(DecodeCurve),
    /// Of attention over a latent cache.
    LatentDecode(DecodeCurve),
}

impl ChipSpec {
    /// Replaces or adds the curve of a format.
    pub fn set_curve(&mut self, format: NumberFormat, curve: Curve) {
        match curve {
            Curve::Gemm(curve) => {
                self.gemm.insert(format, curve);
            }
            Curve::GroupedGemm(curve) => {
                self.grouped.insert(format, curve);
            }
            Curve::Prefill(curve) => {
                self.prefill.insert(format, curve);
            }
            Curve::Decode(curve) => {
                self.decode.insert(format, curve);
            }
            Curve::LatentDecode(curve) => {
                self.latent.insert(format, curve);
            }
        }
    }
}
