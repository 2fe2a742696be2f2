//! `chokepoint validate`.

use std::path::Path;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{NetworkTable, NetworkValidation, TrainingTable, Validation};
use chokepoint_report::{
    Language, Shown, network_csv, network_json, network_table, validation_csv, validation_json,
    validation_table,
};
use rayon::prelude::*;

use crate::args::{Format, Shared, Validate};
use crate::{Ending, files};

/// Predicts the rows of a table of published runs and prints them beside what was measured.
///
/// # Errors
/// What is wrong with the table, or a file that cannot be written.
pub fn run(options: &Validate, shared: &Shared) -> Result<Ending, Diagnostic> {
    let (tables, language) = (&options.tables, Language::from(shared.lang));
    let shown = if options.summary_only {
        Shown::Summary
    } else {
        Shown::All
    };
    let text = if let Some(path) = &tables.training {
        let found = training(path, shared)?;
        match options.format {
            Format::Table => validation_table(&found, shown, language),
            Format::Json => {
                validation_json(&found).map_err(|error| files::unwritten(&error))? + "\n"
            }
            Format::Csv => validation_csv(&found).map_err(|error| files::unwritten(&error))?,
        }
    } else if let Some(path) = &tables.network {
        let found = network(path, shared)?;
        match options.format {
            Format::Table => network_table(&found, shown, language),
            Format::Json => network_json(&found).map_err(|error| files::unwritten(&error))? + "\n",
            Format::Csv => network_csv(&found).map_err(|error| files::unwritten(&error))?,
        }
    } else {
        let help = "write --training FILE or --network FILE";
        return Err(Diagnostic::new(Code::Usage, "no table is given").help(help));
    };
    files::deliver(shared.output.as_deref(), &text)?;
    Ok(Ending::Done)
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
