//! `chokepoint calibrate`; kernels, and where others are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chokepoint_engine::catalog::{Calibration, Catalog, Entry, Refit};
use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_kernels::{Bytes, ChipFit, TableFile, TableKind, differences, refit, write};
use clap::{Args, Subcommand};

use crate::args::Shared;
use crate::calibrate_serving::Serving;
use crate::{Ending, calibrate_measured, calibrate_serving, calibrate_table, files};

/// Largest table, to end on a mistyped path to something huge before memory does.
const LARGEST_TABLE: u64 = 256 << 20;

/// Folder of tables inside the package.
const TABLES: [&str; 3] = ["aiconfigurator_core", "systems", "data"];

/// What is fitted.
#[derive(Debug, Subcommand)]
pub enum Calibrate {
    /// Efficiency curves of chips, from the kernel tables of aiconfigurator or kernels of your own:
    /// prints them beside the catalogue's. With --output, the name of a folder, calibration files are written to it.
    Kernels(Kernels),
    /// Host times of a serving engine, from benchmark results of your own: prints measured figures
    /// beside predictions before and after. With --output, an engine file of its name is written,
    /// such as my-data/engines/my-vllm.toml, to be used by --data my-data --engine my-vllm.
    Serving(Serving),
}

/// Options of `calibrate kernels`.
#[derive(Debug, Args)]
pub struct Kernels {
    /// Folder of the unpacked wheel of `aiconfigurator-core`, or its `systems/data`; or a file of your
    /// own kernels that `tools/measure/measure.py` wrote.
    #[arg(value_name = "DIR|FILE")]
    pub tables: PathBuf,
    /// Id of one calibration; all that have tables when absent.
    #[arg(long, value_name = "ID")]
    pub chip: Option<String>,
    /// End with code 1 when the refit is better than a curve of the catalogue and their times are
    /// more than 2% apart at the median of shapes, or 6% at their 90th percentile, or a factor of
    /// an engine is more than 0.5% off.
    #[arg(long)]
    pub check: bool,
}

/// Fits and prints, writes or checks.
///
/// # Errors
/// What is wrong with the tables or the options, or a file that cannot be written.
pub fn run(options: &Calibrate, shared: &Shared) -> Result<Ending, Diagnostic> {
    match options {
        Calibrate::Kernels(options) => kernels(options, shared),
        Calibrate::Serving(options) => calibrate_serving::run(options, shared),
    }
}

fn kernels(options: &Kernels, shared: &Shared) -> Result<Ending, Diagnostic> {
    if options.check && shared.output.is_some() {
        let message = "--check writes nothing";
        return Err(Diagnostic::new(Code::Usage, message).help("leave --output out"));
    }
    let data = files::data(shared.data.as_deref())?;
    let fitted = if options.tables.is_file() {
        vec![calibrate_measured::fit(&data.catalog, options)?]
    } else {
        from_tables(&data.catalog, options)?
    };
    let mut ending = Ending::Done;
    for Fitted {
        entry,
        fit,
        package,
    } in fitted
    {
        files::print(&calibrate_table::fit(&entry.value, &fit))?;
        if options.check {
            let found = differences(&entry.value, &fit.calibration);
            files::print(&calibrate_table::differences(&found))?;
            if !found.is_empty() {
                ending = Ending::Failed;
            }
        }
        if let Some(folder) = &shared.output {
            let texts = files::texts(shared.data.as_deref())?;
            let name = format!("calibration/{}.toml", entry.value.id);
            let text = source(&texts, &name);
            save(folder, &entry.value.id, &text, &fit, &package)?;
        }
    }
    Ok(ending)
}

/// A calibration and its refit.
pub struct Fitted<'a> {
    /// As it is.
    pub entry: &'a Entry<Calibration>,
    /// What was fitted.
    pub fit: ChipFit,
    /// What it was fitted on.
    pub package: String,
}

/// Fits on the tables of a folder.
fn from_tables<'a>(catalog: &'a Catalog, options: &Kernels) -> Result<Vec<Fitted<'a>>, Diagnostic> {
    let root = root(&options.tables)?;
    let package = package(&options.tables);
    let chosen = chosen(catalog, options.chip.as_deref())?.into_iter();
    let fitted = chosen.map(|entry| {
        Ok(Fitted {
            entry,
            fit: fit(catalog, entry, &root)?,
            package: package.clone(),
        })
    });
    fitted.collect()
}

/// The folder of the tables, however deep the user started.
fn root(given: &Path) -> Result<PathBuf, Diagnostic> {
    let candidates = (0..=TABLES.len()).map(|skipped| {
        let mut path = given.to_path_buf();
        path.extend(&TABLES[skipped..]);
        path
    });
    let found = candidates
        .into_iter()
        .find(|path| path.is_dir() && has_tables(path));
    found.ok_or_else(|| {
        let message = format!("{} holds no kernel tables", given.display());
        Diagnostic::new(Code::File, message).help(
            "give the folder of an unpacked aiconfigurator-core wheel: pip download --no-deps \
             aiconfigurator-core==0.12.0, then unzip it",
        )
    })
}

/// Whether a folder has a chip with products.
fn has_tables(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|chip| chip.path().join("gemm").is_dir())
}

/// Name and version of the package, from the wheel's metadata beside or above the folder.
fn package(given: &Path) -> String {
    let given = given.canonicalize().unwrap_or_else(|_| given.to_path_buf());
    let folders = given.ancestors().take(TABLES.len() + 1);
    let names = folders.flat_map(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    });
    let version = names.into_iter().find_map(|name| {
        let rest = name.strip_prefix("aiconfigurator_core-")?;
        rest.strip_suffix(".dist-info").map(str::to_owned)
    });
    version.map_or_else(
        || "aiconfigurator-core, version not known".to_owned(),
        |version| format!("aiconfigurator-core {version}"),
    )
}

/// The calibrations that are fitted from tables.
///
/// # Errors
/// When there is none of that id, or it is not fitted.
pub fn chosen<'a>(
    catalog: &'a Catalog,
    id: Option<&str>,
) -> Result<Vec<&'a Entry<Calibration>>, Diagnostic> {
    let all = catalog.calibrations.values();
    let Some(id) = id else {
        return Ok(all.filter(|entry| entry.value.refit.is_some()).collect());
    };
    catalog.calibration(id)?;
    let found: Vec<_> = all.filter(|entry| entry.value.id == id).collect();
    if found.iter().all(|entry| entry.value.refit.is_none()) {
        let message = format!("calibration \"{id}\" is not fitted from tables");
        return Err(Diagnostic::new(Code::Value, message)
            .help("only a calibration file with a section [refit] is"));
    }
    Ok(found)
}

fn fit(catalog: &Catalog, entry: &Entry<Calibration>, root: &Path) -> Result<ChipFit, Diagnostic> {
    let Some(Refit { chip, tables, .. }) = &entry.value.refit else {
        let message = format!("{} has no section [refit]", entry.file);
        return Err(Diagnostic::new(Code::Value, message));
    };
    let chip = catalog.chip(chip)?;
    let folder = root.join(tables);
    let tables = read(&folder, root)?;
    if tables.is_empty() {
        let message = format!("there are no kernel tables in {}", folder.display());
        return Err(Diagnostic::new(Code::File, message));
    }
    refit(chip, &entry.value, &tables)
}

/// The tables of a chip: family / engine / release / file.
fn read(folder: &Path, root: &Path) -> Result<Vec<TableFile>, Diagnostic> {
    let mut found = Vec::new();
    for family in children(folder)? {
        let family_name = name(&family);
        if !TableKind::ALL
            .iter()
            .any(|kind| kind.family() == family_name)
        {
            continue;
        }
        for engine in children(&family)? {
            for version in children(&engine)? {
                for file in children(&version)? {
                    if let Some(kind) = TableKind::of(&family_name, &name(&file)) {
                        let shown = file.strip_prefix(root).unwrap_or(&file);
                        found.push(TableFile {
                            kind,
                            engine: name(&engine),
                            version: name(&version),
                            file: shown.display().to_string().replace('\\', "/"),
                            bytes: bytes(&file)?,
                        });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// What a folder holds, in the order of names; nothing for a file.
fn children(folder: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let listed = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect());
    let mut paths: Vec<PathBuf> = listed.map_err(|error| unreadable(folder, &error))?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn bytes(path: &Path) -> Result<Bytes, Diagnostic> {
    let size = fs::metadata(path)
        .map_err(|error| unreadable(path, &error))?
        .len();
    if size > LARGEST_TABLE {
        let why = format!("it has {size} bytes, the limit is {LARGEST_TABLE}");
        return Err(unreadable(path, &why));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok(Bytes::from(bytes))
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(Code::File, format!("cannot read {}: {why}", path.display()))
}

/// The text of a data file: the user's, else the built-in one.
pub fn source(texts: &[(String, String)], name: &str) -> String {
    let own = texts.iter().find(|(known, _)| known == name);
    let built_in = || {
        let mut files = chokepoint_engine::embedded().iter();
        let found = files.find(|(known, _)| *known == name);
        found.map_or_else(String::new, |(_, text)| (*text).to_owned())
    };
    own.map_or_else(built_in, |(_, text)| text.clone())
}

/// Writes the calibration file of a fit.
fn save(
    folder: &Path,
    id: &str,
    text: &str,
    fit: &ChipFit,
    package: &str,
) -> Result<(), Diagnostic> {
    make_folder(folder)?;
    let mut calibration = fit.calibration.clone();
    if let Some(refit) = &mut calibration.refit {
        package.clone_into(&mut refit.package);
        refit.date = today();
    }
    let path = folder.join(format!("{id}.toml"));
    files::write(&path, &write(text, &calibration))
}

/// # Errors
/// When a folder cannot be made.
pub fn make_folder(folder: &Path) -> Result<(), Diagnostic> {
    fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot make {}: {error}", folder.display());
        Diagnostic::new(Code::File, message)
    })
}

/// The date in UTC (Howard Hinnant, `civil_from_days`, for dates after 1970).
pub fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400) + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}
