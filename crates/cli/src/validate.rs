//! `chokepoint validate`.

use std::path::Path;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{TrainingTable, Validation};
use chokepoint_report::{Language, Shown, validation_csv, validation_json, validation_table};
use rayon::prelude::*;

use crate::args::{Format, Shared, Validate};
use crate::{Ending, files};

/// Predicts the rows of a table of published runs and prints them beside what was measured.
///
/// # Errors
/// What is wrong with the table, or a file that cannot be written.
pub fn run(options: &Validate, shared: &Shared) -> Result<Ending, Diagnostic> {
    let Some(path) = &options.tables.training else {
        return Err(Diagnostic::new(Code::Usage, "no table is given").help("write --training FILE"));
    };
    let validation = training(path, shared)?;
    let text = match options.format {
        Format::Table => {
            let shown = if options.summary_only {
                Shown::Summary
            } else {
                Shown::All
            };
            validation_table(&validation, shown, Language::from(shared.lang))
        }
        Format::Json => {
            validation_json(&validation).map_err(|error| files::unwritten(&error))? + "\n"
        }
        Format::Csv => validation_csv(&validation).map_err(|error| files::unwritten(&error))?,
    };
    files::deliver(shared.output.as_deref(), &text)?;
    Ok(Ending::Done)
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
