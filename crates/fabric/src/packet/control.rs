//! The window of a message under congestion control: DCTCP (Alizadeh et al. 2010, RFC 8257).
//!
//! Every window of acknowledgements, with F of them marked:
//! share = (1 - g) share + g F, and window x (1 - share / 2) if any was marked. Without marks the
//! window grows by one packet, up to the one the message started with: a bandwidth-delay product
//! keeps an idle path full, and messages start at full rate as RDMA does. At least one packet is
//! under way.
//!
//! Two choices are for messages of a few round trips, which never win back half a window. The share
//! starts at 0, not at 1 as in Linux: from 1 a permutation of 2 MB over random paths, marked from
//! 40 packets, takes 70 us instead of 51. A trimmed packet counts as a marked one; halving the
//! window as TCP does for a loss makes it 77 us instead of 51 with buffers of 32 packets.

/// Weight of the latest window in the share of marked packets (g; RFC 8257 section 4.2).
const WEIGHT: f64 = 1.0 / 16.0;

/// Congestion state of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    /// Packets that may be under way.
    window: f64,
    /// Most that it may become.
    most: f64,
    /// Moving share of marked packets.
    share: f64,
    /// Acknowledgements of this window, those still to come, and the marked ones so far.
    length: u32,
    due: u32,
    marked: u32,
}

impl Control {
    pub(super) fn new(window: u32) -> Self {
        Self {
            window: f64::from(window),
            most: f64::from(window),
            share: 0.0,
            length: window,
            due: window,
            marked: 0,
        }
    }

    /// An acknowledgement, or news of a trimmed packet; packets that may be under way from now on.
    pub(super) fn acknowledge(&mut self, marked: bool) -> u32 {
        self.marked += u32::from(marked);
        self.due -= 1;
        if self.due == 0 {
            let marks = f64::from(self.marked) / f64::from(self.length);
            self.share += WEIGHT * (marks - self.share);
            if self.marked > 0 {
                self.window *= 1.0 - self.share / 2.0;
            } else {
                self.window += 1.0;
            }
            self.window = self.window.clamp(1.0, self.most);
            (self.length, self.marked) = (self.packets(), 0);
            self.due = self.length;
        }
        self.packets()
    }

    const fn packets(&self) -> u32 {
        self.window as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Control;

    #[test]
    fn marks_shrink_the_window_with_their_share() {
        let mut control = Control::new(8);
        // All eight marked: share 1/16, window 8 x (1 - 1/32) = 7.75.
        let window = (0..8).map(|_| control.acknowledge(true)).last();
        assert_eq!(window, Some(7));
        // All seven: share 1/16 + 15/16 / 16 = 0.1211, window 7.75 x 0.9395 = 7.28.
        let window = (0..7).map(|_| control.acknowledge(true)).last();
        assert_eq!(window, Some(7));
        // One of seven: share 0.1211 + (1/7 - 0.1211) / 16 = 0.1225, window 7.28 x 0.9388 = 6.84.
        control.acknowledge(true);
        let window = (0..6).map(|_| control.acknowledge(false)).last();
        assert_eq!(window, Some(6));
        // None of six: one more; then no more than at first.
        let window = (0..6).map(|_| control.acknowledge(false)).last();
        assert_eq!(window, Some(7));
        let window = (0..70).map(|_| control.acknowledge(false)).last();
        assert_eq!(window, Some(8));
    }

    #[test]
    fn a_packet_is_always_under_way() {
        let mut least = Control::new(1);
        assert_eq!(least.acknowledge(true), 1);
        assert_eq!(least.acknowledge(false), 1);
    }
}
