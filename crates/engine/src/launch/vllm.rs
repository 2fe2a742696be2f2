//! `vllm serve` (vLLM 0.12 and later: engine arguments, expert-parallel and data-parallel deployment,
//! NIXL connector in docs.vllm.ai).
//!
//! vLLM splits experts over all chips of an instance, or with `--enable-expert-parallel` gives each
//! whole ones; `--max-num-seqs` and `--max-num-batched-tokens` are of one data-parallel rank, and
//! running sequences are counted over all pipeline stages.

use chokepoint_serve::Pool;
use chokepoint_units::NumberFormat;

use super::arguments::{Arguments, comments};
use super::{Launch, Launcher, Role};

/// `--kv-cache-dtype`, where there is one.
pub(super) const fn cache(format: NumberFormat) -> Option<&'static str> {
    match format {
        NumberFormat::Bf16 | NumberFormat::Fp16 => Some("auto"),
        NumberFormat::Fp8 => Some("fp8"),
        _ => None,
    }
}

/// The flags of an instance.
pub(super) fn arguments(launch: &Launch, role: Role, pool: &Pool) -> Arguments {
    let (layout, workload) = (pool.layout, launch.workload);
    let mut out = Arguments::default();
    out.put("--tensor-parallel-size", layout.tp);
    out.put_if(layout.pp > 1, "--pipeline-parallel-size", layout.pp);
    out.put_if(layout.dp > 1, "--data-parallel-size", layout.dp);
    out.flag_if(layout.ep > 1, "--enable-expert-parallel");
    let exchanged = layout.dp > 1 && layout.ep > 1 && launch.vendor == "NVIDIA";
    match role {
        Role::Prefill => out.put_if(exchanged, "--all2all-backend", "deepep_high_throughput"),
        Role::Decode => out.put_if(exchanged, "--all2all-backend", "deepep_low_latency"),
        Role::Both => {}
    }
    out.put("--max-num-seqs", Launch::sequences(pool));
    let sequences = Launch::sequences(pool);
    let tokens = launch.tokens(role, pool).max(sequences);
    out.put("--max-num-batched-tokens", tokens);
    out.put("--max-model-len", launch.longest());
    out.put("--gpu-memory-utilization", launch.software.memory_share);
    out.put(
        "--kv-cache-dtype",
        cache(launch.plan.precision.cache).unwrap_or("auto"),
    );
    match launch.format() {
        Some(NumberFormat::Fp8) => out.put("--quantization", "fp8"),
        Some(NumberFormat::Bf16) => out.put("--dtype", "bfloat16"),
        Some(NumberFormat::Fp16) => out.put("--dtype", "float16"),
        _ => {}
    }
    out.flag(if workload.prefix_hit > 0.0 {
        "--enable-prefix-caching"
    } else {
        "--no-enable-prefix-caching"
    });
    if let Some(config) = speculation(launch) {
        out.put("--speculative-config", config);
    }
    if role != Role::Both {
        let config = r#"{"kv_connector": "NixlConnector", "kv_role": "kv_both"}"#;
        out.put("--kv-transfer-config", config);
    }
    out
}

/// Drafting by the model's own modules, else by an EAGLE-3 head that the user has.
fn speculation(launch: &Launch) -> Option<String> {
    let drafted = launch.workload.speculation?.drafted;
    Some(if launch.drafts_itself() {
        format!(r#"{{"method": "mtp", "num_speculative_tokens": {drafted}}}"#)
    } else {
        format!(
            r#"{{"method": "eagle3", "model": "YOUR_DRAFT_HEAD", "num_speculative_tokens": {drafted}}}"#
        )
    })
}

/// What is left to the user beside the flags of a pool.
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
        let inner = pool.layout.tp * pool.layout.pp;
        lines.push(if pool.layout.dp > 1 && launch.node_chips.is_multiple_of(inner) {
            let local = launch.node_chips / inner;
            format!(
                "It spans {nodes} nodes: add --data-parallel-size-local {local} --data-parallel-address HEAD --data-parallel-rpc-port PORT, and on node k also --headless --data-parallel-start-rank k*{local}."
            )
        } else {
            format!(
                "It spans {nodes} nodes: add --nnodes {nodes} --node-rank k --master-addr HEAD, and --headless on all but the first."
            )
        });
    }
    lines
}

/// Commands for every pool.
pub(super) fn commands(launch: &Launch) -> String {
    let mut lines = launch.heading(Launcher::Vllm);
    if launch.plan.prefill.is_some() {
        lines.push(
            "Requests go through a proxy that sends a prompt to prefill and its answer to decode, such as llm-d or Dynamo; each worker needs its own VLLM_NIXL_SIDE_CHANNEL_HOST and _PORT.".to_owned(),
        );
    }
    let mut out = comments(&lines);
    for (role, pool) in launch.pools() {
        out += "\n";
        out += &comments(&left(launch, role, &pool));
        out += "vllm serve MODEL";
        out += &arguments(launch, role, &pool).shell();
        out += "\n";
    }
    out
}
