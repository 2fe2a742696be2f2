//! The project's own rule files, and short ways to ask.

use chokepoint_rules::{
    ChipFacts, Country, Fact, Maker, RuleBook, StatedMetrics, Transaction,
};
use jiff::civil::Date;

/// Name and text of every rule file.
pub const FILES: [(&str, &str); 17] = [
    file!("acs-ifr-2023"),
];
