//! The prediction of one serving case: the only calls into `chokepoint-serve` of this validation.
//!
//! Built on the steady state of [`chokepoint_serve::evaluate`], of which one call yields the time
//! of a batch of prompts and that of a decode iteration ([`look`]). Around them stand closed forms
//! of the benchmark's load: a fixed batch, a fixed number of clients, a queue, a rate (Little's
//! law), all requests at once. Limits: one number format of linear layers; a pipeline counts as
//! stages that each run a part of the batch; tensor parallelism of experts counts as expert
//! parallelism of as many chips; prompts run between decode iterations; speculative decoding is
//! refused.

use chokepoint_catalog::MemoryShare;
use chokepoint_chip::ChipSpec;
use chokepoint_serve::{
    Case, Layout, MemoryTable, Part, Plan, Pool, Prediction, Workload, evaluate,
};
use chokepoint_units::{Bytes, PartName as _, Power, Seconds};

use super::case::{
    Limits, Load, Mode, Parallelism, Predicted, Rates, ServingCase, Spread, Workers,
};

/// Prompts a second of no consequence for the queue of [`look`].
const MANY: u64 = 1_000_000;
/// More memory than any plan takes: whether a plan fits is counted here, and a row that ran is
/// predicted all the same.
const BOUNDLESS: f64 = 1e18;
/// Longer than any answer takes.
const NO_LIMIT: Seconds = Seconds::new(1e9);
/// Steps of a fixed point; each halves the distance at least.
const STEPS: usize = 60;
/// Utilisation at which a queue counts as full.
const FULL: f64 = 0.98;

/// Predicts a case.
///
/// # Errors
/// What cannot be predicted of it.
pub(super) fn predict(case: &ServingCase) -> Result<Predicted, String> {
    if case.speculation.is_some() {
        return Err("speculative decoding is not modelled".to_owned());
    }
    let model = Server::new(case)?;
    match (case.parallelism, case.mode) {
        (_, Mode::PrefillOnly) => model.prefill_only(),
        (_, Mode::DecodeOnly) => model.decode_only(),
        (_, Mode::StaticBatch | Mode::FirstToken) => model.static_batch(),
        (Parallelism::Disaggregated { prefill, .. }, _) => model.disaggregated(&prefill),
        (Parallelism::Aggregated(_), _) => model.aggregated(),
    }
}

/// A case with what all of its loads share.
struct Server<'a> {
    case: &'a ServingCase<'a>,
    decoders: Workers,
    /// Tokens of a prompt that are computed.
    computed: f64,
    /// Sequences on each attention group that memory and scheduler allow; at least one.
    most: f64,
    fits: bool,
}

/// What one call of the predictor yields.
struct Look {
    /// A batch of prompts, on one attention group.
    prompts: Seconds,
    /// A decode iteration.
    decode: Seconds,
    /// Handing the cache of a prompt over to another pool.
    transfer: Seconds,
    parts: Vec<(&'static str, f64)>,
    memory: MemoryTable,
    spread: f64,
}

/// A prompt of some length, sequences on a group, and their mean context.
#[derive(Clone, Copy)]
struct Ask {
    input: f64,
    output: f64,
    prompts: f64,
    batch: f64,
}

/// A whole number of at least one.
fn whole(value: f64) -> u64 {
    (libm::round(value) as u64).max(1)
}

/// One call of the predictor: pools of their own, so that prompts and decoding show apart, and so
/// many prefill instances that no prompt waits.
fn look(case: &ServingCase, spread: &Spread, ask: Ask) -> Result<Look, String> {
    let workload = workload(case, ask);
    let chip = boundless(case.chip);
    let inner = Case {
        architecture: case.architecture,
        workload: &workload,
        chip: &chip,
        fabric: case.fabric,
        chips: u64::MAX,
    };
    let pool = |instances, batch| Pool {
        instances,
        layout: layout(case, spread),
        batch: whole(batch),
    };
    let plan = Plan {
        decode: pool(1, ask.batch),
        prefill: Some(pool(MANY, ask.prompts)),
        format: case.formats.weights,
        cache_format: case.formats.cache,
    };
    let found = evaluate(&inner, &plan).map_err(|reason| format!("not feasible: {reason:?}"))?;
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
        memory: found.memory,
        spread: found.spread,
    })
}

/// The same chip with more memory than any plan takes.
fn boundless(chip: &ChipSpec) -> ChipSpec {
    let mut chip = chip.clone();
    chip.capacity = Bytes::new(BOUNDLESS);
    chip
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

impl<'a> Server<'a> {
    fn new(case: &'a ServingCase<'a>) -> Result<Self, String> {
        let decoders = *case.parallelism.decoders();
        let computed = case.lengths.input * (1.0 - case.lengths.cached);
        let mut server = Self {
            case,
            decoders,
            computed,
            most: 1.0,
            fits: true,
        };
        let one = server.look(&decoders.spread, 1.0, 1.0)?;
        let held = server.held(&one.memory);
        server.fits = held >= 1.0;
        server.most = held.min(case.engine.sequences.value).max(1.0);
        Ok(server)
    }

    fn look(&self, spread: &Spread, prompts: f64, batch: f64) -> Result<Look, String> {
        let lengths = &self.case.lengths;
        look(
            self.case,
            spread,
            Ask {
                input: lengths.input,
                output: if lengths.whole_context {
                    1.0
                } else {
                    lengths.output
                },
                prompts,
                batch,
            },
        )
    }

    /// Sequences that the memory of a group's chips holds, from the table of one sequence; stages
    /// of a pipeline hold their share of the weights.
    fn held(&self, one: &MemoryTable) -> f64 {
        let engine = self.case.engine;
        let (capacity, share) = (self.case.chip.capacity, engine.memory_share.value);
        let weights = one.weights / self.decoders.spread.pp as f64;
        let left = match engine.memory_share_of {
            MemoryShare::Whole => capacity * share - weights - one.activations,
            MemoryShare::Free => (capacity - weights - one.activations) * share,
        };
        libm::floor((left / one.cache).max(0.0))
    }

    /// Tokens of an answer after the first.
    fn later(&self) -> f64 {
        (self.case.lengths.output - 1.0).max(1.0)
    }

    /// Time of one prompt on an attention group.
    fn prompt(&self, look: &Look) -> Seconds {
        look.prompts * (self.computed / self.case.lengths.input)
    }

    fn found(&self, look: &Look, batch: f64, tpot: Seconds, requests: f64) -> Predicted {
        let lengths = &self.case.lengths;
        let memory = look.memory.weights / self.decoders.spread.pp as f64
            + look.memory.activations
            + look.memory.cache;
        Predicted {
            ttft: None,
            tpot: Some(tpot),
            whole: None,
            rates: Rates {
                requests_per_second: requests,
                input_tokens_per_second: requests * lengths.input,
                output_tokens_per_second: requests * lengths.output,
            },
            power: None,
            parts: look.parts.clone(),
            batch,
            fits: self.fits && batch <= self.most * 1.05,
            memory,
            spread: look.spread,
        }
    }

    /// A batch whose sequences start and end together; with answers of one token, its prompts
    /// alone.
    fn static_batch(&self) -> Result<Predicted, String> {
        let Load::Running(sequences) = self.case.load else {
            return Err("the batch is not given".to_owned());
        };
        let batch = (sequences / self.decoders.groups()).max(1.0);
        let look = self.look(&self.decoders.spread, batch, batch)?;
        let ttft = look.prompts * self.stages();
        let decoded = if self.case.lengths.output > 1.0 {
            look.decode * self.later()
        } else {
            Seconds::ZERO
        };
        let all = ttft + decoded;
        let mut found = self.found(&look, batch, look.decode, sequences / all.get());
        found.ttft = Some(ttft);
        found.whole = Some(all);
        if self.case.lengths.output <= 1.0 {
            found.tpot = None;
            found.parts = vec![("prefill", ttft.get())];
        } else {
            for (_, time) in &mut found.parts {
                *time *= self.later() / self.case.lengths.output;
            }
            found
                .parts
                .push(("prefill", ttft.get() / self.case.lengths.output));
        }
        Ok(found)
    }

    /// Parts of a batch that pass a pipeline one after the other, over those in one stage.
    fn stages(&self) -> f64 {
        let pp = self.decoders.spread.pp as f64;
        (2.0 * pp - 1.0) / pp
    }

    /// Prompts alone: as many at once as the engine's tokens of an iteration hold.
    fn prefill_only(&self) -> Result<Predicted, String> {
        let chunk = self.case.engine.batched_tokens.value / self.case.lengths.input;
        let groups = self.decoders.groups();
        let given = match self.case.load {
            Load::Running(sequences) => sequences / groups,
            _ => f64::INFINITY,
        };
        let prompts = libm::floor(chunk.min(given).min(64.0)).max(1.0);
        let look = self.look(&self.decoders.spread, prompts, 1.0)?;
        let requests = prompts * groups / look.prompts.get();
        let mut found = self.found(&look, prompts, look.decode, requests);
        found.ttft = Some(look.prompts);
        found.tpot = None;
        found.parts = vec![("prefill", look.prompts.get())];
        Ok(found)
    }

    /// Decoding alone at a fixed batch.
    fn decode_only(&self) -> Result<Predicted, String> {
        let Load::Running(sequences) = self.case.load else {
            return Err("the batch is not given".to_owned());
        };
        let batch = (sequences / self.decoders.groups()).max(1.0);
        let look = self.look(&self.decoders.spread, 1.0, batch)?;
        let tokens = sequences / look.decode.get();
        let mut found = self.found(&look, batch, look.decode, tokens / self.later());
        found.rates.output_tokens_per_second = tokens;
        Ok(found)
    }

    /// One pool does both phases, under any load.
    fn aggregated(&self) -> Result<Predicted, String> {
        let groups = self.decoders.groups();
        let steady = match self.case.load {
            Load::Running(sequences) => self.steady((sequences / groups).max(1.0))?,
            Load::Concurrency(clients) => self.steady((clients / groups).clamp(1.0, self.most))?,
            Load::Saturated => self.steady(self.most)?,
            Load::AtOnce(requests) => self.steady((requests / groups).clamp(1.0, self.most))?,
            Load::Rate(rate) => self.at_rate(rate)?,
            Load::Within(limits) => self.within(limits)?,
        };
        let mut found = self.found(&steady.look, steady.batch, steady.tpot, steady.requests);
        found.parts.push(("prefill", steady.prefill.get()));
        found.ttft = Some(steady.ttft + self.wait(&steady) + self.case.engine.request_host.value);
        found.whole = found.ttft.map(|ttft| ttft + steady.tpot * self.later());
        found.power = self.power(&steady)?;
        Ok(found)
    }

    /// Mean wait of a request for a place: none where all have one; of a queue sent at once, half
    /// the time that those without a place take; of clients, what is left of their round.
    fn wait(&self, steady: &Steady) -> Seconds {
        let places = steady.batch * self.decoders.groups();
        match self.case.load {
            Load::AtOnce(requests) if requests > places => {
                Seconds::new(
                    (requests - places) / steady.requests / 2.0 * (requests - places) / requests,
                ) + steady.start
            }
            Load::AtOnce(_) => steady.start,
            Load::Concurrency(clients) if clients > places => {
                Seconds::new((clients - places) / steady.requests)
            }
            _ => Seconds::ZERO,
        }
    }

    /// Steady state of some sequences on each group: in the time of an answer as many prompts run
    /// as there are sequences. The first token waits for the prompts ahead (M/D/1 at the share of
    /// time that prompts take) and for the iteration that runs.
    fn steady(&self, batch: f64) -> Result<Steady, String> {
        let look = self.look(&self.decoders.spread, 1.0, batch)?;
        let prompt = self.prompt(&look);
        let prefill = prompt * (batch / self.later());
        let single = self.case.lengths.output <= 1.0;
        let tpot = if single {
            prompt * batch
        } else {
            look.decode + prefill
        };
        let utilisation = (prefill / tpot).min(FULL);
        let ttft = prompt * (1.0 + utilisation / (2.0 * (1.0 - utilisation))) + look.decode;
        let requests = batch * self.decoders.groups() / (tpot.get() * self.later());
        Ok(Steady {
            start: prompt * (batch / 2.0),
            batch,
            ttft,
            tpot,
            prefill,
            requests,
            look,
        })
    }

    /// The batch at which as many requests are answered as come (Little's law); the fullest where
    /// more come than are answered.
    fn at_rate(&self, rate: f64) -> Result<Steady, String> {
        self.largest(|steady| steady.requests <= rate)
    }

    /// The largest batch within limits.
    fn within(&self, limits: Limits) -> Result<Steady, String> {
        self.largest(|steady| steady.tpot <= limits.tpot && steady.ttft <= limits.ttft)
    }

    /// The largest batch of which something holds, by bisection; of none the smallest.
    fn largest(&self, holds: impl Fn(&Steady) -> bool) -> Result<Steady, String> {
        let (mut low, mut high) = (1.0, self.most);
        let full = self.steady(high)?;
        if holds(&full) {
            return Ok(full);
        }
        while high - low > 1.0 {
            let middle = libm::floor(f64::midpoint(low, high));
            if holds(&self.steady(middle)?) {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.steady(low)
    }

    /// Power of all chips, from the energy of a token with both phases on one pool.
    fn power(&self, steady: &Steady) -> Result<Option<Power>, String> {
        let case = self.case;
        let workload = workload(
            case,
            Ask {
                input: case.lengths.input,
                output: case.lengths.output,
                prompts: 1.0,
                batch: steady.batch,
            },
        );
        let chip = boundless(case.chip);
        let inner = Case {
            architecture: case.architecture,
            workload: &workload,
            chip: &chip,
            fabric: case.fabric,
            chips: u64::MAX,
        };
        let plan = Plan {
            decode: Pool {
                instances: 1,
                layout: layout(case, &self.decoders.spread),
                batch: whole(steady.batch),
            },
            prefill: None,
            format: case.formats.weights,
            cache_format: case.formats.cache,
        };
        let found =
            evaluate(&inner, &plan).map_err(|reason| format!("not feasible: {reason:?}"))?;
        let chips = plan.chips() as f64;
        let each = found.chip_energy_per_token.get() * found.output_tokens_per_second / chips;
        Ok(Some(Power::new(each * self.decoders.chips() as f64)))
    }

    /// A pool for each phase: as many requests as the slower of both, or as the clients send who
    /// wait for their answers.
    fn disaggregated(&self, prefill: &Workers) -> Result<Predicted, String> {
        let Load::Concurrency(clients) = self.case.load else {
            return Err("disaggregated serving without a concurrency is not predicted".to_owned());
        };
        let one = self.look(&prefill.spread, 1.0, 1.0)?;
        let prompt = self.prompt(&one);
        let highest = FULL * prefill.groups() / prompt.get();
        let queued = |rate: f64| {
            let utilisation = (rate / (highest / FULL)).min(FULL);
            prompt * (1.0 + utilisation / (2.0 * (1.0 - utilisation))) + one.transfer
        };
        let groups = self.decoders.groups();
        let mut rate = highest.min(clients / prompt.get());
        let mut batch = 1.0;
        let mut decode = one.decode;
        for _ in 0..STEPS {
            let answer = decode * self.later();
            let next = (clients / (queued(rate) + answer).get()).min(highest);
            rate = f64::midpoint(rate, next);
            batch = (rate * answer.get() / groups).clamp(1.0, self.most);
            decode = self.look(&self.decoders.spread, 1.0, batch)?.decode;
        }
        let look = self.look(&self.decoders.spread, 1.0, batch)?;
        let bound = groups * batch / (look.decode.get() * self.later());
        let requests = rate.min(bound);
        let mut found = self.found(&look, batch, look.decode, requests);
        let left = Seconds::new(clients / requests) - look.decode * self.later();
        found.ttft = Some(queued(rate).max(left) + self.case.engine.request_host.value);
        found.whole = found.ttft.map(|ttft| ttft + look.decode * self.later());
        Ok(found)
    }
}

/// Steady state of one pool.
struct Steady {
    batch: f64,
    ttft: Seconds,
    tpot: Seconds,
    /// Mean wait for the prompts of a batch that starts at once.
    start: Seconds,
    /// Time of prompts for each token.
    prefill: Seconds,
    requests: f64,
    look: Look,
}
