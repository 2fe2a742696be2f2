//! The message catalogue: everything a report says, in English and in Chinese.

use std::collections::BTreeMap;

use chokepoint_engine::Statement;
use serde::Deserialize;

/// The catalogue as a file.
const CATALOGUE: &str = include_str!("messages.toml");

/// Languages of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    En,
    /// Chinese, simplified.
    Zh,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// Language tag of HTML (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }
}

/// One message in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    en: String,
    zh: String,
}

/// The messages by section and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messages {
    sections: BTreeMap<String, BTreeMap<String, Message>>,
}

impl Messages {
    /// Reads the catalogue that is part of this crate. A test holds that it can be read; if it
    /// could not, reports would show keys.
    #[must_use]
    pub fn load() -> Self {
        Self {
            sections: toml::from_str(CATALOGUE).unwrap_or_default(),
        }
    }

    /// The text of a key such as `part.gemm`; the key itself where the catalogue has none.
    #[must_use]
    pub fn text<'a>(&'a self, key: &'a str, language: Language) -> &'a str {
        let message = key
            .split_once('.')
            .and_then(|(section, name)| self.sections.get(section)?.get(name));
        message.map_or(key, |message| match language {
            Language::En => &message.en,
            Language::Zh => &message.zh,
        })
    }

    /// The text of a key with its arguments filled in.
    #[must_use]
    pub fn fill<const N: usize>(
        &self,
        key: &str,
        language: Language,
        arguments: [(&str, &str); N],
    ) -> String {
        filled(self.text(key, language), &arguments)
    }

    /// A statement of the engine.
    #[must_use]
    pub fn statement(&self, statement: &Statement, language: Language) -> String {
        let key = format!("statement.{}", statement.key);
        let arguments: Vec<(&str, &str)> = statement
            .arguments
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        filled(self.text(&key, language), &arguments)
    }

    /// Every key.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.sections
            .iter()
            .flat_map(|(section, messages)| {
                messages.keys().map(move |name| format!("{section}.{name}"))
            })
            .collect()
    }
}

/// Puts arguments in the place of `{name}`, in one pass: an argument that contains braces stays
/// as it is. A placeholder without an argument stays too.
fn filled(template: &str, arguments: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(end) = rest.find('}') else { break };
        match arguments.iter().find(|(name, _)| *name == &rest[1..end]) {
            Some((_, value)) => text.push_str(value),
            None => text.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    text
}

/// A language with the catalogue: what the writers of reports hold.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    messages: Messages,
    /// The language.
    pub(crate) language: Language,
}

impl Words {
    pub(crate) fn new(language: Language) -> Self {
        Self {
            messages: Messages::load(),
            language,
        }
    }

    pub(crate) fn get(&self, key: &str) -> String {
        self.messages.text(key, self.language).to_owned()
    }

    pub(crate) fn of(&self, section: &str, name: &str) -> String {
        let key = format!("{section}.{name}");
        let text = self.messages.text(&key, self.language);
        if text == key {
            name.to_owned()
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn fill<const N: usize>(&self, key: &str, arguments: [(&str, &str); N]) -> String {
        self.messages.fill(key, self.language, arguments)
    }

    pub(crate) fn statement(&self, statement: &Statement) -> String {
        self.messages.statement(statement, self.language)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use chokepoint_engine::rules::Outcome;

    use super::*;

    /// Keys of statements in `chokepoint-engine`, as in `Statement::new(..)` there, and the one
    /// that this crate makes; with their arguments.
    const STATEMENTS: [(&str, &[&str]); 88] = [
        ("fit-failed-requests", &["number"]),
        ("fit-capped-rate", &[]),
        ("fit-beyond-memory", &[]),
        ("fit-nothing", &[]),
        ("equal-chips", &["chips"]),
        ("equal-power", &["power"]),
        ("equal-budget", &["budget"]),
        ("equal-deadline", &["days"]),
        ("equal-rate", &["rate"]),
        ("no-plan", &[]),
        ("no-chips", &[]),
        ("no-price", &["book"]),
        ("deadline-unreachable", &[]),
        ("figure-missing", &["what"]),
        ("plan-invalid", &["plan", "why"]),
        ("memory-short", &["needed", "plan", "usable"]),
        ("sequences-over", &["most", "plan"]),
        ("prompts-overload", &["plan"]),
        ("ttft-missed", &["limit", "plan", "time"]),
        ("tpot-missed", &["limit", "plan", "time"]),
        ("calibration-borrowed", &["curve"]),
        ("format-fallback", &["format", "wanted"]),
        ("price-pro-rata", &["unit"]),
        ("export-conditions", &["count"]),
        (
            "published-chip-hours",
            &["difference", "predicted", "published", "source"],
        ),
        ("figures-assumed", &["which"]),
        ("collectives-not-measured", &[]),
        ("network-power-unknown", &[]),
        ("host-power-unknown", &[]),
        ("price-unknown", &[]),
        ("failures-same-chip", &["name"]),
        ("failures-other-chip", &["name"]),
        ("no-goodput", &["why"]),
        ("no-timeline", &["why"]),
        ("adapters", &["rank"]),
        ("optimizer-bf16-moments", &[]),
        ("optimizer-bf16", &[]),
        ("calibration-partial", &[]),
        ("no-plan-of-target", &["framework"]),
        ("chips-idle", &["idle", "chips"]),
        ("batch-part-filled", &["batch", "places"]),
        ("optimizer-muon", &[]),
        ("gradients-narrow", &["format"]),
        ("expert-imbalance", &["ratio"]),
        ("scaling-delayed", &[]),
        ("scaling-block", &[]),
        ("scaling-unused", &[]),
        ("extra-tokens", &["share"]),
        ("extra-tokens-none", &[]),
        ("extra-tokens-of-local-steps", &[]),
        ("loss-ratio", &["ratio", "sites"]),
        ("loss-ratio-unknown", &[]),
        ("outer-update-left-out", &[]),
        ("gradient-bits", &["bits"]),
        ("outer-bits", &["bits"]),
        ("line-left-out", &[]),
        ("topology-too-many-chips", &["chips", "most"]),
        ("topology-planes", &["planes", "ports"]),
        ("topology-radix", &["radix", "used"]),
        ("topology-too-many-links", &[]),
        ("topology-domain", &[]),
        ("topology-links-unknown", &[]),
        ("topology-hop-assumed", &["name"]),
        ("topology-shape-unknown", &[]),
        ("topology-shape-assumed", &["shape"]),
        ("topology-price-unknown", &[]),
        ("topology-line-left-out", &[]),
        ("rate-short", &["best", "chips", "rate"]),
        ("unit-above-chips", &["chips", "unit"]),
        ("engine-none", &[]),
        ("prefix-hit", &["share"]),
        ("drafts", &["accepted", "drafted"]),
        ("goal-units", &[]),
        ("rate-units", &[]),
        ("launch-chip", &["engine", "system"]),
        ("launch-format", &["engine", "format"]),
        ("launch-cache", &["engine", "format"]),
        ("launch-split-experts", &["engine", "ep", "etp"]),
        ("launch-drafts-in-stages", &["engine"]),
        ("launch-cache-of-stages", &["engine", "pp"]),
        ("launch-split-attention", &["dp", "engine", "tp"]),
        ("replay-no-prefixes", &[]),
        ("replay-reserves", &[]),
        ("replay-assumed", &[]),
        ("replay-engine-assumed", &["which"]),
        ("replay-host", &["host"]),
        ("replay-energy", &[]),
        ("replay-targets-missed", &[]),
    ];

    /// Parts of `chokepoint-train` and `chokepoint-serve`, in the order of printing.
    pub(crate) const PARTS: [&str; 16] = [
        "gemm",
        "expert_gemm",
        "attention",
        "elementwise",
        "head",
        "recompute",
        "tensor_parallel",
        "context_parallel",
        "expert_parallel",
        "pipeline_transfer",
        "pipeline_bubble",
        "data_parallel",
        "offload",
        "host_gap",
        "draft",
        "optimizer",
    ];

    /// Keys of metrics in `chokepoint-engine`.
    const METRICS: [&str; 23] = crate::records::METRICS;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn the_catalogue_reads_and_both_languages_take_the_same_arguments() {
        let sections: BTreeMap<String, BTreeMap<String, Message>> =
            toml::from_str(CATALOGUE).unwrap();
        for (section, messages) in &sections {
            for (name, message) in messages {
                assert!(
                    section == "format" || !message.en.is_empty() && !message.zh.is_empty(),
                    "{section}.{name}"
                );
                assert_eq!(
                    placeholders(&message.en),
                    placeholders(&message.zh),
                    "{section}.{name}"
                );
            }
        }
    }

    #[test]
    fn every_key_of_the_engine_has_a_text() {
        let messages = Messages::load();
        let known = messages.keys();
        let mut needed: Vec<String> = Vec::new();
        needed.extend(STATEMENTS.iter().map(|(key, _)| format!("statement.{key}")));
        needed.extend(PARTS.iter().map(|key| format!("part.{key}")));
        needed.extend(METRICS.iter().map(|key| format!("metric.{key}")));
        for use_of in ["weights", "gradients", "optimizer", "activations", "cache"] {
            needed.push(format!("memory.{use_of}"));
        }
        for outcome in Outcome::ALL {
            needed.push(format!("export.{}", outcome.key()));
            needed.push(format!("export-text.{}", outcome.key()));
        }
        let between = std::iter::once(chokepoint_engine::Resource::WideAreaBandwidth);
        for resource in crate::view::RESOURCES.into_iter().chain(between) {
            needed.push(format!("resource.{}", resource.key()));
            needed.push(format!("resource-short.{}", resource.key()));
        }
        for key in needed {
            assert!(known.contains(&key), "{key}");
        }
        for (key, arguments) in STATEMENTS {
            let text = messages
                .text(&format!("statement.{key}"), Language::En)
                .to_owned();
            assert_eq!(
                placeholders(&text),
                arguments.iter().copied().collect(),
                "{key}"
            );
        }
    }

    #[test]
    fn filling_leaves_foreign_braces_alone() {
        assert_eq!(filled("a {x} {y} {", &[("x", "{y}")]), "a {y} {y} {");
        let statement = Statement::new("no-price", [("book", "retail-2025".to_owned())]);
        let messages = Messages::load();
        assert!(
            messages
                .statement(&statement, Language::Zh)
                .contains("retail-2025")
        );
        assert_eq!(messages.text("no.such", Language::En), "no.such");
        let strange = Statement::new("no-such", []);
        assert_eq!(
            messages.statement(&strange, Language::En),
            "statement.no-such"
        );
    }
}
