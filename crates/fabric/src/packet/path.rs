//! Packets under way, and the path each takes.
//!
//! A path is computed when its packet is made and forgotten when it arrives, so memory is for
//! packets under way only. Places are used again, last freed first.

use super::Balance;

/// A packet under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet {
    pub message: u32,
    /// Bytes, header included.
    pub bytes: u32,
    /// Links of its path, and those behind it.
    pub hops: u16,
    pub hop: u16,
    /// Whether it met a queue above the threshold.
    pub marked: bool,
    /// Whether it is its message's last, which may be shorter.
    pub last: bool,
}

/// All packets under way.
#[derive(Debug, Default)]
pub(super) struct Packets {
    packets: Vec<Packet>,
    free: Vec<u32>,
    /// Paths, `stride` links for each packet.
    paths: Vec<u32>,
    stride: usize,
}

impl Packets {
    /// Puts a packet on its way; its number.
    pub(super) fn add(&mut self, packet: Packet, path: &[u32]) -> u32 {
        if path.len() > self.stride {
            self.widen(path.len());
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.packets.push(packet);
            self.paths.resize(self.packets.len() * self.stride, 0);
            self.packets.len() as u32 - 1
        });
        self.packets[number as usize] = packet;
        let first = number as usize * self.stride;
        self.paths[first..first + path.len()].copy_from_slice(path);
        number
    }

    /// Makes room for longer paths.
    fn widen(&mut self, stride: usize) {
        let mut paths = vec![0; self.packets.len() * stride];
        for number in 0..self.packets.len() {
            let (old, new) = (number * self.stride, number * stride);
            paths[new..new + self.stride].copy_from_slice(&self.paths[old..old + self.stride]);
        }
        (self.paths, self.stride) = (paths, stride);
    }

    pub(super) fn get(&mut self, number: u32) -> &mut Packet {
        &mut self.packets[number as usize]
    }

    /// A link of a packet's path.
    pub(super) fn link(&self, number: u32, hop: u16) -> u32 {
        self.paths[number as usize * self.stride + usize::from(hop)]
    }

    /// Links of a packet's path from a hop on.
    pub(super) fn ahead(&self, number: u32, hop: u16, hops: u16) -> &[u32] {
        let first = number as usize * self.stride;
        &self.paths[first + usize::from(hop)..first + usize::from(hops)]
    }

    /// Frees a packet's place.
    pub(super) fn remove(&mut self, number: u32) {
        self.free.push(number);
    }
}

/// What chooses the path of a message's packet, by how many were sent before it.
pub(super) fn choice(balance: Balance, seed: u64, message: u32, sent: u32) -> u64 {
    let own = mix(seed ^ mix(u64::from(message)));
    match balance {
        Balance::Message => own,
        Balance::Rotate => (own >> 1) + u64::from(sent),
        Balance::Random => mix(own ^ mix(u64::from(sent))),
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
    use super::{Balance, Packet, Packets, choice};

    fn packet(hops: u16) -> Packet {
        Packet {
            message: 0,
            bytes: 64,
            hops,
            hop: 0,
            marked: false,
            last: false,
        }
    }

    #[test]
    fn paths_outlive_longer_ones() {
        let mut packets = Packets::default();
        let one = packets.add(packet(2), &[7, 8]);
        let two = packets.add(packet(4), &[1, 2, 3, 4]);
        assert_eq!(packets.ahead(one, 0, 2), [7, 8]);
        assert_eq!(packets.ahead(two, 1, 4), [2, 3, 4]);
        packets.remove(one);
        assert_eq!(packets.add(packet(1), &[9]), one);
        assert_eq!(packets.link(one, 0), 9);
        assert_eq!(packets.link(two, 0), 1);
    }

    #[test]
    fn a_message_keeps_its_path_or_takes_all() {
        let all = |balance| {
            let mut chosen: Vec<u64> = (0..8).map(|it| choice(balance, 5, 3, it) % 8).collect();
            chosen.sort_unstable();
            chosen.dedup();
            chosen.len()
        };
        assert_eq!(all(Balance::Message), 1);
        assert_eq!(all(Balance::Rotate), 8);
        assert!((2..8).contains(&all(Balance::Random)));
    }
}
