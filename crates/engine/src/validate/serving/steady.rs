//! Loads of benchmarks in steady state: a fixed batch, a fixed number of clients, a queue, a rate
//! (Little's law), limits, all requests at once, two pools.
//!
//! In the time of an answer as many prompts run as there are sequences; prompts run between decode
//! iterations. A pipeline counts as stages that each run a part of the batch. Limits: a benchmark's
//! start, when all clients send at once, is not in the time to the first token.

use chokepoint_catalog::MemoryShare;
use chokepoint_units::Seconds;

use super::case::{
    Limits, Load, Mode, Parallelism, Predicted, Rates, ServingCase, Spread, Workers,
};
use super::predict::{Ask, Look, Memory, look, power};

/// Steps of a fixed point; each halves the distance at least.
const STEPS: usize = 60;
/// Utilisation at which a queue counts as full.
const FULL: f64 = 0.98;

/// A case with what all of its loads share.
pub(super) struct Server<'a> {
    case: &'a ServingCase<'a>,
    decoders: Workers,
    /// Tokens of a prompt that are computed.
    computed: f64,
    /// Sequences on each attention group that memory and scheduler allow; at least one.
    most: f64,
    fits: bool,
}

impl<'a> Server<'a> {
    pub(super) fn new(case: &'a ServingCase<'a>) -> Result<Self, String> {
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
        let allowed = case.most_sequences.unwrap_or(case.engine.sequences.value);
        server.most = held.min(allowed).max(1.0);
        Ok(server)
    }

    /// The prediction of the case.
    pub(super) fn predict(&self) -> Result<Predicted, String> {
        match (self.case.parallelism, self.case.mode) {
            (_, Mode::PrefillOnly) => self.prefill_only(),
            (_, Mode::DecodeOnly) => self.decode_only(),
            (_, Mode::StaticBatch | Mode::FirstToken) => self.static_batch(),
            (Parallelism::Disaggregated { prefill, .. }, _) => self.disaggregated(&prefill),
            (Parallelism::Aggregated(_), _) => self.aggregated(),
        }
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
    fn held(&self, one: &Memory) -> f64 {
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
            first: Vec::new(),
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
        starts(&mut found, &[("prefill", ttft)]);
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
        starts(&mut found, &[("prefill", look.prompts)]);
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
        if self.case.lengths.output > 1.0 {
            found.parts.push(("prefill", steady.prefill.get()));
        } else {
            found.parts = vec![("prefill", steady.tpot.get())];
        }
        let prompt = self.prompt(&steady.look);
        let parts = [
            ("prefill", prompt),
            ("queue", steady.ttft - prompt - steady.look.decode),
            ("iteration", steady.look.decode),
            ("place", self.wait(&steady)),
            ("host", self.case.engine.request_host.value),
        ];
        starts(&mut found, &parts);
        found.whole = found.ttft.map(|ttft| ttft + steady.tpot * self.later());
        let spread = &self.decoders.spread;
        let one = power(self.case, spread, steady.batch)?;
        found.power = Some(one * self.decoders.count as f64);
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
        let parts = [
            ("prefill", prompt),
            ("queue", queued(rate).max(left) - prompt - one.transfer),
            ("transfer", one.transfer),
            ("host", self.case.engine.request_host.value),
        ];
        starts(&mut found, &parts);
        found.whole = found.ttft.map(|ttft| ttft + look.decode * self.later());
        Ok(found)
    }
}

/// The time to the first token, by part.
fn starts(found: &mut Predicted, parts: &[(&'static str, Seconds)]) {
    let total = parts.iter().map(|(_, time)| time.get()).sum();
    found.ttft = Some(Seconds::new(total));
    found.first = parts
        .iter()
        .map(|(part, time)| (*part, time.get()))
        .collect();
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
