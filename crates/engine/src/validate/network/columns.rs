//! Columns of a table of published collectives.

use crate::validate::row::{Columns, Holds};

use Holds::{Count, Number, Text};

/// Columns of `collective_measurements.csv`.
pub(super) const NETWORK: Columns = Columns {
    known: &[
        ("row_id", Text),
        ("system", Text),
        ("fabric", Text),
        ("nodes", Count),
        ("ranks", Count),
        ("collective", Text),
        ("algorithm", Text),
        ("library", Text),
        ("message_bytes", Number),
        ("message_meaning", Text),
        ("time_us", Number),
        ("algbw_GBps", Number),
        ("busbw_GBps", Number),
        ("extra", Text),
    ],
    needed: &["system", "ranks", "collective"],
    like: "collective_measurements.csv",
};
