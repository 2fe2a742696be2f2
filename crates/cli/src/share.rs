//! `chokepoint network share`.

use chokepoint_engine::diag::Diagnostic;
use chokepoint_engine::{ShareRequest, ShareRun, parse_traffic, run_share};
use chokepoint_report::{Language, share_csv, share_json, share_table};
use clap::Args;

use crate::args::{Format, Shared};
use crate::options::DamageOptions;
use crate::{Ending, files};

/// Options of `network share`.
#[derive(Debug, Args)]
pub struct Share {
    /// Id of a system.
    pub system: String,
    /// Chips.
    #[arg(long)]
    pub chips: u64,
    /// `COLLECTIVE:SIZE:RANKSxSTRIDE`, with :ALGORITHM behind if one is meant; given once for each
    /// kind of traffic. All groups of a shape run it at once.
    #[arg(long, value_name = "TRAFFIC", required = true)]
    pub traffic: Vec<String>,
    /// What of the network fails and is slow.
    #[command(flatten)]
    pub damage: DamageOptions,
    /// Seed of what is left to chance: paths, which parts fail.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Form of the result.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// Runs traffic alone and together and prints it.
///
/// # Errors
/// What is wrong with the options, or a file that cannot be written.
pub fn run(options: &Share, shared: &Shared) -> Result<Ending, Diagnostic> {
    let data = files::data(shared.data.as_deref())?;
    let traffic = options.traffic.iter().map(|text| parse_traffic(text));
    let request = ShareRequest {
        system: options.system.clone(),
        chips: options.chips,
        traffic: traffic.collect::<Result<_, _>>()?,
        damage: options.damage.damages()?,
        seed: options.seed,
    };
    let found = run_share(&request, &data)?;
    let text = shown(&found, options.format, Language::from(shared.lang))?;
    files::deliver(shared.output.as_deref(), &text)?;
    Ok(if found.together.is_some() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

fn shown(found: &ShareRun, format: Format, language: Language) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(share_table(found, language)),
        Format::Json => {
            let text = share_json(found).map_err(|error| files::unwritten(&error))?;
            Ok(text + "\n")
        }
        Format::Csv => share_csv(found).map_err(|error| files::unwritten(&error)),
    }
}
