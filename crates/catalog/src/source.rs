//! Where figures come from.

use serde::Deserialize;

use crate::Grade;

/// One source of figures.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Title.
    pub title: String,
    /// Author or publisher.
    pub publisher: String,
    /// Address, repository and commit, or document number.
    #[serde(rename = "at")]
    pub address: String,
    /// Date of the version used.
    #[serde(default)]
    pub date: Option<String>,
    /// Grade of what it states of its own.
    pub grade: Grade,
    /// Licence, where data rather than facts were taken.
    #[serde(default)]
    pub licence: Option<String>,
}
