//! What tests of replays share.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use chokepoint_engine::diag::Diagnostic;
use chokepoint_engine::trace::{Record, Request};
use chokepoint_engine::{Data, ReplayFound, ReplayRequest, ReplayRun, run_replay};

/// A replay with the requests of a trace in memory, and what became of each.
pub fn replayed(
    request: &ReplayRequest,
    trace: &[Request],
) -> Result<(ReplayRun, Vec<Record>), Diagnostic> {
    let data = Data::load(&[])?;
    let mut records = Vec::new();
    let mut observer = |record: &Record| records.push(record.clone());
    let mut open = || Ok(trace.iter().cloned().map(Ok));
    let run = run_replay(request, &data, &mut open, &mut observer)?;
    Ok((run, records))
}

/// The same where a plan is found.
pub fn found(request: &ReplayRequest, trace: &[Request]) -> (ReplayFound, Vec<Record>) {
    let (run, records) = replayed(request, trace).unwrap();
    (run.found.unwrap(), records)
}
