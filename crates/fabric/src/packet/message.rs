//! A transfer as its sender and receiver see it: what is to be sent, under way and missing.

use super::{Options, PacketError};
use crate::schedule::Transfer;

/// A transfer on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub from: u32,
    pub to: u32,
    /// Packets that were never sent.
    left: u32,
    /// Whole packets to send again.
    lost: u32,
    /// Whether the last packet is to be sent again.
    last_lost: bool,
    /// Payload of the last packet; all others are full.
    last: u32,
    /// Packets sent so far, again or not.
    pub sent: u32,
    /// Packets under way or waiting for their port.
    pub flight: u32,
    /// Packets that may be.
    pub window: u32,
    /// Packets that have not arrived.
    pub missing: u32,
    /// The packet that waits for its port.
    pub packet: u32,
    /// The message behind it at that port.
    pub behind: u32,
    /// Time that an acknowledgement takes, in picoseconds.
    pub back: u64,
}

impl Message {
    /// A transfer with nothing sent yet.
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
            from: transfer.from,
            to: transfer.to,
            left: packets as u32,
            lost: 0,
            last_lost: false,
            last: (size - (packets - 1.0) * full) as u32,
            sent: 0,
            flight: 0,
            window: 1,
            missing: packets as u32,
            packet: u32::MAX,
            behind: u32::MAX,
            back: 0,
        })
    }

    /// Bytes of the message.
    pub(super) fn size(&self, payload: u32) -> u64 {
        u64::from(self.missing - 1) * u64::from(payload) + u64::from(self.last)
    }

    /// Whether there is a packet to send and the window has room for it.
    pub(super) const fn ready(&self) -> bool {
        (self.left > 0 || self.lost > 0 || self.last_lost)
            && self.flight < self.window
            && self.packet == u32::MAX
    }

    /// Whether the window could hold the message up, were nothing acknowledged from now on.
    pub(super) const fn held(&self) -> bool {
        self.left > 0 && self.left as u64 + self.flight as u64 > self.window as u64
    }

    /// The next packet to send, lost ones first: its payload, and whether it is the last.
    pub(super) const fn next(&mut self, payload: u32) -> (u32, bool) {
        self.sent = self.sent.wrapping_add(1);
        self.flight += 1;
        if self.lost > 0 {
            self.lost -= 1;
            return (payload, false);
        }
        if self.last_lost {
            self.last_lost = false;
            return (self.last, true);
        }
        self.left -= 1;
        if self.left == 0 {
            (self.last, true)
        } else {
            (payload, false)
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

#[cfg(test)]
mod tests {
    use chokepoint_units::Bytes;

    use super::Message;
    use crate::packet::{Options, PacketError};
    use crate::schedule::Transfer;

    fn message(size: f64) -> Result<Message, PacketError> {
        let transfer = Transfer {
            from: 0,
            to: 1,
            size: Bytes::new(size),
        };
        Message::new(9, &transfer, &Options::default())
    }

    #[test]
    fn the_last_packet_is_short_and_lost_ones_go_first() {
        let mut message = message(8193.0).unwrap();
        message.window = 9;
        assert_eq!((message.missing, message.size(4096)), (3, 8193));
        assert_eq!(message.next(4096), (4096, false));
        assert_eq!(message.next(4096), (4096, false));
        assert!(!message.held());
        message.lose(false);
        assert_eq!(message.next(4096), (4096, false));
        assert_eq!(message.next(4096), (1, true));
        assert!(!message.ready());
        message.lose(true);
        assert!(message.ready());
        assert_eq!(message.next(4096), (1, true));
    }

    #[test]
    fn nothing_is_still_a_packet_and_no_number_an_error() {
        assert_eq!(message(0.0).unwrap().next(4096), (0, true));
        assert_eq!(message(4096.0).unwrap().next(4096), (4096, true));
        for size in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
            assert_eq!(message(size).unwrap_err(), PacketError::Transfer(9));
        }
    }
}
