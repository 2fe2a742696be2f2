//! `chokepoint train`.

use std::time::Instant;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    Failures, RunRequest, SpaceChoice, Target, TrainingRun, emit, parse_formats, parse_tokens,
    run_training,
};
use chokepoint_report::{Language, run_csv, run_json, run_svg, run_table};

use crate::args::{Emit, Format, Shared, SpaceName, Train};
use crate::{Ending, files};

/// Predicts a training run and prints it.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Train, shared: &Shared) -> Result<Ending, Diagnostic> {
    let mut data = files::data(shared.data.as_deref())?;
    files::read_model(&options.model, &mut data)?;
    let request = request(options)?;
    let start = Instant::now();
    let found = run_training(&request, &data)?;
    let seconds = start.elapsed().as_secs_f64();
    let language = Language::from(shared.lang);
    let text = match (request.target, found.job()) {
        (Some(target), Some(job)) => emit(target, &job)?,
        _ => shown(&found, seconds, options.format, language)?,
    };
    deliver(options, shared, &found, &text)?;
    Ok(if found.found.is_some() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

fn request(options: &Train) -> Result<RunRequest, Diagnostic> {
    let failures = match (&options.reliability, options.no_failures) {
        (_, true) => Failures::Ignored,
        (Some(id), false) => Failures::Of(id.clone()),
        (None, false) => Failures::Nearest,
    };
    Ok(RunRequest {
        model: options.model.clone(),
        system: options.system.clone(),
        chips: options.chips,
        tokens: parse_tokens(&options.tokens)?,
        batch: options.batch,
        sequence: options.sequence,
        formats: parse_formats(&options.precision)?,
        plan: options.plan.clone(),
        framework: options.framework.clone(),
        failures,
        prices: options.prices.clone(),
        others: usize::from(options.top),
        front: options.front,
        contention: options.contention,
        degraded_network: options.degraded_network,
        space: match options.space {
            SpaceName::Mainstream => SpaceChoice::Mainstream,
            SpaceName::All => SpaceChoice::Published,
        },
        target: options.emit.map(|emit| match emit {
            Emit::Megatron => Target::Megatron,
            Emit::Torchtitan => Target::Torchtitan,
        }),
        sites: options.sites.options()?,
        training: options.training.options(),
        extra_tokens: options.training.extra_tokens,
    })
}

fn shown(
    run: &TrainingRun,
    seconds: f64,
    format: Format,
    language: Language,
) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(run_table(run, language)),
        Format::Json => run_json(run, seconds, language)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => run_csv(run, language).map_err(|error| files::unwritten(&error)),
    }
}

/// The drawing, where one is asked for and there is a result, and the text: both or none.
fn deliver(
    options: &Train,
    shared: &Shared,
    run: &TrainingRun,
    text: &str,
) -> Result<(), Diagnostic> {
    let output = shared.output.as_deref();
    let (Some(path), true) = (&options.svg, run.found.is_some()) else {
        return files::deliver(output, text);
    };
    if output == Some(path) {
        let message = "--output and --svg name the same file";
        return Err(Diagnostic::new(Code::Usage, message));
    }
    let Some(drawing) = run_svg(run, Language::from(shared.lang)) else {
        let message = "the schedule of the plan has no timeline that could be drawn";
        return Err(Diagnostic::new(Code::Value, message)
            .help("leave --svg out; the notes of the result say why"));
    };
    files::write(path, &drawing)?;
    files::deliver(output, text).or_else(|problem| {
        files::remove(path)?;
        Err(problem)
    })
}
