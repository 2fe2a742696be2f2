//! `sglang.launch_server` (SGLang 0.5: server arguments, data-parallel attention and disaggregation in
//! docs.sglang.io).
//!
//! `--tp-size` counts all chips of a stage; data-parallel attention divides them, and divides
//! `--max-running-requests` and `--chunked-prefill-size` by `--dp-size`. `--ep-size` groups hold whole
//! experts, what is left splits each.

use chokepoint_serve::Pool;
use chokepoint_units::NumberFormat;

use super::arguments::{Arguments, comments};
use super::{Launch, Launcher, Role};

/// `--kv-cache-dtype`, where there is one.
pub(super) const fn cache(format: NumberFormat) -> Option<&'static str> {
    match format {
        NumberFormat::Bf16 => Some("bf16"),
        NumberFormat::Fp16 => Some("auto"),
        NumberFormat::Fp8 => Some("fp8_e4m3"),
        NumberFormat::Fp4 => Some("fp4_e2m1"),
        _ => None,
    }
}

/// The flags of an instance.
fn arguments(launch: &Launch, role: Role, pool: &Pool) -> Arguments {
    let layout = pool.layout;
    let mut out = Arguments::default();
    out.put("--model-path", "MODEL");
    out.put("--tp-size", layout.tp * layout.dp);
    out.put_if(layout.pp > 1, "--pp-size", layout.pp);
    out.put_if(layout.dp > 1, "--dp-size", layout.dp);
    out.flag_if(layout.dp > 1, "--enable-dp-attention");
    out.put_if(layout.ep > 1, "--ep-size", layout.ep);
    exchange(&mut out, launch, role, pool);
    let nodes = launch.nodes(&layout);
    if nodes > 1 {
        out.put("--nnodes", nodes);
        out.put("--node-rank", "RANK");
        out.put("--dist-init-addr", "HEAD:5000");
    }
    batching(&mut out, launch, role, pool);
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
    out.flag_if(launch.workload.prefix_hit <= 0.0, "--disable-radix-cache");
    if layout.pp == 1 {
        speculation(&mut out, launch);
    }
    if role != Role::Both {
        out.put("--disaggregation-mode", role.name());
        out.put("--disaggregation-transfer-backend", "nixl");
    }
    out
}

/// How tokens reach experts on other chips.
fn exchange(out: &mut Arguments, launch: &Launch, role: Role, pool: &Pool) {
    let whole = pool.layout.ep == pool.layout.tp * pool.layout.dp;
    if pool.layout.dp > 1 && whole {
        out.put("--moe-a2a-backend", "deepep");
        let mode = match role {
            Role::Both => "auto",
            Role::Prefill => "normal",
            Role::Decode => "low_latency",
        };
        out.put("--deepep-mode", mode);
        out.flag_if(launch.software.two_batches, "--enable-two-batch-overlap");
    }
}

fn batching(out: &mut Arguments, launch: &Launch, role: Role, pool: &Pool) {
    let layout = pool.layout;
    out.put(
        "--max-running-requests",
        Launch::sequences(pool) * layout.dp,
    );
    let tokens = launch.tokens(role, pool) * layout.dp;
    out.put("--chunked-prefill-size", tokens);
    // Neither stages nor drafts go with it (`server_args.py`).
    let mixes = role == Role::Both && launch.software.mixes;
    let alone = layout.pp == 1 && launch.workload.speculation.is_none();
    out.flag_if(mixes && alone, "--enable-mixed-chunk");
    out.put_if(role != Role::Prefill, "--cuda-graph-max-bs", pool.batch);
    out.put("--context-length", launch.longest());
    out.put("--mem-fraction-static", launch.software.memory_share);
}

/// Drafting by the model's own modules, else by an EAGLE-3 head that the user has.
fn speculation(out: &mut Arguments, launch: &Launch) {
    let Some(speculation) = launch.workload.speculation else {
        return;
    };
    if launch.drafts_itself() {
        out.put("--speculative-algorithm", "EAGLE");
    } else {
        out.put("--speculative-algorithm", "EAGLE3");
        out.put("--speculative-draft-model-path", "YOUR_DRAFT_HEAD");
    }
    out.put("--speculative-num-steps", speculation.drafted);
    out.put("--speculative-eagle-topk", 1);
    out.put("--speculative-num-draft-tokens", speculation.drafted + 1);
}

/// What is left to the user beside the flags of a pool.
fn left(launch: &Launch, role: Role, pool: &Pool) -> Vec<String> {
    let mut lines = vec![match role {
        Role::Both => format!(
            "{} instances: start this for each, behind sglang_router.",
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
            "It spans {nodes} nodes: run it on each with its RANK from 0; HEAD is the first."
        ));
    }
    let fits =
        "--mem-fraction-static is of weights and cache: lower it where activations do not fit.";
    lines.push(fits.to_owned());
    if role == Role::Both && launch.software.mixes && pool.layout.pp > 1 {
        let apart = "Predicted with prompts beside decodes in one iteration, which SGLang does not do with pipeline stages.";
        lines.push(apart.to_owned());
    }
    lines
}

/// Commands for every pool, and the router of a disaggregated deployment.
pub(super) fn commands(launch: &Launch) -> String {
    let mut out = comments(&launch.heading(Launcher::Sglang));
    for (role, pool) in launch.pools() {
        out += "\n";
        out += &comments(&left(launch, role, &pool));
        out += "python3 -m sglang.launch_server";
        out += &arguments(launch, role, &pool).shell();
        out += "\n";
    }
    if launch.plan.prefill.is_some() {
        out += "\n# One --prefill and one --decode for each instance.\n\
                python3 -m sglang_router.launch_router --pd-disaggregation \\\n  \
                --prefill http://PREFILL:30000 \\\n  --decode http://DECODE:30000\n";
    }
    out
}
