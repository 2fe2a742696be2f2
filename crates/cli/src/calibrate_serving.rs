//! `chokepoint calibrate serving`.

use std::path::{Path, PathBuf};

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    Answer, BenchmarkFile, ServingFitRequest, engine_file, fit_serving, parse_formats,
};
use chokepoint_report::{Language, fit_table};
use clap::Args;
use rayon::prelude::*;

use crate::args::Shared;
use crate::calibrate::{make_folder, source, today};
use crate::options::one_format;
use crate::{Ending, files};

/// Options of `calibrate serving`.
#[derive(Debug, Args)]
pub struct Serving {
    /// Result files of `vllm bench serve --save-result`, genai-perf, AIPerf or guidellm, recognised
    /// by what they hold.
    #[arg(required = true, value_name = "FILE")]
    pub results: Vec<PathBuf>,
    /// Id of a model, or path of a Hugging Face `config.json`.
    #[arg(long)]
    pub model: String,
    /// Id of the system that was measured.
    #[arg(long)]
    pub system: String,
    /// How an instance was spread, as "tp=8" or "tp=1 dp=32".
    #[arg(long)]
    pub plan: String,
    /// Instances behind the address that was measured.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub instances: u64,
    /// Id of the serving engine to start from.
    #[arg(long, value_name = "ID", default_value = "vllm")]
    pub engine: String,
    /// Number formats of weights and linear layers, most wanted first, separated by commas.
    #[arg(long, default_value = "fp8,bf16")]
    pub formats: String,
    /// Number format of keys and values.
    #[arg(long, value_name = "FORMAT", default_value = "bf16")]
    pub cache_format: String,
}

/// Fits an engine's host times to result files and prints both predictions; with --output, writes
/// the engine's file.
///
/// # Errors
/// What is wrong with a file or the options, or a file that cannot be written.
pub fn run(options: &Serving, shared: &Shared) -> Result<Ending, Diagnostic> {
    let mut data = files::data(shared.data.as_deref())?;
    files::read_model(&options.model, &mut data)?;
    let results: Result<Vec<BenchmarkFile>, Diagnostic> = options
        .results
        .iter()
        .map(|path| BenchmarkFile::parse(&path.display().to_string(), &files::read(path)?))
        .collect();
    let request = ServingFitRequest {
        model: options.model.clone(),
        system: options.system.clone(),
        plan: options.plan.clone(),
        instances: options.instances,
        engine: options.engine.clone(),
        formats: parse_formats(&options.formats)?,
        cache_format: one_format("--cache-format", &options.cache_format)?,
    };
    if let Some(path) = &shared.output {
        check_place(path)?;
    }
    let fit = fit_serving(&request, results?, &data, &at_once)?;
    if let Some(path) = &shared.output {
        let texts = files::texts(shared.data.as_deref())?;
        let text = source(&texts, &format!("engines/{}.toml", request.engine));
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = engine_file(&fit, &id, &text, &today())?;
        make_folder(path.parent().unwrap_or(Path::new("")))?;
        files::write(path, &text)?;
    }
    files::print(&fit_table(&fit, Language::from(shared.lang)))?;
    Ok(Ending::Done)
}

/// # Errors
/// When a data folder would not find the file, or take it for something else.
fn check_place(path: &Path) -> Result<(), Diagnostic> {
    let folder = path.parent().and_then(Path::file_name);
    let toml = path.extension().is_some_and(|ending| ending == "toml");
    if folder.is_some_and(|folder| folder == "engines") && toml {
        return Ok(());
    }
    let message = format!("--output {} is no place of an engine", path.display());
    Err(Diagnostic::new(Code::Usage, message)
        .help("write a file .toml in a folder engines, such as my-data/engines/my-vllm.toml"))
}

/// All runs at once.
fn at_once(count: usize, predict: &(dyn Fn(usize) -> Answer + Sync)) -> Vec<Answer> {
    (0..count).into_par_iter().map(predict).collect()
}
