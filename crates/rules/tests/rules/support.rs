//! The shipped rule book, and short ways to ask it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chokepoint_rules::{
    ChipFacts, Country, Fact, Maker, RuleBook, StatedMetrics, Transaction, Verdict,
};
use jiff::civil::Date;

/// Root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Text of a file, where there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "tests read the shipped rules and the reference"
)]
pub fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Tells the one who runs the tests, past the test harness.
pub fn notice(text: &str) {
    let mut line = text.to_owned();
    line.push('\n');
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Name and text of every shipped rule file.
pub fn files() -> Vec<(String, String)> {
    let folder = root().join("data/rules/us");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let text = read(&folder.join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// The shipped rule book.
pub fn book() -> RuleBook {
    RuleBook::parse(files()).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

pub fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

pub fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// An export from the United States to an end user at home in the destination.
pub fn export(destination: &str, on: &str) -> Transaction {
    Transaction {
        origin: Country::US,
        destination: country(destination),
        end_user_hq: Some(country(destination)),
        on: day(on),
    }
}

/// The maker of a chip, by its name.
pub fn maker(chip: &str) -> Maker {
    let known = [
        ("MI", "AMD", "US"),
        ("Gaudi", "Intel", "US"),
        ("TPU", "Google", "US"),
        ("Trainium", "Amazon", "US"),
        ("Ascend", "Huawei", "CN"),
        ("Biren", "Biren", "CN"),
    ];
    known
        .iter()
        .find(|(start, ..)| chip.starts_with(start))
        .map_or_else(
            || Maker::new("NVIDIA", Country::US),
            |(_, name, home)| Maker::new(*name, country(home)),
        )
}

/// Figures of a chip by name: TPP, density, DRAM and links in both directions, GB/s.
pub fn chip(name: &str, figures: [f64; 4], datacenter: bool) -> ChipFacts {
    let [tpp, density, dram, io] = figures.map(Fact::Known);
    let stated = StatedMetrics {
        tpp,
        performance_density: density,
    };
    ChipFacts {
        name: name.to_owned(),
        ..ChipFacts::from_metrics(stated, dram, io, Fact::Known(datacenter), Some(maker(name)))
    }
}

/// The verdict on a chip sent to China on a day.
pub fn to_china(facts: &ChipFacts, on: &str) -> Verdict {
    book().check(facts, &export("CN", on))
}
