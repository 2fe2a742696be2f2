//! Number formats of a row: weights, activations and cache, each its own.

use chokepoint_chip::ChipSpec;
use chokepoint_units::NumberFormat;

use super::case::Formats;
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

use NumberFormat::{Bf16, Fp4, Fp8, Fp16, Int8};

/// Formats of a row.
pub(super) fn formats(
    row: &Row,
    chip: &ChipSpec,
    assumed: &mut Assumed,
) -> Result<Formats, String> {
    let stated = row.lower("precision");
    let (weights, activations) = linear(&stated, chip, assumed)?;
    let cache = cache(row, weights, &stated, assumed)?;
    Ok(Formats {
        weights,
        activations,
        cache,
    })
}

/// Formats of weights and activations: words as "FP8", "INT4 weights (AWQ)" or "FP4 weights
/// (MXFP4)"; the last multiplies in FP8 where the chip has FP4 (TensorRT-LLM W4A8), else in 16 bits.
fn linear(
    stated: &str,
    chip: &ChipSpec,
    assumed: &mut Assumed,
) -> Result<(NumberFormat, NumberFormat), String> {
    let has = |word: &str| stated.contains(word);
    let wide = chip.wide_format();
    Ok(if has("int4") || has("uint4") {
        assumed.note("INT4 weights counted as FP4 ones, widened to 16 bits");
        (Fp4, wide)
    } else if has("mxfp4") || has("fp4 weights") {
        let activations = if chip.peak(Fp4).is_some() { Fp8 } else { wide };
        assumed.taken("activations", activations);
        (Fp4, activations)
    } else if has("fp4") {
        (Fp4, Fp4)
    } else if has("fp8") {
        (Fp8, Fp8)
    } else if has("int8") {
        (Int8, Int8)
    } else if has("bf16") {
        (Bf16, Bf16)
    } else if has("fp16") {
        (Fp16, Fp16)
    } else {
        return Err(if stated.is_empty() || stated == "unset" {
            "precision is not given".to_owned()
        } else {
            format!("precision {stated} is not modelled")
        });
    })
}

/// Format of the cache: stated, or what engines do with such weights. Checkpoints that TensorRT-LLM
/// serves in FP8 and FP4 carry scales of an FP8 cache; others keep the model's 16 bits.
fn cache(
    row: &Row,
    weights: NumberFormat,
    stated: &str,
    assumed: &mut Assumed,
) -> Result<NumberFormat, String> {
    match row.lower("kv_precision").as_str() {
        "fp8" => return Ok(Fp8),
        "bf16" => return Ok(Bf16),
        "fp16" => return Ok(Fp16),
        "int8" => return Ok(Int8),
        "" => {}
        other => return Err(format!("kv_precision {other} is not modelled")),
    }
    let narrow = weights.bits() <= 8 && !stated.contains("weights");
    let format = if narrow && row.lower("engine").starts_with("tensorrt-llm") {
        Fp8
    } else {
        Bf16
    };
    assumed.taken("kv_precision", format);
    Ok(format)
}
