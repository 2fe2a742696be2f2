//! The prediction of one serving case: the only calls into `chokepoint-serve` of this validation.
//!
//! Built on the steady state of [`chokepoint_serve::evaluate`], of which one call yields the time
//! of a batch of prompts and that of a decode iteration ([`look`]); the loads of benchmarks around
//! them are in [`super::steady`]. Limits: one number format of linear layers; tensor parallelism of
//! experts counts as expert parallelism of as many chips; speculative decoding is refused.

use chokepoint_serve::{Case, Layout, Part, Plan, Pool, Prediction, Workload, evaluate};
use chokepoint_units::{Bytes, PartName as _, Power, Seconds};

use super::case::{Predicted, ServingCase, Spread};
use super::steady::Server;

/// Prompts a second of no consequence for the queue of [`look`].
const MANY: u64 = 1_000_000;
/// More memory than any plan takes: whether a plan fits is counted here, and a row that ran is
/// predicted all the same.
const BOUNDLESS: f64 = 1e18;
/// Longer than any answer takes.
const NO_LIMIT: Seconds = Seconds::new(1e9);

/// Predicts a case.
///
/// # Errors
/// What cannot be predicted of it.
pub(super) fn predict(case: &ServingCase) -> Result<Predicted, String> {
    if case.speculation.is_some() {
        return Err("speculative decoding is not modelled".to_owned());
    }
    Server::new(case)?.predict()
}

/// What one call of the predictor yields.
pub(super) struct Look {
    /// A batch of prompts, on one attention group.
    pub prompts: Seconds,
    /// A decode iteration.
    pub decode: Seconds,
    /// Handing the cache of a prompt over to another pool.
    pub transfer: Seconds,
    pub parts: Vec<(&'static str, f64)>,
    pub memory: Memory,
    pub spread: f64,
}

/// Memory of a chip with one decode batch.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub weights: Bytes,
    pub cache: Bytes,
    pub activations: Bytes,
}

/// A prompt of some length, sequences on a group, and their mean context.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub input: f64,
    pub output: f64,
    pub prompts: f64,
    pub batch: f64,
}

/// A whole number of at least one.
fn whole(value: f64) -> u64 {
    (libm::round(value) as u64).max(1)
}

/// One call of the predictor: pools of their own, so that prompts and decoding show apart, and so
/// many prefill instances that no prompt waits.
pub(super) fn look(case: &ServingCase, spread: &Spread, ask: Ask) -> Result<Look, String> {
    let workload = workload(case, ask);
    let plan = Plan {
        decode: pool(case, spread, 1, ask.batch),
        prefill: Some(pool(case, spread, MANY, ask.prompts)),
        format: case.formats.weights,
        cache_format: case.formats.cache,
    };
    let found = evaluated(case, &workload, &plan)?;
    let cache = case
        .architecture
        .kv_bytes(case.formats.cache, spread.tp, workload.input as f64);
    let transfer = case.fabric.across(cache * whole(ask.prompts) as f64);
    let (parts, decode) = scaled(case, &found, ask.batch * spread.dp as f64);
    Ok(Look {
        prompts: (found.ttft - transfer) / rate(case, Part::Gemm) + launch_wait(case),
        decode,
        transfer: transfer / ask.prompts.max(1.0),
        parts,
        memory: Memory {
            weights: found.memory.weights,
            cache: found.memory.cache,
            activations: found.memory.activations,
        },
        spread: found.spread,
    })
}

/// Power of the packages of one instance that does both phases, at some sequences on a group.
pub(super) fn power(case: &ServingCase, spread: &Spread, batch: f64) -> Result<Power, String> {
    let ask = Ask {
        input: case.lengths.input,
        output: case.lengths.output,
        prompts: 1.0,
        batch,
    };
    let plan = Plan {
        decode: pool(case, spread, 1, batch),
        prefill: None,
        format: case.formats.weights,
        cache_format: case.formats.cache,
    };
    let found = evaluated(case, &workload(case, ask), &plan)?;
    let watts = found.chip_energy_per_token.get() * found.output_tokens_per_second;
    Ok(Power::new(watts * spread.pp as f64))
}

/// What the predictor says of a plan.
fn evaluated(case: &ServingCase, workload: &Workload, plan: &Plan) -> Result<Prediction, String> {
    let mut chip = case.chip.clone();
    chip.capacity = Bytes::new(BOUNDLESS);
    let inner = Case {
        architecture: case.architecture,
        workload,
        chip: &chip,
        fabric: case.fabric,
        chips: u64::MAX,
    };
    evaluate(&inner, plan).map_err(|reason| format!("not feasible: {reason:?}"))
}

fn pool(case: &ServingCase, spread: &Spread, instances: u64, batch: f64) -> Pool {
    Pool {
        instances,
        layout: layout(case, spread),
        batch: whole(batch),
    }
}

fn workload(case: &ServingCase, ask: Ask) -> Workload {
    Workload {
        input: whole(ask.input),
        output: whole(ask.output),
        ttft: NO_LIMIT,
        tpot: NO_LIMIT,
        formats: vec![case.formats.weights],
        cache_format: case.formats.cache,
        imbalance: 1.0,
    }
}

/// A layout of the predictor; experts lie on all chips of an instance, whole or split.
fn layout(case: &ServingCase, spread: &Spread) -> Layout {
    let chips = spread.tp * spread.dp;
    let ep = if case.architecture.experts().is_some() {
        chips
    } else {
        1
    };
    Layout {
        tp: spread.tp,
        dp: spread.dp,
        ep,
    }
}

/// Share of the curves' rate that the engine's kernels of a part reach.
fn rate(case: &ServingCase, part: Part) -> f64 {
    let rates = &case.engine.rates;
    let class = match part {
        Part::Gemm | Part::Head => &rates.gemm,
        Part::ExpertGemm => &rates.grouped,
        Part::Attention => &rates.decode,
        Part::Elementwise => &rates.elementwise,
        Part::TensorParallel | Part::ExpertParallel => &rates.communication,
    };
    class.on(case.curves).value
}

/// Time of the host for an iteration with prompts.
fn launch_wait(case: &ServingCase) -> Seconds {
    if case.engine.overlaps {
        Seconds::ZERO
    } else {
        case.engine.iteration_host.value
    }
}

/// Parts of a decode iteration at the engine's rates, and what its host adds for some sequences.
fn scaled(
    case: &ServingCase,
    found: &Prediction,
    sequences: f64,
) -> (Vec<(&'static str, f64)>, Seconds) {
    let mut parts: Vec<(&'static str, f64)> = found
        .parts
        .iter()
        .map(|(part, time)| (part.key(), time.get() / rate(case, part)))
        .collect();
    let chip: f64 = parts.iter().map(|(_, time)| time).sum();
    let engine = case.engine;
    let host = engine.iteration_host.value + engine.sequence_host.value * sequences;
    let exposed = if engine.overlaps {
        (host.get() - chip).max(0.0)
    } else {
        host.get()
    };
    parts.push(("host", exposed));
    (parts, Seconds::new(chip + exposed))
}
