//! Disaggregated serving: which pools, how many instances of each, and with what batch.
//!
//! Every decode layout meets every prefill layout and prompt batch. A pair is bounded by its
//! continuous optimum, N / (chips for an answered request + chips for a prefilled one); pairs are
//! visited in falling order of the bound until none can beat what is known.

use chokepoint_chip::Precision;
use chokepoint_units::Seconds;

use crate::best_size::best_size;
use crate::layouts::powers_of_two;
use crate::memory::{allowed, largest_batch, prompt_memory};
use crate::steady::{
    answer_rate, decode_batch, handover, late, prompt_batch, prompt_rate, utilisation_within,
};
use crate::{Case, Instance, Layout, Pool};

/// Largest prompt batch of a prefill instance's attention group.
const MOST_PROMPTS: u64 = 8;

/// A decode layout with the batch that answers most, of those that fit and meet the target for later
/// tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder {
    layout: Layout,
    batch: u64,
    /// Requests that an instance answers in a second.
    answers: f64,
}

/// A prefill layout with a prompt batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefiller {
    layout: Layout,
    prompts: u64,
    /// Prompts that an instance prefills in a second at the highest utilisation that the target
    /// for the first token allows.
    rate: f64,
}

/// A pair of pools with the highest rate that any number of instances can reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    decoder: Decoder,
    prefiller: Prefiller,
    /// Upper bound of the requests of a second on all chips.
    pub bound: f64,
}

/// Every decode layout that can serve.
pub(crate) fn decoders(case: &Case, layouts: &[Layout], precision: Precision) -> Vec<Decoder> {
    let limit = case.workload.tpot * case.workload.yielded();
    let mut found = Vec::new();
    for layout in layouts {
        let fits = largest_batch(case, layout, precision).min(allowed(case, layout));
        let time = |batch| decode_time(case, layout, precision, batch);
        let most = largest(fits, |batch| time(batch) <= limit);
        let answers = |batch| decoder(case, layout, precision, batch).answers;
        if let Some(batch) = best_size(most, 0.0, answers) {
            found.push(decoder(case, layout, precision, batch));
        }
    }
    found
}

/// A decode layout with a batch.
pub(crate) fn decoder(case: &Case, layout: &Layout, precision: Precision, batch: u64) -> Decoder {
    let one = Pool {
        instances: 1,
        layout: *layout,
        batch,
    };
    let time = decode_time(case, layout, precision, batch);
    Decoder {
        layout: *layout,
        batch,
        answers: answer_rate(case, &one, precision, time),
    }
}

fn decode_time(case: &Case, layout: &Layout, precision: Precision, batch: u64) -> Seconds {
    let instance = Instance {
        case,
        layout: *layout,
        precision,
    };
    instance
        .iteration(&decode_batch(case, batch as f64))
        .total()
}

/// Every prefill layout and prompt batch that fits and whose prompt alone is early enough.
pub(crate) fn prefillers(case: &Case, layouts: &[Layout], precision: Precision) -> Vec<Prefiller> {
    let mut found = Vec::new();
    for layout in layouts {
        for prompts in powers_of_two(MOST_PROMPTS) {
            let held = prompt_memory(case, layout, precision, prompts);
            if held.total > held.usable {
                break;
            }
            let instance = Instance {
                case,
                layout: *layout,
                precision,
            };
            let (time, transfer) = (
                instance
                    .iteration(&prompt_batch(case, prompts as f64))
                    .total(),
                handover(case, layout, precision, prompts),
            );
            let late = late(case, transfer, time);
            let Some(highest) = utilisation_within(time, case.workload.ttft - late) else {
                break;
            };
            let one = Pool {
                instances: 1,
                layout: *layout,
                batch: prompts,
            };
            let rate = prompt_rate(&one, time, transfer) * highest;
            if rate > 0.0 {
                found.push(Prefiller {
                    layout: *layout,
                    prompts,
                    rate,
                });
            }
        }
    }
    found
}

impl Prefiller {
    /// Chips for one prompt of a second.
    pub(crate) fn chips_for_a_prompt(&self) -> f64 {
        self.layout.chips() as f64 / self.rate
    }
}

/// All pairs, highest bound first; pairs of equal bound in the order of their layouts.
pub(crate) fn pairs(case: &Case, decoders: &[Decoder], prefillers: &[Prefiller]) -> Vec<Pair> {
    let pair = |decoder: &Decoder, prefiller: &Prefiller| {
        let chips =
            decoder.layout.chips() as f64 / decoder.answers + prefiller.chips_for_a_prompt();
        Pair {
            decoder: *decoder,
            prefiller: *prefiller,
            bound: case.chips as f64 / chips,
        }
    };
    let mut found: Vec<Pair> = decoders
        .iter()
        .flat_map(|d| prefillers.iter().map(move |p| pair(d, p)))
        .collect();
    found.sort_by(|a, b| b.bound.total_cmp(&a.bound));
    found
}

impl Pair {
    /// Numbers of instances worth trying, with the rate of each, best first.
    ///
    /// Beyond the balance more decode instances add nothing; below it each fewer loses its
    /// answers, unless its chips make up another prefill instance. The window holds every number
    /// that can be best.
    pub(crate) fn splits(&self, chips: u64) -> Vec<(Pool, Pool, f64)> {
        let (decoder, prefiller) = (&self.decoder, &self.prefiller);
        let (decode_chips, prefill_chips) = (decoder.layout.chips(), prefiller.layout.chips());
        let balance = self.bound / decoder.answers;
        let exchange = prefill_chips.div_ceil(decode_chips) + 1;
        let low = (balance as u64).saturating_sub(exchange).max(1);
        let high = (balance as u64 + 1).min(chips / decode_chips);
        let mut found = Vec::new();
        for instances in low..=high {
            let prefill = (chips - instances * decode_chips) / prefill_chips;
            if prefill > 0 {
                let rate =
                    (instances as f64 * decoder.answers).min(prefill as f64 * prefiller.rate);
                let decode = Pool {
                    instances,
                    layout: decoder.layout,
                    batch: decoder.batch,
                };
                let prefill = Pool {
                    instances: prefill,
                    layout: prefiller.layout,
                    batch: prefiller.prompts,
                };
                found.push((decode, prefill, rate));
            }
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
