//! Steady state of a plan: rates, latencies, the binding pool.

use chokepoint_chip::PowerDraw;
use chokepoint_units::{Energy, Seconds};

use crate::iteration::{Iteration, decode, prefill};
use crate::memory::{MemoryTable, memory, prompt_memory};
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

/// Least utilisation of a prefill pool worth building: a pool that must idle 95% of the time to
/// answer early enough does not meet its target, and a small error in its time would empty it.
const LEAST_UTILISATION: f64 = 0.05;

/// Highest utilisation of a queue whose mean time stays within a limit; absent when it would have
/// to stand nearly idle.
pub(crate) fn utilisation_within(service: Seconds, limit: Seconds) -> Option<f64> {
    let slack = limit / service - 1.0;
    let utilisation = 2.0 * slack / (1.0 + 2.0 * slack);
    (slack > 0.0 && utilisation >= LEAST_UTILISATION).then_some(utilisation)
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
/// decode iteration plus its share of prompts. The first token waits for the prompts ahead (M/D/1
/// at the share of time that prompts take) and for the iteration that is running.
fn aggregated(case: &Case, plan: &Plan, table: MemoryTable) -> Result<Prediction, Infeasible> {
    let pool = &plan.decode;
    let prompt = prefill(case, &pool.layout, plan.format, 1);
    let iteration = decode(
        case,
        &pool.layout,
        plan.format,
        pool.batch,
        mean_context(case),
    );
    let prompts_per_token = pool.batch as f64 / later_tokens(case);
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
            tokens: sequences / tpot.get() * case.workload.output as f64 / later_tokens(case),
            parts,
            spread: joined_spread(&iteration, &prompt, prompts_per_token),
            draw: joined_draw(&iteration, &prompt, prompts_per_token),
        },
    ))
}

/// Two pools. Prompts queue for the prefill pool (M/D/1), which emits the first token; their cache
/// crosses the network, under the next prompts' compute; the decode pool only decodes. The rate is
/// the smallest of what prefill, sending, receiving and decoding sustain.
fn disaggregated(
    case: &Case,
    plan: &Plan,
    pool: &Pool,
    table: MemoryTable,
) -> Result<Prediction, Infeasible> {
    let workload = case.workload;
    let held = prompt_memory(case, &pool.layout, plan.format, pool.batch);
    if held.total > held.usable {
        return Err(Infeasible::Memory(held));
    }
    let prompt = prefill(case, &pool.layout, plan.format, pool.batch);
    let iteration = decode(
        case,
        &plan.decode.layout,
        plan.format,
        plan.decode.batch,
        mean_context(case),
    );
    let transfer = handover(case, &pool.layout, pool.batch);
    let Some(highest) = utilisation_within(prompt.total(), workload.ttft - transfer) else {
        return Err(Infeasible::Ttft(
            queued(prompt.total(), LEAST_UTILISATION) + transfer,
        ));
    };
    let prompts = prompt_rate(pool, prompt.total(), transfer);
    let answers = answer_rate(case, &plan.decode, iteration.total());
    let requests = answers.min(prompts * highest);
    let utilisation = requests / prompts;
    let ttft = queued(prompt.total(), utilisation) + transfer;
    let tpot = iteration.total();
    within(case, ttft, tpot)?;
    let shares = (
        plan.decode.chips() as f64 * (requests / answers),
        pool.chips() as f64 * utilisation,
    );
    let binding = if requests < answers {
        prompt.spread
    } else {
        iteration.spread
    };
    Ok(finish(
        case,
        plan,
        table,
        &Steady {
            ttft,
            tpot,
            tokens: requests * workload.output as f64,
            parts: iteration.parts,
            spread: binding,
            draw: pooled_draw(plan, &iteration, &prompt, shares),
        },
    ))
}

/// Prompts of a second that a pool prefills and hands over at full load.
pub(crate) fn prompt_rate(pool: &Pool, prompt: Seconds, transfer: Seconds) -> f64 {
    (pool.instances * pool.layout.dp * pool.batch) as f64 / prompt.max(transfer).get()
}

/// Requests of a second that a pool receives and answers at full load.
pub(crate) fn answer_rate(case: &Case, pool: &Pool, iteration: Seconds) -> f64 {
    let groups = (pool.instances * pool.layout.dp) as f64;
    let answered = groups * pool.batch as f64 / (iteration.get() * later_tokens(case));
    let received = groups / handover(case, &pool.layout, 1).get();
    answered.min(received)
}

/// Tokens of an answer after the first, which the prompt yields; at least one.
pub(crate) fn later_tokens(case: &Case) -> f64 {
    case.workload.output.saturating_sub(1).max(1) as f64
}

/// Mean context of a sequence while it decodes.
pub(crate) fn mean_context(case: &Case) -> f64 {
    case.workload.input as f64 + case.workload.output as f64 / 2.0
}

/// Time to move the cache of some prompts of an attention group over the scale-out network, each
/// chip of the group its share.
pub(crate) fn handover(case: &Case, layout: &Layout, prompts: u64) -> Seconds {
    let workload = case.workload;
    let share = case
        .architecture
        .kv_bytes(workload.cache_format, layout.tp, workload.input as f64);
    case.fabric.across(share * prompts as f64)
}

fn within(case: &Case, ttft: Seconds, tpot: Seconds) -> Result<(), Infeasible> {
    // A pool run at the utilisation that just meets the target may miss it by rounding.
    const ROUNDING: f64 = 1.0 + 1e-9;
    if ttft > case.workload.ttft * ROUNDING {
        return Err(Infeasible::Ttft(ttft));
    }
    if tpot > case.workload.tpot * ROUNDING {
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
