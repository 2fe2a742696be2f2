//! What a pass notes down: statements, margins, open conditions and missing facts.

use crate::condition::{Condition, Threshold};
use crate::examine::Examination;
use crate::metrics::Metric;
use crate::rule::{Rule, Standing};
use crate::{Fact, Margin, TraceStep, Truth};

impl Examination<'_> {
    pub fn step(&mut self, rule: &Rule, statement: String, holds: Truth) {
        self.findings.trace.push(TraceStep {
            rule: rule.id.clone(),
            kind: Some(rule.kind),
            citation: rule.citation.clone(),
            statement,
            holds,
        });
    }

    pub fn not_binding(&mut self, rule: &Rule, standing: Standing) {
        let why = match standing {
            Standing::AwaitingCompliance => "compliance is not yet due",
            Standing::Suspended => "it is suspended",
            _ => "it is not enforced",
        };
        self.step(
            rule,
            format!("\"{}\" binds: on the books, but {why}", rule.title),
            Truth::False,
        );
    }

    pub fn all(&self, conditions: &[Condition]) -> (Truth, String) {
        let statements: Vec<String> = conditions
            .iter()
            .map(|condition| condition.statement(self.values))
            .collect();
        let holds = Truth::all(conditions.iter().map(|c| c.holds(self.values)));
        (holds, statements.join(" and "))
    }

    pub fn margins(&mut self, rule: &Rule, eccn: &str, conditions: &[Condition]) {
        for condition in conditions {
            if let (Threshold::Number(threshold), Some(value)) =
                (condition.value, self.values.number(condition.metric))
            {
                let ratio = if threshold > 0.0 {
                    value.scaled(1.0 / threshold)
                } else {
                    Fact::Unknown
                };
                self.findings.margins.push(Margin {
                    rule: rule.id.clone(),
                    eccn: eccn.to_owned(),
                    metric: condition.metric,
                    value,
                    threshold,
                    ratio,
                });
            }
        }
    }

    pub fn open(&mut self, rule: &Rule, keys: &[String]) {
        for condition in keys.iter().filter_map(|key| rule.condition(key)) {
            let text = format!("{}: {}", condition.key, condition.text);
            if !self.findings.open.contains(&text) {
                self.findings.open.push(text);
            }
        }
    }

    /// Notes the facts that conditions of an open test lack.
    pub fn miss(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            if condition.holds(self.values) == Truth::Unknown {
                let names = self.lacking(condition.metric);
                self.findings.missing.extend(names);
            }
        }
    }

    pub fn show(&mut self, conditions: &[Condition]) {
        for condition in conditions {
            if condition.holds(self.values) == Truth::Unknown {
                let names = self.lacking(condition.metric);
                self.findings.to_show.extend(names);
            }
        }
    }

    /// The fields of the facts that would settle a metric.
    fn lacking(&self, metric: Metric) -> Vec<&'static str> {
        let facts = self.facts;
        let computed = facts.stated.is_none();
        let no_peaks = computed && !self.values.tpp.is_known();
        let no_area = computed && !facts.applicable_area_mm2.is_known();
        let both = |first: (bool, &'static str), second: (bool, &'static str)| {
            [first, second]
                .into_iter()
                .filter_map(|(lacks, name)| lacks.then_some(name))
                .collect()
        };
        let dram = "dram_bandwidth_gb_s";
        let io = "io_both_ways_gb_s";
        match metric {
            Metric::Tpp => vec![if computed { "peaks" } else { "stated.tpp" }],
            Metric::PerformanceDensity if computed => {
                both((no_peaks, "peaks"), (no_area, "applicable_area_mm2"))
            }
            Metric::PerformanceDensity => vec!["stated.performance_density"],
            Metric::IoBidirectional => vec![io],
            Metric::DramBandwidth => vec![dram],
            Metric::DramPlusIo => both(
                (!facts.dram_bandwidth_gb_s.is_known(), dram),
                (!facts.io_both_ways_gb_s.is_known(), io),
            ),
            Metric::MemoryBandwidthDensity => vec!["memory_stack_gb_s_per_mm2"],
            Metric::Datacenter => vec!["datacenter"],
            Metric::UsCommercial => vec!["us_commercial_on_2026_01_15"],
        }
    }
}
