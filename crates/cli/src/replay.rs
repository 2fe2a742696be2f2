//! `chokepoint replay`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::trace::{Observer, Record, Synthetic, Targets, Trace};
use chokepoint_engine::{
    ReplayRequest, ReplayRun, ReplaySource, parse_formats, parse_lengths, parse_process,
    parse_router, parse_split, parse_time, run_replay,
};
use chokepoint_report::{
    Language, record_columns, record_line, replay_csv, replay_json, replay_svg, replay_table,
};
use clap::Args;

use crate::args::{Format, Shared};
use crate::files::Growing;
use crate::options::one_format;
use crate::{Ending, files};

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Replay {
    /// Trace file: Azure, BurstGPT or Mooncake, recognised by its first line.
    #[arg(required_unless_present = "synthetic", conflicts_with = "synthetic")]
    pub trace: Option<PathBuf>,
    /// Id of a model, or path of a Hugging Face `config.json`.
    #[arg(long)]
    pub model: String,
    /// Id of a system.
    #[arg(long)]
    pub system: String,
    /// Instances; those that --chips makes when absent, or one.
    #[arg(long, value_name = "N")]
    pub instances: Option<u64>,
    /// Chips of all instances; those of the instances when absent.
    #[arg(long, value_name = "N")]
    pub chips: Option<u64>,
    /// Instances that only compute prompts, and those that only decode, as 2:6.
    #[arg(long, value_name = "PREFILL:DECODE")]
    pub disaggregate: Option<String>,
    /// Which instance gets a request: round-robin, least-loaded or kv.
    #[arg(long, default_value = "least-loaded")]
    pub router: String,
    /// Id of a serving engine.
    #[arg(long, value_name = "ID", default_value = "vllm")]
    pub engine: String,
    /// How an instance is spread, as "tp=8" or "tp=1 dp=32"; searched when absent.
    #[arg(long)]
    pub plan: Option<String>,
    /// Number formats allowed for weights and linear layers, most wanted first, separated by commas.
    #[arg(long, default_value = "fp8,bf16")]
    pub formats: String,
    /// Number format of keys and values.
    #[arg(long, value_name = "FORMAT", default_value = "bf16")]
    pub cache_format: String,
    /// Draw requests instead of reading a trace: poisson:RATE, gamma:RATE:VARIATION, uniform:RATE,
    /// closed:CONCURRENCY or at-once; rates in requests a second.
    #[arg(long, value_name = "PROCESS", requires = "input", requires = "answer")]
    pub synthetic: Option<String>,
    /// Requests to draw.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "synthetic")]
    pub requests: u64,
    /// Tokens of a drawn prompt, as 1024 or 800..1000.
    #[arg(long, value_name = "TOKENS", requires = "synthetic")]
    pub input: Option<String>,
    /// Tokens of a drawn answer, as 256 or 200..300.
    #[arg(long, value_name = "TOKENS", requires = "synthetic")]
    pub answer: Option<String>,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 1, requires = "synthetic")]
    pub seed: u64,
    /// Requests of the trace arrive this many times as fast.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        conflicts_with = "synthetic"
    )]
    pub rate_scale: f64,
    /// Only the first requests of the trace.
    #[arg(long, value_name = "N", conflicts_with = "synthetic")]
    pub limit: Option<u64>,
    /// Longest time to the first token of a good request, as "2 s".
    #[arg(long, value_name = "TIME")]
    pub ttft: Option<String>,
    /// Longest mean time for each later token of a good request, as "50 ms".
    #[arg(long, value_name = "TIME")]
    pub tpot: Option<String>,
    /// Prompts do not share what they have in common.
    #[arg(long)]
    pub no_prefix_cache: bool,
    /// The replay ends at this time; what is under way is unfinished.
    #[arg(long, value_name = "TIME")]
    pub horizon: Option<String>,
    /// Also write a line for each request to this file.
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// Also draw what the instances do over time to this file.
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Replays requests and prints what came of it.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Replay, shared: &Shared) -> Result<Ending, Diagnostic> {
    check_files(options, shared)?;
    let mut data = files::data(shared.data.as_deref())?;
    files::read_model(&options.model, &mut data)?;
    let request = request(options)?;
    let mut records = Records::begin(options.records.as_deref())?;
    let mut open = || open(options.trace.as_deref().unwrap_or(Path::new("")));
    let found = run_replay(&request, &data, &mut open, &mut records)?;
    let language = Language::from(shared.lang);
    let text = shown(&found, options.format, language)?;
    deliver(options, shared, &found, records, &text)?;
    Ok(if found.found.is_ok() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

/// Files that are written must differ from each other and from the trace.
fn check_files(options: &Replay, shared: &Shared) -> Result<(), Diagnostic> {
    let all = [
        ("the trace", &options.trace),
        ("--records", &options.records),
        ("--timeline", &options.timeline),
        ("--output", &shared.output),
    ];
    for (index, (name, path)) in all.iter().enumerate() {
        let same = |(_, other): &&(&str, &Option<PathBuf>)| path.is_some() && path == other;
        if let Some((other, _)) = all[index + 1..].iter().find(same) {
            let message = format!("{name} and {other} name the same file");
            return Err(Diagnostic::new(Code::Usage, message));
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Trace<BufReader<File>>, Diagnostic> {
    let name = path.display().to_string();
    let file = File::open(path);
    let file =
        file.map_err(|error| Diagnostic::new(Code::File, format!("cannot read {name}: {error}")))?;
    Trace::open(&name, BufReader::with_capacity(1 << 16, file))
}

fn request(options: &Replay) -> Result<ReplayRequest, Diagnostic> {
    let time = |text: &Option<String>| text.as_deref().map(parse_time).transpose();
    let split = options.disaggregate.as_deref().map(parse_split);
    Ok(ReplayRequest {
        model: options.model.clone(),
        system: options.system.clone(),
        engine: options.engine.clone(),
        source: source(options)?,
        instances: options.instances,
        chips: options.chips,
        disaggregate: split.transpose()?,
        plan: options.plan.clone(),
        formats: parse_formats(&options.formats)?,
        cache_format: one_format("--cache-format", &options.cache_format)?,
        router: parse_router(&options.router)?,
        targets: Targets {
            first_token: time(&options.ttft)?,
            token_interval: time(&options.tpot)?,
            whole: None,
        },
        prefix_cache: !options.no_prefix_cache,
        horizon: time(&options.horizon)?,
    })
}

fn source(options: &Replay) -> Result<ReplaySource, Diagnostic> {
    let Some(process) = &options.synthetic else {
        let name = options.trace.as_deref().unwrap_or(Path::new(""));
        return Ok(ReplaySource::Trace {
            name: name.display().to_string(),
            rate_scale: options.rate_scale,
            limit: options.limit,
        });
    };
    let (process, concurrency) = parse_process(process)?;
    let lengths = |text: &Option<String>| parse_lengths(text.as_deref().unwrap_or_default());
    Ok(ReplaySource::Synthetic {
        drawn: Synthetic {
            requests: options.requests,
            process,
            input: lengths(&options.input)?,
            output: lengths(&options.answer)?,
            seed: options.seed,
        },
        concurrency,
    })
}

fn shown(run: &ReplayRun, format: Format, language: Language) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(replay_table(run, language)),
        Format::Json => replay_json(run)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => replay_csv(run).map_err(|error| files::unwritten(&error)),
    }
}

/// Lines of requests on their way to a file, where one is asked for.
struct Records {
    file: Option<Growing>,
    /// The first error of writing.
    failed: Option<Diagnostic>,
}

impl Records {
    fn begin(path: Option<&Path>) -> Result<Self, Diagnostic> {
        let mut file = path.map(Growing::begin).transpose()?;
        if let Some(file) = &mut file {
            file.write(record_columns())?;
        }
        Ok(Self { file, failed: None })
    }
}

impl Observer for Records {
    fn request(&mut self, record: &Record) {
        if let (Some(file), None) = (&mut self.file, &self.failed) {
            self.failed = file.write(&record_line(record)).err();
        }
    }
}

/// Records, drawing and text, where there is a result: all or none.
fn deliver(
    options: &Replay,
    shared: &Shared,
    run: &ReplayRun,
    records: Records,
    text: &str,
) -> Result<(), Diagnostic> {
    if let Some(problem) = records.failed {
        return Err(problem);
    }
    let mut written: Vec<&Path> = Vec::new();
    let attempt = |written: &mut Vec<_>| {
        if let (Some(path), Some(file), true) = (&options.records, records.file, run.found.is_ok())
        {
            file.finish()?;
            written.push(path.as_path());
        }
        if let Some(path) = &options.timeline
            && let Some(drawing) = replay_svg(run, Language::from(shared.lang))
        {
            files::write(path, &drawing)?;
            written.push(path.as_path());
        }
        files::deliver(shared.output.as_deref(), text)
    };
    attempt(&mut written).or_else(|problem| {
        for path in written {
            files::remove(path)?;
        }
        Err(problem)
    })
}
