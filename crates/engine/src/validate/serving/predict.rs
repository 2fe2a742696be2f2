//! The prediction of one serving case: with `benchmark` the only calls into `chokepoint-serve` of this
//! validation.
//!
//! Iterations come from [`Instance`], the steady state of prompts beside decodes from [`Flow`]. Around
//! them stand closed forms of the benchmark's load: a fixed batch, a number of clients (Little's law), a
//! queue, a rate, all requests at once. Clients and requests at once are replayed where they can be.

use chokepoint_chip::Precision;
use chokepoint_model::Architecture;
use chokepoint_serve::{
    Batch, Case, Flow, Instance, Iteration, Layout, MemoryTable, Parts, Software, Workload, queued,
};
use chokepoint_units::{NumberFormat, PartName as _, Power, Seconds};

use super::case::{
    Formats, Limits, Load, Mode, Parallelism, Predicted, Rates, ServingCase, Spread, Workers,
};
use crate::serving_software::serving_software;

/// Longer than any answer takes.
const NO_LIMIT: Seconds = Seconds::new(1e9);
/// Steps of a bisection.
const STEPS: usize = 40;
/// Longest prompt or answer that is predicted, tokens.
const MOST_TOKENS: f64 = 1e8;
/// Most requests at once that are predicted.
const MOST_CLIENTS: f64 = 1e9;
/// Utilisation at which a queue counts as full.
const FULL: f64 = 0.98;

/// Predicts a case.
///
/// # Errors
/// What cannot be predicted of it.
pub(crate) fn predict(case: &ServingCase) -> Result<Predicted, String> {
    check(case)?;
    let workload = workload(case);
    let mut software = serving_software(case.engine, case.curves);
    if let Some(most) = case.most_sequences {
        software.most_sequences = software.most_sequences.min(whole(most));
    }
    let chip = case.chip.under_load();
    let inner = Case {
        architecture: case.architecture,
        workload: &workload,
        software: &software,
        chip: &chip,
        fabric: case.fabric,
        chips: u64::MAX,
    };
    let server = Server::new(case, &inner);
    match (case.parallelism, case.mode) {
        (_, Mode::PrefillOnly) => Ok(server.prefill_only()),
        (_, Mode::DecodeOnly) => server.decode_only(),
        (_, Mode::StaticBatch | Mode::FirstToken) => server.static_batch(),
        (Parallelism::Disaggregated { prefill, .. }, _) => server.disaggregated(&prefill),
        (Parallelism::Aggregated(_), _) => Ok(server.aggregated()),
    }
}

/// # Errors
/// When lengths or numbers of requests are beyond what anything serves.
fn check(case: &ServingCase) -> Result<(), String> {
    let lengths = &case.lengths;
    if lengths.input > MOST_TOKENS || lengths.output > MOST_TOKENS {
        return Err(format!("more than {MOST_TOKENS} tokens of a request"));
    }
    let at_once = match case.load {
        Load::Running(clients) | Load::Concurrency(clients) | Load::AtOnce(clients) => clients,
        Load::Rate(_) | Load::Saturated | Load::Within(_) => 0.0,
    };
    if at_once > MOST_CLIENTS {
        return Err(format!("more than {MOST_CLIENTS} requests at once"));
    }
    Ok(())
}

fn workload(case: &ServingCase) -> Workload {
    let lengths = &case.lengths;
    Workload {
        input: whole(lengths.input),
        output: whole(lengths.output),
        ttft: NO_LIMIT,
        tpot: NO_LIMIT,
        formats: vec![case.formats.weights],
        cache_format: case.formats.cache,
        imbalance: 1.0,
        prefix_hit: lengths.cached,
        speculation: case.speculation.map(|guess| chokepoint_serve::Speculation {
            drafted: guess.tokens,
            accepted: kept(guess.tokens, guess.acceptance),
        }),
    }
}

/// Tokens kept of some that are each right with a chance if all before are: a + a^2 + ...
fn kept(drafted: u64, acceptance: f64) -> f64 {
    (1..=drafted).map(|n| libm::pow(acceptance, n as f64)).sum()
}

/// A whole number of at least one.
pub(super) fn whole(value: f64) -> u64 {
    (libm::round(value) as u64).max(1)
}

/// Formats of the layers: experts alone are narrow in models published so (gpt-oss), and attention
/// stays in 16 bits in FP4 checkpoints of mixtures (NVIDIA's of DeepSeek-R1 leave it out).
fn precision(formats: &Formats, architecture: &Architecture) -> Precision {
    let (weights, wide) = (formats.weights, NumberFormat::Bf16);
    let mixture = architecture.experts().is_some() && weights == NumberFormat::Fp4;
    let experts_alone = mixture && architecture.native_format == Some(NumberFormat::Fp4);
    Precision {
        attention: if mixture { wide } else { weights },
        feed_forward: if experts_alone { wide } else { weights },
        experts: weights,
        inputs: formats.activations,
        cache: formats.cache,
    }
}

fn layout(spread: &Spread, mixture: bool) -> Layout {
    Layout {
        tp: spread.tp,
        pp: spread.pp,
        dp: spread.dp,
        ep: if mixture { spread.ep } else { 1 },
        etp: if mixture { spread.moe_tp } else { spread.tp },
    }
}

/// A case with what all of its loads share.
pub(super) struct Server<'a> {
    pub(super) case: &'a ServingCase<'a>,
    pub(super) decoders: Workers,
    pub(super) instance: Instance<'a>,
    /// Sequences on each attention group that memory and scheduler allow; at least one.
    most: f64,
    pub(super) fits: bool,
}

/// Steady state of one pool.
#[derive(Clone, Copy)]
struct Steady {
    /// Sequences on each group that decode.
    batch: f64,
    ttft: Seconds,
    tpot: Seconds,
    requests: f64,
    /// Whether prompts come faster than they are computed.
    full: bool,
    mean: Iteration,
}

impl<'a> Server<'a> {
    fn new(case: &'a ServingCase<'a>, inner: &'a Case<'a>) -> Self {
        let decoders = *case.parallelism.decoders();
        let instance = instance(case, inner, &decoders.spread);
        let held = instance.most_sequences();
        let most = match case.load {
            // What ran though it does not fit by our count is taken to have held its clients.
            Load::Running(clients) | Load::Concurrency(clients) if held == 0 => {
                clients / decoders.groups()
            }
            _ => held as f64,
        };
        Self {
            case,
            decoders,
            instance,
            most: most.max(1.0),
            fits: held > 0,
        }
    }

    fn software(&self) -> &Software {
        self.instance.case.software
    }

    fn workload(&self) -> &Workload {
        self.instance.case.workload
    }

    /// Tokens of an answer after the first.
    fn later(&self) -> f64 {
        (self.case.lengths.output - 1.0).max(1.0)
    }

    /// Mean context of decoding.
    fn context(&self) -> f64 {
        let lengths = &self.case.lengths;
        if lengths.whole_context {
            lengths.input
        } else {
            lengths.input + lengths.output / 2.0
        }
    }

    fn decode(&self, sequences: f64) -> Iteration {
        self.instance.iteration(&Batch {
            checked: self.workload().checked(),
            ..Batch::decodes(sequences, self.context())
        })
    }

    fn found(&self, batch: f64, parts: Parts, spread: f64, requests: f64) -> Predicted {
        let lengths = &self.case.lengths;
        let memory: MemoryTable = self.instance.memory(whole(batch));
        Predicted {
            ttft: None,
            tpot: None,
            whole: None,
            rates: Rates {
                requests_per_second: requests,
                input_tokens_per_second: requests * lengths.input,
                output_tokens_per_second: requests * lengths.output,
            },
            power: None,
            parts: named(parts),
            first: Vec::new(),
            batch,
            fits: self.fits && batch <= self.most * 1.05,
            memory: memory.total,
            spread: libm::hypot(spread, self.software().token_spread),
            first_spread: libm::hypot(spread, self.case.engine.first_spread.value),
        }
    }

    /// Prompts of some number on each group, in as many iterations as the engine's tokens take: time of
    /// all, and parts.
    fn prompts(&self, instance: &Instance, prompts: f64) -> Iteration {
        let computed = self.workload().computed_input();
        let cached = self.case.lengths.input - computed;
        let rows = prompts * computed;
        let pieces = libm::ceil(rows / self.software().most_tokens).max(1.0);
        let batch = if prompts >= pieces {
            Batch::prompts(prompts / pieces, computed, cached)
        } else {
            let chunk = rows / pieces;
            Batch::prompts(1.0, chunk, cached + (computed - chunk).max(0.0) / 2.0)
        };
        let one = instance.iteration(&batch);
        Iteration {
            parts: one.parts * pieces,
            draw: one.draw,
            spread: one.spread,
        }
    }

    /// A batch whose sequences start and end together; with answers of one token, its prompts
    /// alone.
    fn static_batch(&self) -> Result<Predicted, String> {
        let Load::Running(sequences) = self.case.load else {
            return Err("the batch is not given".to_owned());
        };
        let batch = (sequences / self.decoders.groups()).max(1.0);
        let first = self.prompts(&self.instance, batch);
        let ttft = first.total() * self.stages();
        let alone = self.case.lengths.output <= 1.0;
        let decode = self.decode(batch);
        let tpot = decode.total() / self.workload().yielded();
        let answers = if alone {
            Seconds::ZERO
        } else {
            tpot * self.later()
        };
        let all = ttft + answers;
        let parts = if alone {
            first.parts * self.stages()
        } else {
            let share = self.later() / self.case.lengths.output / self.workload().yielded();
            decode.parts * share + first.parts * (self.stages() / self.case.lengths.output)
        };
        let mut found = self.found(batch, parts, decode.spread, sequences / all.get());
        found.ttft = Some(ttft);
        found.first = named(first.parts * self.stages());
        found.tpot = (!alone).then_some(tpot);
        found.whole = Some(all);
        Ok(found)
    }

    /// Parts of a batch that pass a pipeline one after the other, over those in one stage.
    fn stages(&self) -> f64 {
        let pp = self.decoders.spread.pp as f64;
        (2.0 * pp - 1.0) / pp
    }

    /// Prompts alone: as many at once as the engine's tokens of an iteration hold.
    fn prefill_only(&self) -> Predicted {
        let groups = self.decoders.groups();
        let chunk = self.software().most_tokens / self.case.lengths.input;
        let given = match self.case.load {
            Load::Running(sequences) => sequences / groups,
            _ => f64::INFINITY,
        };
        let prompts = libm::floor(chunk.min(given)).max(1.0);
        let first = self.prompts(&self.instance, prompts);
        let requests = prompts * groups / first.total().get();
        let mut found = self.found(prompts, first.parts, first.spread, requests);
        found.ttft = Some(first.total());
        found.first.clone_from(&found.parts);
        found
    }

    /// Decoding alone at a fixed batch.
    fn decode_only(&self) -> Result<Predicted, String> {
        let Load::Running(sequences) = self.case.load else {
            return Err("the batch is not given".to_owned());
        };
        let batch = (sequences / self.decoders.groups()).max(1.0);
        let decode = self.decode(batch);
        let yielded = self.workload().yielded();
        let tokens = sequences * yielded / decode.total().get();
        let parts = decode.parts * (1.0 / yielded);
        let mut found = self.found(batch, parts, decode.spread, tokens / self.later());
        found.tpot = Some(decode.total() / yielded);
        found.rates.output_tokens_per_second = tokens;
        Ok(found)
    }

    /// One pool does both phases, under any load.
    fn aggregated(&self) -> Predicted {
        let groups = self.decoders.groups();
        let steady = match self.case.load {
            Load::Running(sequences) => self.clients((sequences / groups).max(1.0)),
            Load::Concurrency(clients) => self.clients((clients / groups).clamp(1.0, self.most)),
            Load::Saturated => self.clients(self.most),
            Load::AtOnce(requests) => self.clients((requests / groups).clamp(1.0, self.most)),
            Load::Rate(rate) => {
                let steady = self.largest(|steady| steady.requests <= rate);
                Steady {
                    requests: steady.requests.min(rate),
                    ..steady
                }
            }
            Load::Within(Limits { ttft, tpot }) => {
                self.largest(|steady| steady.tpot <= tpot && steady.ttft <= ttft)
            }
        };
        let parts = steady.mean.parts * (1.0 / self.workload().yielded());
        let mut found = self.found(steady.batch, parts, steady.mean.spread, steady.requests);
        found.tpot = Some(steady.tpot);
        found.ttft = Some(steady.ttft + self.wait(&steady) + self.case.engine.request_host.value);
        found.whole = found.ttft.map(|ttft| ttft + steady.tpot * self.later());
        if let Some(summary) = self.replayed(None) {
            self.take(&mut found, &summary);
        }
        self.split_first(&mut found, &self.instance);
        found.power = Some(self.power(&steady.mean));
        found
    }

    /// Splits the time to the first token: the request's own prompt, the host's work for the request, and
    /// what is left, waiting for others.
    fn split_first(&self, found: &mut Predicted, instance: &Instance) {
        let Some(ttft) = found.ttft else { return };
        let host = self.case.engine.request_host.value.min(ttft);
        let prompt = self.prompts(instance, 1.0).total().min(ttft - host);
        let wait = ttft - host - prompt;
        let parts = [("prompt", prompt), ("request_host", host), ("wait", wait)];
        found.first = parts.map(|(part, time)| (part, time.get())).into();
    }

    /// Mean wait of a request for a place: none where all have one; of a queue sent at once, half
    /// the time that those without a place take; of clients, what is left of their round.
    fn wait(&self, steady: &Steady) -> Seconds {
        let places = self.most * self.decoders.groups();
        match self.case.load {
            Load::AtOnce(requests) => {
                let waiting = (requests - places).max(0.0);
                let first = requests.min(places) / self.decoders.groups();
                Seconds::new(waiting / steady.requests / 2.0 * waiting / requests)
                    + self.prompts(&self.instance, first).total() * 0.5
            }
            Load::Concurrency(clients) if clients > places => {
                Seconds::new((clients - places) / steady.requests)
            }
            _ => Seconds::ZERO,
        }
    }

    /// Steady state with some sequences on each group that decode.
    fn steady(&self, batch: f64) -> Steady {
        if self.case.lengths.output <= 1.0 {
            return self.prompts_only(batch);
        }
        let flow = Flow::of(&self.instance, batch);
        let tpot = flow.mean.total() / self.workload().yielded();
        let queue = Flow {
            utilisation: flow.utilisation.min(FULL),
            ..flow
        };
        // Prompts that come faster than they are computed hold the answers up.
        let late = flow.utilisation.max(1.0);
        Steady {
            batch,
            ttft: queue.first_token(),
            tpot,
            requests: batch * self.decoders.groups() / (tpot.get() * self.later() * late),
            full: flow.utilisation > FULL,
            mean: flow.mean,
        }
    }

    /// Answers of one token: prompts one after the other.
    fn prompts_only(&self, batch: f64) -> Steady {
        let mean = self.prompts(&self.instance, batch);
        Steady {
            batch,
            ttft: mean.total(),
            tpot: mean.total(),
            requests: batch * self.decoders.groups() / mean.total().get(),
            full: false,
            mean,
        }
    }

    /// Some clients for each group, each with one request: those that do not decode wait for their
    /// first token (Little's law), N = B + rate x TTFT.
    fn clients(&self, clients: f64) -> Steady {
        let groups = self.decoders.groups();
        if self.case.lengths.output <= 1.0 {
            return self.steady(clients);
        }
        let held = |steady: &Steady| {
            if steady.full {
                f64::INFINITY
            } else {
                steady.batch + steady.requests / groups * steady.ttft.get()
            }
        };
        let (mut low, mut high) = (0.0, clients);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if held(&self.steady(middle)) <= clients {
                low = middle;
            } else {
                high = middle;
            }
        }
        let steady = self.steady(f64::midpoint(low, high));
        let answered = steady.tpot.get() * self.later();
        let ttft = clients * groups / steady.requests - answered;
        Steady {
            ttft: Seconds::new(ttft).max(steady.ttft),
            ..steady
        }
    }

    /// The largest number of sequences of which something holds, by bisection; of none the smallest.
    fn largest(&self, holds: impl Fn(&Steady) -> bool) -> Steady {
        let (mut low, mut high) = (1.0, self.most);
        let full = self.steady(high);
        if holds(&full) {
            return full;
        }
        while high - low > 1.0 {
            let middle = libm::floor(f64::midpoint(low, high));
            if holds(&self.steady(middle)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.steady(low)
    }

    /// Power of all chips while such iterations follow each other.
    fn power(&self, mean: &Iteration) -> Power {
        let chip = self.instance.case.chip;
        chip.energy(mean.draw) / mean.total() * self.decoders.chips() as f64
    }

    /// An instance of prefill workers.
    pub(super) fn prefiller(&self, workers: &Workers) -> Instance<'_> {
        instance(self.case, self.instance.case, &workers.spread)
    }

    /// A pool for each phase: as many requests as the slower of both, or as the clients send who
    /// wait for their answers.
    fn disaggregated(&self, prefill: &Workers) -> Result<Predicted, String> {
        let Load::Concurrency(clients) = self.case.load else {
            return Err("disaggregated serving without a concurrency is not predicted".to_owned());
        };
        let prefiller = self.prefiller(prefill);
        let prompt = self.prompts(&prefiller, 1.0).total();
        let late = prefiller.late(prefiller.handover(1), prompt);
        let highest = prefill.groups() / prompt.get();
        let first = |rate: f64| queued(prompt, (rate / highest).min(FULL)) + late;
        let groups = self.decoders.groups();
        let answer =
            |batch: f64| self.decode(batch).total() / self.workload().yielded() * self.later();
        let rate = |batch: f64| (batch * groups / answer(batch).get()).min(highest * FULL);
        let (mut low, mut high) = (0.0, self.most);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            let requests = rate(middle);
            let held = middle * groups + requests * first(requests).get();
            let answered = middle * groups / answer(middle).get() <= highest * FULL;
            if held <= clients && answered {
                low = middle;
            } else {
                high = middle;
            }
        }
        let batch = f64::midpoint(low, high).max(1e-3);
        let decode = self.decode(batch);
        let requests = rate(batch);
        let parts = decode.parts * (1.0 / self.workload().yielded());
        let mut found = self.found(batch, parts, decode.spread, requests);
        let tpot = decode.total() / self.workload().yielded();
        let left = Seconds::new(clients / requests) - tpot * self.later();
        found.tpot = Some(tpot);
        found.ttft = Some(first(requests).max(left));
        found.whole = found.ttft.map(|ttft| ttft + tpot * self.later());
        if let Some(summary) = self.replayed(Some(prefill)) {
            self.take(&mut found, &summary);
        }
        self.split_first(&mut found, &prefiller);
        Ok(found)
    }
}

/// Parts with their names, seconds.
fn named(parts: Parts) -> Vec<(&'static str, f64)> {
    parts
        .iter()
        .map(|(part, time)| (part.key(), time.get()))
        .collect()
}

fn instance<'a>(case: &ServingCase, inner: &'a Case<'a>, spread: &Spread) -> Instance<'a> {
    Instance {
        case: inner,
        layout: layout(spread, case.architecture.experts().is_some()),
        precision: precision(&case.formats, case.architecture),
    }
}
