//! Energy of a chip from what its parts do.

use std::ops::{Add, AddAssign, Mul};

use chokepoint_units::{Energy, NumberFormat, Power, Seconds};

use crate::ChipSpec;
use crate::spec::pick;

/// What a chip does over some time, for its energy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PowerDraw {
    /// Kernels run.
    pub busy: Seconds,
    /// Time that the arithmetic of these kernels takes at the peak.
    pub compute: Seconds,
    /// Time that their bytes take at the full bandwidth of the memory.
    pub memory: Seconds,
    /// Kernels that communicate.
    pub communication: Seconds,
    /// Nothing runs.
    pub waiting: Seconds,
}

impl PowerDraw {
    /// All of the time.
    #[must_use]
    pub fn time(&self) -> Seconds {
        self.busy + self.communication + self.waiting
    }
}

impl Add for PowerDraw {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            busy: self.busy + other.busy,
            compute: self.compute + other.compute,
            memory: self.memory + other.memory,
            communication: self.communication + other.communication,
            waiting: self.waiting + other.waiting,
        }
    }
}

impl AddAssign for PowerDraw {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<f64> for PowerDraw {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            busy: self.busy * factor,
            compute: self.compute * factor,
            memory: self.memory * factor,
            communication: self.communication * factor,
            waiting: self.waiting * factor,
        }
    }
}

impl ChipSpec {
    /// Energy of one chip over some work:
    ///
    /// E = min(active b + compute c + memory m, limit b) + communication x + idle w
    ///
    /// for b seconds of kernels whose arithmetic takes c at the peak and whose bytes take m at full
    /// bandwidth, x of communication and w of waiting. Operations and bytes each cost energy, and
    /// what kernels run on draws a floor; the power limit holds over milliseconds, thus over
    /// kernels together. Formats of half the width have twice the peak, so that an operation in
    /// them is taken to cost half.
    ///
    /// Source: grouped products on B200 draw 0.40 of the limit with little memory traffic and 0.78
    /// more at full bandwidth, up to 0.985 (aiconfigurator 0.12.0, `moe_perf` of vLLM 0.22, with
    /// power); the files in `data/calibration` say what each chip's shares were fitted on.
    ///
    /// Limits: clocks that fall under the limit are in the sustained rate, not here; the share while
    /// communicating is not measured alone.
    #[must_use]
    pub fn energy(&self, draw: PowerDraw) -> Energy {
        let curve = &self.power;
        let work =
            draw.busy * curve.active + draw.compute * curve.compute + draw.memory * curve.memory;
        let share = |share: f64| (self.tdp * share).max(self.idle());
        let kernels = (self.tdp * work.min(draw.busy * curve.limit)).max(self.idle() * draw.busy);
        kernels + share(curve.communication) * draw.communication + self.idle() * draw.waiting
    }

    /// Share of the peak in a format that large products reach inside a training step.
    #[must_use]
    pub fn highest_share(&self, format: NumberFormat) -> f64 {
        let curve = pick(&self.gemm, format);
        curve.map_or(1.0, |curve| self.share(curve.compute)) * self.sustained(format).share
    }

    /// Share of the memory's bandwidth that elementwise kernels reach.
    #[must_use]
    pub const fn stream_share(&self) -> f64 {
        self.stream
    }

    /// Idle power: measured, and no more than a third of the design power of a smaller chip.
    #[must_use]
    pub fn idle(&self) -> Power {
        self.power.idle.min(self.tdp / 3.0)
    }
}
