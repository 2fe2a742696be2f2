//! A packet under way, with its path.
//!
//! A path is computed when a packet is made and travels with it from event to event: nothing is
//! looked up at a hop but the link, and memory is for packets under way only.

use super::Balance;

/// A packet under way, over at most `N` links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<const N: usize> {
    pub message: u32,
    /// Links of its path, and how many.
    pub path: [u32; N],
    pub hops: u8,
    /// Links behind it.
    pub hop: u8,
    /// Whether it met a queue above the threshold.
    pub marked: bool,
    /// Whether it is its message's last, which may be shorter.
    pub last: bool,
}

impl<const N: usize> Packet<N> {
    /// The link it comes to now.
    pub(super) const fn link(&self) -> u32 {
        self.path[self.hop as usize]
    }

    /// The links before it.
    pub(super) fn ahead(&self) -> &[u32] {
        &self.path[usize::from(self.hop)..usize::from(self.hops)]
    }
}

/// What chooses the path of a message's packet, by how many were sent before it and how often it
/// was drawn for this one before.
pub(super) fn choice(balance: Balance, seed: u64, message: u32, sent: u32, drawn: u32) -> u64 {
    let own = mix(seed ^ mix(u64::from(message)));
    match balance {
        Balance::Message => own,
        Balance::Rotate => (own >> 1) + u64::from(sent),
        Balance::Random => mix(own ^ mix(u64::from(drawn) << 32 | u64::from(sent))),
    }
}

/// A hash of 64 bits (the step of SplitMix64: Steele, Lea and Flood 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Balance, Packet, choice};

    #[test]
    fn a_packet_knows_what_is_ahead() {
        let packet = Packet {
            message: 0,
            path: [7, 8, 9, 0],
            hops: 3,
            hop: 1,
            marked: false,
            last: false,
        };
        assert_eq!(packet.link(), 8);
        assert_eq!(packet.ahead(), [8, 9]);
    }

    #[test]
    fn a_message_keeps_its_path_or_takes_all() {
        let all = |balance| {
            let mut chosen: Vec<u64> = (0..8).map(|it| choice(balance, 5, 3, it, 0) % 8).collect();
            chosen.sort_unstable();
            chosen.dedup();
            chosen.len()
        };
        assert_eq!(all(Balance::Message), 1);
        assert_eq!(all(Balance::Rotate), 8);
        assert!((2..8).contains(&all(Balance::Random)));
        let again = |drawn| choice(Balance::Random, 5, 3, 0, drawn);
        assert_ne!(again(0), again(1));
    }
}
