//! Messages that wait for the link they start at, and take turns there.

use super::message::{NONE, Sender};

/// A link as the messages that start at it see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port {
    /// First and last of the messages that wait.
    first: u32,
    last: u32,
    /// Whether an event will serve them.
    pub armed: bool,
    /// When the packet that was taken last has left, in picoseconds.
    pub until: u64,
}

impl Port {
    pub(super) const fn new() -> Self {
        Self {
            first: NONE,
            last: NONE,
            armed: false,
            until: 0,
        }
    }

    /// Whether it takes a packet now.
    pub(super) const fn is_idle(&self, now: u64) -> bool {
        !self.armed && self.until <= now
    }

    /// Whether no message waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// A message waits behind the others.
    pub(super) fn join<const N: usize>(&mut self, senders: &mut [Sender<N>], message: u32) {
        senders[message as usize].behind = NONE;
        if self.first == NONE {
            self.first = message;
        } else {
            senders[self.last as usize].behind = message;
        }
        self.last = message;
    }

    /// The message whose turn it is.
    pub(super) fn leave<const N: usize>(&mut self, senders: &[Sender<N>]) -> Option<u32> {
        let message = self.first;
        if message == NONE {
            return None;
        }
        self.first = senders[message as usize].behind;
        Some(message)
    }
}
