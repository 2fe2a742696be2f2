//! Predictions of another program for rows of the table.

use std::collections::BTreeMap;

use chokepoint_diag::Diagnostic;

use super::ServingRow;
use crate::validate::row::{Columns, Holds, rows};

/// Columns of such a table: those of `aic_silicon_predictions_sample.csv`.
const PEER: Columns = Columns {
    known: &[
        ("aic_predicted_ttft_ms", Holds::Text),
        ("aic_predicted_tpot_ms", Holds::Text),
        ("silicon_ttft_ms", Holds::Number),
        ("silicon_tpot_ms", Holds::Number),
    ],
    needed: &["silicon_tpot_ms", "silicon_ttft_ms"],
    like: "aic_silicon_predictions_sample.csv",
};

/// What another program predicts, by what was measured: its table has other ids, and the measured
/// times of both phases to all their digits name a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Peer {
    rows: BTreeMap<(&'static str, u64), Vec<f64>>,
}

impl Peer {
    /// Reads a table of predictions.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let mut peer = Self::default();
        for row in rows(file, text, &PEER)? {
            for (metric, measured, predicted) in [
                ("ttft_ms", "silicon_ttft_ms", "aic_predicted_ttft_ms"),
                ("tpot_ms", "silicon_tpot_ms", "aic_predicted_tpot_ms"),
            ] {
                let predicted = row.text(predicted).and_then(|text| text.parse().ok());
                if let (Some(measured), Some(predicted)) = (row.number(measured), predicted) {
                    let known = peer.rows.entry((metric, digits(measured))).or_default();
                    known.push(predicted);
                }
            }
        }
        Ok(peer)
    }

    /// Fills in what the other program predicts of each row; of a measured time that two of its
    /// rows share, nothing.
    pub(super) fn fill(&self, rows: &mut [ServingRow]) {
        for row in rows {
            if let Some(found) = &mut row.prediction
                && let Some([only]) = self
                    .rows
                    .get(&(found.metric, digits(found.measured)))
                    .map(Vec::as_slice)
            {
                found.peer = Some(*only);
            }
        }
    }
}

/// A time in milliseconds to the nearest microsecond.
fn digits(milliseconds: f64) -> u64 {
    libm::round(milliseconds * 1e3) as u64
}
