//! The format in which weights are published.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::NumberFormat;
use serde_json::Value;

use super::reader::Reader;

/// The format that `quantization_config` names; absent when there is none.
pub(super) fn native_format(reader: &Reader) -> Result<Option<NumberFormat>, Diagnostic> {
    const KEY: &str = "quantization_config";
    let Some(value) = reader.value(KEY) else {
        return Ok(None);
    };
    match value.get("quant_method").and_then(Value::as_str) {
        Some("fp8" | "fbgemm_fp8") => Ok(Some(NumberFormat::Fp8)),
        Some("mxfp4") => Ok(Some(NumberFormat::Fp4)),
        Some(other) => Err(reader
            .fail(
                Code::Model,
                KEY,
                format!("quantization method \"{other}\" is not modelled"),
            )
            .help(
                "modelled are fp8, fbgemm_fp8 and mxfp4; without \"quantization_config\" the \
                 weights count as 16 bits wide",
            )),
        None => Err(reader.fail(
            Code::Field,
            KEY,
            "field \"quantization_config\" must name its \"quant_method\"",
        )),
    }
}
