//! A transfer as its two ends see it: what the sender has to send, what the receiver misses.

use super::path::Packet;
use super::{Options, PacketError};
use crate::schedule::Transfer;

/// No message.
pub(super) const NONE: u32 = u32::MAX;

/// A transfer cut into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub packets: u32,
    /// Payload of the last packet; all others are full.
    pub last: u32,
}

impl Cut {
    /// Cuts a transfer; one of no bytes is a packet of only a header.
    pub(super) fn new(
        number: u32,
        transfer: &Transfer,
        options: &Options,
    ) -> Result<Self, PacketError> {
        let size = transfer.size.get().ceil();
        let full = f64::from(options.payload_bytes);
        let packets = (size / full).ceil().max(1.0);
        if !(size >= 0.0 && packets <= f64::from(u32::MAX)) {
            return Err(PacketError::Transfer(number));
        }
        Ok(Self {
            packets: packets as u32,
            last: (size - (packets - 1.0) * full) as u32,
        })
    }

    /// Bytes of the message.
    pub(super) fn size(&self, payload: u32) -> u64 {
        u64::from(self.packets - 1) * u64::from(payload) + u64::from(self.last)
    }
}

/// A message at its sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<const N: usize> {
    pub from: u32,
    pub to: u32,
    /// Packets that were never sent.
    left: u32,
    /// Whole packets to send again.
    lost: u32,
    /// Packets sent so far, again or not.
    pub sent: u32,
    /// Packets under way or waiting for their port, and how many may be.
    pub flight: u32,
    pub window: u32,
    /// The message behind it at the port where its next packet waits.
    pub behind: u32,
    /// Path of that packet, whether there is one, and whether it is the last.
    path: [u32; N],
    hops: u8,
    waits: bool,
    last: bool,
    /// Whether the last packet is to be sent again.
    last_lost: bool,
    /// Whether random paths may start at several ports.
    pub ports: bool,
}

impl<const N: usize> Sender<N> {
    pub(super) const fn new(transfer: &Transfer, packets: u32, window: u32) -> Self {
        Self {
            from: transfer.from,
            to: transfer.to,
            left: packets,
            lost: 0,
            sent: 0,
            flight: 0,
            window,
            behind: NONE,
            path: [0; N],
            hops: 0,
            waits: false,
            last: false,
            last_lost: false,
            ports: false,
        }
    }

    /// Whether there is a packet to send and the window has room for it.
    pub(super) const fn ready(&self) -> bool {
        !self.waits
            && self.flight < self.window
            && (self.left > 0 || self.lost > 0 || self.last_lost)
    }

    /// Whether the window could hold the message up, were nothing acknowledged from now on. Once
    /// it cannot, it never will, as long as nothing is lost.
    pub(super) const fn held(&self) -> bool {
        self.left as u64 + self.flight as u64 > self.window as u64
    }

    /// The next packet, lost ones first, waits for its port.
    pub(super) fn wait(&mut self, path: &[u32]) {
        self.sent = self.sent.wrapping_add(1);
        self.flight += 1;
        self.waits = true;
        self.hops = path.len() as u8;
        self.path[..path.len()].copy_from_slice(path);
        self.last = false;
        if self.lost > 0 {
            self.lost -= 1;
        } else if self.last_lost {
            (self.last_lost, self.last) = (false, true);
        } else {
            self.left -= 1;
            self.last = self.left == 0;
        }
    }

    /// The packet that waits goes.
    pub(super) const fn go(&mut self, message: u32) -> Packet<N> {
        self.waits = false;
        Packet {
            message,
            path: self.path,
            hops: self.hops,
            hop: 0,
            marked: false,
            last: self.last,
        }
    }

    /// The sender hears that a packet was trimmed.
    pub(super) const fn lose(&mut self, last: bool) {
        if last {
            self.last_lost = true;
        } else {
            self.lost += 1;
        }
    }
}

/// A message at its receiver. Times are in picoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receiver {
    /// Packets that have not arrived.
    pub missing: u32,
    /// Whether the sender must hear of arrivals.
    pub heard: bool,
    /// When the last packet so far arrives.
    pub finish: u64,
}

#[cfg(test)]
mod tests {
    use chokepoint_units::Bytes;

    use super::{Cut, Sender};
    use crate::packet::{Options, PacketError};
    use crate::schedule::Transfer;

    fn transfer(size: f64) -> Transfer {
        Transfer {
            from: 0,
            to: 1,
            size: Bytes::new(size),
        }
    }

    fn cut(size: f64) -> Result<Cut, PacketError> {
        Cut::new(9, &transfer(size), &Options::default())
    }

    #[test]
    fn the_last_packet_is_short() {
        let cut_in = |packets, last| Ok(Cut { packets, last });
        assert_eq!(cut(0.0), cut_in(1, 0));
        assert_eq!(cut(4096.0), cut_in(1, 4096));
        assert_eq!(cut(8192.5), cut_in(3, 1));
        assert_eq!(cut(8193.0).unwrap().size(4096), 8193);
        for size in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
            assert_eq!(cut(size), Err(PacketError::Transfer(9)));
        }
    }

    #[test]
    fn lost_packets_go_first() {
        let mut sender: Sender<2> = Sender::new(&transfer(8193.0), 3, 9);
        let mut next = || {
            assert!(sender.ready());
            sender.wait(&[4, 5]);
            assert!(!sender.ready());
            sender.go(0).last
        };
        assert!(!next());
        assert!(!next());
        sender.lose(false);
        let mut next = || {
            sender.wait(&[4, 5]);
            sender.go(0).last
        };
        assert!(!next());
        assert!(next());
        assert!(!sender.ready());
        sender.lose(true);
        assert!(sender.ready());
        sender.wait(&[6]);
        let packet = sender.go(3);
        assert!(packet.last);
        assert_eq!((packet.message, packet.ahead()), (3, [6].as_slice()));
        assert_eq!((sender.sent, sender.flight), (5, 5));
    }

    #[test]
    fn a_full_window_holds_the_sender() {
        let mut sender: Sender<2> = Sender::new(&transfer(8193.0), 3, 1);
        sender.wait(&[4]);
        sender.go(0);
        assert!(!sender.ready() && sender.held());
        sender.flight -= 1;
        assert!(sender.ready());
        sender.window = 2;
        assert!(!sender.held());
    }
}
