//! Dispatch and combine of a mixture of experts: all-to-all with deduplication by domain and
//! node-limited routing.

use chokepoint_catalog::CollectiveKind;
use chokepoint_units::{Bytes, Seconds};

use crate::{Fabric, Group};

/// One dispatch (or combine) of one expert layer on one rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispatch {
    /// Tokens on the rank before dispatch.
    pub tokens: f64,
    /// Bytes of one token as sent.
    pub token: Bytes,
    /// Experts that a token goes to.
    pub top_k: u64,
    /// Where routing is limited: groups of experts, and how many of them a token may use
    /// (DeepSeek-V3 section 2.1.2). Groups lie on as few domains as possible.
    pub groups: Option<(u64, u64)>,
}

impl Fabric {
    /// Time of a dispatch over an expert-parallel group.
    ///
    /// Across domains a token is sent once to each distinct domain that holds one of its experts
    /// and fans out over the domain's links (DeepSeek-V3 section 3.2.2; DeepEP). With even
    /// routing over d domains the expected number of distinct ones is d (1 - (1 - 1/d)^k); a
    /// routing limit caps it. Inside the domain each of the k copies crosses a link unless the
    /// expert is on the same rank.
    #[must_use]
    pub fn dispatch(&self, group: Group, dispatch: Dispatch) -> Seconds {
        if group.size <= 1 || dispatch.tokens <= 0.0 {
            return Seconds::ZERO;
        }
        let (inside, domains) = group.split(self.domain);
        let copies = dispatch.token * (dispatch.tokens * dispatch.top_k as f64);
        let fan_out = self.inside(CollectiveKind::AllToAll, copies, inside);
        if domains <= 1 {
            return fan_out;
        }
        let d = domains as f64;
        let even = d * (1.0 - libm::pow(1.0 - 1.0 / d, dispatch.top_k as f64));
        let distinct = dispatch.groups.map_or(even, |(groups, most)| {
            even.min((most * domains.div_ceil(groups.max(1))) as f64)
        });
        let remote = distinct * (d - 1.0) / d;
        let crossing =
            self.out_latency + dispatch.token * (dispatch.tokens * remote) / self.out_bandwidth;
        crossing.max(fan_out)
    }
}
