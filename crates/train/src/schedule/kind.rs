//! Which pipeline schedules there are, and what is published of each in closed form.
//!
//! Letters: p ranks, v chunks of a rank, m micro-batches, r a rank from 0; F, B and W are the times
//! of one micro-batch's forward, input gradients and weight gradients on all chunks of a rank.
//! All closed forms are for equal ranks.

use std::fmt;
use std::str::FromStr;

use chokepoint_units::Seconds;
use serde::{Deserialize, Serialize};

/// Pipeline schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Schedule {
    /// One forward, one backward; interleaved when a plan has more than one virtual stage
    /// (Narayanan et al. 2021).
    #[default]
    #[serde(rename = "1f1b")]
    OneForwardOneBackward,
    /// Weight gradients fill the drain, in the memory of 1F1B; also called ZB1P (Qi et al. 2024).
    #[serde(rename = "zb-h1")]
    ZeroBubbleH1,
    /// No idle time for nearly twice the activations; the optimizer steps rank by rank and is
    /// validated afterwards (Qi et al. 2024).
    #[serde(rename = "zb-h2")]
    ZeroBubbleH2,
    /// No idle time in the memory of 1F1B: two chunks of a rank, placed in a V (Qi et al. 2024,
    /// section 6).
    #[serde(rename = "zb-v")]
    ZeroBubbleV,
    /// Bidirectional, two copies of the parameters, expert traffic under compute (DeepSeek-V3
    /// section 3.2.1).
    #[serde(rename = "dualpipe")]
    DualPipe,
    /// `DualPipe` cut in half: each rank keeps one copy of both its chunks, placed in a V (DualPipe
    /// README).
    #[serde(rename = "dualpipev")]
    DualPipeV,
}

/// On which rank a chunk of the model lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Chunk c on rank c mod p.
    Cyclic,
    /// There and back: chunk c on rank c, or on rank 2p - 1 - c from chunk p on.
    Vee,
}

impl Placement {
    /// The rank of a chunk.
    ///
    /// Limits: `Vee` has two chunks a rank; a later chunk is taken to lie on the first rank.
    #[must_use]
    pub const fn rank(self, chunk: usize, pp: usize) -> usize {
        match self {
            Self::Cyclic => chunk % pp,
            Self::Vee if chunk < pp => chunk,
            Self::Vee => (2 * pp - 1).saturating_sub(chunk),
        }
    }
}

/// Why a schedule does not go with a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleError {
    /// Micro-batches are not a multiple of the pipeline depth, which interleaving needs.
    Interleaving,
    /// A zero-bubble schedule needs a pipeline, of one chunk a rank.
    ZeroBubble,
    /// ZB-V needs a pipeline of two chunks a rank.
    ZeroBubbleV,
    /// `DualPipe` needs an even pipeline and at least twice as many micro-batches, an even number.
    DualPipe,
    /// `DualPipeV` needs two chunks a rank and at least twice as many micro-batches as ranks.
    DualPipeV,
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interleaving => "interleaving needs micro-batches in multiples of pp",
            Self::ZeroBubble => "zb-h1 and zb-h2 need pp above 1 and vp = 1",
            Self::ZeroBubbleV => "zb-v needs pp above 1 and vp = 2",
            Self::DualPipe => {
                "dualpipe needs an even pp and an even number of at least 2 pp micro-batches"
            }
            Self::DualPipeV => "dualpipev needs pp above 1, vp = 2 and at least 2 pp micro-batches",
        })
    }
}

/// A name that no schedule has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSchedule(pub String);

impl fmt::Display for UnknownSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [most @ .., last] = Schedule::ALL.map(Schedule::name);
        let most = most.join(", ");
        write!(f, "no schedule `{}`: write {most} or {last}", self.0)
    }
}

impl std::error::Error for UnknownSchedule {}

impl FromStr for Schedule {
    type Err = UnknownSchedule;

    fn from_str(name: &str) -> Result<Self, UnknownSchedule> {
        Self::ALL
            .into_iter()
            .find(|schedule| schedule.name() == name)
            .ok_or_else(|| UnknownSchedule(name.to_owned()))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Schedule {
    /// All schedules.
    pub const ALL: [Self; 6] = [
        Self::OneForwardOneBackward,
        Self::ZeroBubbleH1,
        Self::ZeroBubbleH2,
        Self::ZeroBubbleV,
        Self::DualPipe,
        Self::DualPipeV,
    ];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneForwardOneBackward => "1f1b",
            Self::ZeroBubbleH1 => "zb-h1",
            Self::ZeroBubbleH2 => "zb-h2",
            Self::ZeroBubbleV => "zb-v",
            Self::DualPipe => "dualpipe",
            Self::DualPipeV => "dualpipev",
        }
    }

    /// Where the chunks of the model lie.
    #[must_use]
    pub const fn placement(self) -> Placement {
        match self {
            Self::ZeroBubbleV | Self::DualPipeV => Placement::Vee,
            _ => Placement::Cyclic,
        }
    }

    /// Copies of the parameters that a pipeline holds: two in `DualPipe`, where each rank has a
    /// stage and its mirror image. `DualPipeV` holds one: its README's "2x" counts stages of half a
    /// rank.
    #[must_use]
    pub const fn copies(self) -> u64 {
        match self {
            Self::DualPipe => 2,
            _ => 1,
        }
    }

    /// Chunks of the model on one rank: virtual stages, or in `DualPipe` a stage and its mirror
    /// image.
    #[must_use]
    pub const fn chunks_per_rank(self, vp: u64) -> u64 {
        vp.saturating_mul(self.copies())
    }

    /// Whether the forward of one micro-batch and the backward of another run as a pair, each
    /// under the other's communication (DeepSeek-V3 section 3.2.1).
    #[must_use]
    pub const fn pairs(self) -> bool {
        matches!(self, Self::DualPipe | Self::DualPipeV)
    }

    /// Whether a pipeline can run the schedule.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub const fn check(self, pp: u64, vp: u64, micro_batches: u64) -> Result<(), ScheduleError> {
        let piped = pp > 1;
        let (fits, error) = match self {
            Self::OneForwardOneBackward => (
                vp == 1 || piped && micro_batches.is_multiple_of(pp),
                ScheduleError::Interleaving,
            ),
            Self::ZeroBubbleH1 | Self::ZeroBubbleH2 => {
                (piped && vp == 1, ScheduleError::ZeroBubble)
            }
            Self::ZeroBubbleV => (piped && vp == 2, ScheduleError::ZeroBubbleV),
            Self::DualPipe => (
                vp == 1
                    && pp.is_multiple_of(2)
                    && micro_batches.is_multiple_of(2)
                    && micro_batches >= pp.saturating_mul(2),
                ScheduleError::DualPipe,
            ),
            Self::DualPipeV => (
                piped && vp == 2 && micro_batches >= pp.saturating_mul(2),
                ScheduleError::DualPipeV,
            ),
        };
        if fits { Ok(()) } else { Err(error) }
    }

    /// The fewest micro-batches from some number on with which a pipeline can run the schedule.
    #[must_use]
    pub(crate) const fn least_micro_batches(self, pp: u64, vp: u64, from: u64) -> u64 {
        match self {
            Self::OneForwardOneBackward if vp > 1 => from.next_multiple_of(pp),
            Self::DualPipe | Self::DualPipeV => {
                let twice = pp.saturating_mul(2);
                let least = if from < twice { twice } else { from };
                least.next_multiple_of(self.copies())
            }
            _ => from,
        }
    }

    /// Whether the optimizer is validated after it has stepped, so that ranks need not wait for
    /// each other at the end of a step (Qi et al. 2024, section 4).
    #[must_use]
    pub const fn validates_afterwards(self) -> bool {
        matches!(self, Self::ZeroBubbleH2 | Self::ZeroBubbleV)
    }

    /// Idle time of a rank in one step.
    ///
    /// Published, for F, B and W of about the same length:
    /// - 1F1B: (p-1)(F+B+W)/v (Narayanan et al. 2021, section 2.2).
    /// - ZB-H1: (p-1)(F+B-W); ZB-H2: (p-1)(F+B-2W); ZB-V: none when F = B = W (Qi et al. 2024,
    ///   table 2 and section 6).
    /// - `DualPipe`: (p/2 - 1)(F&B + B' - 3W) of its README, whose B' is B + W, with F&B = F + B',
    ///   the reading that reproduces its idle counts: (p/2 - 1)(F + 2B - W). `DualPipeV`: the same
    ///   for 2p stages, each half of a rank.
    ///
    /// For other times, from the timelines of the orders: ZB-H1 (p-1) max(F, B, F+B-W); ZB-H2
    /// (p-1) max(0, B-F, F+B-2W); ZB-V (p-1) max(|F-B|/2, B-W, F-W, F-(B+W)/2, (W-F)/2);
    /// `DualPipe`, with d = p/2 - 1, d (F + max(F,B) + max(0, B-W)) - min(F, d max(0, B-F)). They
    /// are the published ones at F = B = W.
    ///
    /// Too few micro-batches leave gradients of weights too few to fill the drain with: ZB-H1 and
    /// ZB-H2 then take m (F + B) on the last rank, p - 1 forwards to reach it and as many gradients
    /// of inputs back, and the last W: idle (p-1)(F+B) - (m-1) W. ZB-V likewise over its 2p chunks:
    /// (p-1/2)(F+B) - m W, with fewer than 2p - 1.
    ///
    /// Limits: exact with a full pipeline, but for ZB-V, which is up to half a W above the timeline
    /// where F, B and W differ; with too few micro-batches exact where they do not, and within a
    /// tenth where they differ by a fifth. 1F1B: for a full pipeline (`idle_of_uneven_1f1b` else).
    #[must_use]
    pub fn bubble(
        self,
        (pp, vp, micro_batches): (u64, u64, u64),
        forward: Seconds,
        input_gradient: Seconds,
        weight_gradient: Seconds,
    ) -> Seconds {
        let others = pp.saturating_sub(1) as f64;
        let (f, b, w) = (forward, input_gradient, weight_gradient);
        let few = (f + b) * others - w * (micro_batches as f64 - 1.0);
        let paired = |outer: f64| {
            let once = ((b - f).max(Seconds::ZERO) * outer).min(f);
            (f + f.max(b) + (b - w).max(Seconds::ZERO)) * outer - once
        };
        match self {
            Self::OneForwardOneBackward => (f + b + w) * (others / vp as f64),
            Self::ZeroBubbleH1 => (f.max(b).max(f + b - w) * others).max(few),
            Self::ZeroBubbleH2 => {
                let full = (b - f).max(f + b - w * 2.0).max(Seconds::ZERO) * others;
                full.max(few)
            }
            Self::ZeroBubbleV => {
                let uneven = (f - b).max(b - f).max(w - f) * 0.5;
                let longer = (f.max(b) - w).max(f - (b + w) * 0.5);
                let full = uneven.max(longer) * others;
                if micro_batches + 1 < pp.saturating_mul(2) {
                    full.max((f + b) * (pp as f64 - 0.5) - w * micro_batches as f64)
                } else {
                    full
                }
            }
            Self::DualPipe => paired((pp as f64 / 2.0 - 1.0).max(0.0)),
            Self::DualPipeV => paired(others) * 0.5,
        }
    }

    /// Transfers between ranks that nothing hides in one step, in times of one.
    ///
    /// From the timelines of the orders, for equal ranks and transfers shorter than an operation:
    /// - 1F1B: 2 (p - 1) to fill and drain, and 2 (L - 1) for each loop of L micro-batches through L
    ///   ranks, whose order leaves no slack; in all 2 (m + p - 2 - ceil((m-1)/p)).
    /// - Interleaved: 2 (pv - 1), all chunks once there and back; the warm-up is long enough for the
    ///   rest (Megatron-LM `overlap_p2p_comm`).
    /// - ZB-H1: 4 (p-1); ZB-H2: 2 (p-1); ZB-V: 6p - 8; weight gradients cover the rest.
    /// - `DualPipe`: p - 1, the fill; `DualPipeV` 2 (p - 1), there and back. Their pairs run over each
    ///   other's transfers (DeepSeek-V3 section 3.2.1).
    #[must_use]
    pub fn exposed_transfers(self, pp: u64, vp: u64, micro_batches: u64) -> f64 {
        if pp < 2 {
            return 0.0;
        }
        let hops = (pp - 1) as f64;
        match self {
            Self::OneForwardOneBackward if vp == 1 => {
                let loops = micro_batches.saturating_sub(1);
                2.0 * (hops + (loops - loops.div_ceil(pp)) as f64)
            }
            Self::OneForwardOneBackward => 2.0 * (pp as f64 * vp as f64 - 1.0),
            Self::ZeroBubbleH1 => 4.0 * hops,
            Self::ZeroBubbleH2 | Self::DualPipeV => 2.0 * hops,
            Self::ZeroBubbleV => 6.0 * hops - 2.0,
            Self::DualPipe => hops,
        }
    }

    /// Activations that a rank holds at its fullest, in those of one micro-batch on all its chunks
    /// (in `DualPipe`: on one of its two).
    ///
    /// 1F1B: p - r (Narayanan et al. 2021, section 2.2). Interleaved: chunks ((v-1) p +
    /// 2 (p-r-1) + 1) of 1/v each, which is p + (p-1)/v on rank 0 (Korthikanti et al. 2022, section
    /// 4.2.3). ZB-H1 and ZB-V: p, ZB-H2: 2p - 1 on every rank (Qi et al. 2024, table 2 and
    /// section 6). `DualPipe`: p + 1, `DualPipeV`: 2p + 1 chunks of half a rank (DualPipe README).
    /// Never more than all micro-batches.
    #[must_use]
    pub fn in_flight(self, pp: u64, vp: u64, rank: u64, micro_batches: u64) -> f64 {
        let (last, step) = self.in_flight_line(pp, vp);
        let behind = pp.saturating_sub(rank.saturating_add(1)) as f64;
        (last + step * behind).min(micro_batches as f64)
    }

    /// The same of the last rank, and how much more each rank before it holds, however many
    /// micro-batches there are.
    pub(crate) fn in_flight_line(self, pp: u64, vp: u64) -> (f64, f64) {
        let (p, v) = (pp as f64, vp as f64);
        match self {
            Self::OneForwardOneBackward if vp > 1 => (((v - 1.0) * p + 1.0) / v, 2.0 / v),
            Self::OneForwardOneBackward => (1.0, 1.0),
            Self::ZeroBubbleH1 | Self::ZeroBubbleV => (p, 0.0),
            Self::ZeroBubbleH2 => (2.0 * p - 1.0, 0.0),
            Self::DualPipe => (p + 1.0, 0.0),
            Self::DualPipeV => (p + 0.5, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_reads_its_own_name() {
        for schedule in Schedule::ALL {
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
        let unknown = "gpipe".parse::<Schedule>().unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "no schedule `gpipe`: write 1f1b, zb-h1, zb-h2, zb-v, dualpipe or dualpipev"
        );
    }

    /// In units of one micro-batch of one rank: p on the first and 1 on the last rank of 1F1B,
    /// p (1 + (p-1)/(pv)) interleaved (Korthikanti et al. 2022, section 4.2.3), p for ZB-H1 and
    /// ZB-V, 2p - 1 for ZB-H2 (Qi et al. 2024), p + 1 and p + 1/2 for DualPipe and DualPipeV
    /// (DualPipe README), and never more than there are micro-batches.
    #[test]
    fn ranks_hold_the_published_activations() {
        let cases = [
            (Schedule::OneForwardOneBackward, 8, 1, 0, 64, 8.0),
            (Schedule::OneForwardOneBackward, 8, 1, 7, 64, 1.0),
            (Schedule::OneForwardOneBackward, 8, 1, 0, 4, 4.0),
            (
                Schedule::OneForwardOneBackward,
                8,
                4,
                0,
                64,
                8.0 * (1.0 + 7.0 / 32.0),
            ),
            (Schedule::ZeroBubbleH1, 8, 1, 0, 64, 8.0),
            (Schedule::ZeroBubbleH2, 8, 1, 0, 64, 15.0),
            (Schedule::ZeroBubbleV, 8, 2, 0, 64, 8.0),
            (Schedule::DualPipe, 16, 1, 5, 120, 17.0),
            (Schedule::DualPipeV, 8, 2, 3, 64, 8.5),
        ];
        for (schedule, pp, vp, rank, micro_batches, expected) in cases {
            let found = schedule.in_flight(pp, vp, rank, micro_batches);
            assert!((found - expected).abs() < 1e-12, "{schedule} {pp}: {found}");
        }
    }

    #[test]
    fn a_vee_goes_there_and_back() {
        let ranks: Vec<usize> = (0..6).map(|chunk| Placement::Vee.rank(chunk, 3)).collect();
        assert_eq!(ranks, [0, 1, 2, 2, 1, 0]);
    }

    #[test]
    fn pipelines_that_no_schedule_fits_are_refused() {
        use ScheduleError as E;
        let cases = [
            (Schedule::OneForwardOneBackward, 4, 2, 6, E::Interleaving),
            (Schedule::OneForwardOneBackward, 1, 2, 4, E::Interleaving),
            (Schedule::ZeroBubbleH1, 1, 1, 4, E::ZeroBubble),
            (Schedule::ZeroBubbleH2, 4, 2, 8, E::ZeroBubble),
            (Schedule::ZeroBubbleV, 4, 1, 8, E::ZeroBubbleV),
            (Schedule::DualPipe, 3, 1, 8, E::DualPipe),
            (Schedule::DualPipe, 4, 1, 6, E::DualPipe),
            (Schedule::DualPipe, 4, 1, 9, E::DualPipe),
            (Schedule::DualPipeV, 4, 2, 7, E::DualPipeV),
        ];
        for (schedule, pp, vp, micro_batches, error) in cases {
            assert_eq!(schedule.check(pp, vp, micro_batches), Err(error));
        }
    }
}
