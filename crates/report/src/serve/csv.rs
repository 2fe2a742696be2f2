//! A serving run as CSV: the best plan, then those beside it.

use std::collections::BTreeMap;

use chokepoint_engine::ServingRun;
use csv::{Error, Writer};

use crate::messages::{Language, Words};
use crate::records::text;

/// Measures by key, in the order of columns.
const METRICS: [&str; 16] = [
    "ttft_seconds",
    "tpot_seconds",
    "tokens_per_second_per_user",
    "requests_per_second",
    "output_tokens_per_second",
    "output_tokens_per_second_per_chip",
    "memory_bytes",
    "chip_power_watts",
    "power_watts",
    "joules_per_output_token",
    "chip_hours_per_million_output_tokens",
    "usd_per_million_output_tokens",
    "utilisation",
    "steady_requests_per_second",
    "ttft_percentile_seconds",
    "tpot_percentile_seconds",
];

/// The run as CSV: a line for the best plan, each next-best plan and each of the front; without a
/// result one line with the reason.
///
/// # Errors
/// When a record cannot be written.
pub fn serve_csv(run: &ServingRun, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let mut writer = Writer::from_writer(Vec::new());
    let heads = ["model", "system", "chips", "kind", "plan"].into_iter();
    writer.write_record(heads.chain(METRICS).chain(["reason"]))?;
    let nothing = BTreeMap::new();
    let mut write = |kind: &str,
                     chips: Option<u64>,
                     plan: &str,
                     metrics: &BTreeMap<&'static str, f64>,
                     reason: &str| {
        let chips = chips.map_or_else(String::new, |chips| chips.to_string());
        let first = [&run.model, &run.system, &chips, kind, plan].map(str::to_owned);
        let number = |key| metrics.get(key).map_or_else(String::new, f64::to_string);
        let numbers = METRICS.map(number);
        let cells = first.into_iter().chain(numbers);
        writer.write_record(cells.chain([reason.to_owned()]))
    };
    match &run.found {
        Some(found) => {
            let best = &found.outcome;
            write("best", run.chips, &best.plan, &best.metrics, "")?;
            for plan in &found.others {
                write(
                    "alternative",
                    Some(plan.chips),
                    &plan.plan,
                    &plan.metrics,
                    "",
                )?;
            }
        }
        None => {
            let reason = run.reason.as_ref();
            let reason = reason.map_or_else(String::new, |reason| words.statement(reason));
            write("none", run.chips, "", &nothing, &reason)?;
        }
    }
    for plan in &run.front {
        write("front", Some(plan.chips), &plan.plan, &plan.metrics, "")?;
    }
    text(writer)
}
