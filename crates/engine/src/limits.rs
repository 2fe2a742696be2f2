//! What a scenario's numbers may be: a field that is out of its range, and what is wrong with it.

use chokepoint_units::{NumberFormat, Quantity};

use crate::scenario::{Derive, FixedPlan, Workload};

/// Largest count of chips, tokens of a sequence, sequences and degrees of parallelism that a
/// scenario may ask for: ten times the largest cluster announced, and far from overflow.
pub(crate) const MOST_COUNTED: u64 = 1 << 20;

/// A field and what is wrong with it.
pub(crate) type Wrong = (&'static str, String);

fn positive(name: &'static str, value: f64) -> Option<Wrong> {
    let possible = value > 0.0 && value.is_finite();
    (!possible).then(|| (name, format!("must be positive, found {value}")))
}

fn count(name: &'static str, value: u64) -> Option<Wrong> {
    let possible = (1..=MOST_COUNTED).contains(&value);
    (!possible).then(|| {
        (
            name,
            format!("must lie between 1 and {MOST_COUNTED}, found {value}"),
        )
    })
}

/// The first impossible number of a workload.
pub(crate) fn workload(workload: &Workload) -> Option<Wrong> {
    match workload {
        Workload::Training(w) => [
            positive("tokens", w.tokens),
            count("sequence", w.sequence),
            count("global_batch", w.global_batch),
            common(&w.formats, w.expert_imbalance),
            trainable(&w.formats),
            moments(w.moments),
            w.plan.as_ref().and_then(plan),
        ]
        .into_iter()
        .flatten()
        .next(),
        Workload::Serving(w) => [
            count("input", w.input),
            count("output", w.output),
            positive("ttft", w.ttft.get()),
            positive("tpot", w.tpot.get()),
            w.requests_per_second
                .and_then(|rate| positive("requests_per_second", rate)),
            common(&w.formats, w.expert_imbalance),
        ]
        .into_iter()
        .flatten()
        .next(),
    }
}

fn common(formats: &[NumberFormat], imbalance: f64) -> Option<Wrong> {
    if formats.is_empty() {
        return Some(("formats", "must name at least one number format".to_owned()));
    }
    let possible = (1.0..=64.0).contains(&imbalance);
    (!possible).then(|| {
        (
            "expert_imbalance",
            format!("must lie between 1 and 64, found {imbalance}"),
        )
    })
}

/// Integers are not trained in: no published pre-training run multiplies in them.
fn trainable(formats: &[NumberFormat]) -> Option<Wrong> {
    let integer = formats.contains(&NumberFormat::Int8);
    integer.then(|| {
        (
            "formats",
            "of a training workload must be floating point, found int8".to_owned(),
        )
    })
}

fn moments(format: NumberFormat) -> Option<Wrong> {
    let known = matches!(format, NumberFormat::Fp32 | NumberFormat::Bf16);
    (!known).then(|| {
        (
            "moments",
            format!("must be \"fp32\" or \"bf16\", found \"{format}\""),
        )
    })
}

fn plan(plan: &FixedPlan) -> Option<Wrong> {
    let degrees = [
        plan.tp,
        plan.cp,
        plan.ep,
        plan.pp,
        plan.vp,
        plan.dp.unwrap_or(1),
        plan.micro_batch,
    ];
    let chips = degrees
        .iter()
        .try_fold(1_u64, |product, degree| product.checked_mul(*degree));
    let possible = degrees
        .iter()
        .all(|degree| (1..=MOST_COUNTED).contains(degree))
        && chips.is_some();
    (!possible).then(|| ("plan", format!("has a degree outside 1 to {MOST_COUNTED}")))
}

/// The first impossible number of a derived part: its id and what is wrong.
pub(crate) fn parts(derive: &Derive) -> Option<(String, String)> {
    for (id, chip) in &derive.chips {
        let numbers = [
            chip.memory_capacity.map(Quantity::base),
            chip.memory_bandwidth.map(Quantity::base),
            chip.tdp.map(Quantity::base),
        ];
        let peaks = chip.peak.values().map(|peak| Some(peak.base()));
        if numbers
            .into_iter()
            .chain(peaks)
            .flatten()
            .any(|value| value <= 0.0)
        {
            return Some((
                id.clone(),
                "figures of a derived chip must be positive".to_owned(),
            ));
        }
    }
    for (id, system) in &derive.systems {
        let numbers = [
            system.domain_bandwidth.map(Quantity::base),
            system.scale_out_bandwidth.map(Quantity::base),
        ];
        let chips = system
            .domain_chips
            .is_none_or(|chips| (1..=MOST_COUNTED).contains(&chips));
        if !chips || numbers.into_iter().flatten().any(|value| value <= 0.0) {
            return Some((
                id.clone(),
                "figures of a derived system must be positive".to_owned(),
            ));
        }
    }
    None
}
