//! `chokepoint catalog`.

use std::fmt::Write as _;

use chokepoint_engine::Data;
use chokepoint_engine::catalog::{FigureRow, check};
use chokepoint_engine::diag::Diagnostic;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;

use crate::args::{Catalog, CatalogAction, Shared};
use crate::{Ending, diagnostic, files};

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
        "{} chips, {} systems, {} networks, {} models, {} price books, {} calibrations, {} rules, {} sources: {} problems\n",
        catalog.chips.len(),
        catalog.systems.len(),
        catalog.networks.len(),
        data.models.len(),
        catalog.prices.len(),
        catalog.calibrations.len(),
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
    let mut table = plain_table(&["kind", "id", "name"]);
    for (id, entry) in &catalog.chips {
        table.add_row(["chip", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.systems {
        table.add_row(["system", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.networks {
        table.add_row(["network", id, &entry.value.name]);
    }
    for id in data.models.keys() {
        table.add_row(["model", id, ""]);
    }
    for (id, entry) in &catalog.prices {
        table.add_row(["prices", id, &entry.value.name]);
    }
    for (id, entry) in &catalog.calibrations {
        table.add_row(["calibration", id, &entry.value.method]);
    }
    for rule in data.rules.rules() {
        table.add_row(["rule", &rule.id, &rule.title]);
    }
    format!("{table}\n")
}

fn show(data: &Data, id: &str, sources: bool) -> Result<String, Diagnostic> {
    let catalog = &data.catalog;
    if let Some(entry) = catalog.chips.get(id) {
        let chip = &entry.value;
        return Ok(part(
            data,
            &chip.name,
            chip.note.as_deref(),
            &chip.figures(),
            sources,
        ));
    }
    if let Some(entry) = catalog.systems.get(id) {
        let system = &entry.value;
        let mut text = part(
            data,
            &system.name,
            system.note.as_deref(),
            &system.figures(),
            sources,
        );
        if let Ok(chip) = catalog.chip(&system.chip) {
            text += &part(
                data,
                &format!("chip {}", chip.id),
                chip.note.as_deref(),
                &chip.figures(),
                sources,
            );
        }
        return Ok(text);
    }
    if let Some(entry) = catalog.networks.get(id) {
        let network = &entry.value;
        return Ok(part(
            data,
            &network.name,
            network.note.as_deref(),
            &network.figures(),
            sources,
        ));
    }
    if let Some(entry) = catalog.prices.get(id) {
        let book = &entry.value;
        return Ok(part(
            data,
            &book.name,
            book.note.as_deref(),
            &book.figures(),
            sources,
        ));
    }
    if data.models.contains_key(id) {
        return model(data, id);
    }
    let known = catalog
        .chips
        .keys()
        .chain(catalog.systems.keys())
        .chain(catalog.networks.keys())
        .chain(catalog.prices.keys())
        .chain(data.models.keys());
    Err(Diagnostic::unknown_id(
        "part",
        id,
        known.map(String::as_str),
    ))
}

fn model(data: &Data, id: &str) -> Result<String, Diagnostic> {
    let architecture = data.model(id)?;
    let mut table = plain_table(&["what", "value"]);
    let mut row = |what: &str, value: String| {
        table.add_row([what.to_owned(), value]);
    };
    row(
        "parameters",
        format!("{:.3e}", architecture.parameters() as f64),
    );
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
    let source = data.models.get(id).map_or("", |(file, _)| file);
    row("file", source.to_owned());
    Ok(format!("{id}\n{table}\n"))
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
            let title = data.catalog.sources.get(&figure.source);
            let title = title.map_or_else(
                || figure.source.clone(),
                |s| format!("{}: {} ({})", figure.source, s.title, s.address),
            );
            cells.extend([
                or_empty(&figure.as_of),
                title,
                or_empty(&figure.place),
                or_empty(&figure.note),
            ]);
        }
        table.add_row(cells);
    }
    let _ = writeln!(text, "{table}");
    text
}

fn plain_table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(heads.to_vec());
    table
}
