//! Messages that wait for the link they start at, and take turns there.

use super::message::Message;

/// No message.
const NONE: u32 = u32::MAX;

/// A link as the messages that start at it see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port {
    /// First and last of the messages that wait.
    first: u32,
    last: u32,
    /// Whether an event will serve them.
    pub armed: bool,
    /// When the packet that was taken last has left.
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

    /// Whether no message waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// A message waits behind the others.
    pub(super) fn join(&mut self, messages: &mut [Message], message: u32) {
        messages[message as usize].behind = NONE;
        if self.first == NONE {
            self.first = message;
        } else {
            messages[self.last as usize].behind = message;
        }
        self.last = message;
    }

    /// The message whose turn it is.
    pub(super) fn leave(&mut self, messages: &[Message]) -> Option<u32> {
        let message = self.first;
        if message == NONE {
            return None;
        }
        self.first = messages[message as usize].behind;
        Some(message)
    }
}
