//! The comparison as CSV: one line for each row, units in the keys.

use std::io;

use chokepoint_engine::{Comparison, Row};
use csv::{Error, Writer};

use crate::messages::{Language, Words};
use crate::notes;
use crate::tables::cost_parts;
use crate::view::{interval_metric, kind_key, metric};

/// Measures by key, in the order of columns.
pub(crate) const METRICS: [&str; 23] = [
    "step_seconds",
    "tokens_per_second",
    "tokens_per_second_per_chip",
    "mfu",
    "run_days",
    "chip_hours",
    "chip_hours_per_trillion_tokens",
    "output_tokens_per_second",
    "output_tokens_per_second_per_chip",
    "tokens_per_second_per_user",
    "requests_per_second",
    "ttft_seconds",
    "tpot_seconds",
    "memory_bytes",
    "memory_usable_bytes",
    "memory_capacity_bytes",
    "chip_power_watts",
    "power_watts",
    "energy_kilowatt_hours",
    "joules_per_output_token",
    "usd_per_run",
    "usd_per_million_tokens",
    "usd_per_million_output_tokens",
];

/// Cells of a row with the keys of their columns.
type Cells = Vec<(String, String)>;

/// The comparison as CSV: a line of keys, then a line for each row; a cell is empty where
/// something does not apply. Keys do not depend on the language, reasons and notes do.
///
/// # Errors
/// When a record cannot be written.
pub fn csv(comparison: &Comparison, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let keys = (breakdown_keys(comparison), memory_keys(comparison));
    let mut writer = Writer::from_writer(Vec::new());
    for (index, row) in comparison.rows.iter().enumerate() {
        let cells = cells(&words, row, &keys);
        if index == 0 {
            writer.write_record(cells.iter().map(|(key, _)| key))?;
        }
        writer.write_record(cells.iter().map(|(_, value)| value))?;
    }
    text(writer)
}

/// What was written, as text.
pub(crate) fn text(writer: Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = writer
        .into_inner()
        .map_err(|error| Error::from(error.into_error()))?;
    String::from_utf8(bytes)
        .map_err(|error| Error::from(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// Names of a list over all results, in the order of first appearance.
fn breakdown_keys(comparison: &Comparison) -> Vec<&'static str> {
    distinct(
        comparison
            .rows
            .iter()
            .filter_map(|row| row.outcome.as_ref())
            .flat_map(|o| &o.breakdown),
    )
}

fn memory_keys(comparison: &Comparison) -> Vec<&'static str> {
    distinct(
        comparison
            .rows
            .iter()
            .filter_map(|row| row.outcome.as_ref())
            .flat_map(|o| &o.memory),
    )
}

fn distinct<'a>(list: impl Iterator<Item = &'a (&'static str, f64)>) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for (key, _) in list {
        if !keys.contains(key) {
            keys.push(*key);
        }
    }
    keys
}

fn cells(words: &Words, row: &Row, keys: &(Vec<&'static str>, Vec<&'static str>)) -> Cells {
    let mut cells = identity(words, row);
    performance(&mut cells, row, keys);
    money(&mut cells, row);
    power_and_network(&mut cells, row);
    export(&mut cells, row);
    let notes: Vec<String> = notes::of_row(row)
        .iter()
        .map(|note| words.statement(note))
        .collect();
    put(&mut cells, "notes", notes.join(" | "));
    cells
}

fn put(cells: &mut Cells, key: &str, value: String) {
    cells.push((key.to_owned(), value));
}

/// A number in its shortest form that reads back the same; empty where there is none.
fn number(cells: &mut Cells, key: &str, value: Option<f64>) {
    put(
        cells,
        key,
        value
            .filter(|value| value.is_finite())
            .map_or_else(String::new, |value| value.to_string()),
    );
}

fn identity(words: &Words, row: &Row) -> Cells {
    let outcome = row.outcome.as_ref();
    let mut cells = Cells::new();
    put(&mut cells, "system", row.system.clone());
    put(&mut cells, "system_name", row.system_name.clone());
    put(&mut cells, "workload", row.workload.clone());
    put(&mut cells, "kind", kind_key(row.kind).to_owned());
    put(&mut cells, "chips", row.chips.to_string());
    put(
        &mut cells,
        "chips_used",
        outcome.map_or_else(String::new, |outcome| outcome.chips_used.to_string()),
    );
    put(&mut cells, "feasible", outcome.is_some().to_string());
    put(
        &mut cells,
        "reason",
        row.reason
            .as_ref()
            .map_or_else(String::new, |reason| words.statement(reason)),
    );
    put(
        &mut cells,
        "plan",
        outcome.map_or_else(String::new, |outcome| outcome.plan.clone()),
    );
    cells
}

fn performance(cells: &mut Cells, row: &Row, keys: &(Vec<&'static str>, Vec<&'static str>)) {
    let outcome = row.outcome.as_ref();
    for key in METRICS {
        number(cells, key, outcome.and_then(|outcome| metric(outcome, key)));
    }
    put(
        cells,
        "interval_metric",
        outcome.map_or_else(String::new, |_| interval_metric(row.kind).to_owned()),
    );
    number(
        cells,
        "interval_low",
        outcome.map(|outcome| outcome.interval.0),
    );
    number(
        cells,
        "interval_high",
        outcome.map(|outcome| outcome.interval.1),
    );
    let chokepoint = outcome.and_then(|outcome| outcome.elasticities.first());
    put(
        cells,
        "chokepoint",
        chokepoint.map_or_else(String::new, |(resource, _)| resource.key().to_owned()),
    );
    number(
        cells,
        "chokepoint_elasticity",
        chokepoint.map(|(_, elasticity)| *elasticity),
    );
    let named = |list: &[(&str, f64)], key: &str| {
        list.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    };
    for key in &keys.0 {
        let value = outcome.and_then(|outcome| named(&outcome.breakdown, key));
        number(cells, &format!("{key}_seconds"), value);
    }
    for key in &keys.1 {
        let value = outcome.and_then(|outcome| named(&outcome.memory, key));
        number(cells, &format!("{key}_bytes"), value);
    }
}

fn money(cells: &mut Cells, row: &Row) {
    let capital = row.capital;
    number(cells, "capital_usd", capital.map(|cost| cost.total.get()));
    number(cells, "systems_usd", capital.map(|cost| cost.systems.get()));
    number(cells, "network_usd", capital.map(|cost| cost.network.get()));
    number(cells, "storage_usd", capital.map(|cost| cost.storage.get()));
    number(cells, "optics_usd", capital.map(|cost| cost.optics.get()));
    let outcome = row.outcome.as_ref();
    let hourly = outcome.and_then(|outcome| outcome.hourly);
    number(
        cells,
        "usd_per_chip_hour",
        hourly.map(|cost| cost.total.get()),
    );
    let parts = outcome.and_then(cost_parts);
    for (index, key) in [
        "capital",
        "colocation",
        "electricity",
        "maintenance",
        "staff",
    ]
    .iter()
    .enumerate()
    {
        number(
            cells,
            &format!("{key}_usd_per_chip_hour"),
            parts.map(|parts| parts[index].1),
        );
    }
}

fn power_and_network(cells: &mut Cells, row: &Row) {
    let (power, parts) = (&row.power, &row.parts);
    number(cells, "chip_design_watts", Some(power.chip.get()));
    number(
        cells,
        "host_watts",
        (!power.host_unknown).then(|| power.host.get()),
    );
    number(
        cells,
        "network_watts",
        parts.power.map(|_| power.network.get()),
    );
    number(
        cells,
        "provisioned_watts_per_chip",
        Some(power.provisioned.get()),
    );
    number(
        cells,
        "provisioned_watts",
        Some(power.provisioned.get() * row.chips as f64),
    );
    put(cells, "network_tiers", parts.tiers.to_string());
    put(cells, "switches", parts.switches.to_string());
    put(cells, "links", parts.links.to_string());
    put(cells, "optical_modules", parts.modules.to_string());
    put(
        cells,
        "domain_optical_modules",
        row.domain_modules.to_string(),
    );
}

fn export(cells: &mut Cells, row: &Row) {
    let verdict = &row.export;
    put(cells, "export_verdict", verdict.outcome.key().to_owned());
    put(cells, "export_on", verdict.as_of.to_string());
    put(
        cells,
        "export_eccn",
        verdict.eccn.clone().unwrap_or_default(),
    );
    put(cells, "export_rules", verdict.rule_ids.join(" "));
    let (low, high) = verdict.metrics.tpp.bounds();
    number(cells, "tpp_low", Some(low));
    number(cells, "tpp_high", Some(high));
    let (low, high) = verdict.metrics.performance_density.bounds();
    number(cells, "performance_density_low", Some(low));
    number(cells, "performance_density_high", Some(high));
    put(cells, "missing_facts", verdict.missing_facts.join(" "));
}
