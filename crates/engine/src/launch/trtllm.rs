//! `trtllm-serve` with its YAML file (TensorRT-LLM 1.0 and later: parallel strategy, disaggregated
//! service and LLM arguments in nvidia.github.io/TensorRT-LLM).
//!
//! `--tp_size` counts all chips of a stage; attention is split over all of them, or with
//! `enable_attention_dp` over none. `--ep_size` groups hold whole experts, what is left splits each.

use std::fmt::Write as _;

use chokepoint_serve::Pool;
use chokepoint_units::NumberFormat;

use super::arguments::{Arguments, comments};
use super::{Launch, Launcher, Role};

/// `kv_cache_config.dtype`, where there is one.
pub(super) const fn cache(format: NumberFormat) -> Option<&'static str> {
    match format {
        NumberFormat::Bf16 | NumberFormat::Fp16 => Some("auto"),
        NumberFormat::Fp8 => Some("fp8"),
        NumberFormat::Fp4 => Some("nvfp4"),
        _ => None,
    }
}

fn arguments(launch: &Launch, role: Role, pool: &Pool) -> Arguments {
    let layout = pool.layout;
    let mut out = Arguments::default();
    out.put("--backend", "pytorch");
    out.put("--tp_size", layout.tp * layout.dp);
    out.put_if(layout.pp > 1, "--pp_size", layout.pp);
    out.put_if(layout.ep > 1, "--ep_size", layout.ep);
    out.put("--max_batch_size", pool.batch);
    out.put("--max_num_tokens", launch.tokens(role, pool));
    out.put("--max_seq_len", launch.longest());
    out.put("--extra_llm_api_options", format!("{}.yaml", role.name()));
    out
}

/// The YAML file of a pool.
fn file(launch: &Launch, role: Role, pool: &Pool) -> String {
    let reuse = launch.workload.prefix_hit > 0.0;
    let mut out = String::new();
    let _ = writeln!(out, "enable_attention_dp: {}", pool.layout.dp > 1);
    let _ = writeln!(out, "enable_chunked_prefill: {}", role != Role::Prefill);
    let _ = write!(
        out,
        "kv_cache_config:\n  dtype: {}\n  free_gpu_memory_fraction: {}\n  enable_block_reuse: {reuse}\n",
        cache(launch.plan.precision.cache).unwrap_or("auto"),
        launch.software.memory_share
    );
    if role != Role::Prefill {
        let _ = write!(
            out,
            "cuda_graph_config:\n  enable_padding: true\n  max_batch_size: {}\n",
            pool.batch
        );
    }
    if let Some(speculation) = launch.workload.speculation {
        let drafted = speculation.drafted;
        out += &if launch.drafts_itself() {
            format!(
                "speculative_config:\n  decoding_type: MTP\n  num_nextn_predict_layers: {drafted}\n"
            )
        } else {
            format!(
                "speculative_config:\n  decoding_type: Eagle\n  max_draft_len: {drafted}\n  speculative_model_dir: YOUR_DRAFT_HEAD\n"
            )
        };
    }
    if role != Role::Both {
        let _ = write!(
            out,
            "cache_transceiver_config:\n  backend: DEFAULT\n  max_tokens_in_buffer: {}\n",
            launch.longest()
        );
    }
    if role == Role::Prefill {
        out += "disable_overlap_scheduler: true\n";
    }
    out
}

/// What is left to the user beside the file and the flags of a pool.
fn left(launch: &Launch, role: Role, pool: &Pool) -> Vec<String> {
    let mut lines = vec![match role {
        Role::Both => format!(
            "{} instances: start this for each, behind a load balancer.",
            pool.instances
        ),
        _ => format!(
            "{} instances that {}: start this for each.",
            pool.instances,
            role.name()
        ),
    }];
    let nodes = launch.nodes(&pool.layout);
    if nodes > 1 {
        lines.push(format!(
            "It spans {nodes} nodes: under Slurm run srun -N {nodes} with one task for each chip and trtllm-llmapi-launch before trtllm-serve."
        ));
    }
    lines
}

/// Files and commands for every pool, and the orchestrator of a disaggregated deployment.
pub(super) fn commands(launch: &Launch) -> String {
    let mut out = comments(&launch.heading(Launcher::Trtllm));
    for (role, pool) in launch.pools() {
        out += "\n";
        out += &comments(&left(launch, role, &pool));
        let _ = write!(
            out,
            "cat > {}.yaml <<'EOF'\n{}EOF\ntrtllm-serve MODEL",
            role.name(),
            file(launch, role, &pool)
        );
        out += &arguments(launch, role, &pool).shell();
        out += "\n";
    }
    if let Some(prefill) = launch.plan.prefill {
        let _ = write!(
            out,
            "\n# One URL for each instance.\ncat > disaggregated.yaml <<'EOF'\nhostname: 0.0.0.0\nport: 8000\nbackend: pytorch\n\
             context_servers:\n  num_instances: {}\n  urls: [\"PREFILL:8001\"]\n\
             generation_servers:\n  num_instances: {}\n  urls: [\"DECODE:8001\"]\nEOF\n\
             trtllm-serve disaggregated -c disaggregated.yaml\n",
            prefill.instances, launch.plan.decode.instances
        );
    }
    out
}
