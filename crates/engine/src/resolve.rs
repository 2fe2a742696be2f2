//! From a scenario and the data to what the calculation needs.

use std::ops::Range;

use chokepoint_catalog::{
    Catalog, Chip, Entry, Figure, Framework, Grade, Network, PriceBook, ServingEngine, Source,
    System, check,
};
use chokepoint_chip::ChipSpec;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_rules::{Country, Transaction};
use chokepoint_units::Quantity;
use jiff::civil::Date;
use toml::Spanned;

use crate::Data;
use crate::scenario::{DerivedChip, DerivedSystem, Held, Scenario, Workload};
use crate::serving_software::engine_named;

/// A scenario whose references are resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The scenario.
    pub scenario: Scenario,
    /// The data with the scenario's own parts.
    pub data: Data,
    /// Price book.
    pub prices: PriceBook,
    /// For export rules.
    pub transaction: Transaction,
    /// Models of the workloads, in their order.
    pub models: Vec<Architecture>,
    /// Training frameworks of the workloads, in their order, where they name one.
    pub frameworks: Vec<Option<Framework>>,
    /// Serving engines of the workloads, in their order, where they name one.
    pub engines: Vec<Option<ServingEngine>>,
    /// Systems, in the order of the scenario.
    pub systems: Vec<SystemParts>,
}

/// A system with the parts it refers to.
#[derive(Debug, Clone)]
pub struct SystemParts {
    /// The system.
    pub system: System,
    /// Its chip.
    pub chip: Chip,
    /// Its network.
    pub network: Network,
    /// What the calculation needs of the chip, or which figure is missing.
    pub spec: Result<ChipSpec, Diagnostic>,
    /// Its fabric.
    pub fabric: Fabric,
}

/// Resolves a scenario.
///
/// # Errors
/// The first reference that names nothing, with its place in the file.
pub fn resolve(file: &str, text: &str, mut data: Data) -> Result<Resolved, Diagnostic> {
    let scenario = Scenario::parse(file, text)?;
    define(file, text, &scenario, &mut data.catalog)?;
    if let Some(problem) = scenario_problem(file, text, &scenario, &data.catalog) {
        return Err(problem);
    }
    let placed = |error: Diagnostic, span| {
        if error.place.is_some() {
            error
        } else {
            error.at(file, text, span)
        }
    };
    let mut systems = Vec::new();
    for id in &scenario.systems {
        let parts =
            system_parts(&data.catalog, id.get_ref()).map_err(|error| placed(error, id.span()))?;
        systems.push(parts);
    }
    let (mut models, mut frameworks, mut engines) = (Vec::new(), Vec::new(), Vec::new());
    for workload in &scenario.workloads {
        let model = workload.get_ref().model();
        models.push(
            data.model(model)
                .map_err(|error| placed(error, quoted_span(text, workload, model)))?,
        );
        let framework = workload.get_ref().framework().map(|id| {
            let found = data.catalog.framework(id).cloned();
            found.map_err(|error| placed(error, quoted_span(text, workload, id)))
        });
        frameworks.push(framework.transpose()?);
        let engine = workload.get_ref().engine().map(|id| {
            let found = engine_named(&data.catalog, id).cloned();
            found.map_err(|error| placed(error, quoted_span(text, workload, id)))
        });
        engines.push(engine.transpose()?);
    }
    let prices = data
        .catalog
        .price_book(scenario.prices.get_ref())
        .map_err(|error| placed(error, scenario.prices.span()))?
        .clone();
    let transaction = transaction(file, text, &scenario)?;
    Ok(Resolved {
        scenario,
        data,
        prices,
        transaction,
        models,
        frameworks,
        engines,
        systems,
    })
}

/// The place of an id in a workload, or of the workload when it cannot be found.
#[must_use]
pub fn quoted_span(text: &str, workload: &Spanned<Workload>, id: &str) -> Range<usize> {
    let span = workload.span();
    let quoted = format!("\"{id}\"");
    let found = text.get(span.start..).and_then(|rest| rest.find(&quoted));
    found.map_or(span.clone(), |at| {
        span.start + at..span.start + at + quoted.len()
    })
}

fn transaction(file: &str, text: &str, scenario: &Scenario) -> Result<Transaction, Diagnostic> {
    let date = &scenario.date;
    let on: Date = date.get_ref().parse().map_err(|_| {
        Diagnostic::new(
            Code::Value,
            format!("expected a day as YYYY-MM-DD, found \"{}\"", date.get_ref()),
        )
        .at(file, text, date.span())
    })?;
    let destination = Country::parse(scenario.destination.get_ref())
        .map_err(|error| error.at(file, text, scenario.destination.span()))?;
    let end_user_hq = match &scenario.end_user_hq {
        Some(country) => Country::parse(country)?,
        None => destination,
    };
    Ok(Transaction {
        origin: Country::parse("US")?,
        destination,
        end_user_hq: Some(end_user_hq),
        on,
    })
}

/// Adds the chips and systems that the scenario defines or derives.
fn define(
    file: &str,
    text: &str,
    scenario: &Scenario,
    catalog: &mut Catalog,
) -> Result<(), Diagnostic> {
    let source = Source {
        title: scenario.title.clone(),
        publisher: "the scenario's author".to_owned(),
        address: file.to_owned(),
        date: None,
        grade: Grade::A,
        licence: None,
    };
    catalog.sources.insert("scenario".to_owned(), source);
    for chip in &scenario.chips {
        catalog.chips.insert(
            chip.id.clone(),
            Entry {
                file: file.to_owned(),
                value: chip.clone(),
            },
        );
    }
    for (id, derived) in &scenario.derive.chips {
        let base = catalog.chip(derived.from.get_ref());
        let base = base.map_err(|error| error.at(file, text, derived.from.span()))?;
        let chip = derive_chip(id, base, derived);
        catalog.chips.insert(
            id.clone(),
            Entry {
                file: file.to_owned(),
                value: chip,
            },
        );
    }
    for system in &scenario.defined_systems {
        catalog.systems.insert(
            system.id.clone(),
            Entry {
                file: file.to_owned(),
                value: system.clone(),
            },
        );
    }
    for (id, derived) in &scenario.derive.systems {
        let base = catalog.system(derived.from.get_ref());
        let base = base.map_err(|error| error.at(file, text, derived.from.span()))?;
        if let Some(chip) = &derived.chip {
            catalog
                .chip(chip.get_ref())
                .map_err(|error| error.at(file, text, chip.span()))?;
        }
        let system = derive_system(id, base, derived);
        catalog.systems.insert(
            id.clone(),
            Entry {
                file: file.to_owned(),
                value: system,
            },
        );
    }
    Ok(())
}

/// The first problem of the parts that a scenario defines or derives: a figure outside the range
/// of its class, or one that contradicts another.
fn scenario_problem(
    file: &str,
    text: &str,
    scenario: &Scenario,
    catalog: &Catalog,
) -> Option<Diagnostic> {
    let own = scenario.chips.len() + scenario.defined_systems.len();
    if own + scenario.derive.chips.len() + scenario.derive.systems.len() == 0 {
        return None;
    }
    let prefix = format!("{file}: ");
    let problem = check(catalog)
        .into_iter()
        .find(|problem| problem.message.starts_with(&prefix))?;
    let message = problem.message.trim_start_matches(&prefix).to_owned();
    let field = message
        .split(':')
        .next()
        .unwrap_or_default()
        .replace('.', "_");
    let at = text
        .find(&field)
        .or_else(|| text.find("[derive"))
        .unwrap_or(0);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length);
    Some(Diagnostic { message, ..problem }.at(file, text, at..end))
}

/// A figure that the scenario states.
fn stated<T: Quantity>(value: T) -> Figure<T> {
    Figure {
        value,
        source: "scenario".to_owned(),
        place: None,
        grade: Grade::A,
        as_of: None,
        low: None,
        high: None,
        note: Some("stated by the scenario".to_owned()),
        derived: None,
        assumed: false,
    }
}

fn derive_chip(id: &str, base: &Chip, derived: &DerivedChip) -> Chip {
    let mut chip = base.clone();
    id.clone_into(&mut chip.id);
    chip.name = format!("{} as {id}", base.name);
    chip.peak.extend(
        derived
            .peak
            .iter()
            .map(|(format, rate)| (*format, stated(*rate))),
    );
    if let Some(capacity) = derived.memory_capacity {
        chip.memory.capacity = Some(stated(capacity));
        chip.memory.visible = None;
    }
    if let Some(bandwidth) = derived.memory_bandwidth {
        chip.memory.bandwidth = Some(stated(bandwidth));
    }
    if let Some(tdp) = derived.tdp {
        chip.tdp = Some(stated(tdp));
    }
    chip
}

fn derive_system(id: &str, base: &System, derived: &DerivedSystem) -> System {
    let mut system = base.clone();
    id.clone_into(&mut system.id);
    system.name = format!("{} as {id}", base.name);
    if let Some(chip) = &derived.chip {
        system.chip.clone_from(chip.get_ref());
    }
    if let Some(chips) = derived.domain_chips {
        system.domain.chips = chips.max(1);
    }
    if let Some(bandwidth) = derived.domain_bandwidth {
        system.domain.bandwidth = stated(bandwidth);
    }
    if let Some(bandwidth) = derived.scale_out_bandwidth {
        system.scale_out.bandwidth = stated(bandwidth);
    }
    system
}

/// A system with the parts it refers to.
///
/// # Errors
/// When an id names nothing.
pub fn system_parts(catalog: &Catalog, id: &str) -> Result<SystemParts, Diagnostic> {
    let system = catalog.system(id)?.clone();
    let chip = catalog.chip(&system.chip)?.clone();
    let network = catalog.network(&system.scale_out.network)?.clone();
    let curves = catalog.calibration(&chip.calibration.curve)?;
    let fabric = Fabric::new(&system, &network, curves, measured_on(catalog, &curves.id));
    let spec = ChipSpec::new(&chip, curves);
    Ok(SystemParts {
        system,
        chip,
        network,
        spec,
        fabric,
    })
}

/// The chip that a calibration was measured on.
pub(crate) fn measured_on<'a>(catalog: &'a Catalog, curves: &str) -> Option<&'a Chip> {
    let mut chips = catalog.chips.values().map(|entry| &entry.value);
    chips.find(|known| known.calibration.curve == curves && !known.calibration.borrowed)
}

impl Resolved {
    /// What is held equal for a workload.
    #[must_use]
    pub fn held(&self, workload: &Workload) -> Held {
        let own = workload.equal().and_then(crate::scenario::Equal::held);
        own.or_else(|| self.scenario.equal.get_ref().held())
            .unwrap_or(Held::Chips(1))
    }
}
