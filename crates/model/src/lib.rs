//! An LLM architecture becomes operators: FLOPs, bytes, parameters, memory, per phase and shard.
//!
//! [`Architecture::from_config`] reads a Hugging Face `config.json`. From it follow exact
//! parameter counts, model FLOPs, cache and activation memory, and [`layer_operators`]: the
//! kernels that one chip runs for one layer. Nothing here knows a chip, a network or a price.
//!
//! Conventions: a multiply-accumulate is two operations; a causal score matrix counts half
//! (Megatron-LM), which both FLOPs and operators follow; sizes of a phase are `f64`, since means
//! (of contexts, of batches) are sizes too.
//!
//! Attention is a fused kernel; what it costs otherwise is [`unfused_attention_operators`].
//!
//! Left out: sparse, linear and chunked attention, vision towers, dropped tokens (every routed
//! token is computed), biases and dropout as work of their own.

mod activation;
mod adapter;
mod architecture;
mod attention_block;
mod cache;
mod config;
mod context;
mod ends;
mod feed_forward_block;
mod flops;
mod layer;
mod operator;
mod parameters;
mod shard;
mod unfused;

pub use activation::{
    ActivationPolicy, Recompute, activation_bytes_per_layer, embedding_activation_bytes,
    head_activation_bytes, logit_gradient_bytes, mtp_activation_bytes,
};
pub use adapter::adapter_operators;
pub use architecture::{Architecture, Attention, FeedForward, LayerKind, NodeGroups, Norm, QkNorm};
pub use config::SUPPORTED;
pub use context::mean_context;
pub use ends::{embedding_operators, head_operators, mtp_operators};
pub use feed_forward_block::touched_experts;
pub use flops::ForwardFlops;
pub use layer::{layer_operators, recomputed_operators};
pub use operator::{
    ATTENTION_BACKWARD, AttentionPhase, Elements, ElementwiseKind, Formats, GemmClass, GemmPass,
    Operator,
};
pub use parameters::{ChipParameters, LayerParameters};
pub use shard::{Phase, Shard};
pub use unfused::unfused_attention_operators;
