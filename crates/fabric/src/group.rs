//! Groups of ranks and how they lie in the tiers.

/// Ranks that communicate: `size` of them, `stride` apart in placement order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of ranks.
    pub size: u64,
    /// Distance between neighbours in placement order; 1 for the innermost dimension.
    pub stride: u64,
}

impl Group {
    /// A group of neighbours.
    #[must_use]
    pub const fn adjacent(size: u64) -> Self {
        Self { size, stride: 1 }
    }

    /// How the group lies in domains of a size: (ranks in one domain, number of domains).
    ///
    /// The ranks are spread evenly over as few domains as hold them.
    ///
    /// Limits: every group is taken to start at a domain's border, as if a domain that it does not
    /// fill (64 ranks of an NVL72) left its other chips to something else.
    #[must_use]
    pub fn split(self, domain: u64) -> (u64, u64) {
        let fit = (domain / self.stride.max(1)).clamp(1, self.size.max(1));
        let domains = self.size.div_ceil(fit).max(1);
        (self.size.div_ceil(domains), domains)
    }
}

#[cfg(test)]
mod tests {
    use super::Group;

    #[test]
    fn groups_fill_domains_in_placement_order() {
        assert_eq!(Group::adjacent(8).split(8), (8, 1));
        assert_eq!(Group::adjacent(64).split(8), (8, 8));
        assert_eq!(Group::adjacent(64).split(72), (64, 1));
        assert_eq!(Group::adjacent(128).split(72), (64, 2));
        assert_eq!(
            Group {
                size: 16,
                stride: 8
            }
            .split(8),
            (1, 16)
        );
        assert_eq!(
            Group {
                size: 16,
                stride: 4
            }
            .split(8),
            (2, 8)
        );
    }
}
