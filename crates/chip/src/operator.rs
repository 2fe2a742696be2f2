//! Time of one operator of a model.

use chokepoint_model::{
    ATTENTION_BACKWARD, AttentionPhase, ElementwiseKind, Formats, GemmClass, GemmPass, Operator,
};
use chokepoint_units::{Bytes, NumberFormat};

use crate::ChipSpec;
use crate::kernel::{CacheRead, KernelTime, Product, Scores};

/// Formats of a model's work: of the weights of linear layers, of their inputs, and of the cache;
/// results are 16 bits wide. Published weights may be narrow in some layers only: gpt-oss has FP4
/// experts between 16-bit attention, NVIDIA's FP4 DeepSeek-R1 16-bit attention between FP4 networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    /// Of attention projections.
    pub attention: NumberFormat,
    /// Of dense feed-forward networks and shared experts.
    pub feed_forward: NumberFormat,
    /// Of routed experts.
    pub experts: NumberFormat,
    /// The narrowest that inputs of linear layers are: narrower weights are widened to it when they are
    /// multiplied (weight-only quantisation), wider ones have inputs of their own format.
    pub inputs: NumberFormat,
    /// Of keys and values in the cache.
    pub cache: NumberFormat,
}

impl Precision {
    /// All linear layers of blocks in one format.
    #[must_use]
    pub const fn uniform(linear: NumberFormat, cache: NumberFormat) -> Self {
        Self {
            attention: linear,
            feed_forward: linear,
            experts: linear,
            inputs: linear,
            cache,
        }
    }

    /// The narrowest format of weights.
    #[must_use]
    pub fn narrowest(&self) -> NumberFormat {
        let weights = [self.feed_forward, self.experts];
        weights.into_iter().fold(self.attention, |least, one| {
            if one.bits() < least.bits() {
                one
            } else {
                least
            }
        })
    }

    /// Format that a linear layer with weights in a format is multiplied in.
    #[must_use]
    pub const fn multiplied(&self, weights: NumberFormat) -> NumberFormat {
        if weights.bits() < self.inputs.bits() {
            self.inputs
        } else {
            weights
        }
    }

    /// Format of a linear layer's weights; absent where they stay in 16 bits.
    #[must_use]
    pub const fn of(&self, class: GemmClass) -> Option<NumberFormat> {
        match class {
            GemmClass::Attention | GemmClass::LatentDown => Some(self.attention),
            GemmClass::FeedForward => Some(self.feed_forward),
            GemmClass::Expert => Some(self.experts),
            GemmClass::LatentAbsorbed
            | GemmClass::Router
            | GemmClass::Head
            | GemmClass::MultiToken => None,
        }
    }
}

/// Efficiency of the backward over the forward kernel: 63% against 73% of peak on A100
/// (Dao 2023, `FlashAttention`-2, section 4.1).
const ATTENTION_BACKWARD_SHARE: f64 = 0.63 / 0.73;

/// Efficiency of a weight gradient over the other two products, which adds to FP32 gradients, beyond
/// what its shape and traffic explain: 0.97 over 226 shapes on B200 and 0.96 over 61 on A100, `SimuMax`
/// kernel tables (MooreThreads/SimuMax, `configs/system`), each over 288 and 122 of the other two.
const WEIGHT_GRADIENT_SHARE: f64 = 0.96;
/// The same for grouped products: 0.77 over 36 shapes on B200 and 0.88 over 4 on A100, same tables.
const GROUPED_WEIGHT_GRADIENT_SHARE: f64 = 0.80;

impl ChipSpec {
    /// Time of an operator.
    #[must_use]
    pub fn operator(&self, operator: &Operator, precision: &Precision) -> KernelTime {
        let wide = self.wide_format();
        let bytes = |formats: Formats| {
            operator.elements().bytes(&Formats {
                cache: precision.cache,
                ..formats
            })
        };
        match *operator {
            Operator::Gemm { class, .. } => {
                let weights = precision.of(class).unwrap_or(wide);
                let format = precision.multiplied(weights);
                let bytes = bytes(Formats {
                    weights,
                    ..Formats::linear(format)
                });
                self.linear(operator, bytes, format)
            }
            Operator::Attention {
                phase: AttentionPhase::Decode,
                batch,
                kv_heads,
                qk_dim,
                value_dim,
                ops,
                ..
            } => {
                let read = CacheRead {
                    ops,
                    bytes: bytes(Formats::uniform(wide)),
                    tiles: batch * kv_heads,
                    format: precision.cache,
                };
                // Absorbed latent attention alone has values narrower than keys in decoding.
                if value_dim < qk_dim {
                    self.latent_attention(&read)
                } else {
                    self.decode_attention(&read)
                }
            }
            Operator::Attention { .. } => self.scores(operator, bytes(Formats::uniform(wide))),
            // Part of the kernel of the norm that follows, in all engines.
            Operator::Elementwise {
                what: ElementwiseKind::Residual,
                ..
            } => self.fused_stream(bytes(Formats::uniform(wide))),
            Operator::Elementwise { .. } => self.stream(bytes(Formats::uniform(wide))),
        }
    }

    /// A product of a linear layer that moves some bytes, in a format; other operators stream them.
    fn linear(&self, operator: &Operator, bytes: Bytes, format: NumberFormat) -> KernelTime {
        let Operator::Gemm {
            class,
            pass,
            m,
            n,
            k,
            groups,
        } = *operator
        else {
            return self.stream(bytes);
        };
        let grouped = class == GemmClass::Expert;
        // Operands of a weight gradient were narrowed for the other two products.
        let (rows, depth, narrowed, efficiency) = match pass {
            GemmPass::Forward | GemmPass::DataGradient => (m / groups, k, m * k, 1.0),
            GemmPass::WeightGradient if grouped => {
                (m, k / groups, 0.0, GROUPED_WEIGHT_GRADIENT_SHARE)
            }
            GemmPass::WeightGradient => (m, k / groups, 0.0, WEIGHT_GRADIENT_SHARE),
        };
        let product = Product {
            rows,
            columns: n,
            depth,
            groups,
            bytes,
            narrowed,
            efficiency,
        };
        self.gemm(&product, format, grouped)
    }

    /// Attention of many query tokens that moves some bytes; other operators stream them.
    fn scores(&self, operator: &Operator, bytes: Bytes) -> KernelTime {
        let Operator::Attention {
            phase,
            batch,
            query_tokens,
            heads,
            qk_dim,
            value_dim,
            ops,
            ..
        } = *operator
        else {
            return self.stream(bytes);
        };
        let (products, efficiency) = match phase {
            AttentionPhase::Backward => (ATTENTION_BACKWARD, ATTENTION_BACKWARD_SHARE),
            AttentionPhase::Prefill | AttentionPhase::Decode => (1.0, 1.0),
        };
        let (heads, width) = (batch * heads, qk_dim + value_dim);
        self.prefill_attention(&Scores {
            heads,
            query: query_tokens,
            keys: ops.get() / (2.0 * products * width * heads * query_tokens),
            width,
            passes: products / efficiency,
            bytes,
        })
    }
}
