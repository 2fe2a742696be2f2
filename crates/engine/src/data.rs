//! The project's data, embedded in the binary; a folder may replace or add files.

use std::collections::BTreeMap;

use chokepoint_catalog::Catalog;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::Architecture;
use chokepoint_rules::RuleBook;

/// The embedded files by name relative to `data/`, in the order of their names.
#[must_use]
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"))
}

/// Everything a scenario may refer to.
#[derive(Debug, Clone)]
pub struct Data {
    /// Chips, systems, networks, price books, calibration, sources.
    pub catalog: Catalog,
    /// Model configurations by id: name of the file and its text.
    pub models: BTreeMap<String, (String, String)>,
    /// Export rules.
    pub rules: RuleBook,
}

impl Data {
    /// From the embedded files and others; of two files with the same name the later counts.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn load(others: &[(String, String)]) -> Result<Self, Diagnostic> {
        let mut files: BTreeMap<&str, &str> = embedded().iter().copied().collect();
        files.extend(
            others
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        let mut models = BTreeMap::new();
        for (name, text) in &files {
            if let Some(id) = name
                .strip_prefix("models/")
                .and_then(|rest| rest.strip_suffix("/config.json"))
            {
                models.insert(id.to_owned(), (format!("data/{name}"), (*text).to_owned()));
            }
        }
        let rules = files
            .iter()
            .filter(|(name, _)| name.starts_with("rules/") && name.ends_with(".toml"));
        Ok(Self {
            catalog: Catalog::load(files.iter().map(|(name, text)| (*name, *text)))?,
            models,
            rules: RuleBook::parse(rules.map(|(name, text)| (*name, *text)))?,
        })
    }

    /// A model by id.
    ///
    /// # Errors
    /// When there is none, with the nearest ids, or its configuration cannot be used.
    pub fn model(&self, id: &str) -> Result<Architecture, Diagnostic> {
        let Some((file, text)) = self.models.get(id) else {
            let known = self.models.keys().map(String::as_str);
            let mut error = Diagnostic::unknown_id("model", id, known);
            if id.contains('/') || id.ends_with(".json") {
                error = Diagnostic::new(
                    Code::UnknownId,
                    format!("the model file \"{id}\" was not read"),
                );
            }
            return Err(error);
        };
        Architecture::from_config(file, text)
    }
}
