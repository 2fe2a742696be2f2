//! A comparison of a metric with a threshold, and the values it is made on.

use serde::{Deserialize, Serialize};

use crate::metrics::Metric;
use crate::{ChipFacts, Fact, Metrics, Truth};

/// How a metric is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// At least.
    Ge,
    /// More than.
    Gt,
    /// At most.
    Le,
    /// Less than.
    Lt,
    /// Exactly.
    Eq,
}

impl Op {
    const fn sign(self) -> &'static str {
        match self {
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::Le => "<=",
            Self::Lt => "<",
            Self::Eq => "=",
        }
    }

    /// Whether a fact compares so with a threshold, for every value it may have.
    #[must_use]
    pub fn holds(self, fact: Fact<f64>, threshold: f64) -> Truth {
        let (low, high) = fact.bounds();
        let (always, never) = match self {
            Self::Ge => (low >= threshold, high < threshold),
            Self::Gt => (low > threshold, high <= threshold),
            Self::Le => (high <= threshold, low > threshold),
            Self::Lt => (high < threshold, low >= threshold),
            Self::Eq => (
                low >= threshold && high <= threshold,
                high < threshold || low > threshold,
            ),
        };
        match (always, never) {
            (true, _) => Truth::True,
            (_, true) => Truth::False,
            _ => Truth::Unknown,
        }
    }
}

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Threshold {
    /// A yes or no.
    Flag(bool),
    /// A number in the metric's unit.
    Number(f64),
}

/// One comparison, as in `{ metric = "tpp", op = "ge", value = 4800 }`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Condition {
    /// The metric.
    pub metric: Metric,
    /// The comparison.
    pub op: Op,
    /// The threshold, of the metric's kind.
    pub value: Threshold,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    metric: Metric,
    op: Op,
    value: Threshold,
}

impl TryFrom<Written> for Condition {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { metric, op, value } = written;
        let name = metric.name();
        match (metric.is_flag(), value) {
            (true, Threshold::Number(_)) => Err(format!(
                "the metric {name} is compared with true or false, found a number"
            )),
            (false, Threshold::Flag(_)) => Err(format!(
                "the metric {name} is compared with a number, found true or false"
            )),
            (true, _) if op != Op::Eq => Err(format!(
                "the metric {name} is a yes or no: the operator can only be \"eq\""
            )),
            (false, Threshold::Number(number)) if !number.is_finite() || number < 0.0 => Err(
                format!("a threshold of {name} must be finite and not negative, found {number}"),
            ),
            _ => Ok(Self { metric, op, value }),
        }
    }
}

/// The values of all metrics for one item.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    pub tpp: Fact<f64>,
    pub performance_density: Fact<f64>,
    pub dram: Fact<f64>,
    pub io: Fact<f64>,
    pub memory_stack: Option<Fact<f64>>,
    pub datacenter: Fact<bool>,
    pub us_commercial: Fact<bool>,
}

impl Values {
    /// The values for an item whose performance figures are computed.
    pub fn new(facts: &ChipFacts, metrics: &Metrics) -> Self {
        Self {
            tpp: metrics.tpp,
            performance_density: metrics.performance_density,
            dram: facts.dram_bandwidth_gb_s,
            io: facts.io_both_ways_gb_s,
            memory_stack: facts.memory_stack_gb_s_per_mm2,
            datacenter: facts.datacenter,
            us_commercial: facts.us_commercial_on_2026_01_15,
        }
    }

    /// The value of a number; none where the metric does not exist for the item.
    pub fn number(&self, metric: Metric) -> Option<Fact<f64>> {
        match metric {
            Metric::Tpp => Some(self.tpp),
            Metric::PerformanceDensity => Some(self.performance_density),
            Metric::IoBidirectional => Some(self.io),
            Metric::DramBandwidth => Some(self.dram),
            Metric::DramPlusIo => Some(self.dram.plus(self.io)),
            Metric::MemoryBandwidthDensity => self.memory_stack,
            Metric::Datacenter | Metric::UsCommercial => None,
        }
    }

    fn flag(&self, metric: Metric) -> Truth {
        match metric {
            Metric::Datacenter => self.datacenter.truth(),
            Metric::UsCommercial => self.us_commercial.truth(),
            _ => Truth::Unknown,
        }
    }
}

impl Condition {
    /// Whether it holds. A metric that the item does not have fails every comparison.
    pub fn holds(&self, values: &Values) -> Truth {
        match self.value {
            Threshold::Flag(wanted) => {
                let truth = values.flag(self.metric);
                if wanted { truth } else { truth.negate() }
            }
            Threshold::Number(threshold) => values
                .number(self.metric)
                .map_or(Truth::False, |fact| self.op.holds(fact, threshold)),
        }
    }

    /// The comparison with its value, such as `tpp 2368 >= 2400`.
    pub fn statement(&self, values: &Values) -> String {
        let name = self.metric.name();
        match self.value {
            Threshold::Flag(wanted) => {
                let found = match values.flag(self.metric) {
                    Truth::True => "true",
                    Truth::False => "false",
                    Truth::Unknown => "unknown",
                };
                format!("{name} {found} = {wanted}")
            }
            Threshold::Number(threshold) => {
                let found = values
                    .number(self.metric)
                    .map_or_else(|| "absent".to_owned(), |fact| fact.to_string());
                format!("{name} {found} {} {threshold}", self.op.sign())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_three_valued() {
        use Truth::{False, True, Unknown};
        let range = Fact::Range(1.0, 2.0);
        assert_eq!(Op::Ge.holds(range, 1.0), True);
        assert_eq!(Op::Gt.holds(range, 1.0), Unknown);
        assert_eq!(Op::Ge.holds(range, 2.5), False);
        assert_eq!(Op::Lt.holds(range, 2.0), Unknown);
        assert_eq!(Op::Lt.holds(range, 1.0), False);
        assert_eq!(Op::Le.holds(range, 2.0), True);
        assert_eq!(Op::Eq.holds(Fact::Known(2.0), 2.0), True);
        assert_eq!(Op::Eq.holds(range, 2.0), Unknown);
        assert_eq!(Op::Ge.holds(Fact::Unknown, 1.0), Unknown);
    }
}
