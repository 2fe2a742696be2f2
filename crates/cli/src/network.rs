//! `chokepoint network`.

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::{TopologyRequest, TopologyRun, run_topology};
use chokepoint_report::{Language, topology_csv, topology_json, topology_svg, topology_table};

use crate::args::{Format, Network, NetworkAction, Shared, Topology};
use crate::{Ending, collective, files, import, share};

/// Runs what is asked of networks.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Network, shared: &Shared) -> Result<Ending, Diagnostic> {
    match &options.action {
        NetworkAction::Topology(options) => topology(options, shared),
        NetworkAction::Run(options) => collective::run(options, shared),
        NetworkAction::Share(options) => share::run(options, shared),
        NetworkAction::Import(options) => import::run(options, shared),
    }
}

fn topology(options: &Topology, shared: &Shared) -> Result<Ending, Diagnostic> {
    let data = files::data(shared.data.as_deref())?;
    let request = TopologyRequest {
        system: options.system.clone(),
        chips: options.chips,
        prices: options.prices.clone(),
    };
    let found = run_topology(&request, &data)?;
    let language = Language::from(shared.lang);
    let text = match options.format {
        Format::Table => topology_table(&found, language),
        Format::Json => topology_json(&found, language)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error))?,
        Format::Csv => topology_csv(&found, language).map_err(|error| files::unwritten(&error))?,
    };
    deliver(options, shared, &found, &text)?;
    Ok(if found.built.is_some() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

/// The drawing, where one is asked for and there is a network, and the text: both or none.
fn deliver(
    options: &Topology,
    shared: &Shared,
    run: &TopologyRun,
    text: &str,
) -> Result<(), Diagnostic> {
    let output = shared.output.as_deref();
    let drawing = topology_svg(run, Language::from(shared.lang));
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
