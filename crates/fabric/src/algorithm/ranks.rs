//! Where the ranks of a collective sit.

/// Ranks by number: their chips, and how they share domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    chips: Vec<u32>,
    inside: u32,
    switches: Vec<u32>,
}

impl Ranks {
    /// Ranks on chips, so many neighbours in each domain; `switches` are the vertices that sum in
    /// each domain, none where its switches cannot.
    ///
    /// Absent where the ranks do not fill whole domains, or switches are not one for each.
    #[must_use]
    pub fn new(chips: Vec<u32>, inside: u32, switches: Vec<u32>) -> Option<Self> {
        let number = u32::try_from(chips.len()).ok()?;
        if number == 0 || inside == 0 || !number.is_multiple_of(inside) {
            return None;
        }
        let domains = number / inside;
        if !switches.is_empty() && switches.len() != domains as usize {
            return None;
        }
        Some(Self {
            chips,
            inside,
            switches,
        })
    }

    /// How many.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.chips.len() as u32
    }

    /// Ranks in each domain.
    #[must_use]
    pub const fn inside(&self) -> u32 {
        self.inside
    }

    /// Domains.
    #[must_use]
    pub fn domains(&self) -> u32 {
        self.number() / self.inside
    }

    /// The vertex of a rank.
    #[must_use]
    pub fn chip(&self, rank: u32) -> u32 {
        self.chips[rank as usize]
    }

    /// The vertex that sums in a domain.
    #[must_use]
    pub fn switch(&self, domain: u32) -> Option<u32> {
        self.switches.get(domain as usize).copied()
    }
}
