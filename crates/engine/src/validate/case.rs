//! From a row to a case and a plan: what it says, and what is assumed or searched where it says
//! nothing.

use chokepoint_catalog::{Catalog, Framework};
use chokepoint_chip::{ChipSpec, Sustained};
use chokepoint_fabric::{Fabric, FabricScale};
use chokepoint_model::{Architecture, Recompute};
use chokepoint_train::{
    Case, Plan, Prediction, Scaling, Schedule, Sharding, Software, Space, TensorExchange,
    TensorOverlap, Trained, Workload, even_chunks, measure, search_in,
};
use chokepoint_units::{Bandwidth, NumberFormat, Seconds};

use super::architecture::architecture;
use super::assumed::Assumed;
use super::row::Row;
use crate::resolve::system_parts;
use crate::software::{self, software};

/// Load of the busiest expert rank over the mean where a row does not say that tokens were forced
/// to balance: the middle of the 1.1 to 1.5 that practitioners see (`peers_training.md` section
/// 4.5, grade C) is 1.3; routers that balance without force lie at its lower end.
const UNFORCED_IMBALANCE: f64 = 1.2;

/// Everything that a prediction of a row needs.
pub(super) struct Setup {
    pub architecture: Architecture,
    pub workload: Workload,
    pub software: Software,
    pub chip: ChipSpec,
    pub fabric: Fabric,
    pub chips: u64,
    /// What the row says of its plan.
    pub plan: Plan,
    /// What it leaves open.
    pub open: Open,
    /// Curves that the chip's efficiency comes from.
    pub curves: String,
    pub framework: String,
    pub assumed: Assumed,
}

/// Fields of a plan that a row leaves blank and that are searched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    pub layout: bool,
    pub micro_batch: bool,
    pub recompute: bool,
    pub virtual_stages: bool,
}

impl Setup {
    pub(super) fn case(&self) -> Case<'_> {
        Case {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            chip: &self.chip,
            fabric: &self.fabric,
            chips: self.chips,
        }
    }
}

/// Reads a row; a text says why it cannot be simulated.
pub(super) fn setup(catalog: &Catalog, row: &Row) -> Result<Setup, String> {
    let mut assumed = Assumed::default();
    let label = row.text("chip").ok_or("chip is not given")?;
    let id = system_of(catalog, row.text_or_blank("system"))
        .or_else(|| system_of(catalog, label))
        .ok_or_else(|| format!("no system of the catalogue is known by the chip \"{label}\""))?;
    let parts = system_parts(catalog, id).map_err(|error| error.message)?;
    let chip = parts.spec.map_err(|error| error.message)?;
    let fabric = fabric(row, parts.fabric, parts.system.node.chips, &mut assumed);
    let framework = framework(catalog, row, &mut assumed);
    let architecture = architecture(row, &mut assumed)?;
    let chips = row.count("n_chips").ok_or("n_chips is not given")?;
    let workload = workload(row, framework, &mut assumed)?;
    let curves = parts.chip.calibration.curve.clone();
    let software = software(framework, &curves);
    let (plan, open) = plan(
        row,
        &architecture,
        framework,
        chips,
        &workload,
        &mut assumed,
    );
    Ok(Setup {
        architecture,
        workload,
        software,
        chip,
        fabric,
        chips,
        plan,
        open,
        curves,
        framework: framework.map_or_else(String::new, |known| known.id.clone()),
        assumed,
    })
}

/// The system whose labels have a text, or which has that id itself.
pub(super) fn system_of<'a>(catalog: &'a Catalog, label: &str) -> Option<&'a str> {
    let labelled = catalog
        .systems
        .iter()
        .find(|(id, entry)| *id == label || entry.value.labels.iter().any(|known| known == label));
    labelled.map(|(id, _)| id.as_str())
}

/// The system's fabric, at the scale-out bandwidth that the row states.
fn fabric(row: &Row, fabric: Fabric, node_chips: u64, assumed: &mut Assumed) -> Fabric {
    let chips = row.count("chips_per_node").unwrap_or(node_chips);
    let Some(stated) = row
        .text("scaleout_net")
        .and_then(|text| scale_out_bandwidth(text, chips))
    else {
        return fabric;
    };
    let ratio = stated / fabric.out_nominal;
    if (ratio - 1.0).abs() < 0.1 {
        return fabric;
    }
    assumed.note(&format!("scale-out {stated} a chip, as stated"));
    fabric.scaled(FabricScale {
        out_bandwidth: ratio,
        ..FabricScale::default()
    })
}

/// Bandwidth of a chip per direction from a text as "8x 400 Gb/s", "1600 Gb/s per node" or
/// "400 Gb/s per GPU"; of several networks that of "Compute:".
fn scale_out_bandwidth(text: &str, chips: u64) -> Option<Bandwidth> {
    let text = text.split("Compute:").last()?.replace("Gb/s", " Gb/s ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Gb/s")?;
    let rate: f64 = words.get(at.checked_sub(1)?)?.parse().ok()?;
    let links = words[..at]
        .iter()
        .find_map(|word| word.strip_suffix('x')?.parse::<f64>().ok());
    let after = words[at + 1..].join(" ").to_lowercase();
    let per_chip = match links {
        Some(links) => rate * links / chips as f64,
        None if after.starts_with("per gpu") || after.contains("per gpu") => rate,
        None if after.contains("per node") => rate / chips as f64,
        None => return None,
    };
    (per_chip > 0.0).then(|| Bandwidth::new(per_chip / 8.0 * 1e9))
}

fn framework<'a>(catalog: &'a Catalog, row: &Row, assumed: &mut Assumed) -> Option<&'a Framework> {
    let name = row.text_or_blank("framework");
    let release = row.text_or_blank("framework_version");
    let found = catalog.framework_named(name, release);
    if found.is_none() {
        assumed.note("an unknown framework, taken as current Megatron-Core");
    }
    found.or_else(|| catalog.framework("megatron-lm").ok())
}

fn workload(
    row: &Row,
    framework: Option<&Framework>,
    assumed: &mut Assumed,
) -> Result<Workload, String> {
    let sequence = match row.count("seq_len") {
        Some(sequence) => sequence,
        // Operations of a second hardly depend on it; tokens of a second and steps do.
        None if row.text_or_blank("primary_metric").contains("tflops") => {
            assumed.taken("seq_len", 4096);
            4096
        }
        None => return Err("seq_len is not given".to_owned()),
    };
    let batch = row.count("gbs").ok_or("gbs is not given")?;
    let format = match row.lower("precision").as_str() {
        "bf16" => NumberFormat::Bf16,
        "fp16" => NumberFormat::Fp16,
        "fp8" => NumberFormat::Fp8,
        "fp4" => NumberFormat::Fp4,
        "int8" => NumberFormat::Int8,
        "" => {
            assumed.taken("precision", "bf16");
            NumberFormat::Bf16
        }
        other => return Err(format!("precision {other} is not modelled")),
    };
    let detail = row.lower("precision_detail");
    let scaling = if ["mx", "block", "nvfp4"]
        .iter()
        .any(|word| detail.contains(word))
    {
        Scaling::Block
    } else if detail.contains("current") {
        Scaling::Current
    } else {
        if format.bits() < 16 && !detail.contains("delayed") {
            assumed.note("scaling by earlier steps (delayed)");
        }
        Scaling::Delayed
    };
    let (optimizer, gradients) = software::numerics(framework);
    let gradients = if detail.contains("pure") {
        NumberFormat::Bf16
    } else {
        gradients
    };
    let trained = if row.lower("task").contains("lora") {
        assumed.note("adapters of rank 16 beside the attention projections");
        Trained::Adapters { rank: 16 }
    } else {
        Trained::All
    };
    let imbalance = if row.count("n_experts").is_some() && row.text("moe_balance").is_none() {
        assumed.taken("expert imbalance", UNFORCED_IMBALANCE);
        UNFORCED_IMBALANCE
    } else {
        1.0
    };
    Ok(Workload {
        optimizer,
        gradients,
        scaling,
        trained,
        imbalance,
        ..Workload::pretraining(
            sequence,
            batch,
            (batch * sequence) as f64,
            vec![format, NumberFormat::Bf16],
        )
    })
}

/// What a row says of its plan, and what it leaves open.
fn plan(
    row: &Row,
    architecture: &Architecture,
    framework: Option<&Framework>,
    chips: u64,
    workload: &Workload,
    assumed: &mut Assumed,
) -> (Plan, Open) {
    let recomputes =
        workload.trained == Trained::All && framework.is_some_and(|known| known.recomputes);
    let open = open(row, framework, recomputes);
    let (tp, pp) = (row.count("tp").unwrap_or(1), row.count("pp").unwrap_or(1));
    let mut or_one = |column: &'static str| {
        row.count(column).unwrap_or_else(|| {
            if !open.layout {
                assumed.taken(column, 1);
            }
            1
        })
    };
    let cp = or_one("cp");
    let vp = if pp > 1 && !open.virtual_stages {
        or_one("vp")
    } else {
        1
    };
    let mixture = architecture.experts().is_some();
    let ep = if mixture { or_one("ep") } else { 1 };
    let etp = if mixture {
        expert_tensor(row, framework, (tp, ep), assumed)
    } else {
        1
    };
    let on = |choice: fn(&Framework) -> bool| framework.is_some_and(choice);
    let dp = (chips / (tp * pp * cp).max(1)).max(1);
    let options = row.lower("overlap_opts");
    let (exchange, overlapped) = tensor(row, framework, &options);
    let recompute = recomputation(row, recomputes, assumed);
    let plan = Plan {
        tp,
        cp,
        ep,
        etp,
        pp,
        vp,
        dp,
        micro_batch: row.count("mbs").unwrap_or(1),
        recompute,
        schedule: schedule(row, &options),
        tensor: exchange,
        overlap_tp: if tp > 1 && overlapped {
            TensorOverlap::Pipelined
        } else {
            TensorOverlap::None
        },
        overlap_ep: false,
        sharding: sharding(row, framework),
        // Shards go over context parallelism too (torchtitan, FSDP2; Megatron-FSDP).
        shard: row
            .count("fsdp_shard")
            .map(|shard| shard.saturating_mul(cp))
            .filter(|shard| *shard < dp * cp)
            .unwrap_or(0),
        overlap_dp: on(|known| known.overlap_dp) && !options.contains("no tp"),
        ..Plan::one(workload.formats[0])
    };
    let pairs = plan.schedule.pairs();
    let many = plan.micro_batches(workload.global_batch) >= 2;
    let hides = ep > 1 && many && recompute != Recompute::Full && (vp > 1 || pairs);
    let overlap_ep = hides && (pairs || on(|known| known.overlap_ep));
    (Plan { overlap_ep, ..plan }, open)
}

/// What a row leaves open of its plan.
fn open(row: &Row, framework: Option<&Framework>, recomputes: bool) -> Open {
    Open {
        layout: row.count("tp").is_none() || row.count("pp").is_none(),
        micro_batch: row.count("mbs").is_none(),
        recompute: row.text("recompute").is_none() && !recomputes,
        virtual_stages: row.count("vp").is_none()
            && row.count("pp").is_some_and(|pp| pp > 1)
            && framework.is_some_and(|known| known.interleaves),
    }
}

/// How tensor-parallel chips exchange, and whether under compute.
fn tensor(row: &Row, framework: Option<&Framework>, options: &str) -> (TensorExchange, bool) {
    let exchange = match row.lower("sp").as_str() {
        "yes" => TensorExchange::Sequence,
        "no" => TensorExchange::ScatteredTransfers,
        _ => framework.map_or(TensorExchange::AllReduce, software::exchange),
    };
    let overlapped = if options.contains("no tp") || options.contains("vanilla") {
        false
    } else {
        options.contains("async") || framework.is_some_and(|known| known.overlap_tp)
    };
    (exchange, overlapped)
}

/// Over how many of the tensor-parallel chips each expert is split.
fn expert_tensor(
    row: &Row,
    framework: Option<&Framework>,
    (tp, ep): (u64, u64),
    assumed: &mut Assumed,
) -> u64 {
    if tp == 1 {
        return 1;
    }
    row.count("etp").unwrap_or_else(|| {
        let splits = ep == 1 || framework.is_some_and(|known| known.splits_experts);
        let split = if splits { tp } else { 1 };
        assumed.taken("etp", split);
        split
    })
}

/// What a row says of recomputation; where it says nothing, what its framework's recipes do.
fn recomputation(row: &Row, recomputes: bool, assumed: &mut Assumed) -> Recompute {
    match row.lower("recompute").as_str() {
        "" if recomputes => {
            assumed.note("whole layers recomputed, as the framework's recipes do");
            Recompute::Full
        }
        "" | "none" => Recompute::None,
        text if text.starts_with("full") => Recompute::Full,
        _ if row.lower("framework").contains("torchtitan") => {
            assumed.note("selective recomputation by operation, taken as that of modules");
            Recompute::Modules
        }
        text => {
            if !text.starts_with("selective") {
                assumed.note(&format!("recompute \"{text}\" taken as selective"));
            }
            Recompute::Selective
        }
    }
}

fn schedule(row: &Row, options: &str) -> Schedule {
    if options.contains("zero-bubble") {
        Schedule::ZeroBubbleH1
    } else if options.contains("zbv") {
        Schedule::ZeroBubbleV
    } else if row.lower("framework").contains("dualpipe") {
        Schedule::DualPipe
    } else {
        Schedule::OneForwardOneBackward
    }
}

fn sharding(row: &Row, framework: Option<&Framework>) -> Sharding {
    let text = row.lower("dp_sharding");
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let unsharded = framework.is_some_and(|known| !known.sharded_optimizer);
    if has(&["zero-2", "stage 2", "shard-grad"]) {
        Sharding::Gradients
    } else if has(&["zero-3", "fsdp", "stage 3"]) {
        Sharding::Parameters
    } else if has(&["zero-0"]) || (text.is_empty() && unsharded) {
        Sharding::None
    } else {
        Sharding::Optimizer
    }
}

/// The prediction of a row: at its plan, with what it leaves blank searched for the fastest that
/// fits; where nothing fits, what it says, whose memory the prediction then shows.
pub(super) fn predict(setup: &mut Setup) -> Result<Prediction, String> {
    let plan = Plan {
        format: setup.chip.best_format(&setup.workload.formats),
        ..setup.plan
    };
    if setup.open.layout {
        return search_layout(setup, plan);
    }
    let mut fastest: Option<Prediction> = None;
    let mut said: Result<Prediction, String> = Err(String::new());
    for micro_batch in micro_batches(setup, &plan) {
        for (recompute, vp) in rest_of(setup, &plan) {
            let plan = Plan {
                micro_batch,
                recompute,
                vp,
                overlap_ep: plan.overlap_ep && recompute != Recompute::Full,
                ..plan
            };
            let found = measure(&setup.case(), &plan).map_err(|error| error.to_string());
            if let Ok(found) = &found
                && found.memory.total <= found.memory.usable
                && fastest.as_ref().is_none_or(|best| found.step < best.step)
            {
                fastest = Some(found.clone());
            }
            if said.is_err() {
                said = found;
            }
        }
    }
    let found = match fastest {
        Some(found) => found,
        None => said?,
    };
    if setup.open.micro_batch {
        setup.assumed.searched("mbs", found.plan.micro_batch);
    }
    if setup.open.recompute {
        setup
            .assumed
            .searched("recompute", found.plan.recompute.name());
    }
    Ok(found)
}

fn micro_batches(setup: &Setup, plan: &Plan) -> Vec<u64> {
    if !setup.open.micro_batch {
        return vec![plan.micro_batch];
    }
    let most = (setup.workload.global_batch / plan.dp).max(1);
    [1, 2, 4, 8, 16, 32]
        .into_iter()
        .filter(|size| most.is_multiple_of(*size))
        .collect()
}

/// Recomputation, least first, and virtual stages.
fn rest_of(setup: &Setup, plan: &Plan) -> Vec<(Recompute, u64)> {
    let recompute = if setup.open.recompute {
        Recompute::ALL.to_vec()
    } else {
        vec![plan.recompute]
    };
    let layers = setup.architecture.layers.len() as u64 + setup.architecture.mtp_layers;
    let most = (layers + 2) / plan.pp;
    let stages = if setup.open.virtual_stages {
        let even = |vp: &u64| *vp == 1 || even_chunks(layers, plan.pp * vp);
        (1..=most.min(12)).filter(even).collect()
    } else {
        vec![plan.vp]
    };
    let both = |recompute: Recompute| stages.iter().map(move |vp| (recompute, *vp));
    recompute.into_iter().flat_map(both).collect()
}

/// Searches the degrees that a row leaves blank.
fn search_layout(setup: &mut Setup, plan: Plan) -> Result<Prediction, String> {
    let case = setup.case();
    let mut space = Space::of(&case);
    space.offloads.truncate(1);
    space.shardings = vec![plan.sharding];
    space.schedules = vec![plan.schedule];
    if !setup.open.micro_batch {
        space.micro_batches = vec![plan.micro_batch];
    }
    if !setup.open.recompute {
        space.recompute = vec![plan.recompute];
    }
    let found = search_in(&case, &space, 1).plans.pop();
    let found = found.ok_or("the layout is not given and no plan fits the memory")?;
    setup
        .assumed
        .note(&format!("layout searched: {}", found.plan));
    Ok(found)
}

/// The same chip with the sustained share of other chips.
pub(super) fn with_sustained(setup: &Setup, share: f64) -> ChipSpec {
    let mut chip = setup.chip.clone();
    for sustained in chip.sustained.values_mut() {
        *sustained = Sustained {
            share,
            ..*sustained
        };
    }
    chip
}

/// The step at the same plan on another chip.
pub(super) fn step_on(setup: &Setup, chip: &ChipSpec, plan: &Plan) -> Option<Seconds> {
    let case = Case {
        chip,
        ..setup.case()
    };
    measure(&case, plan).ok().map(|found| found.step)
}
