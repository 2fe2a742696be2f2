//! Collectives measured on a system itself.
//!
//! Inside a domain they come before the curves of the chip. Over several domains they correct the
//! formulas for groups with as many ranks in each domain: the ratio of measured to predicted time, by
//! size, of the nearest number of domains. Away from it the ratio counts less: its logarithm is
//! divided by one more than the doublings between both numbers.

use chokepoint_catalog::{CollectiveCurve, CollectiveKind};
use chokepoint_units::{Bytes, Seconds};

use crate::Group;
use crate::carry::Curves;
use crate::curve::{Curve, LinkScale};

/// What was measured on a system.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Own {
    curves: Curves,
    /// From the link as measured to this one.
    link: LinkScale,
    ratios: Vec<Ratio>,
}

/// Measured over predicted time of a collective of some ranks in several domains.
#[derive(Debug, Clone, PartialEq)]
struct Ratio {
    kind: CollectiveKind,
    /// Ranks in each domain, and domains.
    shape: (u64, u64),
    /// Natural logarithms of (size in bytes, ratio), in rising size.
    points: Vec<(f64, f64)>,
}

impl Own {
    /// What was measured within domains of some chips, whose nodes have `node`; nothing yet beyond.
    pub(crate) fn within(measured: &[CollectiveCurve], (domain, node): (u64, u64)) -> Self {
        let inside: Vec<CollectiveCurve> = measured
            .iter()
            .filter(|curve| curve.ranks <= domain)
            .cloned()
            .collect();
        Self {
            curves: Curves::new(&inside, node),
            link: LinkScale {
                transfer: 1.0,
                latency: 1.0,
            },
            ratios: Vec::new(),
        }
    }

    /// Nothing.
    pub(crate) fn none() -> Self {
        Self::within(&[], (1, 1))
    }

    /// Takes what was measured over several domains of some chips against what is predicted.
    pub(crate) fn add_beyond(
        &mut self,
        measured: &[CollectiveCurve],
        domain: u64,
        predicted: impl Fn(CollectiveKind, u64, Bytes) -> Seconds,
    ) {
        for curve in measured.iter().filter(|curve| curve.ranks > domain) {
            let known = Curve::new(curve);
            let ratio = |size: Bytes| {
                let predicted = predicted(curve.kind, curve.ranks, size);
                (
                    libm::log(size.get()),
                    libm::log(known.seconds(size.get()) / predicted.get()),
                )
            };
            self.ratios.push(Ratio {
                kind: curve.kind,
                shape: Group::adjacent(curve.ranks).split(domain),
                points: curve.points.iter().map(|point| ratio(point.size)).collect(),
            });
        }
    }

    /// Time of a collective inside a domain, where it was measured.
    pub(crate) fn time(&self, kind: CollectiveKind, size: Bytes, ranks: u64) -> Option<Seconds> {
        self.curves.time(kind, size, ranks, self.link)
    }

    /// Whether some collective was measured on as many ranks in as many domains.
    pub(crate) fn has_shape(&self, (inside, domains): (u64, u64)) -> bool {
        if domains <= 1 {
            return self.curves.has_ranks(inside);
        }
        self.ratios
            .iter()
            .any(|ratio| ratio.shape == (inside, domains))
    }

    /// By what a predicted time over several domains is corrected: piecewise linear in logarithms,
    /// constant beyond the sizes that were measured.
    pub(crate) fn correction(
        &self,
        kind: CollectiveKind,
        (inside, domains): (u64, u64),
        size: Bytes,
    ) -> f64 {
        let far = |ratio: &Ratio| libm::fabs(libm::log2(domains as f64 / ratio.shape.1 as f64));
        let nearest = self
            .ratios
            .iter()
            .filter(|ratio| ratio.kind == kind && ratio.shape.0 == inside)
            .filter(|ratio| !ratio.points.is_empty())
            .min_by(|a, b| far(a).total_cmp(&far(b)));
        let Some(nearest) = nearest else {
            return 1.0;
        };
        let points = &nearest.points;
        let x = libm::log(size.get().max(1.0));
        let upper = points.partition_point(|point| point.0 < x);
        let at = |place: usize| points[place.min(points.len() - 1)];
        let (low, high) = (at(upper.saturating_sub(1)), at(upper));
        let share = if high.0 > low.0 {
            ((x - low.0) / (high.0 - low.0)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        libm::exp((low.1 + (high.1 - low.1) * share) / (1.0 + far(nearest)))
    }

    /// The same on other links.
    pub(crate) fn scaled(&self, domain_bandwidth: f64, latency: f64) -> Self {
        Self {
            link: LinkScale {
                transfer: self.link.transfer / domain_bandwidth,
                latency: self.link.latency * latency,
            },
            ..self.clone()
        }
    }
}
