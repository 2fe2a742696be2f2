//! What a row measured: a collective, or the dispatch of experts, and what is assumed of it.

use chokepoint_catalog::CollectiveKind;
use chokepoint_fabric::Dispatch;
use chokepoint_units::{Bytes, NumberFormat};

use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// An operation that the fabric predicts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    /// A collective, the algorithm chosen by the library.
    Collective(CollectiveKind, Bytes),
    /// An all-reduce held to a ring: its reduce-scatter and its all-gather.
    Ring(Bytes),
    /// An all-reduce of a serving engine's own kernel, or NCCL where that is faster.
    OneShot(Bytes),
    /// Dispatch or combine with kernels for throughput.
    Experts(Dispatch),
    /// The same with kernels for few tokens.
    FewTokens(Dispatch),
}

/// Reads the operation of a row; a text says why it is not predicted.
pub(super) fn operation(row: &Row, assumed: &mut Assumed) -> Result<Operation, String> {
    let collective = row.text("collective").ok_or("collective is not given")?;
    let library = row.text_or_blank("library");
    if row.text_or_blank("algorithm").starts_with("pplx") {
        return Err(
            "pplx kernels: their time falls with more ranks, so that the kernel binds, not \
                    the network"
                .to_owned(),
        );
    }
    match collective {
        "moe_dispatch" | "moe_combine" => experts(row, collective == "moe_combine", assumed),
        "moe_prepare" => Err("preparing indices moves no tokens; not modelled".to_owned()),
        "moe_combine_low_precision" => {
            Err("the bytes that a low-precision combine sends are not stated".to_owned())
        }
        "alltoall(128 tok)" => Err("the padding of the exchanged buffers is not stated".to_owned()),
        "alltoall(p2p writes)" => {
            Err("the rate of a stream of messages, not the time of an operation".to_owned())
        }
        _ => {
            let kind = kind(collective).ok_or_else(|| format!("{collective} is no collective"))?;
            let size = size(row)?;
            let reduces = kind == CollectiveKind::AllReduce;
            if reduces && library.starts_with("TensorRT-LLM") {
                return Ok(Operation::OneShot(size));
            }
            if reduces && row.text_or_blank("algorithm").starts_with("Ring") {
                return Ok(Operation::Ring(size));
            }
            Ok(Operation::Collective(kind, size))
        }
    }
}

fn kind(collective: &str) -> Option<CollectiveKind> {
    Some(match collective {
        "all_reduce" => CollectiveKind::AllReduce,
        "all_gather" => CollectiveKind::AllGather,
        "reduce_scatter" => CollectiveKind::ReduceScatter,
        "alltoall" => CollectiveKind::AllToAll,
        _ => return None,
    })
}

/// Size as nccl-tests count it; torch names the payload, which is the same for an all-reduce.
fn size(row: &Row) -> Result<Bytes, String> {
    let size = row.number("message_bytes").filter(|size| *size > 0.0);
    size.map(Bytes::new)
        .ok_or_else(|| "message_bytes is not given".to_owned())
}

/// A dispatch: tokens, experts of a token, bytes of a token, groups of experts.
fn experts(row: &Row, combine: bool, assumed: &mut Assumed) -> Result<Operation, String> {
    let tokens = tokens(row).ok_or("the number of tokens is not given")?;
    let top_k = stated(row, "topk=").unwrap_or_else(|| {
        if !mentions(row, "x8x") && !mentions(row, "top-8") {
            assumed.taken("topk", 8);
        }
        8.0
    });
    let hidden = stated(row, "hidden=").unwrap_or_else(|| {
        if !mentions(row, "7168") {
            assumed.taken("hidden", 7168);
        }
        7168.0
    });
    let few = is_for_few_tokens(row);
    let dispatch = Dispatch {
        tokens,
        token: token_bytes(row, combine, (tokens * top_k, hidden), assumed),
        top_k: top_k as u64,
        groups: (!few).then(|| groups(row, assumed)).flatten(),
    };
    Ok(if few {
        Operation::FewTokens(dispatch)
    } else {
        Operation::Experts(dispatch)
    })
}

/// Kernels for few tokens: named so, or the `DeepEP` and CANN kernels of 128 tokens.
fn is_for_few_tokens(row: &Row) -> bool {
    let algorithm = row.text_or_blank("algorithm");
    ["low-latency", "CANN EP", "as quoted there"]
        .iter()
        .any(|name| algorithm.contains(name))
}

/// Groups of experts, one for each node, of which a token uses four, where the row says so or its
/// benchmark does (`DeepEP` `test_internode.py`).
fn groups(row: &Row, assumed: &mut Assumed) -> Option<(u64, u64)> {
    let stated = mentions(row, "top-4 groups");
    if !stated && !row.text_or_blank("algorithm").starts_with("DeepEP normal") {
        return None;
    }
    if !stated {
        assumed.note("at most 4 nodes a token, as the benchmark has it");
    }
    let nodes = row.count("nodes").filter(|nodes| *nodes > 1)?;
    Some((nodes, nodes.min(4)))
}

/// Bytes of a token as sent: the payload over its copies where the row counts the payload alone,
/// else FP8 with its scales to the experts and BF16 back.
fn token_bytes(row: &Row, combine: bool, sent: (f64, f64), assumed: &mut Assumed) -> Bytes {
    let (copies, hidden) = sent;
    let payload = row
        .number("message_bytes")
        .filter(|_| row.text_or_blank("message_meaning").contains("payload") && copies > 0.0);
    if let Some(payload) = payload {
        return Bytes::new(payload / copies);
    }
    if combine {
        if !mentions(row, "BF16") {
            assumed.note("combined in BF16");
        }
        return Dispatch::token_bytes(hidden as u64, NumberFormat::Bf16);
    }
    let integer = mentions(row, "INT8");
    if !integer && !mentions(row, "FP8") {
        assumed.note("sent in 8 bits with scales");
    }
    Dispatch::token_bytes(hidden as u64, NumberFormat::Fp8)
}

/// A number after a key, as "tokens=128".
fn stated(row: &Row, key: &str) -> Option<f64> {
    let words = row.text_or_blank("extra").split([' ', ';', ',']);
    words
        .filter_map(|word| word.strip_prefix(key))
        .find_map(|value| value.parse().ok())
        .filter(|value: &f64| value.is_finite() && *value >= 1.0)
}

/// Tokens of a rank: stated, or before the word in the meaning of the size ("8K tokens").
fn tokens(row: &Row) -> Option<f64> {
    stated(row, "tokens=").or_else(|| {
        let meaning = row.text_or_blank("message_meaning");
        let (before, _) = meaning.split_once(" token")?;
        let word = before.split_whitespace().next_back()?;
        let (digits, unit) = word
            .strip_suffix('K')
            .map_or((word, 1.0), |digits| (digits, 1024.0));
        let count: f64 = digits.parse().ok()?;
        (count >= 1.0 && count.is_finite()).then_some(count * unit)
    })
}

fn mentions(row: &Row, text: &str) -> bool {
    ["extra", "message_meaning"]
        .iter()
        .any(|column| row.text_or_blank(column).contains(text))
}
