//! How a row spreads its instances over chips.

use super::case::{Parallelism, Spread, Workers};
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// Columns of a pool of workers.
struct Columns {
    workers: &'static str,
    chips: &'static str,
    tp: &'static str,
    pp: &'static str,
    dp: &'static str,
    ep: &'static str,
}

const PREFILL: Columns = Columns {
    workers: "prefill_workers",
    chips: "n_prefill_chips",
    tp: "prefill_tp",
    pp: "prefill_pp",
    dp: "prefill_dp",
    ep: "prefill_ep",
};

const DECODE: Columns = Columns {
    workers: "decode_workers",
    chips: "n_decode_chips",
    tp: "decode_tp",
    pp: "decode_pp",
    dp: "decode_dp",
    ep: "decode_ep",
};

const WHOLE: Columns = Columns {
    workers: "",
    chips: "n_chips",
    tp: "tp",
    pp: "pp",
    dp: "dp_attention",
    ep: "ep",
};

/// How a row spreads its instances; `experts` of its model, `dies` of a package.
pub(super) fn parallelism(
    row: &Row,
    experts: Option<u64>,
    dies: u64,
    assumed: &mut Assumed,
) -> Result<Parallelism, String> {
    let mode = row.lower("mode");
    if !mode.starts_with("disagg") {
        let pool = pool(row, &WHOLE, experts, dies, assumed)?;
        return Ok(Parallelism::Aggregated(pool));
    }
    if row.count("prefill_workers").is_none() || row.count("decode_workers").is_none() {
        return Err("the number of prefill and decode workers is not given".to_owned());
    }
    Ok(Parallelism::Disaggregated {
        prefill: pool(row, &PREFILL, experts, dies, assumed)?,
        decode: pool(row, &DECODE, experts, dies, assumed)?,
    })
}

fn pool(
    row: &Row,
    columns: &Columns,
    experts: Option<u64>,
    dies: u64,
    assumed: &mut Assumed,
) -> Result<Workers, String> {
    let chips = row.count(columns.chips);
    let dp = row.count(columns.dp);
    let tp = row.count(columns.tp).or_else(|| dp.map(|_| 1));
    let tp = match (tp, chips) {
        (Some(tp), _) => tp,
        // One chip has one layout; a model that fits eight is served by all of a node.
        (None, Some(chips)) if chips <= 8 => {
            assumed.taken(columns.tp, chips);
            chips
        }
        (None, _) => return Err(format!("{} is not given", columns.tp)),
    };
    let (pp, dp) = (row.count(columns.pp).unwrap_or(1), dp.unwrap_or(1));
    let (tp, dp) = packages((tp, pp, dp), chips, dies, assumed);
    let (tp, dp) = within((tp, pp, dp), chips, assumed);
    let spread = row.count(columns.ep).filter(|_| experts.is_some());
    let dp = spread_attention((tp, pp, dp), spread, chips, assumed);
    let held = tp.saturating_mul(pp).saturating_mul(dp);
    let instance = tp.saturating_mul(dp);
    let ep = experts.map_or(1, |experts| {
        let stated = row.count(columns.ep);
        expert_degree(stated, instance.min(experts), dp > 1, columns.ep, assumed)
    });
    if chips.is_some_and(|chips| held > chips) && row.count(columns.workers).is_none() {
        return Err(format!(
            "{} chips of an instance are more than there are",
            held
        ));
    }
    let count = match (row.count(columns.workers), chips) {
        (Some(workers), _) => workers,
        (None, Some(chips)) => (chips / held).max(1),
        (None, None) => return Err(format!("{} is not given", columns.chips)),
    };
    let moe_tp = match experts {
        Some(_) => row
            .count("moe_tp")
            .unwrap_or_else(|| (instance / ep).max(1)),
        None => 1,
    };
    Ok(Workers {
        count,
        spread: Spread {
            tp,
            pp,
            dp,
            ep,
            moe_tp,
        },
    })
}

/// Expert parallelism, at most what an instance's chips and experts allow. Data-parallel attention
/// spreads experts whole; else engines split each by default.
fn expert_degree(
    stated: Option<u64>,
    most: u64,
    spread: bool,
    column: &str,
    assumed: &mut Assumed,
) -> u64 {
    stated.map_or_else(
        || {
            let degree = if spread { most } else { 1 };
            if most > 1 {
                assumed.taken(column, degree);
            }
            degree
        },
        |stated| stated.min(most),
    )
}

/// Degrees that fit the chips: where tensor parallelism alone takes them all, data-parallel
/// attention is inside it (`SGLang` `--dp-size` with `--enable-dp-attention`).
fn within((tp, pp, dp): (u64, u64, u64), chips: Option<u64>, assumed: &mut Assumed) -> (u64, u64) {
    let fits = |degrees: u64| chips.is_none_or(|chips| degrees <= chips);
    let inside = tp.saturating_mul(pp);
    if dp > 1 && tp.is_multiple_of(dp) && fits(inside) && !fits(inside.saturating_mul(dp)) {
        assumed.note("data-parallel attention inside the tensor parallelism that is given");
        return (tp / dp, dp);
    }
    (tp, dp)
}

/// Data parallelism of attention: where experts are spread over more chips than attention is, each
/// group of these has its own.
fn spread_attention(
    (tp, pp, dp): (u64, u64, u64),
    ep: Option<u64>,
    chips: Option<u64>,
    assumed: &mut Assumed,
) -> u64 {
    let Some(ep) = ep.filter(|ep| *ep > tp.saturating_mul(dp) && ep.is_multiple_of(tp)) else {
        return dp;
    };
    if chips.is_none_or(|chips| ep.saturating_mul(pp) > chips) {
        return dp;
    }
    assumed.taken("dp_attention", ep / tp);
    ep / tp
}

/// Degrees in packages where a source counts dies: more ranks than chips, by the dies of a package.
fn packages(
    (tp, pp, dp): (u64, u64, u64),
    chips: Option<u64>,
    dies: u64,
    assumed: &mut Assumed,
) -> (u64, u64) {
    let ranks = tp.saturating_mul(pp).saturating_mul(dp);
    if dies < 2 || chips.is_none_or(|chips| ranks <= chips) {
        return (tp, dp);
    }
    assumed.note("degrees count dies, taken as packages");
    if dp.is_multiple_of(dies) {
        (tp, dp / dies)
    } else {
        ((tp / dies).max(1), dp)
    }
}
