//! Number formats and their widths.

use serde::{Deserialize, Serialize};

/// A number format in which a chip multiplies or a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberFormat {
    /// IEEE 64-bit.
    Fp64,
    /// IEEE 32-bit.
    Fp32,
    /// NVIDIA TF32: 19 bits used, stored and counted as 32.
    Tf32,
    /// bfloat16.
    Bf16,
    /// IEEE 16-bit.
    Fp16,
    /// 8-bit floating point (E4M3 or E5M2), any scaling.
    Fp8,
    /// 8-bit integer.
    Int8,
    /// 4-bit floating point (MXFP4, NVFP4).
    Fp4,
}

impl NumberFormat {
    /// All formats, widest first.
    pub const ALL: [Self; 8] = [
        Self::Fp64,
        Self::Fp32,
        Self::Tf32,
        Self::Bf16,
        Self::Fp16,
        Self::Fp8,
        Self::Int8,
        Self::Fp4,
    ];

    /// Bits of one element, without block scales.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Fp64 => 64,
            Self::Fp32 | Self::Tf32 => 32,
            Self::Bf16 | Self::Fp16 => 16,
            Self::Fp8 | Self::Int8 => 8,
            Self::Fp4 => 4,
        }
    }

    /// Bytes of one element as stored. Four-bit formats carry an 8-bit scale for each 16 or 32
    /// elements (NVFP4: 4.5 bits, MXFP4: 4.25 bits an element); 4.5 bits are counted.
    #[must_use]
    pub const fn stored_bytes(self) -> f64 {
        match self {
            Self::Fp4 => 0.5625,
            other => other.bits() as f64 / 8.0,
        }
    }

    /// Lower-case name as used in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp64 => "fp64",
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Fp8 => "fp8",
            Self::Int8 => "int8",
            Self::Fp4 => "fp4",
        }
    }
}

impl std::fmt::Display for NumberFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
