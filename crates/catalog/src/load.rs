//! Reading the catalogue from (name, text) pairs; a later file with the same id replaces an
//! earlier one.

use std::collections::BTreeMap;

use chokepoint_diag::{Code, Diagnostic, from_toml};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{
    Calibration, Chip, DomainLink, Experience, Framework, Network, PriceBook, ServingEngine,
    Source, System,
};

/// One file of the catalogue as read, with its text for messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// Name of the file.
    pub file: String,
    /// What it says.
    pub value: T,
}

/// All parts by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// Chips.
    pub chips: BTreeMap<String, Entry<Chip>>,
    /// Links of scale-up domains.
    pub links: BTreeMap<String, Entry<DomainLink>>,
    /// Systems.
    pub systems: BTreeMap<String, Entry<System>>,
    /// Scale-out networks.
    pub networks: BTreeMap<String, Entry<Network>>,
    /// Price books.
    pub prices: BTreeMap<String, Entry<PriceBook>>,
    /// Efficiency curves.
    pub calibrations: BTreeMap<String, Entry<Calibration>>,
    /// Failure experience of clusters.
    pub reliability: BTreeMap<String, Entry<Experience>>,
    /// Training frameworks.
    pub frameworks: BTreeMap<String, Entry<Framework>>,
    /// Serving engines.
    pub engines: BTreeMap<String, Entry<ServingEngine>>,
    /// Sources.
    pub sources: BTreeMap<String, Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourcesFile {
    sources: BTreeMap<String, Source>,
}

impl Catalog {
    /// Reads all files whose folder names a kind of part (`chips/`, `links/`, `systems/`,
    /// `networks/`, `prices/`, `calibration/`, `reliability/`, `frameworks/`, `engines/`,
    /// `sources.toml`);
    /// other files are left alone.
    ///
    /// # Errors
    /// The first file that cannot be read, or whose id is not its name.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Diagnostic> {
        let mut catalog = Self::default();
        for (name, text) in files {
            catalog.add(name, text)?;
        }
        Ok(catalog)
    }

    /// Adds or replaces one file.
    ///
    /// # Errors
    /// When the file cannot be read, or its id is not its name.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Diagnostic> {
        if file.ends_with("sources.toml") {
            self.sources
                .extend(parse::<SourcesFile>(file, text)?.sources);
            return Ok(());
        }
        if !file.ends_with(".toml") {
            return Ok(());
        }
        let folder = file.rsplit('/').nth(1).unwrap_or_default();
        match folder {
            "chips" => insert(&mut self.chips, file, text, |chip: &Chip| &chip.id),
            "links" => insert(&mut self.links, file, text, |link: &DomainLink| &link.id),
            "systems" => insert(&mut self.systems, file, text, |system: &System| &system.id),
            "networks" => insert(&mut self.networks, file, text, |network: &Network| {
                &network.id
            }),
            "prices" => insert(&mut self.prices, file, text, |book: &PriceBook| &book.id),
            "calibration" => insert(
                &mut self.calibrations,
                file,
                text,
                |curves: &Calibration| &curves.id,
            ),
            "reliability" => insert(
                &mut self.reliability,
                file,
                text,
                |experience: &Experience| &experience.id,
            ),
            "frameworks" => insert(&mut self.frameworks, file, text, |framework: &Framework| {
                &framework.id
            }),
            "engines" => insert(&mut self.engines, file, text, |engine: &ServingEngine| {
                &engine.id
            }),
            _ => Ok(()),
        }
    }

    /// A chip by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn chip(&self, id: &str) -> Result<&Chip, Diagnostic> {
        get(&self.chips, "chip", id)
    }

    /// A link of scale-up domains by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn link(&self, id: &str) -> Result<&DomainLink, Diagnostic> {
        get(&self.links, "link", id)
    }

    /// A system by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn system(&self, id: &str) -> Result<&System, Diagnostic> {
        get(&self.systems, "system", id)
    }

    /// A network by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn network(&self, id: &str) -> Result<&Network, Diagnostic> {
        get(&self.networks, "network", id)
    }

    /// A price book by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn price_book(&self, id: &str) -> Result<&PriceBook, Diagnostic> {
        get(&self.prices, "price book", id)
    }

    /// Efficiency curves by id.
    ///
    /// # Errors
    /// When there are none, with the nearest ids.
    pub fn calibration(&self, id: &str) -> Result<&Calibration, Diagnostic> {
        get(&self.calibrations, "calibration", id)
    }

    /// The failure experience of a cluster by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn experience(&self, id: &str) -> Result<&Experience, Diagnostic> {
        get(&self.reliability, "failure experience", id)
    }

    /// A framework by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn framework(&self, id: &str) -> Result<&Framework, Diagnostic> {
        get(&self.frameworks, "framework", id)
    }

    /// The framework that a name and a release are, the most specific of them.
    #[must_use]
    pub fn framework_named(&self, name: &str, release: &str) -> Option<&Framework> {
        most_specific(&self.frameworks, |framework| {
            framework.matches(name, release)
        })
    }

    /// A serving engine by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids.
    pub fn engine(&self, id: &str) -> Result<&ServingEngine, Diagnostic> {
        get(&self.engines, "serving engine", id)
    }

    /// The serving engine that a name and a release are, the most specific of them.
    #[must_use]
    pub fn engine_named(&self, name: &str, release: &str) -> Option<&ServingEngine> {
        most_specific(&self.engines, |engine| engine.matches(name, release))
    }
}

/// The entry that names most of what is asked for.
fn most_specific<T>(
    entries: &BTreeMap<String, Entry<T>>,
    matches: impl Fn(&T) -> Option<usize>,
) -> Option<&T> {
    let found = entries.values().map(|entry| &entry.value);
    found
        .filter_map(|value| Some((matches(value)?, value)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, found)| found)
}

fn get<'a, T>(
    entries: &'a BTreeMap<String, Entry<T>>,
    kind: &str,
    id: &str,
) -> Result<&'a T, Diagnostic> {
    entries
        .get(id)
        .map(|entry| &entry.value)
        .ok_or_else(|| Diagnostic::unknown_id(kind, id, entries.keys().map(String::as_str)))
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Diagnostic> {
    toml::from_str(text).map_err(|error| from_toml(file, text, &error))
}

fn insert<T: DeserializeOwned>(
    entries: &mut BTreeMap<String, Entry<T>>,
    file: &str,
    text: &str,
    id_of: impl Fn(&T) -> &String,
) -> Result<(), Diagnostic> {
    let value: T = parse(file, text)?;
    let id = id_of(&value).clone();
    let stem = file
        .rsplit('/')
        .next()
        .unwrap_or(file)
        .trim_end_matches(".toml");
    if id != stem {
        let start = text.find("id").unwrap_or(0);
        return Err(Diagnostic::new(
            Code::Value,
            format!("the id \"{id}\" is not the name of its file, \"{stem}\""),
        )
        .at(file, text, start..start + 2)
        .help(format!(
            "write id = \"{stem}\" or rename the file to {id}.toml"
        )));
    }
    entries.insert(
        id,
        Entry {
            file: file.to_owned(),
            value,
        },
    );
    Ok(())
}
