//! `chokepoint network run`.

use std::path::PathBuf;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{
    CollectiveRequest, CollectiveRun, Fidelity, collective_goal, parse_algorithm, parse_collective,
    parse_size, run_collective, sizes,
};
use chokepoint_report::{Language, collective_csv, collective_json, collective_table};
use clap::{Args, ValueEnum};

use crate::args::{Format, Shared};
use crate::options::DamageOptions;
use crate::{Ending, files};

/// Options of `network run`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Run {
    /// Id of a system.
    pub system: String,
    /// all-reduce, reduce-scatter, all-gather, all-to-all, broadcast or send-receive.
    #[arg(long)]
    pub collective: String,
    /// Ranks, one on each chip from the first on.
    #[arg(long)]
    pub ranks: u64,
    /// Sizes of the message, such as "64 KiB"; may be given several times.
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["from", "to", "factor"])]
    pub size: Vec<String>,
    /// Smallest size.
    #[arg(long, value_name = "SIZE", default_value = "1 KiB")]
    pub from: String,
    /// Largest size.
    #[arg(long, value_name = "SIZE", default_value = "1 GiB")]
    pub to: String,
    /// From one size to the next.
    #[arg(long, default_value_t = 4.0)]
    pub factor: f64,
    /// How closely the network is looked at.
    #[arg(long, value_enum, default_value = "calibrated")]
    pub fidelity: FidelityName,
    /// What is simulated; the fastest where none is named.
    #[arg(long)]
    pub algorithm: Option<String>,
    /// Slices that a message is cut in; what is fastest where none are named.
    #[arg(long)]
    pub slices: Option<u32>,
    /// What of the network fails and is slow.
    #[command(flatten)]
    pub damage: DamageOptions,
    /// Seed of what is left to chance: paths, which parts fail.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Also write the transfers of the named algorithm at the first size as GOAL (`LogGOPSim`).
    #[arg(long, value_name = "FILE", requires = "algorithm")]
    pub goal: Option<PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// How closely the network is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FidelityName {
    /// Latency and size over bandwidth.
    ClosedForm,
    /// The same on measured curves, where there are any; what training and serving use.
    Calibrated,
    /// Transfers that share links fairly.
    Flows,
    /// Packets in queues.
    Packets,
}

impl From<FidelityName> for Fidelity {
    fn from(name: FidelityName) -> Self {
        match name {
            FidelityName::ClosedForm => Self::ClosedForm,
            FidelityName::Calibrated => Self::Calibrated,
            FidelityName::Flows => Self::Flows,
            FidelityName::Packets => Self::Packets,
        }
    }
}

/// Runs a collective and prints it.
///
/// # Errors
/// What is wrong with the options, or a file that cannot be written.
pub fn run(options: &Run, shared: &Shared) -> Result<Ending, Diagnostic> {
    let data = files::data(shared.data.as_deref())?;
    let request = request(options)?;
    let found = run_collective(&request, &data)?;
    let text = shown(&found, options.format, Language::from(shared.lang))?;
    if let Some(path) = &options.goal {
        if shared.output.as_ref() == Some(path) {
            let message = "--output and --goal name the same file";
            return Err(Diagnostic::new(Code::Usage, message));
        }
        files::deliver(Some(path), &collective_goal(&request, &data)?)?;
    }
    files::deliver(shared.output.as_deref(), &text)?;
    let any = found.rows.iter().any(|row| row.found.is_ok());
    Ok(if any { Ending::Done } else { Ending::Failed })
}

fn request(options: &Run) -> Result<CollectiveRequest, Diagnostic> {
    Ok(CollectiveRequest {
        system: options.system.clone(),
        collective: parse_collective(&options.collective)?,
        ranks: options.ranks,
        sizes: wanted(options)?,
        fidelity: options.fidelity.into(),
        algorithm: options
            .algorithm
            .as_deref()
            .map(parse_algorithm)
            .transpose()?,
        slices: options.slices,
        damage: options.damage.damages()?,
        seed: options.seed,
    })
}

fn wanted(options: &Run) -> Result<Vec<chokepoint_engine::units::Bytes>, Diagnostic> {
    if !options.size.is_empty() {
        return options.size.iter().map(|text| parse_size(text)).collect();
    }
    if options.factor.is_nan() || options.factor < 1.1 {
        let message = format!("--factor {} is too small", options.factor);
        return Err(Diagnostic::new(Code::Usage, message).help("write a number from 1.1 on"));
    }
    let (from, to) = (parse_size(&options.from)?, parse_size(&options.to)?);
    if from > to {
        let message = format!("--from {} is above --to {}", options.from, options.to);
        return Err(Diagnostic::new(Code::Usage, message));
    }
    Ok(sizes(from, to, options.factor))
}

fn shown(found: &CollectiveRun, format: Format, language: Language) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(collective_table(found, language)),
        Format::Json => {
            let text = collective_json(found).map_err(|error| files::unwritten(&error))?;
            Ok(text + "\n")
        }
        Format::Csv => collective_csv(found).map_err(|error| files::unwritten(&error)),
    }
}
