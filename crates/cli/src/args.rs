//! Commands and options.

use std::path::PathBuf;

use chokepoint_report::Language;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::calibrate::Calibrate;
use crate::collective;
use crate::import;
use crate::options::Training;
use crate::replay::Replay;
use crate::serve::Serve;
use crate::share;
use crate::sites::Sites;

/// What holds an AI cluster back: the chip, the memory, the wire, the watt, the price or the rule?
#[derive(Debug, Parser)]
#[command(
    name = "chokepoint",
    version,
    about = "What holds an AI cluster back: the chip, the memory, the wire, the watt, the price or the rule?"
)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub shared: Shared,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Shared {
    /// Folder whose files replace or add to the built-in data.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Language of headings and messages.
    #[arg(long, global = true, value_enum, default_value = "en")]
    pub lang: Lang,
    /// File for the result instead of standard output; written whole or not at all.
    #[arg(long, short, global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare systems on the workloads of a scenario, with something held equal.
    Compare(Compare),
    /// Predict one training run: its fastest plan or a given one, what binds it, what failures
    /// leave of it, and its pipeline.
    Train(Box<Train>),
    /// Predict the serving of a model: the best plan under latency targets, a given one or the fewest
    /// chips for a rate, what binds it, what it costs, and launch arguments for an engine.
    Serve(Box<Serve>),
    /// Replay a trace of requests, or drawn ones, on instances of a model: latencies, goodput, energy.
    Replay(Box<Replay>),
    /// Predict published runs and print the error of every row.
    Validate(Validate),
    /// Look at how a system's chips are joined.
    Network(Network),
    /// Look at chips, links, systems, networks, models, prices, frameworks, failures and their sources.
    Catalog(Catalog),
    /// Fit the efficiency of chips again from published measurements.
    #[command(subcommand)]
    Calibrate(Calibrate),
    /// Print the JSON Schema of scenario files.
    Schema,
}

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// Scenario file.
    pub scenario: PathBuf,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// Also write a report with charts to this file; one file, no network needed to read it.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Options of `train`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Train {
    /// Id of a model, or path of a Hugging Face `config.json`.
    #[arg(long)]
    pub model: String,
    /// Id of a system.
    #[arg(long)]
    pub system: String,
    /// Chips that may be used.
    #[arg(long)]
    pub chips: u64,
    /// Tokens of the run, as 1e12, 300B or "15 T".
    #[arg(long, default_value = "1T")]
    pub tokens: String,
    /// Sequences of an optimizer step.
    #[arg(long, default_value_t = 1024)]
    pub batch: u64,
    /// Tokens of a sequence.
    #[arg(long, default_value_t = 4096)]
    pub sequence: u64,
    /// Number formats allowed for linear layers, most wanted first, separated by commas.
    #[arg(long, default_value = "fp8,bf16", value_name = "FORMATS")]
    pub precision: String,
    /// A plan to predict instead of searching, as "tp=8 pp=16 vp=2"; dp follows from the chips.
    #[arg(long)]
    pub plan: Option<String>,
    /// Id of a framework, whose kernels and defaults count.
    #[arg(long, value_name = "ID")]
    pub framework: Option<String>,
    /// Id of the cluster whose failures count; one of the same chip when absent.
    #[arg(long, value_name = "ID", conflicts_with = "no_failures")]
    pub reliability: Option<String>,
    /// Leave failures out.
    #[arg(long)]
    pub no_failures: bool,
    /// Also count the time in which links or switches of the network have failed and slow the run.
    #[arg(long)]
    pub degraded_network: bool,
    /// Id of the price book.
    #[arg(long, value_name = "ID", default_value = "retail-2025")]
    pub prices: String,
    /// Next-best plans to show.
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub top: u8,
    /// Also show plans that take longer and need less memory.
    #[arg(long)]
    pub front: bool,
    /// Also simulate what the traffic of a step takes on the links that its kinds share.
    #[arg(long)]
    pub contention: bool,
    /// Plans that are searched.
    #[arg(long, value_enum, default_value = "mainstream")]
    pub space: SpaceName,
    /// Print the plan as arguments of a framework instead of the result; only what it runs is
    /// searched.
    #[arg(long, value_enum)]
    pub emit: Option<Emit>,
    /// Also draw the pipeline of a step to this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// How the model is trained.
    #[command(flatten)]
    pub training: Training,
    /// Several sites.
    #[command(flatten)]
    pub sites: Sites,
}

/// Plans that are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpaceName {
    /// What mainstream frameworks run.
    Mainstream,
    /// Also the published schedules that none of them has.
    All,
}

/// Frameworks that a plan can be printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// Arguments of Megatron-Core's `pretrain_gpt.py`.
    Megatron,
    /// A job file of torchtitan.
    Torchtitan,
}

/// Options of `validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// The table.
    #[command(flatten)]
    pub tables: Tables,
    /// Another program's predictions of serving runs, to print beside; in the columns of
    /// `aic_silicon_predictions_sample.csv`.
    #[arg(long, value_name = "FILE", requires = "serving")]
    pub peer: Option<PathBuf>,
    /// Id of the chip that kernels were measured on; as the file says when absent.
    #[arg(long, value_name = "ID", requires = "kernels")]
    pub chip: Option<String>,
    /// Only the errors by group, not every row; of the form table.
    #[arg(long)]
    pub summary_only: bool,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Tables that can be validated: one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Tables {
    /// Published training runs, in the columns of `validation_training.csv`.
    #[arg(long, value_name = "FILE")]
    pub training: Option<PathBuf>,
    /// Published collectives and expert dispatches, in the columns of
    /// `collective_measurements.csv`.
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,
    /// Published serving runs, in the columns of `validation_inference.csv`.
    #[arg(long, value_name = "FILE")]
    pub serving: Option<PathBuf>,
    /// Kernels measured by `tools/measure/measure.py`, beside the curves of the chip.
    #[arg(long, value_name = "FILE")]
    pub kernels: Option<PathBuf>,
}

/// Options of `network`.
#[derive(Debug, Args)]
pub struct Network {
    /// What to do.
    #[command(subcommand)]
    pub action: NetworkAction,
}

/// What to do with networks.
#[derive(Debug, Subcommand)]
pub enum NetworkAction {
    /// Count switches, cables and modules, bandwidths and distances of a number of chips.
    Topology(Topology),
    /// Time a collective, size by size: by formulas, by measured curves, as flows or as packets.
    Run(collective::Run),
    /// Run collectives at once that share links, and print what each loses.
    Share(share::Share),
    /// Take what nccl-tests or rccl-tests measured on a system into a data folder.
    Import(import::Import),
}

/// Options of `network topology`.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Topology {
    /// Id of a system.
    pub system: String,
    /// Chips that are joined.
    #[arg(long)]
    pub chips: u64,
    /// Id of the price book.
    #[arg(long, value_name = "ID", default_value = "retail-2025")]
    pub prices: String,
    /// Also draw the domain and what joins the domains to this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Options of `catalog`.
#[derive(Debug, Args)]
pub struct Catalog {
    /// What to do.
    #[command(subcommand)]
    pub action: CatalogAction,
}

/// What to do with the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogAction {
    /// Name everything there is.
    List,
    /// Show one part.
    Show {
        /// Its id.
        id: String,
        /// Also show where each figure comes from.
        #[arg(long)]
        sources: bool,
    },
    /// Check that every figure has a source and lies in the range of its class.
    Check,
}

/// Forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading.
    Table,
    /// For programs; versioned, the unit is in each key.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::En,
            Lang::Zh => Self::Zh,
        }
    }
}
