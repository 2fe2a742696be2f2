//! A job file of torchtitan (`torchtitan/config/job_config.py`, 2025).

use std::fmt::Write as _;

use chokepoint_model::{Architecture, Recompute};
use chokepoint_train::{
    ContextExchange, Offload, Optimizer, Plan, PlanChunks, Scaling, Schedule, Sharding, Space,
    TensorExchange, TensorOverlap, Workload,
};
use chokepoint_units::NumberFormat;

use super::{Job, Lacks};

/// The schedules, recomputation, sharding and exchanges that torchtitan has.
pub(super) fn restrict(space: &mut Space) {
    space.schedules = vec![
        Schedule::OneForwardOneBackward,
        Schedule::ZeroBubbleV,
        Schedule::DualPipeV,
    ];
    space
        .recompute
        .retain(|what| matches!(what, Recompute::None | Recompute::Full));
    space.shardings = vec![Sharding::Gradients, Sharding::Parameters];
    space
        .contexts
        .retain(|context| *context != ContextExchange::AllToAll);
    space.offloads = vec![Offload::NONE];
}

/// What it lacks of the optimizer, the gradients and the scaling.
pub(super) fn lacks_of_workload(workload: &Workload, plan: &Plan) -> Option<Lacks> {
    if workload.optimizer != Optimizer::AdamFp32 {
        return Some(Lacks::new(
            format!("optimizer {}", workload.optimizer.name()),
            "write --optimizer adam-fp32",
        ));
    }
    if workload.gradients != NumberFormat::Fp32 {
        return Some(Lacks::new(
            format!("reduction of gradients in {}", workload.gradients),
            "write --gradients fp32",
        ));
    }
    let scaled = plan.format == NumberFormat::Fp8 && workload.scaling != Scaling::Current;
    scaled.then(|| {
        Lacks::new(
            format!("{} scaling of fp8", workload.scaling.name()),
            "write --scaling current",
        )
    })
}

pub(super) fn lacks(architecture: &Architecture, plan: &Plan) -> Option<Lacks> {
    if architecture.mtp_layers > 0 {
        return Some(Lacks::new(
            "multi-token prediction",
            "give a config.json with num_nextn_predict_layers 0 as the model",
        ));
    }
    if schedule(plan).is_none() {
        return Some(Lacks::new(
            format!("schedule {}", plan.schedule),
            "it runs 1f1b, interleaved with vp above 1, zb-v and dualpipev",
        ));
    }
    if plan.overlap_ep && plan.schedule != Schedule::DualPipeV {
        return Some(Lacks::new(
            "overlap of expert traffic outside of dualpipev",
            "write dualpipev with vp=2, or leave overlap=ep out",
        ));
    }
    if plan.tp > 1 && plan.tensor != TensorExchange::Sequence {
        return Some(Lacks::new(
            "tensor parallelism without sequence parallelism",
            "write tensor=sequence",
        ));
    }
    if plan.cp > 1 && plan.context == ContextExchange::AllToAll {
        return Some(Lacks::new(
            "context parallelism by splitting heads",
            "write context=ring or all-gather",
        ));
    }
    if plan.sharding == Sharding::Optimizer && plan.dp * plan.cp > 1 {
        return Some(Lacks::new(
            "sharding of the optimizer's state alone",
            "write sharding=none, gradients or parameters",
        ));
    }
    if plan.shard > 0 && !plan.shard.is_multiple_of(plan.cp) {
        return Some(Lacks::new(
            "sharding over a part of the context-parallel chips",
            "write shard as a multiple of cp",
        ));
    }
    if !plan.overlap_dp {
        return Some(Lacks::new(
            "switch to expose data-parallel traffic",
            "leave exposed-dp out",
        ));
    }
    if plan.offload.any() {
        return Some(Lacks::new(
            format!("offload of {}", plan.offload),
            "it offloads all state at once and updates it on the host",
        ));
    }
    if plan.split_vocabulary {
        return Some(Lacks::new(
            "vocabulary head split over pipeline stages",
            "leave split-vocabulary out",
        ));
    }
    if !matches!(plan.recompute, Recompute::None | Recompute::Full) {
        return Some(Lacks::new(
            format!("recompute={}", plan.recompute.name()),
            "write recompute=none or full; its selective mode chooses other operators",
        ));
    }
    let known = matches!(plan.format, NumberFormat::Bf16 | NumberFormat::Fp8);
    (!known).then(|| {
        Lacks::new(
            format!("training in {}", plan.format),
            "it trains in bf16 and fp8",
        )
    })
}

const fn schedule(plan: &Plan) -> Option<&'static str> {
    match plan.schedule {
        Schedule::OneForwardOneBackward if plan.vp > 1 => Some("Interleaved1F1B"),
        Schedule::OneForwardOneBackward => Some("1F1B"),
        Schedule::ZeroBubbleV => Some("ZBVZeroBubble"),
        Schedule::DualPipeV => Some("DualPipeV"),
        Schedule::ZeroBubbleH1 | Schedule::ZeroBubbleH2 | Schedule::DualPipe => None,
    }
}

/// The whole file.
pub(super) fn file(job: &Job) -> String {
    let plan = &job.chunks.plan;
    let mut out = format!(
        "# {} on {} chips: {plan}\n# Model flavor, data, optimizer and checkpoints are yours.\n",
        job.architecture.name,
        plan.chips()
    );
    let narrow = plan.format == NumberFormat::Fp8;
    if narrow {
        out += "\n[model]\nconverters = [\"quantize.linear.float8\"]\n";
    }
    training(&mut out, job);
    parallelism(&mut out, plan);
    if plan.pp > 1 {
        pipeline(&mut out, job.chunks);
    }
    let _ = write!(
        out,
        "\n[activation_checkpoint]\nmode = \"{}\"\n",
        plan.recompute.name()
    );
    out += "\n[compile]\nenable = true\n";
    if narrow {
        out += "\n[quantize.linear.float8]\nenable_fsdp_float8_all_gather = false\n";
    }
    out
}

/// With a pipeline a rank's batch is cut into micro-batches; without, steps accumulate gradients.
fn training(out: &mut String, job: &Job) {
    let (plan, workload) = (&job.chunks.plan, job.workload);
    let local = if plan.pp > 1 {
        plan.micro_batch * job.chunks.micro_batches
    } else {
        plan.micro_batch
    };
    let tokens = (workload.global_batch * workload.sequence) as f64;
    let _ = write!(
        out,
        "\n[training]\nlocal_batch_size = {local}\nglobal_batch_size = {}\nseq_len = {}\nsteps = {:.0}\n",
        workload.global_batch,
        workload.sequence,
        libm::ceil(workload.tokens / tokens)
    );
}

fn parallelism(out: &mut String, plan: &Plan) {
    let (replicate, shard) = if plan.sharding == Sharding::None {
        (plan.dp, 1)
    } else if let Some(groups) = (plan.dp * plan.cp).checked_div(plan.shard) {
        (groups, plan.shard / plan.cp)
    } else {
        (1, plan.dp)
    };
    let reshard = if plan.sharding == Sharding::Parameters {
        "always"
    } else {
        "never"
    };
    let _ = write!(
        out,
        "\n[parallelism]\ndata_parallel_replicate_degree = {replicate}\ndata_parallel_shard_degree = {shard}\n\
         fsdp_reshard_after_forward = \"{reshard}\"\ntensor_parallel_degree = {}\n\
         enable_async_tensor_parallel = {}\ncontext_parallel_degree = {}\n",
        plan.tp,
        plan.tp > 1 && plan.overlap_tp != TensorOverlap::None,
        plan.cp
    );
    if plan.cp > 1 {
        let rotate = if plan.context == ContextExchange::Ring {
            "alltoall"
        } else {
            "allgather"
        };
        let _ = writeln!(out, "context_parallel_rotate_method = \"{rotate}\"");
    }
    let _ = write!(
        out,
        "expert_parallel_degree = {}\nexpert_tensor_parallel_degree = {}\npipeline_parallel_degree = {}\n",
        plan.ep, plan.etp, plan.pp
    );
}

/// The schedule, and which layers each chunk holds.
fn pipeline(out: &mut String, chunks: &PlanChunks) {
    let plan = &chunks.plan;
    let _ = write!(
        out,
        "pipeline_parallel_schedule = \"{}\"\npipeline_parallel_microbatch_size = {}\n",
        schedule(plan).unwrap_or_default(),
        plan.micro_batch
    );
    if plan.schedule == Schedule::DualPipeV {
        let _ = writeln!(
            out,
            "pipeline_parallel_expert_parallel_overlap = {}",
            plan.overlap_ep
        );
    }
    *out += "module_fqns_per_model_part = [\n";
    let last = chunks.layers.len() - 1;
    let mut next = 0;
    for (index, layers) in chunks.layers.iter().enumerate() {
        let mut modules: Vec<String> = (next..next + layers)
            .map(|layer| format!("layers.{layer}"))
            .collect();
        next += layers;
        if index == 0 {
            modules.insert(0, "tok_embeddings".to_owned());
        }
        if index == last {
            modules.extend(["norm".to_owned(), "output".to_owned()]);
        }
        let quoted: Vec<String> = modules.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(out, "  [{}],", quoted.join(", "));
    }
    *out += "]\n";
}
