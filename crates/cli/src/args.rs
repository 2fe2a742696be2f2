//! Commands and options.

use std::path::PathBuf;

use chokepoint_report::Language;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// What holds an AI cluster back: the chip, the memory, the wire, the watt, the price or the rule?
#[derive(Debug, Parser)]
#[command(name = "chokepoint", version, about)]
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
    /// Look at chips, systems, networks, models, prices and their sources.
    Catalog(Catalog),
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
