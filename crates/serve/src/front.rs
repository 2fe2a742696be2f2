//! The front of interactivity against throughput.

use chokepoint_units::Seconds;

use crate::layouts::layouts;
use crate::memory::{allowed, largest_batch};
use crate::pools::{decoder, pairs, prefillers};
use crate::{Case, Layout, Plan, Pool, Prediction, Workload, evaluate};

/// Plans of which none has both more tokens a second for each user and more a second for each chip
/// (all chips of the case), fastest for users first. The first token must come in time; the target for
/// later tokens is what the front is about and is left aside.
///
/// Every layout is tried with batches 1, 2, 3, 4, 6, 8, 12 and so on, alone and with the prefill pool
/// that takes the fewest chips for a prompt: a front within a third of a batch step of the exact one.
#[must_use]
pub fn front(case: &Case) -> Vec<Prediction> {
    let workload = Workload {
        tpot: Seconds::new(f64::INFINITY),
        ..case.workload.clone()
    };
    let case = Case {
        workload: &workload,
        ..*case
    };
    let layouts = layouts(&case);
    let mut found = Vec::new();
    for layout in &layouts {
        for batch in batches(&case, layout) {
            let decode = Pool {
                instances: case.chips / layout.chips(),
                layout: *layout,
                batch,
            };
            let plan = Plan {
                decode,
                prefill: None,
                precision: case.precision(),
            };
            found.extend(evaluate(&case, &plan).ok());
        }
    }
    found.extend(with_prefill(&case, &layouts));
    undominated(found)
}

/// Batches of a layout that fit.
fn batches(case: &Case, layout: &Layout) -> impl Iterator<Item = u64> {
    let most = largest_batch(case, layout, case.precision()).min(allowed(case, layout));
    let steps = (0..64).flat_map(|power| [1_u64 << power, (1_u64 << power) / 2 * 3]);
    let mut last = 0;
    steps
        .take_while(move |batch| *batch <= most)
        .filter(move |batch| {
            let new = *batch > last;
            last = *batch;
            new
        })
}

/// Decode layouts beside the prefill pool that takes the fewest chips for a prompt.
fn with_prefill(case: &Case, layouts: &[Layout]) -> Vec<Prediction> {
    let precision = case.precision();
    let pools = prefillers(case, layouts, precision);
    let best = pools
        .iter()
        .min_by(|a, b| a.chips_for_a_prompt().total_cmp(&b.chips_for_a_prompt()));
    let Some(best) = best else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for layout in layouts {
        for batch in batches(case, layout) {
            let decoders = [decoder(case, layout, precision, batch)];
            let pair = pairs(case, &decoders, std::slice::from_ref(best));
            let splits = pair.iter().flat_map(|pair| pair.splits(case.chips));
            let plans = splits.take(1).map(|(decode, prefill, _)| Plan {
                decode,
                prefill: Some(prefill),
                precision,
            });
            found.extend(plans.filter_map(|plan| evaluate(case, &plan).ok()));
        }
    }
    found
}

/// Those that no other beats in both, fastest for users first.
fn undominated(mut found: Vec<Prediction>) -> Vec<Prediction> {
    found.sort_by(|a, b| {
        let rate = |it: &Prediction| it.output_tokens_per_second;
        a.tpot
            .get()
            .total_cmp(&b.tpot.get())
            .then(rate(b).total_cmp(&rate(a)))
    });
    let mut best = 0.0;
    found.retain(|plan| {
        let better = plan.output_tokens_per_second > best;
        best = plan.output_tokens_per_second.max(best);
        better
    });
    found
}
