//! Disaggregated serving: which pools, how many instances of each, and with what batch.
//!
//! Every decode layout meets every prefill layout and prompt batch. A pair is bounded by its
//! continuous optimum, N / (chips for an answered request + chips for a prefilled one); pairs are
//! visited in falling order of the bound until none can beat what is known.

use chokepoint_units::{NumberFormat, Seconds};

use crate::iteration::{decode, prefill};
use crate::memory::largest_batch;
use crate::steady::{cache_transfer, mean_context, utilisation_within};
use crate::{Case, Layout, Pool};

/// Largest prompt batch of a prefill instance's attention group.
const MOST_PROMPTS: u64 = 8;
/// Most sequences on an attention group, a bound of engines' schedulers.
pub(crate) const MOST_SEQUENCES: u64 = 4096;

/// A decode layout with the largest batch that fits and meets the target for later tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder {
    pub layout: Layout,
    pub batch: u64,
    /// Requests that an instance answers in a second.
    pub answers: f64,
    /// Time of an iteration at the largest batch, and with one sequence.
    slowest: Seconds,
    fastest: Seconds,
}

/// A prefill layout with a prompt batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefiller {
    pub layout: Layout,
    pub prompts: u64,
    /// Time of a prompt batch.
    time: Seconds,
    /// Time to hand its cache over.
    transfer: Seconds,
}

/// A pair of pools with the highest rate that any number of instances can reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub decoder: Decoder,
    pub prefiller: Prefiller,
    /// Upper bound of the requests of a second on all chips.
    pub bound: f64,
    /// Prompts that an instance prefills in a second at the highest utilisation that the target
    /// for the first token allows, with the fastest and with the slowest decode iteration.
    prompts: (f64, f64),
}

/// Every decode layout that can serve.
pub(crate) fn decoders(case: &Case, layouts: &[Layout], format: NumberFormat) -> Vec<Decoder> {
    let time =
        |layout: &Layout, batch| decode(case, layout, format, batch, mean_context(case)).total();
    let mut found = Vec::new();
    for layout in layouts {
        let fits = largest_batch(case, layout, format).min(MOST_SEQUENCES);
        let meets = |batch: u64| time(layout, batch) <= case.workload.tpot;
        let batch = largest(fits, meets);
        if batch == 0 {
            continue;
        }
        let slowest = time(layout, batch);
        let answers = (layout.dp * batch) as f64 / (slowest.get() * case.workload.output as f64);
        found.push(Decoder {
            layout: *layout,
            batch,
            answers,
            slowest,
            fastest: time(layout, 1),
        });
    }
    found
}

/// Every prefill layout and prompt batch whose prompt alone is early enough.
pub(crate) fn prefillers(case: &Case, layouts: &[Layout], format: NumberFormat) -> Vec<Prefiller> {
    let mut found = Vec::new();
    for layout in layouts
        .iter()
        .filter(|layout| largest_batch(case, layout, format) > 0)
    {
        let transfer = cache_transfer(case, layout);
        let mut prompts = 1;
        while prompts <= MOST_PROMPTS {
            let time = prefill(case, layout, format, prompts).total();
            if time + transfer > case.workload.ttft {
                break;
            }
            found.push(Prefiller {
                layout: *layout,
                prompts,
                time,
                transfer,
            });
            prompts *= 2;
        }
    }
    found
}

/// All pairs, highest bound first; pairs of equal bound in the order of their layouts.
pub(crate) fn pairs(case: &Case, decoders: &[Decoder], prefillers: &[Prefiller]) -> Vec<Pair> {
    let mut found: Vec<Pair> = decoders
        .iter()
        .flat_map(|d| prefillers.iter().filter_map(|p| pair(case, *d, *p)))
        .collect();
    found.sort_by(|a, b| b.bound.total_cmp(&a.bound));
    found
}

fn pair(case: &Case, decoder: Decoder, prefiller: Prefiller) -> Option<Pair> {
    let rate = (prefiller.layout.dp * prefiller.prompts) as f64 / prefiller.time.get();
    let within = |iteration: Seconds| {
        utilisation_within(
            prefiller.time,
            case.workload.ttft - prefiller.transfer - iteration,
        )
        .map_or(0.0, |utilisation| utilisation * rate)
    };
    let prompts = (within(decoder.fastest), within(decoder.slowest));
    if prompts.0 <= 0.0 {
        return None;
    }
    let chips = decoder.layout.chips() as f64 / decoder.answers
        + prefiller.layout.chips() as f64 / prompts.0;
    Some(Pair {
        decoder,
        prefiller,
        bound: case.chips as f64 / chips,
        prompts,
    })
}

impl Pair {
    /// Numbers of instances worth trying, with the highest rate each can reach, best first.
    ///
    /// Beyond the balance more decode instances add nothing; below it each fewer loses its
    /// answers, unless its chips make up another prefill instance. The window holds every number
    /// that can be best.
    pub(crate) fn splits(&self, chips: u64) -> Vec<(Pool, Pool, f64)> {
        let (decode_chips, prefill_chips) =
            (self.decoder.layout.chips(), self.prefiller.layout.chips());
        let balance = |prompts: f64| {
            let unit = decode_chips as f64
                + prefill_chips as f64 * self.decoder.answers / prompts.max(1e-300);
            chips as f64 / unit
        };
        let exchange = prefill_chips.div_ceil(decode_chips) + 1;
        let low = (balance(self.prompts.1) as u64)
            .saturating_sub(exchange)
            .max(1);
        let high = balance(self.prompts.0) as u64 + 2;
        let mut found = Vec::new();
        for instances in low..=high.min(chips / decode_chips) {
            let prefill = (chips - instances * decode_chips) / prefill_chips;
            if prefill == 0 {
                break;
            }
            let rate =
                (instances as f64 * self.decoder.answers).min(prefill as f64 * self.prompts.0);
            found.push((
                Pool {
                    instances,
                    layout: self.decoder.layout,
                    batch: self.decoder.batch,
                },
                Pool {
                    instances: prefill,
                    layout: self.prefiller.layout,
                    batch: self.prefiller.prompts,
                },
                rate,
            ));
        }
        found.sort_by(|a, b| b.2.total_cmp(&a.2));
        found
    }
}

/// The largest number up to a limit that meets a condition which larger ones lose; 0 when none.
pub(crate) fn largest(limit: u64, mut meets: impl FnMut(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = high - (high - low) / 2;
        if meets(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
