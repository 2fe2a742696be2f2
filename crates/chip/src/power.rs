//! Power of a chip by kind of work.

use chokepoint_units::{Energy, Power, Seconds};

use crate::ChipSpec;

/// Time spent in kinds of work, for the energy of a step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PowerDraw {
    /// Bound by arithmetic.
    pub compute: Seconds,
    /// Bound by memory or by fixed times.
    pub memory: Seconds,
    /// Communicating or waiting.
    pub communication: Seconds,
}

impl ChipSpec {
    /// Energy of one chip over the given times: shares of the thermal design power by kind of
    /// work, measured per kernel on H200, B200 and GB200 (calibration files, `[power]`); power is
    /// not linear in utilisation. E = sum of max(share x TDP, idle) x time.
    ///
    /// Limits: the share while communicating is not measured; clocks that fall under a power cap
    /// are in the sustained rate, not here.
    #[must_use]
    pub fn energy(&self, draw: PowerDraw) -> Energy {
        let share = |share: f64| self.power_of(share);
        share(self.power.compute) * draw.compute
            + share(self.power.memory) * draw.memory
            + share(self.power.communication) * draw.communication
    }

    /// Idle power: measured, and no more than a third of the design power of a smaller chip.
    #[must_use]
    pub fn idle(&self) -> Power {
        self.power.idle.min(self.tdp / 3.0)
    }

    fn power_of(&self, share: f64) -> Power {
        (self.tdp * share).max(self.idle())
    }
}
