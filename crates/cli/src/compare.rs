//! `chokepoint compare`.

use std::path::Path;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    Comparison, Data, Scenario, assemble, evaluate, jobs, quoted_span, resolve,
};
use chokepoint_report::{Language, csv, html, json, table};
use rayon::prelude::*;

use crate::args::{Compare, Format, Shared};
use crate::{Ending, files};

/// Runs a comparison and prints it.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Compare, shared: &Shared) -> Result<Ending, Diagnostic> {
    let text = files::read(&options.scenario)?;
    let name = options.scenario.display().to_string();
    let mut data = files::data(shared.data.as_deref())?;
    read_models(&name, &text, &options.scenario, &mut data)?;
    let resolved = resolve(&name, &text, data)?;
    let rows = jobs(&resolved)
        .into_par_iter()
        .map(|job| evaluate(&resolved, job))
        .collect();
    let comparison = assemble(&resolved, rows);
    let language = Language::from(shared.lang);
    let result = shown(&comparison, options.format, language)?;
    if let Some(path) = &options.html {
        if shared.output.as_deref() == Some(path) {
            let message = "--output and --html name the same file";
            return Err(Diagnostic::new(Code::Usage, message));
        }
        files::write(path, &html(&comparison, language))?;
    }
    if let Err(problem) = files::deliver(shared.output.as_deref(), &result) {
        options.html.as_deref().map_or(Ok(()), files::remove)?;
        return Err(problem);
    }
    let feasible = comparison.rows.iter().any(|row| row.outcome.is_some());
    Ok(if feasible {
        Ending::Done
    } else {
        Ending::Failed
    })
}

/// Reads the model configurations that a scenario names by path, relative to its own folder.
fn read_models(name: &str, text: &str, scenario: &Path, data: &mut Data) -> Result<(), Diagnostic> {
    let parsed = Scenario::parse(name, text)?;
    let folder = scenario.parent().unwrap_or(Path::new("."));
    for workload in &parsed.workloads {
        let model = workload.get_ref().model();
        if !data.models.contains_key(model) && (model.contains('/') || model.ends_with(".json")) {
            let path = folder.join(model);
            let config = files::read(&path)
                .map_err(|error| error.at(name, text, quoted_span(text, workload, model)))?;
            data.models
                .insert(model.to_owned(), (path.display().to_string(), config));
        }
    }
    Ok(())
}

fn shown(
    comparison: &Comparison,
    format: Format,
    language: Language,
) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(table(comparison, language, None)),
        Format::Json => json(comparison, language)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => csv(comparison, language).map_err(|error| files::unwritten(&error)),
    }
}
