//! Times of iterations for the replay, from the iteration model of serving.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use chokepoint_chip::PowerDraw;

use chokepoint_replay::{
    Chunk, Curves, DecodeTime, Engine, Iteration, Order, Preemption, StepTime,
};
use chokepoint_serve::{Batch, Instance};
use chokepoint_units::{Power, Seconds};

/// Tokens of a block of the cache (vLLM and `SGLang` defaults: 16 and, by page, up to 64).
pub(crate) const BLOCK_TOKENS: u32 = 16;

/// The time of an instance's iterations: its attention groups in lockstep, sequences spread evenly.
///
/// With pipeline stages as many batches are under way, one in each stage, and an iteration here is a
/// round of all of them: the time of a batch from the first stage to its tokens
/// ([`Instance::iteration`]), over which every other batch passes too. Batches keep their order in the
/// pipe, so one with a prompt holds up those behind it, and a round lasts as long as its longest batch.
/// Requests join at rounds, not in between: the first token comes up to a round too late.
///
/// Time over the sum of contexts is piecewise linear in the model but for windows and for the host's
/// work, so that the chords of [`Curves`], over a sixteenth of a power of two, stand for it (exact but for
/// chords with a bend inside, 0.004% at the window of gpt-oss); prompts of one iteration are taken at
/// their mean length, with as many pairs of query and key as they have. A batch of a group has at least
/// one whole prompt where there is any: with fewer prompts than batches the others wait for it.
pub(crate) struct InstanceTime<'a> {
    instance: Instance<'a>,
    /// Times of decode iterations by sequences and sum of their contexts.
    decode: RefCell<BTreeMap<(u32, u64), Seconds>>,
    /// Kinds of work of all iterations with prompts so far.
    prompt_draw: Cell<PowerDraw>,
    /// Power of a chip that decodes, by sequences, at the mean context.
    decode_power: RefCell<BTreeMap<u64, Power>>,
}

impl<'a> InstanceTime<'a> {
    pub(crate) fn new(instance: Instance<'a>) -> Self {
        Self {
            instance,
            decode: RefCell::new(BTreeMap::new()),
            prompt_draw: Cell::new(PowerDraw::default()),
            decode_power: RefCell::new(BTreeMap::new()),
        }
    }

    /// The instance.
    pub(crate) const fn instance(&self) -> &Instance<'a> {
        &self.instance
    }

    fn groups(&self) -> f64 {
        self.instance.layout.dp as f64
    }

    /// Batches under way: one of each attention group in each stage.
    pub(crate) fn batches(&self) -> f64 {
        self.groups() * self.instance.layout.pp as f64
    }

    /// The sequences of one group in one stage that decode.
    fn decodes(&self, sequences: u32, context_tokens: f64) -> Batch {
        if sequences == 0 {
            return Batch::default();
        }
        let all = f64::from(sequences);
        let of_stage = (all / self.instance.layout.pp as f64).max(1.0);
        Batch {
            checked: self.instance.case.workload.checked(),
            ..Batch::decodes(of_stage / self.groups(), context_tokens / all)
        }
    }

    /// Time of a decode iteration, kept: neighbouring chords share their ends.
    fn decode_time(&self, sequences: u32, context_tokens: f64) -> Seconds {
        let mut known = self.decode.borrow_mut();
        let time = || {
            let batch = self.decodes(sequences, context_tokens);
            self.instance.iteration(&batch).total()
        };
        *known
            .entry((sequences, context_tokens as u64))
            .or_insert_with(time)
    }

    /// An engine that schedules as the instance's, with the room that its memory leaves: blocks of a
    /// cache that grows, or places for whole requests where the engine reserves them.
    pub(crate) fn engine(&self) -> Engine {
        let (empty, one) = (self.instance.memory(0), self.instance.memory(1));
        let left = (empty.usable - empty.total).get().max(0.0);
        let fitting = left / one.cache.get() * self.batches();
        self.engine_for(fitting)
    }

    /// The same for requests of many lengths, of which the mean is the workload's: the room in tokens
    /// is what memory has. An engine that reserves whole answers takes as many requests as fit at
    /// the mean length.
    pub(crate) fn engine_of_trace(&self) -> Engine {
        let engine = self.engine();
        if self.instance.case.software.reserves_answers {
            Engine {
                blocks: engine.blocks / 2,
                ..engine
            }
        } else {
            engine
        }
    }

    /// Mean power of the chips in the iterations with prompts that were timed.
    pub(crate) fn prompt_power(&self) -> Power {
        self.power(self.prompt_draw.get())
    }

    /// Power of the chips that decode some sequences with the mean context.
    pub(crate) fn decode_power(&self, sequences: u64) -> Power {
        let mut known = self.decode_power.borrow_mut();
        *known.entry(sequences).or_insert_with(|| {
            let workload = self.instance.case.workload;
            let mean = workload.input as f64 + workload.output as f64 / 2.0;
            let sequences = u32::try_from(sequences).unwrap_or(u32::MAX);
            let batch = self.decodes(sequences, mean * f64::from(sequences));
            self.power(self.instance.iteration(&batch).draw)
        })
    }

    /// Power of the chips that wait.
    pub(crate) fn idle_power(&self) -> Power {
        self.instance.case.chip.idle() * self.instance.layout.chips() as f64
    }

    /// Mean power of the chips over such work; idle power for none.
    fn power(&self, draw: PowerDraw) -> Power {
        let time = draw.time();
        if time > Seconds::ZERO {
            let chip = self.instance.case.chip;
            chip.energy(draw) / time * self.instance.layout.chips() as f64
        } else {
            self.idle_power()
        }
    }

    /// The same with room for so many sequences, over all attention groups, whatever its memory.
    pub(crate) fn engine_for(&self, fitting: f64) -> Engine {
        let Instance { case, layout, .. } = self.instance;
        let (software, workload) = (case.software, case.workload);
        let most = software.most_sequences.saturating_mul(layout.dp);
        let (sequences, tokens) = if software.reserves_answers {
            let whole = (workload.input + workload.output) as f64;
            let places = (fitting as u64).clamp(1, most);
            (places, 2.0 * fitting.max(1.0) * whole)
        } else {
            let held = workload.input as f64 + workload.output as f64 / 2.0;
            (most, fitting * held)
        };
        let sequences = u32::try_from(sequences).unwrap_or(u32::MAX);
        let budget = (software.most_tokens * self.batches()) as u32;
        Engine {
            max_sequences: sequences,
            max_tokens: budget.max(sequences),
            chunked_prefill: true,
            order: if software.mixes {
                Order::Mixed
            } else {
                Order::PrefillFirst
            },
            block_tokens: BLOCK_TOKENS,
            blocks: (tokens / f64::from(BLOCK_TOKENS)) as u64,
            watermark_blocks: 0,
            prefix_cache: false,
            preemption: Preemption::Recompute,
            tokens_per_iteration: workload.yielded(),
        }
    }
}

impl StepTime for InstanceTime<'_> {
    fn mixed(&self, iteration: &Iteration<'_>) -> Seconds {
        let prompts = mean_chunk(iteration.chunks);
        let of_batch = (prompts.prompts / self.batches()).max(1.0);
        let batch = Batch {
            prompts: of_batch,
            ..prompts
        }
        .beside(&self.decodes(iteration.decodes, iteration.context_tokens));
        let found = self.instance.iteration(&batch);
        let mut draw = self.prompt_draw.get();
        draw += found.draw;
        self.prompt_draw.set(draw);
        found.total()
    }

    fn decode(&self, decodes: u32, context_tokens: f64) -> DecodeTime {
        let curves = Curves {
            mixed: |iteration: &Iteration<'_>| self.mixed(iteration),
            decode: |decodes, context| self.decode_time(decodes, context),
        };
        curves.decode(decodes, context_tokens)
    }
}

/// Chunks as so many of their mean length, with the same pairs of query and key.
fn mean_chunk(chunks: &[Chunk]) -> Batch {
    let sum = chunks.iter().fold((0.0, 0.0), |sum, chunk| {
        let (new, past) = (f64::from(chunk.new_tokens), f64::from(chunk.past_tokens));
        (sum.0 + new, sum.1 + new * (past + new / 2.0))
    });
    let count = chunks.len() as f64;
    let new = sum.0 / count;
    let past = (sum.1 / sum.0 - new / 2.0).max(0.0);
    Batch::prompts(count, new, past)
}

#[cfg(test)]
mod tests {
    use chokepoint_serve::{Case, Layout, Workload};
    use chokepoint_units::NumberFormat;

    use super::*;
    use crate::Data;
    use crate::resolve::system_parts;
    use crate::serving_software::serving_software;

    /// Largest relative error of chords against the model itself, over batches and contexts that lie on
    /// no point of the grid.
    fn worst(model: &str, layout: Layout) -> f64 {
        let data = Data::load(&[]).unwrap();
        let parts = system_parts(&data.catalog, "hgx-h200").unwrap();
        let engine = data.catalog.engine("vllm").unwrap();
        let workload = Workload {
            input: 1000,
            output: 200,
            ttft: Seconds::new(1e9),
            tpot: Seconds::new(1e9),
            formats: vec![NumberFormat::Fp8],
            cache_format: NumberFormat::Bf16,
            imbalance: 1.0,
            prefix_hit: 0.0,
            speculation: None,
        };
        let case = Case {
            architecture: &data.model(model).unwrap(),
            workload: &workload,
            software: &serving_software(engine, &parts.chip.calibration.curve),
            chip: &parts.spec.as_ref().unwrap().under_load(),
            fabric: &parts.fabric,
            chips: u64::MAX,
        };
        let time = InstanceTime::new(Instance {
            case: &case,
            layout,
            precision: case.precision(),
        });
        let mut worst = 0.0_f64;
        for decodes in [1, 7, 33, 100, 251] {
            for mean in [
                37.0, 126.1, 128.9, 333.0, 1111.0, 4099.0, 17_777.0, 99_991.0,
            ] {
                let context = mean * f64::from(decodes);
                let chord = time.decode(decodes, context);
                assert!(chord.from_tokens <= context && context <= chord.to_tokens);
                let line = chord.lines()[0];
                let chord = line.base + line.per_token * context;
                let exact = time.instance.iteration(&time.decodes(decodes, context));
                worst = worst.max((chord / exact.total() - 1.0).abs());
            }
        }
        worst
    }

    #[test]
    fn chords_stand_for_the_time_of_decoding() {
        // The norm with the least time of sequences and windows of 128 tokens bend within a chord.
        for (model, layout) in [
            ("llama-3.1-8b", Layout::tensor(1)),
            ("llama-3.1-70b", Layout::tensor(4)),
            ("gpt-oss-120b", Layout::tensor(2)),
            ("deepseek-v3", Layout::expert(1, 8)),
        ] {
            let off = worst(model, layout);
            assert!(off < 2e-4, "{model}: {off}");
        }
    }
}
