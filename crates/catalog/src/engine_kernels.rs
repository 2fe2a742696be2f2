//! How the kernels of one serving engine differ from the curves of a chip.

use std::collections::BTreeMap;

use chokepoint_units::NumberFormat;
use serde::Deserialize;

/// Classes of kernels that engines implement apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineKernel {
    /// Plain matrix multiplication; in FP8 the faster of scales for whole tensors and for blocks.
    Gemm,
    /// The same in FP8 with a scale for each block of weights (DeepSeek-V3 checkpoints).
    GemmBlock,
    /// Grouped (expert) matrix multiplication; in FP8 the faster of both scalings.
    GroupedGemm,
    /// The same in FP8 with a scale for each block of weights.
    GroupedGemmBlock,
    /// Attention of many query tokens.
    Prefill,
    /// Attention of one query token over a cache.
    Decode,
    /// Attention of one query token over a latent cache.
    LatentDecode,
}

impl EngineKernel {
    /// All classes.
    pub const ALL: [Self; 7] = [
        Self::Gemm,
        Self::GemmBlock,
        Self::GroupedGemm,
        Self::GroupedGemmBlock,
        Self::Prefill,
        Self::Decode,
        Self::LatentDecode,
    ];

    /// Name in calibration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::GemmBlock => "gemm_block",
            Self::GroupedGemm => "grouped_gemm",
            Self::GroupedGemmBlock => "grouped_gemm_block",
            Self::Prefill => "attention_prefill",
            Self::Decode => "attention_decode",
            Self::LatentDecode => "attention_decode_latent",
        }
    }

    /// The class that stands in where an engine has no numbers of its own for this one.
    const fn wider(self) -> Option<Self> {
        match self {
            Self::GemmBlock => Some(Self::Gemm),
            Self::GroupedGemmBlock => Some(Self::GroupedGemm),
            _ => None,
        }
    }
}

/// Most rows of the first three ranges of [`RowFactors`].
pub const ROW_RANGES: [f64; 3] = [32.0, 256.0, 2048.0];

/// Median of the time of an engine's kernel over that of the chip's curve, by rows of the work: up
/// to 32, 256, 2,048, and more.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct RowFactors(pub [f64; 4]);

impl RowFactors {
    /// The range that a number of rows lies in.
    #[must_use]
    pub fn range(rows: f64) -> usize {
        ROW_RANGES.iter().filter(|most| rows > **most).count()
    }

    /// The factor of a number of rows.
    #[must_use]
    pub fn of(&self, rows: f64) -> f64 {
        let [few, some, many, most] = self.0;
        match Self::range(rows) {
            0 => few,
            1 => some,
            2 => many,
            _ => most,
        }
    }
}

/// Factors of one engine on one chip. Rows are those of one group in products, query tokens of a
/// sequence in prefill, sequences in decode.
///
/// Predictions do not apply them: published runs are served faster than with the backends of the tables
/// (median error of token times on dense models 9.9% without, 14.9% with them, fitted rates at 1).
///
/// Limits: medians over the shapes of a range; single shapes differ more, by up to ten times below
/// 32 rows. An engine counts all its kernels of a shape, the fastest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineKernels {
    /// Release that was measured.
    pub version: String,
    /// Source id of the measurements.
    pub source: String,
    /// Plain products.
    #[serde(default)]
    pub gemm: BTreeMap<NumberFormat, RowFactors>,
    /// Plain products with block scales.
    #[serde(default)]
    pub gemm_block: BTreeMap<NumberFormat, RowFactors>,
    /// Grouped products.
    #[serde(default)]
    pub grouped_gemm: BTreeMap<NumberFormat, RowFactors>,
    /// Grouped products with block scales.
    #[serde(default)]
    pub grouped_gemm_block: BTreeMap<NumberFormat, RowFactors>,
    /// Attention of prompts.
    #[serde(default)]
    pub attention_prefill: BTreeMap<NumberFormat, RowFactors>,
    /// Attention over a cache, by its format.
    #[serde(default)]
    pub attention_decode: BTreeMap<NumberFormat, RowFactors>,
    /// Attention over a latent cache, by its format.
    #[serde(default)]
    pub attention_decode_latent: BTreeMap<NumberFormat, RowFactors>,
}

impl EngineKernels {
    /// The factors of a class by format.
    #[must_use]
    pub const fn class(&self, class: EngineKernel) -> &BTreeMap<NumberFormat, RowFactors> {
        match class {
            EngineKernel::Gemm => &self.gemm,
            EngineKernel::GemmBlock => &self.gemm_block,
            EngineKernel::GroupedGemm => &self.grouped_gemm,
            EngineKernel::GroupedGemmBlock => &self.grouped_gemm_block,
            EngineKernel::Prefill => &self.attention_prefill,
            EngineKernel::Decode => &self.attention_decode,
            EngineKernel::LatentDecode => &self.attention_decode_latent,
        }
    }

    /// Time of the engine's kernel over that of the curve. A format takes the factors of one equally
    /// wide where it has none, block scales those of whole tensors; without any the factor is 1.
    #[must_use]
    pub fn factor(&self, class: EngineKernel, format: NumberFormat, rows: f64) -> f64 {
        let factors = self.class(class);
        let found = factors.get(&format).or_else(|| {
            let wide = |(known, factors)| same_width(known, format).then_some(factors);
            factors.iter().find_map(wide)
        });
        match (found, class.wider()) {
            (Some(factors), _) => factors.of(rows),
            (None, Some(wider)) => self.factor(wider, format, rows),
            (None, None) => 1.0,
        }
    }
}

fn same_width(known: &NumberFormat, format: NumberFormat) -> bool {
    known.bits() == format.bits()
}

#[cfg(test)]
mod tests {
    use super::{EngineKernel, EngineKernels, RowFactors};
    use chokepoint_units::NumberFormat;

    fn kernels(text: &str) -> Result<EngineKernels, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn same(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    }

    #[test]
    fn ranges_end_where_they_say() {
        let factors = RowFactors([1.0, 2.0, 3.0, 4.0]);
        for (rows, factor) in [
            (1.0, 1.0),
            (32.0, 1.0),
            (33.0, 2.0),
            (256.0, 2.0),
            (257.0, 3.0),
            (2048.0, 3.0),
            (2049.0, 4.0),
            (1e9, 4.0),
        ] {
            same(factors.of(rows), factor);
        }
    }

    #[test]
    fn what_is_missing_takes_what_is_nearest_or_one() {
        let found = kernels(
            "version = \"1\"\nsource = \"aic\"\ngemm.bf16 = [1.1, 1.2, 1.3, 1.4]\n\
             gemm.fp8 = [2, 2, 2, 2]\ngemm_block.fp8 = [5, 5, 5, 5]\n\
             grouped_gemm.fp8 = [3, 3, 3, 3]\n",
        )
        .unwrap();
        let factor = |class, format| found.factor(class, format, 100.0);
        same(factor(EngineKernel::Gemm, NumberFormat::Fp16), 1.2);
        same(factor(EngineKernel::Gemm, NumberFormat::Int8), 2.0);
        same(factor(EngineKernel::Gemm, NumberFormat::Fp4), 1.0);
        same(factor(EngineKernel::GemmBlock, NumberFormat::Fp8), 5.0);
        same(factor(EngineKernel::GemmBlock, NumberFormat::Bf16), 1.2);
        same(
            factor(EngineKernel::GroupedGemmBlock, NumberFormat::Fp8),
            3.0,
        );
        same(factor(EngineKernel::Decode, NumberFormat::Bf16), 1.0);
    }

    #[test]
    fn what_is_no_factor_is_refused() {
        let start = "version = \"1\"\nsource = \"aic\"\n";
        for (wrong, says) in [
            ("gemm.bf16 = [1, 1, 1]", "array of length 4"),
            ("gemm.bf16 = 1.5", "array of length 4"),
            ("gem.bf16 = [1, 1, 1, 1]", "unknown field `gem`"),
            ("gemm.bf17 = [1, 1, 1, 1]", "unknown variant `bf17`"),
        ] {
            let message = kernels(&format!("{start}{wrong}")).unwrap_err();
            assert!(message.contains(says), "{wrong}: {message}");
        }
    }
}
