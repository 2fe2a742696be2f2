//! A comparison seen by workload.

use chokepoint_engine::{Comparison, Kind, Outcome, Resource, Row, Statement};

use crate::number::tenths_of_percent;

/// The rows of one workload.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    /// Workload id.
    pub(crate) id: &'a str,
    /// Kind of the workload.
    pub(crate) kind: Kind,
    /// What is held equal.
    pub(crate) held: Option<&'a Statement>,
    /// Its rows, in the order of the scenario.
    pub(crate) rows: Vec<&'a Row>,
}

/// What systems are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The highest rate.
    Rate,
    /// The fewest chips, where the time or the rate is held equal.
    Chips,
}

/// The comparison by workload, in the order of the rows.
pub(crate) fn views(comparison: &Comparison) -> Vec<View<'_>> {
    let mut views: Vec<View> = Vec::new();
    for row in &comparison.rows {
        match views.iter_mut().find(|view| view.id == row.workload) {
            Some(view) => view.rows.push(row),
            None => views.push(View {
                id: &row.workload,
                kind: row.kind,
                held: comparison
                    .held
                    .iter()
                    .find(|(id, _)| *id == row.workload)
                    .map(|(_, held)| held),
                rows: vec![row],
            }),
        }
    }
    views
}

impl<'a> View<'a> {
    /// Rows with a result.
    pub(crate) fn feasible(&self) -> impl Iterator<Item = (&'a Row, &'a Outcome)> {
        self.rows
            .iter()
            .filter_map(|row| Some((*row, row.outcome.as_ref()?)))
    }

    /// What systems are ranked by.
    pub(crate) fn goal(&self) -> Goal {
        match self.held.map(|held| held.key) {
            Some("equal-deadline" | "equal-rate") => Goal::Chips,
            _ => Goal::Rate,
        }
    }

    /// Key of the rate of all chips.
    pub(crate) const fn rate_key(&self) -> &'static str {
        match self.kind {
            Kind::Training => "tokens_per_second",
            Kind::Serving => "output_tokens_per_second",
        }
    }

    /// Key of the cost of a unit of work.
    pub(crate) const fn cost_key(&self) -> &'static str {
        match self.kind {
            Kind::Training => "usd_per_million_tokens",
            Kind::Serving => "usd_per_million_output_tokens",
        }
    }

    /// `training` or `serving`.
    pub(crate) const fn kind_key(&self) -> &'static str {
        kind_key(self.kind)
    }

    /// Keys of all parts of time, in the order of printing.
    fn all_parts(&self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        for (_, outcome) in self.feasible() {
            for (key, _) in &outcome.breakdown {
                if !keys.contains(key) {
                    keys.push(*key);
                }
            }
        }
        keys
    }

    /// Parts of time that are at least a twentieth of a percent somewhere, and for each result
    /// their shares in tenths of a percent, which sum to the whole.
    pub(crate) fn shares(&self) -> (Vec<&'static str>, Vec<Vec<u32>>) {
        let keys = self.all_parts();
        let times = |outcome| {
            keys.iter()
                .map(|key| part(outcome, key))
                .collect::<Vec<f64>>()
        };
        let shares: Vec<Vec<u32>> = self
            .feasible()
            .map(|(_, outcome)| tenths_of_percent(&times(outcome)))
            .collect();
        let shown: Vec<usize> = (0..keys.len())
            .filter(|&index| shares.iter().any(|row| row[index] > 0))
            .collect();
        let of_row = |row: &Vec<u32>| shown.iter().map(|&index| row[index]).collect();
        (
            shown.iter().map(|&index| keys[index]).collect(),
            shares.iter().map(of_row).collect(),
        )
    }

    /// The 80% interval of the rate of all chips.
    pub(crate) fn rate_interval(&self, outcome: &Outcome) -> Option<(f64, f64)> {
        let (low, high) = outcome.interval;
        match self.kind {
            Kind::Serving => Some((low, high)),
            Kind::Training => {
                let rate = metric(outcome, "tokens_per_second")?;
                let step = metric(outcome, "step_seconds")?;
                (low > 0.0 && high > 0.0).then(|| (rate * step / high, rate * step / low))
            }
        }
    }
}

/// `training` or `serving`.
pub(crate) const fn kind_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Training => "training",
        Kind::Serving => "serving",
    }
}

/// Key of the measure that the interval is of.
pub(crate) const fn interval_metric(kind: Kind) -> &'static str {
    match kind {
        Kind::Training => "step_seconds",
        Kind::Serving => "output_tokens_per_second",
    }
}

/// A measure of a result.
pub(crate) fn metric(outcome: &Outcome, key: &str) -> Option<f64> {
    outcome.metrics.get(key).copied()
}

/// Seconds of a part of a result.
pub(crate) fn part(outcome: &Outcome, key: &str) -> f64 {
    outcome
        .breakdown
        .iter()
        .filter(|(name, _)| *name == key)
        .map(|(_, time)| time)
        .sum()
}

/// All resources, in the order of printing.
pub(crate) const RESOURCES: [Resource; 7] = [
    Resource::Compute,
    Resource::MemoryBandwidth,
    Resource::MemoryCapacity,
    Resource::ScaleUpBandwidth,
    Resource::ScaleOutBandwidth,
    Resource::NetworkLatency,
    Resource::KernelLaunch,
];
