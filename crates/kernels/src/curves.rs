//! Curves of a calibration by class and format.

use chokepoint_catalog::{Calibration, EngineKernel};
use chokepoint_chip::Curve;
use chokepoint_units::NumberFormat;

/// The curve of exactly this format.
pub(crate) fn curve(
    calibration: &Calibration,
    class: EngineKernel,
    format: NumberFormat,
) -> Option<Curve> {
    let Calibration {
        gemm,
        grouped_gemm,
        attention_prefill,
        attention_decode,
        attention_decode_latent,
        ..
    } = calibration;
    match class {
        EngineKernel::Gemm | EngineKernel::GemmBlock => gemm.get(&format).copied().map(Curve::Gemm),
        EngineKernel::GroupedGemm | EngineKernel::GroupedGemmBlock => {
            grouped_gemm.get(&format).copied().map(Curve::GroupedGemm)
        }
        EngineKernel::Prefill => attention_prefill.get(&format).copied().map(Curve::Prefill),
        EngineKernel::Decode => attention_decode.get(&format).copied().map(Curve::Decode),
        EngineKernel::LatentDecode => attention_decode_latent
            .get(&format)
            .copied()
            .map(Curve::LatentDecode),
    }
}

/// Replaces or adds a curve.
pub(crate) fn put(calibration: &mut Calibration, format: NumberFormat, curve: Curve) {
    match curve {
        Curve::Gemm(curve) => {
            calibration.gemm.insert(format, curve);
        }
        Curve::GroupedGemm(curve) => {
            calibration.grouped_gemm.insert(format, curve);
        }
        Curve::Prefill(curve) => {
            calibration.attention_prefill.insert(format, curve);
        }
        Curve::Decode(curve) => {
            calibration.attention_decode.insert(format, curve);
        }
        Curve::LatentDecode(curve) => {
            calibration.attention_decode_latent.insert(format, curve);
        }
    }
}
