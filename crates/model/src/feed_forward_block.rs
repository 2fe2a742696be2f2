//! The operators of a feed-forward block.

use crate::architecture::input_projections;
use crate::operator::{ElementwiseKind, GemmClass, Operator};
use crate::shard::Sizes;
use crate::{FeedForward, Shard};

/// Mean number of distinct experts, of `local` on a chip, that receive at least one token, when
/// `tokens` tokens each choose `top_k` different ones of `experts` with equal chance:
/// local x (1 - (1 - k/E)^tokens).
///
/// Real routers favour some experts and touch fewer; tokens of one batch are taken to choose
/// independently.
#[must_use]
pub fn touched_experts(local: f64, experts: f64, top_k: f64, tokens: f64) -> f64 {
    local * (1.0 - libm::pow(1.0 - top_k / experts, tokens))
}

/// Appends one block, without the norm before and the residual after.
pub(crate) fn push_feed_forward(
    into: &mut Vec<Operator>,
    hidden: f64,
    block: &FeedForward,
    sizes: &Sizes,
    shard: &Shard,
) {
    let tp = shard.tp as f64;
    match *block {
        FeedForward::Dense {
            intermediate,
            gated,
            ..
        } => push_network(into, hidden, sizes.rows, intermediate as f64 / tp, gated),
        FeedForward::Moe {
            experts,
            top_k,
            intermediate,
            gated,
            shared_intermediate,
            ..
        } => {
            let (experts, top_k) = (experts as f64, top_k as f64);
            let routed = Routed {
                experts,
                top_k,
                width: intermediate as f64,
                gated,
            };
            let scores = sizes.split_rows * experts;
            let router = Operator::gemm(GemmClass::Router, sizes.split_rows, experts, hidden);
            into.push(router);
            into.push(Operator::elementwise(
                ElementwiseKind::Routing,
                scores,
                scores,
            ));
            routed.push(into, hidden, sizes, shard);
            if shared_intermediate > 0 {
                let width = shared_intermediate as f64 / tp;
                push_network(into, hidden, sizes.rows, width, gated);
            }
        }
    }
}

/// Input projections, activation and output projection of a network of `width` on this chip.
fn push_network(into: &mut Vec<Operator>, hidden: f64, rows: f64, width: f64, gated: bool) {
    let inputs = input_projections(gated) as f64 * width;
    let class = GemmClass::FeedForward;
    into.push(Operator::gemm(class, rows, inputs, hidden));
    into.push(activation(rows, inputs, width));
    into.push(Operator::gemm(class, rows, hidden, width));
}

/// The activation function over rows.
fn activation(rows: f64, inputs: f64, width: f64) -> Operator {
    Operator::elementwise(ElementwiseKind::Activation, rows * inputs, rows * width)
}

/// Routed experts of one block.
struct Routed {
    experts: f64,
    top_k: f64,
    width: f64,
    gated: bool,
}

impl Routed {
    /// Dispatch, experts and combination. A chip receives as many copies as it sends, times the
    /// imbalance, and with expert tensor parallelism those of all chips that share its experts, of
    /// whose inner width it has its part; its experts' weights are read where tokens of the whole
    /// expert-parallel group touch them.
    fn push(&self, into: &mut Vec<Operator>, hidden: f64, sizes: &Sizes, shard: &Shard) {
        let (sent, ep, etp) = (sizes.routed_rows, shard.ep as f64, shard.etp as f64);
        let copies = sent * self.top_k;
        let received = copies * shard.imbalance * etp;
        let local = self.experts / ep;
        let groups = touched_experts(local, self.experts, self.top_k, sent * ep * etp);
        let width = self.width / etp;
        let inputs = input_projections(self.gated) as f64 * width;
        let expert = |n: f64, k: f64| Operator::grouped(GemmClass::Expert, received, n, k, groups);
        into.push(Operator::elementwise(
            ElementwiseKind::Dispatch,
            sent * hidden,
            copies * hidden,
        ));
        into.push(expert(inputs, hidden));
        into.push(activation(received, inputs, width));
        into.push(expert(hidden, width));
        into.push(Operator::elementwise(
            ElementwiseKind::Combine,
            copies * hidden,
            sent * hidden,
        ));
    }
}
