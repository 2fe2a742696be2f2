//! What cannot be sent as packets.

use std::fmt;

/// Why a schedule cannot be sent as packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// Packets have no payload or are larger than 16 MiB.
    Packet,
    /// The window is smaller than a packet.
    Window,
    /// The buffer is smaller than a packet.
    Buffer,
    /// The threshold for marks is negative or no number.
    Mark,
    /// A link's rate is below 2 MB/s or no number, or its latency negative or above 1,000 s.
    Link(u32),
    /// A transfer's size is negative, no number, or above 2^32 packets.
    Transfer(u32),
    /// A path of a transfer is longer than 128 links.
    Path(u32),
    /// The time to start is negative, no number or above 1,000 s.
    Start,
}

impl PacketError {
    /// Tries again where a path was too long.
    pub(super) fn longer<T>(self, again: impl FnOnce() -> Result<T, Self>) -> Result<T, Self> {
        match self {
            Self::Path(_) => again(),
            other => Err(other),
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet => f.write_str("packets must hold 1 byte to 16 MiB with their header"),
            Self::Window => f.write_str("the window must hold a packet"),
            Self::Buffer => f.write_str("the buffer must hold a packet"),
            Self::Mark => f.write_str("the queue that marks packets must be zero or more bytes"),
            Self::Link(link) => write!(
                f,
                "link {link} must have a rate from 2 MB/s and a latency from 0 to 1000 s"
            ),
            Self::Transfer(transfer) => write!(
                f,
                "transfer {transfer} must have a size from 0 to 2^32 packets"
            ),
            Self::Path(transfer) => write!(f, "transfer {transfer} takes more than 128 links"),
            Self::Start => f.write_str("the time to start must be from 0 to 1000 s"),
        }
    }
}

impl std::error::Error for PacketError {}
