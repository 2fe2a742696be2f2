//! `chokepoint serve`.

use std::path::PathBuf;
use std::time::Instant;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    Ask, Goal, Launcher, ServeRequest, Serving, ServingRun, launch, parse_formats, run_serving,
};
use chokepoint_report::{Language, serve_csv, serve_json, serve_svg, serve_table};
use clap::{Args, ValueEnum};

use crate::args::{Format, Shared};
use crate::options::{one_format, quantity};
use crate::{Ending, files};

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Serve {
    /// Id of a model, or path of a Hugging Face `config.json`.
    #[arg(long)]
    pub model: String,
    /// Id of a system.
    #[arg(long)]
    pub system: String,
    /// Chips that may be used; may be left out where --rate or --plan says how many.
    #[arg(long)]
    pub chips: Option<u64>,
    /// Tokens of a prompt.
    #[arg(long, value_name = "TOKENS", alias = "input")]
    pub input_tokens: u64,
    /// Tokens of an answer (--output is a file).
    #[arg(long, value_name = "TOKENS")]
    pub output_tokens: u64,
    /// Longest mean time to the first token; that of a share of requests with --percentile.
    #[arg(long, value_name = "TIME", default_value = "2 s")]
    pub ttft: String,
    /// Longest mean time for each later token; that of a share of requests with --percentile.
    #[arg(long, value_name = "TIME", default_value = "50 ms")]
    pub tpot: String,
    /// Requests of a hundred that must meet both targets under random (Poisson) arrivals, such as 99:
    /// plans are replayed to find the highest rate at which they do. The targets are means in steady
    /// state when absent.
    #[arg(long, value_name = "PERCENT", conflicts_with_all = ["goal", "rate"])]
    pub percentile: Option<f64>,
    /// Number formats allowed for weights and linear layers, most wanted first, separated by commas.
    #[arg(long, default_value = "fp8,int8,bf16", value_name = "FORMATS")]
    pub formats: String,
    /// Number format of the key-value cache.
    #[arg(long, default_value = "bf16", value_name = "FORMAT")]
    pub cache_format: String,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    #[arg(long, value_name = "RATIO", default_value_t = 1.0)]
    pub imbalance: f64,
    /// Id of a serving engine, whose host work, kernels and memory count; kernels alone without.
    #[arg(long, value_name = "ID")]
    pub engine: Option<String>,
    /// Share of each prompt that is in the cache from earlier requests, 0 to below 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub prefix_hit: f64,
    /// Tokens drafted in an iteration and checked together.
    #[arg(long, value_name = "N")]
    pub drafted: Option<u64>,
    /// Of the drafted tokens kept in the mean; needed with them.
    #[arg(long, value_name = "X")]
    pub accepted: Option<f64>,
    /// A plan to predict instead of searching, as results print it:
    /// "prefill 2x[tp=8 batch=1] decode 4x[tp=1 dp=16 ep=16 batch=64] fp8 kv=bf16".
    #[arg(long, conflicts_with_all = ["goal", "rate"])]
    pub plan: Option<String>,
    /// What the best plan is, among those that meet the targets.
    #[arg(long, value_enum, default_value = "throughput")]
    pub goal: GoalName,
    /// Look for the fewest chips that serve so many requests a second.
    #[arg(long, value_name = "REQUESTS_PER_SECOND", conflicts_with = "goal")]
    pub rate: Option<f64>,
    /// Also show the front of interactivity against throughput; the target for later tokens is left
    /// aside for it.
    #[arg(long)]
    pub front: bool,
    /// Also draw the front to this file.
    #[arg(long, value_name = "FILE", requires = "front")]
    pub svg: Option<PathBuf>,
    /// Id of the price book.
    #[arg(long, value_name = "ID", default_value = "retail-2025")]
    pub prices: String,
    /// Print the plan as launch arguments of an engine instead of the result; the best plan that it
    /// can run is taken.
    #[arg(long, value_enum)]
    pub emit: Option<EngineName>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// What a best plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GoalName {
    /// The most output tokens a second on all chips.
    Throughput,
    /// The least money for an output token, where only units in use are paid for.
    Cost,
    /// The least energy for an output token, of the units in use.
    Energy,
}

/// Engines that a plan can be printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Commands of `vllm serve`.
    Vllm,
    /// Commands of `sglang.launch_server`.
    Sglang,
    /// Commands and files of `trtllm-serve`.
    Trtllm,
    /// A `DynamoGraphDeployment` with vLLM.
    Dynamo,
}

/// Predicts serving and prints it.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Serve, shared: &Shared) -> Result<Ending, Diagnostic> {
    let mut data = files::data(shared.data.as_deref())?;
    files::read_model(&options.model, &mut data)?;
    let request = request(options)?;
    let start = Instant::now();
    let found = run_serving(&request, &data)?;
    let seconds = start.elapsed().as_secs_f64();
    let language = Language::from(shared.lang);
    let written = match (request.launcher, found.launch()) {
        (Some(launcher), Some(plan)) => launch(launcher, &plan).ok(),
        _ => None,
    };
    let text = match written {
        Some(text) => text,
        None => shown(&found, seconds, options.format, language)?,
    };
    deliver(options, shared, &found, &text)?;
    Ok(if found.found.is_some() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

fn request(options: &Serve) -> Result<ServeRequest, Diagnostic> {
    Ok(ServeRequest {
        serving: Serving {
            id: "serve".to_owned(),
            model: options.model.clone(),
            input: options.input_tokens,
            output: options.output_tokens,
            ttft: quantity("--ttft", &options.ttft)?,
            tpot: quantity("--tpot", &options.tpot)?,
            formats: parse_formats(&options.formats)?,
            cache_format: one_format("--cache-format", &options.cache_format)?,
            expert_imbalance: options.imbalance,
            engine: options.engine.clone(),
            prefix_hit: options.prefix_hit,
            drafted_tokens: options.drafted,
            accepted_tokens: options.accepted,
            requests_per_second: None,
            equal: None,
        },
        system: options.system.clone(),
        chips: options.chips,
        ask: match (&options.plan, options.rate) {
            (Some(plan), _) => Ask::Given(plan.clone()),
            (None, Some(rate)) => Ask::Rate(rate),
            (None, None) => Ask::Best(match options.goal {
                GoalName::Throughput => Goal::Throughput,
                GoalName::Cost => Goal::Cost,
                GoalName::Energy => Goal::Energy,
            }),
        },
        percentile: options.percentile,
        front: options.front,
        prices: options.prices.clone(),
        launcher: options.emit.map(|emit| match emit {
            EngineName::Vllm => Launcher::Vllm,
            EngineName::Sglang => Launcher::Sglang,
            EngineName::Trtllm => Launcher::Trtllm,
            EngineName::Dynamo => Launcher::Dynamo,
        }),
    })
}

fn shown(
    run: &ServingRun,
    seconds: f64,
    format: Format,
    language: Language,
) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(serve_table(run, language)),
        Format::Json => serve_json(run, seconds, language)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => serve_csv(run, language).map_err(|error| files::unwritten(&error)),
    }
}

/// The drawing, where one is asked for and there is a front, and the text: both or none.
fn deliver(
    options: &Serve,
    shared: &Shared,
    run: &ServingRun,
    text: &str,
) -> Result<(), Diagnostic> {
    let output = shared.output.as_deref();
    let drawing = serve_svg(run, Language::from(shared.lang));
    let (Some(path), Some(drawing)) = (&options.svg, drawing) else {
        return files::deliver(output, text);
    };
    if output == Some(path) {
        let message = "--output and --svg name the same file";
        return Err(Diagnostic::new(Code::Usage, message));
    }
    files::write(path, &drawing)?;
    files::deliver(output, text).or_else(|problem| {
        files::remove(path)?;
        Err(problem)
    })
}
