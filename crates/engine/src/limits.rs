//! What a scenario's numbers may be: a field that is out of its range, and what is wrong with it.

use chokepoint_units::{NumberFormat, Quantity};

use crate::scenario::{Derive, FixedPlan, Workload};

/// Largest count of chips, tokens of a sequence, sequences and degrees of parallelism that a
/// scenario may ask for: ten times the largest cluster announced, and far from overflow.
pub(crate) const MOST_COUNTED: u64 = 1 << 20;

/// A field and what is wrong with it.
pub(crate) type Wrong = (&'static str, String);

/// A number that must lie above zero.
pub(crate) fn positive(name: &'static str, value: f64) -> Option<Wrong> {
    let possible = value > 0.0 && value.is_finite();
    (!possible).then(|| (name, format!("must be positive, found {value}")))
}

/// A number that must be a share of something.
pub(crate) fn share(name: &'static str, value: f64) -> Option<Wrong> {
    let possible = (0.0..=1.0).contains(&value);
    (!possible).then(|| (name, format!("must lie between 0 and 1, found {value}")))
}

/// A count that must lie between one and the most that is counted.
pub(crate) fn count(name: &'static str, value: u64) -> Option<Wrong> {
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
            w.moments.and_then(moments),
            w.plan.as_ref().and_then(plan),
            w.published
                .as_ref()
                .and_then(|p| positive("published", p.chip_hours_per_trillion_tokens)),
        ]
        .into_iter()
        .flatten()
        .next(),
        Workload::Serving(w) => [
            count("input", w.input),
            answers(w.output),
            positive("ttft", w.ttft.get()),
            positive("tpot", w.tpot.get()),
            w.requests_per_second
                .and_then(|rate| positive("requests_per_second", rate)),
            common(&w.formats, w.expert_imbalance),
            prefix_hit(w.prefix_hit),
            drafts(w.drafted_tokens, w.accepted_tokens),
        ]
        .into_iter()
        .flatten()
        .next(),
    }
}

/// Tokens of an answer: of a single one there is no time for later ones.
fn answers(output: u64) -> Option<Wrong> {
    let possible = (2..=MOST_COUNTED).contains(&output);
    let message = format!("must lie between 2 and {MOST_COUNTED}, found {output}");
    (!possible).then_some(("output", message))
}

fn prefix_hit(share: f64) -> Option<Wrong> {
    let possible = (0.0..1.0).contains(&share);
    let message = format!("must be at least 0 and below 1, found {share}");
    (!possible).then_some(("prefix_hit", message))
}

/// Drafted tokens and those kept of them, which belong together.
pub(crate) fn drafts(drafted: Option<u64>, accepted: Option<f64>) -> Option<Wrong> {
    const MOST_DRAFTED: u64 = 64;
    match (drafted, accepted) {
        (None, None) => None,
        (Some(drafted), _) if !(1..=MOST_DRAFTED).contains(&drafted) => Some((
            "drafted_tokens",
            format!("must lie between 1 and {MOST_DRAFTED}, found {drafted}"),
        )),
        (Some(drafted), Some(accepted)) => {
            let possible = (0.0..=drafted as f64).contains(&accepted);
            let message = format!("must lie between 0 and drafted_tokens, found {accepted}");
            (!possible).then_some(("accepted_tokens", message))
        }
        (Some(_), None) => Some((
            "accepted_tokens",
            "is needed with drafted_tokens: how many are kept in the mean".to_owned(),
        )),
        (None, Some(_)) => Some((
            "drafted_tokens",
            "is needed with accepted_tokens: how many are drafted".to_owned(),
        )),
    }
}

fn common(formats: &[NumberFormat], imbalance: f64) -> Option<Wrong> {
    if formats.is_empty() {
        return Some(("formats", "must name at least one number format".to_owned()));
    }
    self::imbalance(imbalance)
}

/// Load of the busiest expert rank over the mean.
pub(crate) fn imbalance(ratio: f64) -> Option<Wrong> {
    let possible = (1.0..=64.0).contains(&ratio);
    (!possible).then(|| {
        (
            "expert_imbalance",
            format!("must lie between 1 and 64, found {ratio}"),
        )
    })
}

/// Formats that a run may be trained in.
pub(crate) fn trained(formats: &[NumberFormat]) -> Option<Wrong> {
    common(formats, 1.0).or_else(|| trainable(formats))
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

/// The first impossible number of a derived part: its id, the field and what is wrong.
pub(crate) fn parts(derive: &Derive) -> Option<(String, Wrong)> {
    let chips = derive.chips.iter().map(|(id, chip)| {
        let peak = chip
            .peak
            .values()
            .find_map(|peak| positive("peak", peak.base()));
        let numbers = [
            ("memory_capacity", chip.memory_capacity.map(Quantity::base)),
            (
                "memory_bandwidth",
                chip.memory_bandwidth.map(Quantity::base),
            ),
            ("tdp", chip.tdp.map(Quantity::base)),
        ];
        (id, peak.or_else(|| first(numbers)))
    });
    let systems = derive.systems.iter().map(|(id, system)| {
        let chips = system
            .domain_chips
            .and_then(|chips| count("domain_chips", chips));
        let numbers = [
            (
                "domain_bandwidth",
                system.domain_bandwidth.map(Quantity::base),
            ),
            (
                "scale_out_bandwidth",
                system.scale_out_bandwidth.map(Quantity::base),
            ),
        ];
        (id, chips.or_else(|| first(numbers)))
    });
    chips
        .chain(systems)
        .find_map(|(id, wrong)| Some((id.clone(), wrong?)))
}

fn first<const N: usize>(numbers: [(&'static str, Option<f64>); N]) -> Option<Wrong> {
    numbers
        .into_iter()
        .find_map(|(name, value)| positive(name, value?))
}
