//! What the tests share: the shipped data.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests read the shipped files and fail the test"
)]

use std::path::{Path, PathBuf};

use chokepoint_catalog::Catalog;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shipped catalogue.
pub fn catalog() -> Catalog {
    let data = root().join("data");
    let mut files = Vec::new();
    for folder in [
        "chips",
        "links",
        "systems",
        "networks",
        "prices",
        "calibration",
    ] {
        let mut names: Vec<String> = std::fs::read_dir(data.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let text = std::fs::read_to_string(data.join(folder).join(&name)).unwrap();
            files.push((format!("{folder}/{name}"), text));
        }
    }
    let texts = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    Catalog::load(texts).unwrap_or_else(|error| panic!("{error:?}"))
}
