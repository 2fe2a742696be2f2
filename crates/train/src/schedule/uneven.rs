//! 1F1B over stages that are not equal.

use chokepoint_units::Seconds;

/// Idle time of a rank of 1F1B on the critical path through that rank.
///
/// The step takes the largest of m T + idle over all ranks, T = F + B being the rank's own time
/// for a micro-batch. A rank idles while the ranks before it work on the first and on the last
/// micro-batch, and twice while the n ranks behind it do: less its own n warm-up forwards before
/// the first backward, less its own n backwards before the last:
///
/// idle = before + max(0, behind - n F) + max(0, behind - n B)
///
/// with (before, behind) the sums of T there. Equal ranks: (p-1) T (Narayanan et al. 2021, section
/// 2.2). From the longest path of the schedule's order.
///
/// Limits: exact with one chunk a rank, m >= p and ranks that differ by up to a fifth, never above
/// the exact step otherwise; interleaved, where all of it is for the share of one chunk, near
/// (`evaluate::pace`). Transfers are apart.
pub(crate) fn idle_of_uneven_1f1b(
    (forward, backward): (Seconds, Seconds),
    (before, behind): (Seconds, Seconds),
    ranks_behind: u64,
    micro_batches: u64,
) -> Seconds {
    let warm_up = ranks_behind.min(micro_batches.saturating_sub(1));
    let filling = (behind - forward * warm_up as f64).max(Seconds::ZERO);
    let draining = if warm_up < ranks_behind {
        Seconds::ZERO
    } else {
        (behind - backward * warm_up as f64).max(Seconds::ZERO)
    };
    before + filling + draining
}
