//! Steady state of a plan: rates, latencies, the binding pool.

use chokepoint_chip::{PowerDraw, Precision};
use chokepoint_units::{Energy, Seconds};

use crate::flow::{Flow, queued};
use crate::memory::{MemoryTable, allowed, memory, prompt_memory};
use crate::{Batch, Case, Instance, Iteration, Layout, Parts, Plan, Pool};

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
    /// More sequences at once on an attention group than the engine allows.
    TooManySequences(u64),
    /// Prompts come faster than they are computed.
    Overload,
    /// More chips than there are.
    TooManyChips,
}

/// Least utilisation of a prefill pool worth building: a pool that must idle 95% of the time to
/// answer early enough does not meet its target, and a small error in its time would empty it.
const LEAST_UTILISATION: f64 = 0.05;

/// Highest utilisation of a queue whose mean time stays within a limit; absent when it would have
/// to stand nearly idle.
pub(crate) fn utilisation_within(service: Seconds, limit: Seconds) -> Option<f64> {
    let slack = limit / service - 1.0;
    let utilisation = 1.0 - 1.0 / (1.0 + 2.0 * slack);
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
    let allowed = allowed(case, &plan.decode.layout);
    if plan.decode.batch > allowed {
        return Err(Infeasible::TooManySequences(allowed));
    }
    let table = memory(case, &plan.decode.layout, plan.precision, plan.decode.batch);
    if table.total > table.usable {
        return Err(Infeasible::Memory(table));
    }
    match &plan.prefill {
        None => aggregated(case, plan, table),
        Some(pool) => disaggregated(case, plan, pool, table),
    }
}

/// One pool does both. Each iteration yields the next tokens of a group's B sequences; in the time
/// of their answers B prompts are computed too.
///
/// An engine that mixes gives an iteration the tokens that decodes leave of its budget to chunks of
/// prompts; a share of iterations carries chunks, the others none, and a token takes the mean of both.
/// Else an iteration of prompts stops all decodes. The first token waits for half of a running
/// iteration, for the prompts ahead (M/D/1 at the share of the time, or of the budget, that prompts
/// take) and for its own chunks.
fn aggregated(case: &Case, plan: &Plan, table: MemoryTable) -> Result<Prediction, Infeasible> {
    let pool = &plan.decode;
    let flow = Flow::of(&plan.instance(case, &pool.layout), pool.batch as f64);
    let ttft = flow.first_token() + case.software.request_host;
    if flow.utilisation >= 1.0 {
        return Err(Infeasible::Overload);
    }
    let tpot = flow.mean.parts.total() / case.workload.yielded();
    within(case, ttft, tpot)?;
    let sequences = (pool.instances * pool.layout.dp * pool.layout.pp * pool.batch) as f64;
    let tokens = sequences / tpot.get() * case.workload.output as f64 / later_tokens(case);
    Ok(finish(
        case,
        plan,
        table,
        &Steady {
            ttft,
            tpot,
            tokens,
            parts: flow.mean.parts * (1.0 / case.workload.yielded()),
            spread: flow.mean.spread,
            draw: of_a_second(&flow.mean),
        },
    ))
}

/// The next tokens of some sequences of an attention group, half of their answers written.
pub(crate) fn decode_batch(case: &Case, sequences: f64) -> Batch {
    Batch {
        checked: case.workload.checked(),
        ..Batch::decodes(sequences, mean_context(case))
    }
}

/// Whole prompts on every attention group.
pub(crate) fn prompt_batch(case: &Case, prompts: f64) -> Batch {
    let computed = case.workload.computed_input();
    Batch::prompts(prompts, computed, case.workload.input as f64 - computed)
}

/// Two pools. Prompts queue for the prefill pool (M/D/1), which emits the first token; their cache
/// crosses the network, under the next prompts' compute; the decode pool only decodes. The rate is
/// the smallest of what prefill, sending, receiving and decoding sustain. Where the cache leaves layer
/// by layer, only what is longer than the computation of the other layers delays the first answer.
fn disaggregated(
    case: &Case,
    plan: &Plan,
    pool: &Pool,
    table: MemoryTable,
) -> Result<Prediction, Infeasible> {
    let workload = case.workload;
    let held = prompt_memory(case, &pool.layout, plan.precision, pool.batch);
    if held.total > held.usable {
        return Err(Infeasible::Memory(held));
    }
    let prompt = plan
        .instance(case, &pool.layout)
        .iteration(&prompt_batch(case, pool.batch as f64));
    let iteration = plan
        .instance(case, &plan.decode.layout)
        .iteration(&decode_batch(case, plan.decode.batch as f64));
    let transfer = handover(case, &pool.layout, plan.precision, pool.batch);
    let late = late(case, transfer, prompt.total());
    let Some(highest) = utilisation_within(prompt.total(), workload.ttft - late) else {
        return Err(Infeasible::Ttft(
            queued(prompt.total(), LEAST_UTILISATION) + late,
        ));
    };
    let prompts = prompt_rate(pool, prompt.total(), transfer);
    let answers = answer_rate(case, &plan.decode, plan.precision, iteration.total());
    let requests = answers.min(prompts * highest);
    let utilisation = requests / prompts;
    let ttft = queued(prompt.total(), utilisation) + late;
    let tpot = iteration.total() / workload.yielded();
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
            parts: iteration.parts * (1.0 / workload.yielded()),
            spread: binding,
            draw: pooled_draw(plan, &iteration, &prompt, shares),
        },
    ))
}

/// What the host and the transfer of the cache add to the time of the first answer beside its prompt's
/// computation.
pub(crate) fn late(case: &Case, transfer: Seconds, prompt: Seconds) -> Seconds {
    let sent = if case.software.layerwise_transfer {
        let last = transfer / case.architecture.layers.len().max(1) as f64;
        last.max(transfer - prompt)
    } else {
        transfer
    };
    sent + case.software.request_host
}

/// Prompts of a second that a pool prefills and hands over at full load.
pub(crate) fn prompt_rate(pool: &Pool, prompt: Seconds, transfer: Seconds) -> f64 {
    let Pool {
        instances,
        layout,
        batch,
    } = pool;
    (instances * layout.dp * layout.pp * batch) as f64 / prompt.max(transfer).get()
}

/// Requests of a second that a pool receives and answers at full load.
pub(crate) fn answer_rate(
    case: &Case,
    pool: &Pool,
    precision: Precision,
    iteration: Seconds,
) -> f64 {
    let groups = (pool.instances * pool.layout.dp) as f64;
    let yielded = (pool.batch * pool.layout.pp) as f64 * case.workload.yielded();
    let answered = groups * yielded / (iteration.get() * later_tokens(case));
    let received = groups / handover(case, &pool.layout, precision, 1).get();
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
pub(crate) fn handover(
    case: &Case,
    layout: &Layout,
    precision: Precision,
    prompts: u64,
) -> Seconds {
    let input = case.workload.input as f64;
    let share = case
        .architecture
        .kv_bytes(precision.cache, layout.tp, input)
        / layout.pp as f64;
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
        spread: libm::hypot(steady.spread, case.software.token_spread),
        memory,
        chip_energy_per_token: power / steady.tokens,
    }
}

/// Kinds of work of one second of a chip that runs such iterations.
fn of_a_second(iteration: &Iteration) -> PowerDraw {
    iteration.draw * (1.0 / iteration.total().get())
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
    let idle = 1.0 - (busy.0 + busy.1) / chips;
    let waiting = PowerDraw {
        waiting: Seconds::new(idle.max(0.0)),
        ..PowerDraw::default()
    };
    iteration.draw * weights.0 + prompt.draw * weights.1 + waiting
}

impl Instance<'_> {
    /// Time to move the cache of some prompts of an attention group to other chips.
    #[must_use]
    pub fn handover(&self, prompts: u64) -> Seconds {
        handover(self.case, &self.layout, self.precision, prompts)
    }

    /// What the host and a transfer of cache add to the time of the first answer beside its prompt's
    /// computation.
    #[must_use]
    pub fn late(&self, transfer: Seconds, prompt: Seconds) -> Seconds {
        late(self.case, transfer, prompt)
    }
}
