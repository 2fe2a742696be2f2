//! Dispatch and combine of a mixture of experts, as the two families of published kernels do it:
//! for throughput (training, prefill), with deduplication by domain and node-limited routing; for
//! latency (decode), each copy sent straight to its expert's rank.

use chokepoint_catalog::CollectiveKind;
use chokepoint_units::{Bytes, NumberFormat, Seconds};

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

impl Dispatch {
    /// Bytes of a token sent in a format: below 16 bits with an FP32 scale for each 128 elements
    /// (DeepSeek-V3 section 3.3.2), else 16 bits wide.
    #[must_use]
    pub fn token_bytes(hidden: u64, format: NumberFormat) -> Bytes {
        let element = if format.bits() < 16 {
            format.stored_bytes() + 4.0 / 128.0
        } else {
            2.0
        };
        Bytes::new(hidden as f64 * element)
    }

    /// Expected number of distinct domains that hold an expert of a token, over evenly loaded
    /// domains with even routing.
    ///
    /// Without a limit d (1 - (1 - 1/d)^k). With m of g groups a token first draws its groups,
    /// then its k experts among them:
    ///
    /// - d >= g, c domains for each group: g c (m/g) (1 - (1 - 1/(m c))^k);
    /// - d < g, h groups on each domain: d (1 - sum over j of H(j; g, h, m) (1 - j/m)^k), H the
    ///   hypergeometric chance that j of the domain's groups are among the m drawn.
    ///
    /// Limits: experts are drawn with replacement, since their number is not known here. The
    /// exact form for E experts without a limit, d (1 - C(E - E/d, k) / C(E, k)), is larger: by
    /// 0.9% for 256 experts, 8 domains, k = 8. Skew between experts is the caller's, in `tokens`.
    #[must_use]
    pub fn distinct_domains(&self, domains: u64) -> f64 {
        let domains = domains.max(1);
        match self.groups {
            Some((groups, most)) if most < groups => self.limited(domains, groups, most.max(1)),
            _ => domains as f64 * self.hit(1.0 / domains as f64),
        }
    }

    /// Copies of a token that cross links inside domains of `ranks` ranks: one for each distinct
    /// rank, in each of the distinct domains. With even routing each rank of a chosen domain is
    /// hit alike; over all r = ranks x domains ranks the expected number of distinct ones is
    /// r (1 - (1 - 1/r)^k), fewer under a limit, which bounds them by the ranks of the chosen
    /// domains.
    #[must_use]
    fn copies_inside(&self, ranks: u64, domains: u64) -> f64 {
        if domains <= 1 {
            return self.distinct_domains(ranks);
        }
        let all = (ranks * domains) as f64;
        (all * self.hit(1.0 / all)).min(self.distinct_domains(domains) * ranks as f64)
    }

    /// Chance that one of the k experts lies where each lies with a chance of `share`.
    fn hit(&self, share: f64) -> f64 {
        1.0 - libm::pow((1.0 - share).max(0.0), self.top_k as f64)
    }

    fn limited(&self, domains: u64, groups: u64, most: u64) -> f64 {
        let (few, extra) = (domains.max(groups), domains.min(groups));
        let (each, over) = (few / extra, few % extra);
        // `over` of the rarer kind carry `each + 1` of the other kind, the rest `each`.
        let kinds = [(over, each + 1), (extra - over, each)];
        let most_of = most as f64;
        kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, size)| {
                let expected = if domains >= groups {
                    let chosen = most_of / groups as f64;
                    size as f64 * chosen * self.hit(1.0 / (most_of * size as f64))
                } else {
                    (0..=most.min(size))
                        .map(|j| {
                            hypergeometric(groups, size, most, j) * self.hit(j as f64 / most_of)
                        })
                        .sum()
                };
                count as f64 * expected
            })
            .sum()
    }
}

/// Chance that a draw of `drawn` out of `all` without replacement has `hits` of the `marked`.
fn hypergeometric(all: u64, marked: u64, drawn: u64, hits: u64) -> f64 {
    if hits > marked || hits > drawn || drawn - hits > all - marked {
        return 0.0;
    }
    choose(marked, hits) * choose(all - marked, drawn - hits) / choose(all, drawn)
}

/// Binomial coefficient.
fn choose(n: u64, k: u64) -> f64 {
    (0..k.min(n - k)).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64)
}

impl Fabric {
    /// Time of a dispatch over an expert-parallel group with kernels for throughput.
    ///
    /// Across domains a token is sent once to each distinct domain that holds one of its experts
    /// ([`Dispatch::distinct_domains`]; the rank's own domain costs nothing, which leaves
    /// (d - 1)/d of them) and fans out over the domain's links at the same time (DeepSeek-V3
    /// section 3.2.2; `DeepEP`). Inside the domain a token is sent once to each distinct rank, as fast
    /// as expert dispatch was measured there (GB200), else as all-to-all. The slower of the two is
    /// the time.
    ///
    /// Limits: no time for counting tokens and agreeing on buffers, which `DeepEP` reports apart
    /// (35 to 110 us).
    #[must_use]
    pub fn dispatch(&self, group: Group, dispatch: Dispatch) -> Seconds {
        if group.size <= 1 || dispatch.tokens <= 0.0 {
            return Seconds::ZERO;
        }
        let (inside, domains) = group.split(self.domain);
        let fan_out = self.fan_out(dispatch, inside, domains);
        if domains <= 1 {
            return fan_out;
        }
        let d = domains as f64;
        let remote = dispatch.distinct_domains(domains) * (d - 1.0) / d;
        let crossing = self.across(dispatch.token * (dispatch.tokens * remote));
        crossing.max(fan_out)
    }

    /// The part of a dispatch that stays in a domain of `inside` ranks: of the copies one in so many
    /// is for the rank itself.
    fn fan_out(&self, dispatch: Dispatch, inside: u64, domains: u64) -> Seconds {
        let copies = dispatch.copies_inside(inside, domains);
        let size = dispatch.token * (dispatch.tokens * copies);
        let sent = size * (1.0 - 1.0 / inside.max(1) as f64);
        if inside <= 1 {
            return Seconds::ZERO;
        }
        self.curves
            .dispatch(sent, inside, self.link)
            .unwrap_or_else(|| self.inside(CollectiveKind::AllToAll, size, inside))
    }

    /// Time of a dispatch with kernels for few tokens, as decode has: the faster of copies sent
    /// straight ([`Fabric::dispatch_direct`]) and, within a domain, of a kernel that was measured
    /// there.
    #[must_use]
    pub fn dispatch_low_latency(&self, group: Group, dispatch: Dispatch) -> Seconds {
        let direct = self.dispatch_direct(group, dispatch);
        let (inside, domains) = group.split(self.domain);
        if domains <= 1 && self.curves.has_dispatch() && direct > Seconds::ZERO {
            direct.min(self.fan_out(dispatch, inside, 1))
        } else {
            direct
        }
    }

    /// Time of a dispatch of which each of the k copies goes straight to its expert's rank, so that
    /// nothing is counted, agreed on or forwarded first (`DeepEP` low-latency kernels). Of r ranks,
    /// those of other domains get (r - inside)/r of the copies over the scale-out network, whose
    /// messages the kernel starts itself; the others go over the domain's links at the same time.
    ///
    /// Where kernels were measured to take far longer than their links (`expert_start` and
    /// `expert_level` of the system), that time comes on top: 116 us for 6.6 MB that a 910C sends in
    /// 24 us, and as much for twice the bytes on the way back (`CloudMatrix`).
    ///
    /// Limits: node-limited routing does not change the copies. Kernels that save copies between
    /// domains at few tokens too are not modelled.
    #[must_use]
    pub fn dispatch_direct(&self, group: Group, dispatch: Dispatch) -> Seconds {
        if group.size <= 1 || dispatch.tokens <= 0.0 {
            return Seconds::ZERO;
        }
        let (inside, domains) = group.split(self.domain);
        let copies = dispatch.token * (dispatch.tokens * dispatch.top_k as f64);
        let local = copies / domains as f64;
        let (start, level) = self.expert_start;
        let beyond = start + level * libm::log2(inside.max(2) as f64 / 2.0);
        let direct = self.inside(CollectiveKind::AllToAll, local, inside) + beyond;
        if domains <= 1 {
            return direct;
        }
        let crossing = self.chip_started + self.across(copies - local);
        crossing.max(direct)
    }
}
