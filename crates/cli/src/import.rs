//! `chokepoint network import`.

use std::path::{Path, PathBuf};

use chokepoint_engine::diag::Diagnostic;
use chokepoint_engine::{
    CollectiveRequest, CollectiveRun, Data, Fidelity, Imported, NcclRun, import, run_collective,
};
use chokepoint_report::{Language, imported_table};
use clap::Args;

use crate::args::Shared;
use crate::calibrate::make_folder;
use crate::{Ending, files};

/// Options of `network import`.
#[derive(Debug, Args)]
pub struct Import {
    /// What nccl-tests or rccl-tests printed.
    pub file: PathBuf,
    /// Id of the system that was measured.
    #[arg(long)]
    pub system: String,
    /// Data folder that the measurement is added to; it is made where there is none. Give it as
    /// --data afterwards.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// all-reduce, reduce-scatter, all-gather or all-to-all, where the file does not say.
    #[arg(long)]
    pub collective: Option<String>,
    /// Ranks, where the file does not say.
    #[arg(long)]
    pub ranks: Option<u64>,
}

/// Adds a measurement to a data folder and prints it beside the predictions without and with it.
///
/// # Errors
/// What is wrong with the file or the options, or a file that cannot be written.
pub fn run(options: &Import, shared: &Shared) -> Result<Ending, Diagnostic> {
    let text = files::read(&options.file)?;
    let measured = NcclRun::parse(&options.file.display().to_string(), &text)?;
    let before = files::data(shared.data.as_deref())?;
    let system = format!("systems/{}.toml", options.system);
    let mut files = files::texts(shared.data.as_deref())?;
    let start = |name: &str| -> Result<Option<String>, Diagnostic> {
        let own = existing(&options.into, name)?;
        let given = files.iter().find(|(file, _)| file == name);
        Ok(own.or_else(|| given.map(|(_, text)| text.clone())))
    };
    let (system, sources) = (start(&system)?, start("sources.toml")?);
    let from = chokepoint_engine::Import {
        system: options.system.clone(),
        file: options.file.display().to_string(),
        collective: options.collective.clone(),
        ranks: options.ranks,
    };
    let imported = import(&from, &measured, &before, (system, sources))?;
    files.extend(imported.files.clone());
    let after = Data::load(&files)?;
    let (old, new) = (
        predicted(options, &imported, &before)?,
        predicted(options, &imported, &after)?,
    );
    write(&options.into, &imported)?;
    let language = Language::from(shared.lang);
    files::deliver(
        shared.output.as_deref(),
        &imported_table(&imported, (&old, &new), language),
    )?;
    Ok(Ending::Done)
}

/// The text of a file of a folder, where there is one.
fn existing(folder: &Path, name: &str) -> Result<Option<String>, Diagnostic> {
    let path = folder.join(name);
    path.exists().then(|| files::read(&path)).transpose()
}

fn write(folder: &Path, imported: &Imported) -> Result<(), Diagnostic> {
    for (name, text) in &imported.files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        files::write(&path, text)?;
    }
    Ok(())
}

fn predicted(
    options: &Import,
    imported: &Imported,
    data: &Data,
) -> Result<CollectiveRun, Diagnostic> {
    let request = CollectiveRequest {
        system: options.system.clone(),
        collective: imported.collective,
        ranks: imported.ranks,
        sizes: imported.rows.iter().map(|row| row.size).collect(),
        fidelity: Fidelity::Calibrated,
        algorithm: None,
        slices: None,
        damage: Vec::new(),
        seed: 0,
    };
    run_collective(&request, data)
}
