//! Steady state of a plan: rates, latencies, the binding pool.

use chokepoint_chip::PowerDraw;
use chokepoint_units::{Energy, Seconds};

use crate::iteration::{Iteration, decode, prefill};
use crate::memory::{MemoryTable, memory};
use crate::{Case, Layout, Parts, Plan, Pool};

/// Relative half-width (80%) of what kernel tables alone miss of an engine: host work between
/// iterations, scheduling, uneven experts. AIConfigurator, which adds up the same tables, misses
/// 898 measured times for each token by 20% in the median; 1.9 medians are 80% of a normal
/// distribution.
const ENGINE_SPREAD: f64 = 0.38;

/// What a plan yields.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The plan.
    pub plan: Plan,
    /// Mean time to the first token.
    pub ttft: Seconds,
    /// Mean time for each later token.
    pub tpot: Seconds,
    /// Requests of one second on all chips.
    pub requests_per_second: f64,
    /// Output tokens of one second on all chips.
    pub output_tokens_per_second: f64,
    /// Chip-time of one output token on the decoding chips, by part; the parts sum to the mean
    /// time for each token of the pool that decodes.
    pub parts: Parts,
    /// Relative half-width of the 80% interval of the token rate.
    pub spread: f64,
    /// Memory of one decoding chip.
    pub memory: MemoryTable,
    /// Energy of all chips' packages for one output token.
    pub chip_energy_per_token: Energy,
}

/// Why a plan cannot serve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Infeasible {
    /// Weights and cache do not fit.
    Memory(MemoryTable),
    /// The first token comes later than allowed, at any load.
    Ttft(Seconds),
    /// Later tokens come slower than allowed.
    Tpot(Seconds),
    /// More chips than there are.
    TooManyChips,
}

/// Mean time of a job in a queue with Poisson arrivals and a fixed service time (M/D/1,
/// Pollaczek-Khinchine): service x (1 + u / (2 (1 - u))) at utilisation u.
fn queued(service: Seconds, utilisation: f64) -> Seconds {
    service * (1.0 + utilisation / (2.0 * (1.0 - utilisation)))
}

/// Highest utilisation of a queue whose mean time stays within a limit; absent when even an
/// empty queue is too slow.
pub(crate) fn utilisation_within(service: Seconds, limit: Seconds) -> Option<f64> {
    let slack = limit / service - 1.0;
    (slack >= 0.0).then(|| 2.0 * slack / (1.0 + 2.0 * slack))
}

/// Predicts one plan.
///
/// # Errors
/// Why it cannot serve.
pub fn evaluate(case: &Case, plan: &Plan) -> Result<Prediction, Infeasible> {
    if plan.chips() > case.chips {
        return Err(Infeasible::TooManyChips);
    }
    let table = memory(case, &plan.decode.layout, plan.format, plan.decode.batch);
    if table.total > table.usable {
        return Err(Infeasible::Memory(table));
    }
    match &plan.prefill {
        None => aggregated(case, plan, table),
        Some(pool) => disaggregated(case, plan, pool, table),
    }
}

/// One pool does both. In the time that its B sequences decode their answers it also prefills B
/// prompts; a sequence waits while another's prompt runs, so the time for each token is the
/// decode iteration plus its share of prompts. The first token waits for the prompts ahead:
/// M/D/1 at the share of time that prompts take.
fn aggregated(case: &Case, plan: &Plan, table: MemoryTable) -> Result<Prediction, Infeasible> {
    let (pool, workload) = (&plan.decode, case.workload);
    let prompt = prefill(case, &pool.layout, plan.format, 1);
    let iteration = decode(
        case,
        &pool.layout,
        plan.format,
        pool.batch,
        mean_context(case),
    );
    let output = workload.output as f64;
    let prompts_per_token = pool.batch as f64 / output;
    let tpot = iteration.total() + prompt.total() * prompts_per_token;
    let utilisation = (prompt.total() * prompts_per_token) / tpot;
    let ttft = queued(prompt.total(), utilisation) + iteration.total();
    within(case, ttft, tpot)?;
    let sequences = (pool.instances * pool.layout.dp * pool.batch) as f64;
    let parts = iteration.parts + prompt.parts * prompts_per_token;
    Ok(finish(
        case,
        plan,
        table,
        &Steady {
            ttft,
            tpot,
            tokens: sequences / tpot.get(),
            parts,
            spread: joined_spread(&iteration, &prompt, prompts_per_token),
            draw: joined_draw(&iteration, &prompt, prompts_per_token),
        },
    ))
}

/// Two pools. Prompts queue for the prefill pool (M/D/1), their cache crosses the network once,
/// and the decode pool only decodes. The rate is the smaller of what the two pools sustain.
fn disaggregated(
    case: &Case,
    plan: &Plan,
    pool: &Pool,
    table: MemoryTable,
) -> Result<Prediction, Infeasible> {
    let workload = case.workload;
    let prompt = prefill(case, &pool.layout, plan.format, pool.batch);
    let iteration = decode(
        case,
        &plan.decode.layout,
        plan.format,
        plan.decode.batch,
        mean_context(case),
    );
    let transfer = cache_transfer(case, &pool.layout);
    let limit = workload.ttft - transfer - iteration.total();
    let Some(highest) = utilisation_within(prompt.total(), limit) else {
        return Err(Infeasible::Ttft(
            prompt.total() + transfer + iteration.total(),
        ));
    };
    let prompts = (pool.instances * pool.layout.dp * pool.batch) as f64 / prompt.total().get();
    let sequences = (plan.decode.instances * plan.decode.layout.dp * plan.decode.batch) as f64;
    let answers = sequences / (iteration.total().get() * workload.output as f64);
    let requests = answers.min(prompts * highest);
    let utilisation = requests / prompts;
    let ttft = queued(prompt.total(), utilisation) + transfer + iteration.total();
    let tpot = iteration.total();
    within(case, ttft, tpot)?;
    let busy_decode = requests / answers;
    let shares = (
        plan.decode.chips() as f64 * busy_decode,
        pool.chips() as f64 * utilisation,
    );
    Ok(finish(
        case,
        plan,
        table,
        &Steady {
            ttft,
            tpot,
            tokens: requests * workload.output as f64,
            parts: iteration.parts,
            spread: iteration.spread.max(prompt.spread),
            draw: pooled_draw(plan, &iteration, &prompt, shares),
        },
    ))
}

/// Mean context of a sequence while it decodes.
pub(crate) fn mean_context(case: &Case) -> f64 {
    case.workload.input as f64 + case.workload.output as f64 / 2.0
}

/// Time to move one prompt's cache from the prefill to the decode pool over the scale-out
/// network, all chips of the group sending their share.
pub(crate) fn cache_transfer(case: &Case, layout: &Layout) -> Seconds {
    let share = case.architecture.kv_bytes(
        case.workload.cache_format,
        layout.tp,
        case.workload.input as f64,
    );
    case.fabric.send(case.fabric.domain, share)
}

fn within(case: &Case, ttft: Seconds, tpot: Seconds) -> Result<(), Infeasible> {
    if ttft > case.workload.ttft {
        return Err(Infeasible::Ttft(ttft));
    }
    if tpot > case.workload.tpot {
        return Err(Infeasible::Tpot(tpot));
    }
    Ok(())
}

struct Steady {
    ttft: Seconds,
    tpot: Seconds,
    tokens: f64,
    parts: Parts,
    spread: f64,
    /// Shares of time of an average chip by kind of work, in seconds of one second.
    draw: PowerDraw,
}

fn finish(case: &Case, plan: &Plan, memory: MemoryTable, steady: &Steady) -> Prediction {
    let power = case.chip.energy(steady.draw) * plan.chips() as f64;
    Prediction {
        plan: *plan,
        ttft: steady.ttft,
        tpot: steady.tpot,
        requests_per_second: steady.tokens / case.workload.output as f64,
        output_tokens_per_second: steady.tokens,
        parts: steady.parts,
        spread: libm::hypot(steady.spread, ENGINE_SPREAD),
        memory,
        chip_energy_per_token: power / steady.tokens,
    }
}

fn joined_spread(iteration: &Iteration, prompt: &Iteration, prompts: f64) -> f64 {
    let (decode, prefill) = (iteration.total(), prompt.total() * prompts);
    (decode * iteration.spread + prefill * prompt.spread) / (decode + prefill)
}

/// Kinds of work of one second of a chip that does both.
fn joined_draw(iteration: &Iteration, prompt: &Iteration, prompts: f64) -> PowerDraw {
    let total = (iteration.total() + prompt.total() * prompts).get();
    let share = |decode: Seconds, prefill: Seconds| (decode + prefill * prompts) / total;
    PowerDraw {
        compute: share(iteration.draw.compute, prompt.draw.compute),
        memory: share(iteration.draw.memory, prompt.draw.memory),
        communication: share(iteration.draw.communication, prompt.draw.communication),
    }
}

/// Kinds of work of one second of an average chip of both pools; idle chips wait.
fn pooled_draw(
    plan: &Plan,
    iteration: &Iteration,
    prompt: &Iteration,
    busy: (f64, f64),
) -> PowerDraw {
    let chips = plan.chips() as f64;
    let weights = (
        busy.0 / chips / iteration.total().get(),
        busy.1 / chips / prompt.total().get(),
    );
    let mix = |decode: Seconds, prefill: Seconds| decode * weights.0 + prefill * weights.1;
    let idle = 1.0 - (busy.0 + busy.1) / chips;
    PowerDraw {
        compute: mix(iteration.draw.compute, prompt.draw.compute),
        memory: mix(iteration.draw.memory, prompt.draw.memory),
        communication: mix(iteration.draw.communication, prompt.draw.communication)
            + Seconds::new(idle.max(0.0)),
    }
}
