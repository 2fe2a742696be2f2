//! Arguments of Megatron-Core's `pretrain_gpt.py` (`megatron/training/arguments.py` and the
//! configurations that it reads, 2025-2026).

use std::fmt::Write as _;

use chokepoint_model::{Architecture, Attention, FeedForward, Norm, QkNorm, Recompute};
use chokepoint_train::{
    ContextExchange, Optimizer, Plan, PlanChunks, Scaling, Schedule, Sharding, Space,
    TensorExchange, TensorOverlap, Workload,
};
use chokepoint_units::NumberFormat;

use super::pattern::pattern;
use super::{Job, Lacks};

/// The schedules, recomputation and offload that Megatron-Core has.
pub(super) fn restrict(architecture: &Architecture, workload: &Workload, space: &mut Space) {
    space.schedules = vec![Schedule::OneForwardOneBackward];
    space
        .offloads
        .retain(|offload| !offload.activations && !offload.weights);
    if architecture.experts().is_none() {
        space.recompute.retain(|what| *what != Recompute::Modules);
    }
    match workload.optimizer {
        Optimizer::AdamFp32 | Optimizer::AdamBf16 => {}
        Optimizer::AdamBf16Moments => space.shardings.retain(|what| *what != Sharding::None),
        Optimizer::Muon => {
            space.shardings = vec![Sharding::None];
            space.data_overlaps = vec![false];
            space.offloads.retain(|offload| !offload.optimizer);
        }
    }
}

/// What it lacks of the optimizer, the gradients and their exchange.
pub(super) fn lacks_of_state(workload: &Workload, plan: &Plan) -> Option<Lacks> {
    match workload.optimizer {
        Optimizer::AdamBf16 => {
            return Some(Lacks::new(
                "Adam without FP32 master weights",
                "write --optimizer adam-fp32",
            ));
        }
        Optimizer::AdamBf16Moments if plan.sharding == Sharding::None => {
            return Some(Lacks::new(
                "moments in bf16 without sharding of the optimizer's state",
                "write sharding=optimizer",
            ));
        }
        Optimizer::Muon if plan.sharding != Sharding::None || plan.offload.optimizer => {
            return Some(Lacks::new(
                "Muon whose state is split by elements or offloaded",
                "write sharding=none exposed-dp; its dist_muon splits whole matrices",
            ));
        }
        Optimizer::Muon if plan.overlap_dp => {
            return Some(Lacks::new(
                "Muon with overlap of data-parallel traffic",
                "write sharding=none exposed-dp",
            ));
        }
        _ => {}
    }
    if plan.format == NumberFormat::Fp16 && workload.gradients != NumberFormat::Fp32 {
        return Some(Lacks::new(
            format!("training in fp16 with gradients in {}", workload.gradients),
            "write --gradients fp32",
        ));
    }
    let delayed = plan.format == NumberFormat::Fp4 && workload.scaling == Scaling::Delayed;
    delayed.then(|| Lacks::new("delayed scaling of fp4", "write --scaling block"))
}

pub(super) fn lacks(architecture: &Architecture, plan: &Plan) -> Option<Lacks> {
    if plan.schedule != Schedule::OneForwardOneBackward {
        return Some(Lacks::new(
            format!("schedule {}", plan.schedule),
            "it runs 1f1b, interleaved with vp above 1",
        ));
    }
    if plan.tp > 1 && plan.tensor == TensorExchange::SequenceKept {
        return Some(Lacks::new(
            "sequence parallelism that keeps gathered inputs",
            "write tensor=sequence",
        ));
    }
    if plan.tp > 1 && architecture.experts().is_some() && !plan.tensor.splits_sequence() {
        return Some(Lacks::new(
            "experts beside tensor parallelism without sequence parallelism",
            "write tensor=sequence",
        ));
    }
    if plan.overlap_tp != TensorOverlap::None && !plan.tensor.splits_sequence() {
        return Some(Lacks::new(
            "overlap of tensor-parallel traffic without sequence parallelism",
            "write tensor=sequence",
        ));
    }
    if plan.split_vocabulary {
        return Some(Lacks::new(
            "vocabulary head split over pipeline stages",
            "leave split-vocabulary out",
        ));
    }
    if plan.offload.weights || plan.offload.activations {
        return Some(Lacks::new(
            format!("offload of {}", plan.offload),
            "it offloads optimizer states, and activations of some modules only",
        ));
    }
    if plan.recompute == Recompute::Modules && architecture.experts().is_none() {
        return Some(Lacks::new(
            "recomputation of the activation function of a dense layer",
            "write recompute=none, selective or full",
        ));
    }
    let known = matches!(
        plan.format,
        NumberFormat::Bf16 | NumberFormat::Fp16 | NumberFormat::Fp8 | NumberFormat::Fp4
    );
    (!known).then(|| {
        Lacks::new(
            format!("training in {}", plan.format),
            "it trains in bf16, fp16, fp8 and fp4",
        )
    })
}

/// Arguments, one a line as a shell reads them.
struct Arguments(String);

impl Arguments {
    fn flag(&mut self, name: &str) {
        let _ = write!(self.0, " \\\n  --{name}");
    }

    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.0, " \\\n  --{name} {value}");
    }

    fn flag_if(&mut self, on: bool, name: &str) {
        if on {
            self.flag(name);
        }
    }
}

pub(super) fn arguments(job: &Job) -> String {
    let mut out = Arguments(format!(
        "# {} on {} chips: {}\n\
         # Data, tokenizer, learning rate and checkpoints are yours. So is what changes no time, from\n\
         # the model's config.json: rotary base and scaling, epsilon of the norms, clamps of the\n\
         # activation, score function, bias and scaling of the router.{}\npretrain_gpt.py",
        job.architecture.name,
        job.chunks.plan.chips(),
        job.chunks.plan,
        if job.workload.scaling == Scaling::Block {
            " On Blackwell the recipe of FP8 is mxfp8."
        } else {
            ""
        }
    ));
    model(&mut out, job.architecture);
    training(&mut out, job);
    parallelism(&mut out, job);
    state(&mut out, &job.chunks.plan);
    optimizer(&mut out, job.workload);
    recompute(&mut out, job);
    precision(&mut out, job);
    out.0.push('\n');
    out.0
}

fn model(out: &mut Arguments, model: &Architecture) {
    out.put("num-layers", model.layers.len());
    out.put("hidden-size", model.hidden);
    out.put("vocab-size", model.vocabulary);
    if let Some(positions) = model.max_positions {
        out.put("max-position-embeddings", positions);
    }
    if model.learned_positions.is_some() {
        out.put("position-embedding-type", "learned_absolute");
    } else {
        out.put("position-embedding-type", "rope");
    }
    out.put(
        "normalization",
        match model.norm {
            Norm::Rms => "RMSNorm",
            Norm::Layer => "LayerNorm",
        },
    );
    if !model.tied_embeddings {
        out.flag("untie-embeddings-and-output-weights");
    }
    if !model.dropout {
        out.put("attention-dropout", "0.0");
        out.put("hidden-dropout", "0.0");
    }
    if model.mtp_layers > 0 {
        out.put("mtp-num-layers", model.mtp_layers);
    }
    if let Some(kind) = model.kinds.first() {
        attention(out, &kind.attention);
    }
    windows(out, model);
    feed_forward(out, model);
}

fn attention(out: &mut Arguments, attention: &Attention) {
    out.put("num-attention-heads", attention.heads());
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            qkv_bias,
            output_bias,
            qk_norm,
            sinks,
            ..
        } => {
            if kv_heads < heads {
                out.flag("group-query-attention");
                out.put("num-query-groups", kv_heads);
            }
            out.put("kv-channels", head_dim);
            out.flag_if(!output_bias, "disable-bias-linear");
            out.flag_if(qkv_bias && !output_bias, "add-qkv-bias");
            out.flag_if(qk_norm != QkNorm::None, "qk-layernorm");
            if sinks {
                out.put("softmax-type", "learnable");
            }
        }
        Attention::Latent {
            q_rank,
            kv_rank,
            nope_dim,
            rope_dim,
            value_dim,
            bias,
            ..
        } => {
            out.flag("multi-latent-attention");
            if let Some(rank) = q_rank {
                out.put("q-lora-rank", rank);
            }
            out.put("kv-lora-rank", kv_rank);
            out.put("qk-head-dim", nope_dim);
            out.put("qk-pos-emb-head-dim", rope_dim);
            out.put("v-head-dim", value_dim);
            out.flag("qk-layernorm");
            out.flag_if(!bias, "disable-bias-linear");
        }
    }
}

/// Layers that see a window; `--window-size` counts the keys before a query's own.
fn windows(out: &mut Arguments, model: &Architecture) {
    let window = |kind: usize| model.kinds.get(kind)?.attention.window();
    let windowed = model.layers.iter().map(|kind| window(*kind).is_some());
    let windowed: Vec<bool> = windowed.collect();
    let widest = model.layers.iter().find_map(|kind| window(*kind));
    if let Some(keys) = widest {
        out.put("window-size", format!("{},0", keys.saturating_sub(1)));
        if windowed.contains(&false) {
            out.put(
                "window-attn-skip-freq",
                format!("\"{}\"", pattern(&windowed)),
            );
        }
    }
}

fn feed_forward(out: &mut Arguments, model: &Architecture) {
    let blocks = || model.kinds.iter().map(|kind| &kind.feed_forward);
    let dense = blocks().find_map(|block| match block {
        FeedForward::Dense { intermediate, .. } => Some(*intermediate),
        FeedForward::Moe { .. } => None,
    });
    let gated = blocks().any(|block| match block {
        FeedForward::Dense { gated, .. } | FeedForward::Moe { gated, .. } => *gated,
    });
    if let Some(width) = dense {
        out.put("ffn-hidden-size", width);
    }
    out.flag_if(gated, "swiglu");
    let Some(FeedForward::Moe {
        experts,
        top_k,
        intermediate,
        shared_intermediate,
        node_groups,
        ..
    }) = blocks().find(|block| block.experts().is_some())
    else {
        return;
    };
    if dense.is_none() {
        out.put("ffn-hidden-size", intermediate);
    }
    out.put("num-experts", experts);
    out.put("moe-router-topk", top_k);
    out.put("moe-ffn-hidden-size", intermediate);
    if *shared_intermediate > 0 {
        out.put("moe-shared-expert-intermediate-size", shared_intermediate);
    }
    if let Some(groups) = node_groups {
        out.put("moe-router-num-groups", groups.groups);
        out.put("moe-router-group-topk", groups.top_groups);
    }
    if dense.is_some() {
        let mixed = |kind: &usize| {
            let kind = model.kinds.get(*kind);
            kind.is_some_and(|kind| kind.feed_forward.experts().is_some())
        };
        let layers: Vec<bool> = model.layers.iter().map(mixed).collect();
        out.put("moe-layer-freq", format!("\"{}\"", pattern(&layers)));
    }
    out.flag("moe-grouped-gemm");
    out.put("moe-token-dispatcher-type", "alltoall");
}

fn training(out: &mut Arguments, job: &Job) {
    out.put("seq-length", job.workload.sequence);
    out.put("micro-batch-size", job.chunks.plan.micro_batch);
    out.put("global-batch-size", job.workload.global_batch);
    let samples = job.workload.tokens / job.workload.sequence as f64;
    out.put("train-samples", format!("{samples:.0}"));
}

fn parallelism(out: &mut Arguments, job: &Job) {
    let plan = &job.chunks.plan;
    out.put("tensor-model-parallel-size", plan.tp);
    out.put("pipeline-model-parallel-size", plan.pp);
    if let Some(layout) = layout(job.chunks, job.architecture.mtp_layers) {
        out.put("pipeline-model-parallel-layout", format!("\"{layout}\""));
    } else if plan.vp > 1 {
        out.put("num-virtual-stages-per-pipeline-rank", plan.vp);
    }
    out.put("context-parallel-size", plan.cp);
    if plan.cp > 1 {
        let kind = match plan.context {
            ContextExchange::Ring => "p2p",
            ContextExchange::AllGather => "allgather",
            ContextExchange::AllToAll => "a2a",
        };
        out.put("cp-comm-type", kind);
    }
    if job.architecture.experts().is_some() {
        out.put("expert-model-parallel-size", plan.ep);
        out.put("expert-tensor-parallel-size", plan.etp);
    }
    if plan.tp > 1 {
        out.flag_if(plan.tensor.splits_sequence(), "sequence-parallel");
        out.flag_if(
            plan.tensor == TensorExchange::AllReduce && plan.pp > 1,
            "no-scatter-gather-tensors-in-pipeline",
        );
        out.flag_if(plan.overlap_tp != TensorOverlap::None, "tp-comm-overlap");
    }
    if plan.overlap_ep {
        out.flag("overlap-moe-expert-parallel-comm");
        out.flag("delay-wgrad-compute");
    }
}

/// Layers of every chunk, where they are not the equal ones that Megatron-Core deals by itself:
/// E is the embedding, t a layer, m multi-token prediction, L the loss.
fn layout(chunks: &PlanChunks, mtp_layers: u64) -> Option<String> {
    let equal = chunks
        .layers
        .iter()
        .all(|layers| Some(layers) == chunks.layers.first());
    if chunks.layers.len() == 1 || equal && mtp_layers == 0 {
        return None;
    }
    let last = chunks.layers.len() - 1;
    let stage = |(index, layers): (usize, &u64)| {
        let mut text = String::new();
        if index == 0 {
            text.push('E');
        }
        match layers {
            0 => {}
            1 => text.push('t'),
            more => {
                let _ = write!(text, "t*{more}");
            }
        }
        if index == last {
            text.extend(std::iter::repeat_n('m', mtp_layers as usize));
            text.push('L');
        }
        text
    };
    let stages: Vec<String> = chunks.layers.iter().enumerate().map(stage).collect();
    Some(stages.join("|"))
}

fn state(out: &mut Arguments, plan: &Plan) {
    out.flag_if(plan.sharding != Sharding::None, "use-distributed-optimizer");
    let strategy = match plan.sharding {
        Sharding::None | Sharding::Optimizer => None,
        Sharding::Gradients => Some("optim_grads"),
        Sharding::Parameters => Some("optim_grads_params"),
    };
    if let Some(strategy) = strategy {
        out.flag("use-megatron-fsdp");
        out.put("data-parallel-sharding-strategy", strategy);
        out.put("ckpt-format", "fsdp_dtensor");
    }
    if let Some(groups) = (plan.dp * plan.cp).checked_div(plan.shard) {
        out.put("num-distributed-optimizer-instances", groups);
    }
    if plan.overlap_dp {
        out.flag("overlap-grad-reduce");
        out.flag_if(plan.sharding != Sharding::None, "overlap-param-gather");
    }
    out.flag_if(plan.offload.optimizer, "offload-optimizer-states");
}

fn recompute(out: &mut Arguments, job: &Job) {
    let latent = job
        .architecture
        .kinds
        .iter()
        .any(|kind| matches!(kind.attention, Attention::Latent { .. }));
    let mut modules = Vec::new();
    match job.chunks.plan.recompute {
        Recompute::None => return,
        Recompute::Full => {
            out.put("recompute-granularity", "full");
            out.put("recompute-method", "uniform");
            out.put("recompute-num-layers", 1);
            return;
        }
        Recompute::Selective => {}
        Recompute::Modules => modules.extend(["layernorm", "moe_act"]),
    }
    if !job.software.fused_attention {
        modules.push("core_attn");
    }
    if latent {
        modules.push("mla_up_proj");
    }
    // A fused attention kernel recomputes its scores by itself.
    if !modules.is_empty() {
        out.put("recompute-granularity", "selective");
        out.put("recompute-modules", modules.join(" "));
    }
}

/// Adam with FP32 state is the default.
fn optimizer(out: &mut Arguments, workload: &Workload) {
    match workload.optimizer {
        Optimizer::AdamFp32 | Optimizer::AdamBf16 => {}
        Optimizer::AdamBf16Moments => {
            out.flag("use-precision-aware-optimizer");
            out.put("exp-avg-dtype", "bf16");
            out.put("exp-avg-sq-dtype", "bf16");
        }
        Optimizer::Muon => out.put("optimizer", "muon"),
    }
    // Otherwise bf16 training accumulates in FP32 by itself.
    out.flag_if(
        workload.gradients == NumberFormat::Bf16,
        "grad-reduce-in-bf16",
    );
}

/// Scaling of FP8 is one factor a tensor, of earlier or of current values, or one a block of 128
/// elements; of FP4 one a block under one of the tensor.
fn precision(out: &mut Arguments, job: &Job) {
    let format = job.chunks.plan.format;
    out.flag(if format == NumberFormat::Fp16 {
        "fp16"
    } else {
        "bf16"
    });
    match format {
        NumberFormat::Fp8 => {
            out.put("fp8-format", "hybrid");
            let recipe = match job.workload.scaling {
                Scaling::Delayed => "delayed",
                Scaling::Current => "tensorwise",
                Scaling::Block => "blockwise",
            };
            out.put("fp8-recipe", recipe);
        }
        NumberFormat::Fp4 => {
            out.put("fp4-format", "e2m1");
            out.put("fp4-recipe", "nvfp4");
        }
        _ => {}
    }
}
