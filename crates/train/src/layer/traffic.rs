//! Traffic of one layer for one micro-batch: of tensor, expert and context parallelism.

use chokepoint_fabric::{Dispatch, Group};
use chokepoint_model::{Attention, FeedForward, LayerKind};
use chokepoint_units::{Bytes, NumberFormat, Seconds};

use super::Spread;
use crate::ContextExchange;
use crate::memory::WEIGHT_BYTES;

impl Spread<'_> {
    /// Gathering a block's input over the tensor-parallel group and scattering its output, for the
    /// attention block and for a dense network or shared experts; routed experts take the tokens
    /// as they are split (Korthikanti et al. 2022, section 4.2.2). Latent attention gathers its
    /// latents, which are narrower. The backward pass gathers the inputs once more, which hides
    /// behind the data gradients (same section).
    pub(super) fn tensor(&self, kind: &LayerKind) -> Seconds {
        let hidden = self.architecture.hidden;
        let gathered = match &kind.attention {
            Attention::Grouped { .. } => hidden,
            Attention::Latent {
                q_rank,
                kv_rank,
                rope_dim,
                ..
            } => hidden.min(q_rank.unwrap_or(hidden) + kv_rank + rope_dim),
        };
        let attention = self.gather(gathered) + self.scatter(hidden);
        match kind.feed_forward {
            FeedForward::Moe {
                shared_intermediate: 0,
                ..
            } => attention,
            FeedForward::Dense { .. } | FeedForward::Moe { .. } => {
                attention + self.gather(hidden) + self.scatter(hidden)
            }
        }
    }

    /// Gathering a block's input; without sequence parallelism every chip has it.
    pub(super) fn gather(&self, width: u64) -> Seconds {
        if !self.exchange.splits_sequence() {
            return Seconds::ZERO;
        }
        let group = Group::adjacent(self.shard.tp);
        self.case.fabric.all_gather(group, self.boundary(width))
    }

    /// Bytes of a block's input or output on all chips that share it.
    pub(crate) fn boundary(&self, width: u64) -> Bytes {
        Bytes::new(self.rows() * width as f64 * WEIGHT_BYTES)
    }

    /// Summing a block's output: scattered, or on every chip without sequence parallelism.
    pub(super) fn scatter(&self, width: u64) -> Seconds {
        let bytes = self.boundary(width);
        let group = Group::adjacent(self.shard.tp);
        if self.exchange.splits_sequence() {
            self.case.fabric.reduce_scatter(group, bytes)
        } else {
            self.case.fabric.all_reduce(group, bytes)
        }
    }

    /// Dispatch and combine: (forward, backward). Tokens go out in the format of the
    /// multiplication, one scale for each 128 elements, and everything else in 16 bits
    /// (DeepSeek-V3 section 3.3.2).
    pub(super) fn expert(&self, block: &FeedForward) -> (Seconds, Seconds) {
        let FeedForward::Moe { top_k, .. } = block else {
            return (Seconds::ZERO, Seconds::ZERO);
        };
        let once = |format: NumberFormat| {
            let Some(dispatch) = self.dispatch(block, format) else {
                return Seconds::ZERO;
            };
            let ranks = Group {
                size: self.shard.ep,
                stride: self.shard.etp,
            };
            self.case.fabric.dispatch(ranks, dispatch) + self.expert_tensor(*top_k, format)
        };
        let wide = once(NumberFormat::Bf16);
        (once(self.format) + wide, wide + wide)
    }

    /// One dispatch of the tokens of a chip in a format; none of a dense network.
    pub(crate) fn dispatch(&self, block: &FeedForward, format: NumberFormat) -> Option<Dispatch> {
        let FeedForward::Moe {
            top_k, node_groups, ..
        } = block
        else {
            return None;
        };
        Some(Dispatch {
            tokens: self.rows() / self.shard.tp as f64 * self.shard.imbalance,
            token: Dispatch::token_bytes(self.architecture.hidden, format),
            top_k: *top_k,
            groups: node_groups.map(|limit| (limit.groups, limit.top_groups)),
        })
    }

    /// Chips that share experts gather each other's tokens before them (behind them the same bytes
    /// are summed): the copies that dispatch brought, or without dispatch each token once.
    fn expert_tensor(&self, top_k: u64, format: NumberFormat) -> Seconds {
        let etp = self.shard.etp;
        if etp == 1 {
            return Seconds::ZERO;
        }
        let copies = if self.shard.ep > 1 { top_k as f64 } else { 1.0 };
        let tokens = self.rows() * copies * self.shard.imbalance;
        let bytes = Dispatch::token_bytes(self.architecture.hidden, format) * tokens;
        self.case.fabric.all_gather(Group::adjacent(etp), bytes)
    }

    /// Context-parallel traffic: (forward, backward).
    ///
    /// Ring: c - 1 hops of a chunk of keys and values forward; backward keys and values again and
    /// their gradients (Ring Attention; Megatron-LM `context_parallel.md`). All-gather: keys and
    /// values of the sequence gathered forward and backward, gradients scattered (Llama 3 report
    /// section 3.3.2). All-to-all: queries, keys and values in, outputs back; the same gradients
    /// backward (`DeepSpeed` Ulysses).
    pub(super) fn context(
        &self,
        attention: &Attention,
        how: ContextExchange,
    ) -> (Seconds, Seconds) {
        let cp = self.shard.cp;
        if cp == 1 {
            return (Seconds::ZERO, Seconds::ZERO);
        }
        let (keys, queries) = self.attended(attention);
        let ring = Group {
            size: cp,
            stride: self.shard.tp,
        };
        let fabric = self.case.fabric;
        match how {
            ContextExchange::Ring => {
                let hops = fabric.send(ring, keys) * (cp - 1) as f64;
                (hops, hops * 2.0)
            }
            ContextExchange::AllGather => {
                let all = keys * cp as f64;
                let gather = fabric.all_gather(ring, all);
                (gather, gather + fabric.reduce_scatter(ring, all))
            }
            ContextExchange::AllToAll => {
                let once = fabric.all_to_all(ring, keys + queries);
                (once, once)
            }
        }
    }

    /// Bytes of the keys and values of a chip's tokens, and of their queries and outputs.
    pub(crate) fn attended(&self, attention: &Attention) -> (Bytes, Bytes) {
        let tp = self.shard.tp as f64;
        let kv_heads = (attention.kv_heads() as f64 / tp).max(1.0);
        let heads = attention.heads() as f64 / tp;
        let (qk, value) = attention.head_widths();
        let of = |heads: f64| Bytes::new(self.rows() * heads * (qk + value) as f64 * WEIGHT_BYTES);
        (of(kv_heads), of(heads))
    }
}
