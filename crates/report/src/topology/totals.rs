//! Sums over the levels of a network; a sum with an unknown part is unknown.

use chokepoint_engine::catalog::Media;
use chokepoint_engine::fabric::topology::{Role, Stage};

/// Sums over levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) switches: Option<u64>,
    pub(super) modules: Option<u64>,
    /// Cables on boards, in copper and in fibre.
    pub(super) cables: [Option<u64>; 3],
    /// Differential pairs of copper.
    pub(super) pairs: Option<u64>,
}

impl Totals {
    /// Of the levels that a condition picks; lines between sites are not built from parts.
    pub(super) fn of(stages: &[Stage], picked: impl Fn(&Stage) -> bool) -> Self {
        let built = |stage: &&Stage| stage.role != Role::WideArea && picked(stage);
        let chosen: Vec<&Stage> = stages.iter().filter(built).collect();
        let sum = |of: &dyn Fn(&Stage) -> Option<u64>| chosen.iter().map(|stage| of(stage)).sum();
        let cables = Media::ALL.map(|media| {
            sum(&|stage| match stage.media {
                Some(here) if here != media => Some(0),
                _ => stage.links,
            })
        });
        Self {
            switches: sum(&|stage| stage.switches),
            modules: sum(&|stage| stage.modules),
            cables,
            pairs: sum(&|stage| stage.pairs),
        }
    }
}
