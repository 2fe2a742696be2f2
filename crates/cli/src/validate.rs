//! `chokepoint validate`.

use std::fmt::Display;
use std::path::Path;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    NetworkTable, NetworkValidation, Peer, ServingTable, ServingValidation, TrainingTable,
    Validation,
};
use chokepoint_report::{
    Language, Shown, network_csv, network_json, network_table, serving_csv, serving_json,
    serving_table, validation_csv, validation_json, validation_table,
};
use rayon::prelude::*;

use crate::args::{Format, Shared, Validate};
use crate::{Ending, files, validate_kernels};

/// Predicts the rows of a table of published runs and prints them beside what was measured.
///
/// # Errors
/// What is wrong with the table, or a file that cannot be written.
pub fn run(options: &Validate, shared: &Shared) -> Result<Ending, Diagnostic> {
    let tables = &options.tables;
    let text = if let Some(path) = &tables.training {
        let found = training(path, shared)?;
        printed(
            options,
            shared,
            &found,
            (validation_table, validation_json, validation_csv),
        )?
    } else if let Some(path) = &tables.network {
        let found = network(path, shared)?;
        printed(
            options,
            shared,
            &found,
            (network_table, network_json, network_csv),
        )?
    } else if let Some(path) = &tables.serving {
        let found = serving(path, options.peer.as_deref(), shared)?;
        printed(
            options,
            shared,
            &found,
            (serving_table, serving_json, serving_csv),
        )?
    } else if let Some(path) = &tables.kernels {
        validate_kernels::text(path, options, shared)?
    } else {
        let help = "write --training FILE, --network FILE, --serving FILE or --kernels FILE";
        return Err(Diagnostic::new(Code::Usage, "no table is given").help(help));
    };
    files::deliver(shared.output.as_deref(), &text)?;
    Ok(Ending::Done)
}

/// Writers of a validated table: as text, as JSON, as CSV.
type Writers<T, J, C> = (
    fn(&T, Shown, Language) -> String,
    fn(&T) -> Result<String, J>,
    fn(&T) -> Result<String, C>,
);

/// A validated table in the form that is asked for.
fn printed<T, J: Display, C: Display>(
    options: &Validate,
    shared: &Shared,
    found: &T,
    (table, json, csv): Writers<T, J, C>,
) -> Result<String, Diagnostic> {
    let shown = if options.summary_only {
        Shown::Summary
    } else {
        Shown::All
    };
    match options.format {
        Format::Table => Ok(table(found, shown, Language::from(shared.lang))),
        Format::Json => json(found)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => csv(found).map_err(|error| files::unwritten(&error)),
    }
}

fn serving(
    path: &Path,
    peer: Option<&Path>,
    shared: &Shared,
) -> Result<ServingValidation, Diagnostic> {
    let text = files::read(path)?;
    let data = files::data(shared.data.as_deref())?;
    let table = ServingTable::parse(&path.display().to_string(), &text)?;
    let peer = match peer {
        Some(path) => {
            let text = files::read(path)?;
            Some(Peer::parse(&path.display().to_string(), &text)?)
        }
        None => None,
    };
    let rows = (0..table.rows())
        .into_par_iter()
        .flat_map_iter(|row| table.validate(row, &data));
    Ok(ServingValidation::of(rows.collect(), peer.as_ref()))
}

fn network(path: &Path, shared: &Shared) -> Result<NetworkValidation, Diagnostic> {
    let text = files::read(path)?;
    let data = files::data(shared.data.as_deref())?;
    let table = NetworkTable::parse(&path.display().to_string(), &text)?;
    let rows = (0..table.rows())
        .into_par_iter()
        .filter_map(|row| table.validate(row, &data));
    Ok(NetworkValidation::of(rows.collect()))
}

fn training(path: &Path, shared: &Shared) -> Result<Validation, Diagnostic> {
    let text = files::read(path)?;
    let data = files::data(shared.data.as_deref())?;
    let table = TrainingTable::parse(&path.display().to_string(), &text)?;
    let rows = (0..table.rows())
        .into_par_iter()
        .filter_map(|row| table.validate(row, &data));
    Ok(Validation::of(rows.collect()))
}
