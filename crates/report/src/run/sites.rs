//! A run over several sites, as a table and as JSON.

use chokepoint_engine::{RunFigures, RunSites};
use serde_json::{Value, json};

use crate::grid::{Column, Grid};
use crate::messages::Words;
use crate::number::{NONE, count, fixed, significant};

/// The split run beside the same chips at one site.
pub(super) fn table(words: &Words, split: &RunSites) -> Grid {
    let single = split.single.as_ref().ok();
    let mut rows = Vec::new();
    let mut put = |key: &str, all: String, one: Option<String>| {
        let one = one.unwrap_or_else(|| NONE.to_owned());
        rows.push(vec![words.of("sites", key), all, one]);
    };
    let alone = |key: &str, value: f64, put: &mut dyn FnMut(&str, String, Option<String>)| {
        put(key, significant(value, 3), None);
    };
    alone("site-step", split.site_step_seconds, &mut put);
    alone("exchange", split.exchange_seconds, &mut put);
    alone("exposed", split.exposed_seconds_per_step, &mut put);
    let mut both = |key: &str, digits: usize, of: fn(&RunFigures) -> Option<f64>| {
        let shown = |figures| of(figures).map(|value| significant(value, digits));
        let all = shown(&split.run).unwrap_or_else(|| NONE.to_owned());
        put(key, all, single.and_then(shown));
    };
    both("step", 3, |figures| Some(figures.step_seconds));
    both("rate", 4, |figures| Some(figures.tokens_per_second));
    both("tokens", 4, |figures| Some(figures.tokens / 1e12));
    both("days", 3, |figures| Some(figures.days));
    both("days-failures", 3, |figures| figures.days_with_failures);
    both("usd", 4, |figures| figures.usd);
    both("usd-failures", 4, |figures| figures.usd_with_failures);
    put("lost", fixed(split.lost_share * 100.0, 1), None);
    if split.local.is_some() {
        alone("equivalent", split.step_equivalent_seconds, &mut put);
        alone("synchronous-step", split.synchronous_step_seconds, &mut put);
    }
    let even = split.break_even_inner_steps;
    put("even", even.map_or_else(|| NONE.to_owned(), count), None);
    if let Some(ratio) = split.loss_ratio {
        put("loss", fixed(ratio, 4), None);
    }
    Grid {
        title: title(words, split),
        columns: vec![
            Column::text(words.of("column", "measure")),
            Column::number(words.fill("sites.all", [("sites", &count(split.sites))])),
            Column::number(words.of("sites", "one")),
        ],
        rows,
    }
}

fn title(words: &Words, split: &RunSites) -> String {
    let gigabits = significant(split.bandwidth * 8.0 / 1e9, 3);
    let milliseconds = significant(split.round_trip_seconds * 1e3, 3);
    let heading = words.fill(
        "sites.title",
        [
            ("sites", count(split.sites).as_str()),
            ("chips", &count(split.chips_per_site)),
            ("batch", &count(split.batch_per_site)),
            ("gigabits", &gigabits),
            ("milliseconds", &milliseconds),
        ],
    );
    let gigabytes = significant(split.exchange_bytes / 1e9, 3);
    let bits = count(split.exchange_bits);
    let exchange = match split.local {
        Some(local) => words.fill(
            "sites.local",
            [
                ("gigabytes", gigabytes.as_str()),
                ("bits", &bits),
                ("steps", &count(local.inner_steps)),
                ("fragments", &count(local.fragments)),
                ("delay", &count(local.delay)),
            ],
        ),
        None => words.fill(
            "sites.synchronous",
            [
                ("gigabytes", gigabytes.as_str()),
                ("bits", &bits),
                ("overlap", &significant(split.overlap * 100.0, 3)),
            ],
        ),
    };
    heading + &words.of("format", "sentence") + &exchange
}

/// Why there is no single site to compare with.
pub(super) fn missing(words: &Words, split: &RunSites) -> Option<String> {
    let reason = split.single.as_ref().err()?;
    Some(words.fill("sites.none", [("reason", &words.statement(reason))]))
}

pub(super) fn json(words: &Words, split: &RunSites) -> Value {
    let single = split.single.as_ref();
    json!({
        "sites": split.sites,
        "chips_per_site": split.chips_per_site,
        "batch_per_site": split.batch_per_site,
        "wan_bytes_per_second": split.bandwidth,
        "round_trip_seconds": split.round_trip_seconds,
        "exchanged": if split.local.is_some() { "parameters" } else { "gradients" },
        "exchange_bits": split.exchange_bits,
        "exchange_bytes": split.exchange_bytes,
        "wan_overlap_share": split.overlap,
        "local_steps": split.local.map(|local| local.inner_steps),
        "fragments": split.local.map(|local| local.fragments),
        "delay_steps": split.local.map(|local| local.delay),
        "extra_tokens_share": split.extra_tokens,
        "site_step_seconds": split.site_step_seconds,
        "exchange_seconds": split.exchange_seconds,
        "exposed_seconds": split.exposed_seconds,
        "exposed_seconds_per_step": split.exposed_seconds_per_step,
        "step_equivalent_seconds": split.step_equivalent_seconds,
        "lost_share": split.lost_share,
        "synchronous_step_seconds": split.synchronous_step_seconds,
        "break_even_local_steps": split.break_even_inner_steps,
        "relative_loss": split.loss_ratio,
        "run": figures(&split.run),
        "single_site": single.ok().map(figures),
        "single_site_reason": single.err().map(|reason| words.statement(reason)),
    })
}

fn figures(run: &RunFigures) -> Value {
    json!({
        "plan": run.plan,
        "step_seconds": run.step_seconds,
        "tokens_per_second": run.tokens_per_second,
        "tokens": run.tokens,
        "days": run.days,
        "usd": run.usd,
        "days_with_failures": run.days_with_failures,
        "usd_with_failures": run.usd_with_failures,
    })
}
