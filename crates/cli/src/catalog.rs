//! `chokepoint catalog`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chokepoint_engine::Data;
use chokepoint_engine::catalog::{FigureRow, Framework, ServingEngine, check};
use chokepoint_engine::diag::Diagnostic;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};

use crate::args::{Catalog, CatalogAction, Shared};
use crate::{Ending, diagnostic, files};

/// Widest table, columns.
const WIDTH: u16 = 160;

/// Lists, shows or checks the catalogue.
///
/// # Errors
/// When the data cannot be read, or an id names nothing.
pub fn run(options: &Catalog, shared: &Shared) -> Result<Ending, Diagnostic> {
    let data = files::data(shared.data.as_deref())?;
    match &options.action {
        CatalogAction::List => files::deliver(shared.output.as_deref(), &list(&data))?,
        CatalogAction::Show { id, sources } => {
            files::deliver(shared.output.as_deref(), &show(&data, id, *sources)?)?;
        }
        CatalogAction::Check => return checked(&data, shared),
    }
    Ok(Ending::Done)
}

fn checked(data: &Data, shared: &Shared) -> Result<Ending, Diagnostic> {
    let mut problems = check(&data.catalog);
    for id in data.models.keys() {
        problems.extend(data.model(id).err());
    }
    for problem in &problems {
        eprintln!("{}", diagnostic::render(problem));
    }
    let catalog = &data.catalog;
    let text = format!(
        "{} chips, {} links, {} systems, {} networks, {} models, {} price books, {} calibrations, {} frameworks, {} engines, {} reliability files, {} rules, {} sources: {} problems\n",
        catalog.chips.len(),
        catalog.links.len(),
        catalog.systems.len(),
        catalog.networks.len(),
        data.models.len(),
        catalog.prices.len(),
        catalog.calibrations.len(),
        catalog.frameworks.len(),
        catalog.engines.len(),
        catalog.reliability.len(),
        data.rules.rules().len(),
        catalog.sources.len(),
        problems.len()
    );
    files::deliver(shared.output.as_deref(), &text)?;
    Ok(if problems.is_empty() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

fn list(data: &Data) -> String {
    let catalog = &data.catalog;
    let mut table = plain_table(&["kind", "id", "what it is"]);
    for (id, entry) in &catalog.chips {
        table.add_row(["chip", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.links {
        table.add_row(["link", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.systems {
        table.add_row(["system", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.networks {
        table.add_row(["network", id, &entry.value.name]);
    }
    for (id, (_, text)) in &data.models {
        let note = model_field(text, "_note").unwrap_or_default();
        table.add_row(["model", id, &note]);
    }
    for (id, entry) in &catalog.prices {
        table.add_row(["prices", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.calibrations {
        let fitted = format!(
            "kernel curves, {} of {}",
            entry.value.source, entry.value.as_of
        );
        table.add_row(["calibration", id, &fitted]);
    }
    for (id, entry) in &catalog.frameworks {
        table.add_row(["framework", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.engines {
        table.add_row(["engine", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.reliability {
        table.add_row(["reliability", id, &entry.value.name]);
    }
    for rule in data.rules.rules() {
        table.add_row(["rule", &rule.id, &rule.title]);
    }
    for (id, source) in &catalog.sources {
        table.add_row(["source", id, &source.title]);
    }
    format!("{table}\n")
}

fn show(data: &Data, id: &str, sources: bool) -> Result<String, Diagnostic> {
    let catalog = &data.catalog;
    if let Some((name, note, figures)) = figured(data, id) {
        return Ok(part(data, name, note, &figures, sources));
    }
    if catalog.systems.contains_key(id) {
        return system(data, id, sources);
    }
    if let Some(entry) = catalog.frameworks.get(id) {
        return Ok(framework(data, &entry.value, sources));
    }
    if let Some(entry) = catalog.engines.get(id) {
        return Ok(engine(data, &entry.value, sources));
    }
    if data.models.contains_key(id) {
        return model(data, id);
    }
    if let Some(rule) = data.rules.rule(id) {
        return Ok(format!(
            "{}\n{}\n{}\n",
            rule.title,
            rule.citation,
            rule.sources.join("\n")
        ));
    }
    if let Some(source) = catalog.sources.get(id) {
        let date = source.date.as_deref().unwrap_or_default();
        let grade = source.grade.letter();
        return Ok(format!(
            "{}\n{}\n{} {date} grade {grade}\n",
            source.title, source.publisher, source.address
        ));
    }
    Err(unknown(data, id))
}

/// Name, note and figures of a part that is shown by these alone.
fn figured<'a>(data: &'a Data, id: &str) -> Option<(&'a str, Option<&'a str>, Vec<FigureRow>)> {
    let catalog = &data.catalog;
    let chip = catalog.chips.get(id).map(|entry| &entry.value);
    let link = catalog.links.get(id).map(|entry| &entry.value);
    let network = catalog.networks.get(id).map(|entry| &entry.value);
    let book = catalog.prices.get(id).map(|entry| &entry.value);
    let experience = catalog.reliability.get(id).map(|entry| &entry.value);
    chip.map(|it| (it.name.as_str(), it.note.as_deref(), it.figures()))
        .or_else(|| link.map(|it| (it.name.as_str(), it.note.as_deref(), it.figures())))
        .or_else(|| network.map(|it| (it.name.as_str(), it.note.as_deref(), it.figures())))
        .or_else(|| book.map(|it| (it.name.as_str(), it.note.as_deref(), it.figures())))
        .or_else(|| experience.map(|it| (it.name.as_str(), it.note.as_deref(), it.figures())))
}

/// What is wrong with an id that names nothing.
fn unknown(data: &Data, id: &str) -> Diagnostic {
    let catalog = &data.catalog;
    let parts = catalog.chips.keys().chain(catalog.links.keys());
    let parts = parts
        .chain(catalog.systems.keys())
        .chain(catalog.networks.keys());
    let known = parts
        .chain(catalog.prices.keys())
        .chain(catalog.frameworks.keys())
        .chain(catalog.engines.keys())
        .chain(catalog.reliability.keys())
        .chain(data.models.keys())
        .chain(catalog.sources.keys());
    let rules = data.rules.rules().iter().map(|rule| &rule.id);
    Diagnostic::unknown_id("part", id, known.chain(rules).map(String::as_str))
}

/// A framework: its figures, and what it does by default.
fn framework(data: &Data, framework: &Framework, sources: bool) -> String {
    let mut text = part(
        data,
        &framework.name,
        framework.note.as_deref(),
        &framework.figures(),
        sources,
    );
    let mut table = plain_table(&["by default", "value"]);
    for (what, on) in [
        ("attention is one fused kernel", framework.fused_attention),
        ("sequence parallelism", framework.sequence_parallel),
        ("tensor-parallel traffic overlaps", framework.overlap_tp),
        ("expert traffic overlaps", framework.overlap_ep),
        ("data-parallel traffic overlaps", framework.overlap_dp),
        ("optimizer state is sharded", framework.sharded_optimizer),
    ] {
        table.add_row([what, if on { "yes" } else { "no" }]);
    }
    let _ = writeln!(text, "{table}");
    text
}

/// A serving engine: its figures, and how it runs.
fn engine(data: &Data, engine: &ServingEngine, sources: bool) -> String {
    let mut text = part(
        data,
        &engine.name,
        engine.note.as_deref(),
        &engine.figures(),
        sources,
    );
    let mut table = plain_table(&["by default", "value"]);
    let yes_no = |on: bool| if on { "yes" } else { "no" };
    table.add_row(["batching", engine.batching.name()]);
    table.add_row(["memory share of", engine.memory_share_of.name()]);
    table.add_row(["host work overlaps the chip's", yes_no(engine.overlaps)]);
    let _ = writeln!(text, "{table}");
    text
}

/// A system with its chip, its links, its network and its prices in all books.
fn system(data: &Data, id: &str, sources: bool) -> Result<String, Diagnostic> {
    let catalog = &data.catalog;
    let system = catalog.system(id)?;
    let mut text = part(
        data,
        &system.name,
        system.note.as_deref(),
        &system.figures(),
        sources,
    );
    let chip = catalog.chip(&system.chip)?;
    text += &part(
        data,
        &format!("chip {}", chip.id),
        chip.note.as_deref(),
        &chip.figures(),
        sources,
    );
    if let Some(wiring) = &system.domain.wiring {
        let link = catalog.link(&wiring.link)?;
        text += &part(
            data,
            &format!("link {}", link.id),
            link.note.as_deref(),
            &link.figures(),
            sources,
        );
    }
    let network = catalog.network(&system.scale_out.network)?;
    text += &part(
        data,
        &format!("network {}", network.id),
        network.note.as_deref(),
        &network.figures(),
        sources,
    );
    let prices = catalog.prices.values().filter_map(|entry| {
        let price = entry.value.systems.get(id)?;
        Some(
            price
                .price
                .row(format!("{} for {} chips", entry.value.id, price.chips)),
        )
    });
    text += &part(data, "prices", None, &prices.collect::<Vec<_>>(), sources);
    Ok(text)
}

fn model(data: &Data, id: &str) -> Result<String, Diagnostic> {
    let architecture = data.model(id)?;
    let mut table = plain_table(&["what", "value"]);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_owned(), value]);
    };
    row(
        "parameters of the main model",
        format!("{:.3e}", architecture.parameters_main() as f64),
    );
    if architecture.mtp_layers > 0 {
        row(
            "parameters of multi-token prediction",
            format!("{:.3e}", architecture.mtp_parameters() as f64),
        );
    }
    row(
        "active parameters for a token",
        format!("{:.3e}", architecture.active_parameters() as f64),
    );
    row("layers", architecture.layers.len().to_string());
    row("hidden size", architecture.hidden.to_string());
    row("vocabulary", architecture.vocabulary.to_string());
    let training = architecture.training_flops_per_token(4096, true);
    row(
        "training FLOPs for a token at 4,096 tokens, causal",
        training.to_string(),
    );
    let cache = architecture.kv_bytes_per_token(chokepoint_engine::units::NumberFormat::Bf16);
    row("key-value cache for a token, bf16", cache.to_string());
    if let Some((file, text)) = data.models.get(id) {
        row("file", file.clone());
        for (key, what) in [
            ("_source", "source"),
            ("_grade", "grade"),
            ("_note", "note"),
        ] {
            if let Some(value) = model_field(text, key) {
                row(what, value);
            }
        }
    }
    Ok(format!("{id}\n{table}\n"))
}

/// A text field of a model's `config.json`.
fn model_field(config: &str, key: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    config[key].as_str().map(str::to_owned)
}

/// One part with its figures, and with `sources` where each comes from.
fn part(
    data: &Data,
    name: &str,
    note: Option<&str>,
    figures: &[FigureRow],
    sources: bool,
) -> String {
    let mut text = format!("{name}\n");
    if let Some(note) = note {
        let _ = writeln!(text, "{note}");
    }
    let heads: &[&str] = if sources {
        &[
            "figure", "value", "low", "high", "grade", "as of", "source", "where", "note",
        ]
    } else {
        &["figure", "value", "low", "high", "grade"]
    };
    let mut table = plain_table(heads);
    for figure in figures {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut cells = vec![
            figure.field.clone(),
            if figure.assumed {
                format!("{} (assumed)", figure.value)
            } else {
                figure.value.clone()
            },
            or_empty(&figure.low),
            or_empty(&figure.high),
            figure.grade.letter().to_owned(),
        ];
        if sources {
            cells.extend([
                or_empty(&figure.as_of),
                figure.source.clone(),
                or_empty(&figure.place),
                or_empty(&figure.note),
            ]);
        }
        table.add_row(cells);
    }
    let _ = writeln!(text, "{table}");
    if sources {
        let cited: BTreeSet<&String> = figures.iter().map(|figure| &figure.source).collect();
        for id in cited {
            if let Some(source) = data.catalog.sources.get(id) {
                let _ = writeln!(text, "{id}: {} ({})", source.title, source.address);
            }
        }
    }
    text
}

pub fn plain_table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    table.set_header(heads.to_vec());
    table
}
