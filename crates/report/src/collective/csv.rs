//! A collective as CSV, with the columns of nccl-tests that say something of it.

use chokepoint_engine::CollectiveRun;
use csv::{Error, Writer};

use crate::records::text;

/// A collective as CSV: size in bytes, time in µs, bandwidths in GB/s, as nccl-tests print them.
///
/// # Errors
/// When a record cannot be written.
pub fn collective_csv(run: &CollectiveRun) -> Result<String, Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record([
        "size_bytes",
        "time_us",
        "algbw_GBps",
        "busbw_GBps",
        "collective",
        "ranks",
        "system",
        "fidelity",
        "algorithm",
        "slices",
        "busiest_wire",
        "busiest_share",
        "reason",
        "undamaged_us",
    ])?;
    for row in &run.rows {
        let found = row.found.as_ref().ok();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let algorithm = found.and_then(|found| found.algorithm);
        let busiest = found.and_then(|found| found.busiest.as_ref());
        writer.write_record([
            row.size.get().to_string(),
            number(found.map(|found| found.time.get() * 1e6)),
            number(found.map(|found| found.algorithm_bandwidth.get() / 1e9)),
            number(found.map(|found| found.bus_bandwidth.get() / 1e9)),
            run.request.collective.name().to_owned(),
            run.request.ranks.to_string(),
            run.system.clone(),
            run.request.fidelity.name().to_owned(),
            algorithm.map_or_else(String::new, |(it, _)| it.name().to_owned()),
            algorithm.map_or_else(String::new, |(_, slices)| slices.to_string()),
            busiest.map_or_else(String::new, |it| it.wire.to_owned()),
            number(busiest.map(|it| it.share)),
            row.found
                .as_ref()
                .err()
                .map_or("", |reason| reason.key)
                .to_owned(),
            number(row.whole.map(|whole| whole.get() * 1e6)),
        ])?;
    }
    text(writer)
}
