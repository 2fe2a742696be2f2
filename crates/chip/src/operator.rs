//! Time of one operator of a model.

use chokepoint_model::{AttentionPhase, ElementwiseKind, Formats, GemmClass, GemmPass, Operator};
use chokepoint_units::NumberFormat;

use crate::ChipSpec;
use crate::kernel::KernelTime;

/// Formats of a model's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    /// Of the linear layers of blocks: weights and inputs; results are 16 bits wide.
    pub linear: NumberFormat,
    /// Of keys and values in the cache.
    pub cache: NumberFormat,
}

/// Efficiency of the backward over the forward kernel: 63% against 73% of peak on A100
/// (Dao 2023, `FlashAttention`-2, section 4.1).
const ATTENTION_BACKWARD_SHARE: f64 = 0.63 / 0.73;

/// Efficiency of a weight gradient over the other two products, which adds to FP32 gradients:
/// medians of 144 and 61 shapes on B200 (0.455 of 0.491) and A100 (0.704 of 0.738), SimuMax
/// kernel tables (MooreThreads/SimuMax, `configs/system`).
const WEIGHT_GRADIENT_SHARE: f64 = 0.94;
/// The same for grouped products: 36 and 4 shapes on B200 (0.251 of 0.331) and A100 (0.562 of
/// 0.667), same tables.
const GROUPED_WEIGHT_GRADIENT_SHARE: f64 = 0.80;

impl ChipSpec {
    /// Time of an operator.
    #[must_use]
    pub fn operator(&self, operator: &Operator, precision: &Precision) -> KernelTime {
        let wide = self.wide_format();
        match operator {
            Operator::Gemm { class, pass, .. } => {
                let format = if class.narrow() {
                    precision.linear
                } else {
                    wide
                };
                let formats = Formats {
                    cache: precision.cache,
                    ..Formats::linear(format)
                };
                let bytes = operator.elements().bytes(&formats);
                let grouped = *class == GemmClass::Expert;
                let share = match pass {
                    GemmPass::WeightGradient if grouped => GROUPED_WEIGHT_GRADIENT_SHARE,
                    GemmPass::WeightGradient => WEIGHT_GRADIENT_SHARE,
                    GemmPass::Forward | GemmPass::DataGradient => 1.0,
                };
                self.gemm(operator.ops() / share, bytes, format, grouped)
            }
            Operator::Attention {
                phase,
                query_tokens,
                ..
            } => {
                let formats = Formats {
                    cache: precision.cache,
                    ..Formats::uniform(wide)
                };
                let bytes = operator.elements().bytes(&formats);
                match phase {
                    AttentionPhase::Prefill => {
                        self.prefill_attention(operator.ops(), bytes, *query_tokens)
                    }
                    AttentionPhase::Backward => self.prefill_attention(
                        operator.ops() / ATTENTION_BACKWARD_SHARE,
                        bytes,
                        *query_tokens,
                    ),
                    AttentionPhase::Decode => {
                        self.decode_attention(operator.ops(), bytes, precision.cache)
                    }
                }
            }
            Operator::Elementwise { what, .. } => {
                let formats = Formats {
                    cache: precision.cache,
                    ..Formats::uniform(wide)
                };
                let bytes = operator.elements().bytes(&formats);
                // Part of the kernel of the norm that follows, in all engines.
                if *what == ElementwiseKind::Residual {
                    self.fused_stream(bytes)
                } else {
                    self.stream(bytes)
                }
            }
        }
    }
}
