//! A collective as JSON, schema 1.

use chokepoint_engine::units::Seconds;
use chokepoint_engine::{CollectiveRow, CollectiveRun};
use serde_json::{Error, Value, json};

/// A collective as JSON; keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn collective_json(run: &CollectiveRun) -> Result<String, Error> {
    let rows: Vec<Value> = run.rows.iter().map(of_row).collect();
    serde_json::to_string_pretty(&json!({
        "schema": 1,
        "system": run.system,
        "system_name": run.system_name,
        "network": run.network,
        "collective": run.request.collective.name(),
        "ranks": run.request.ranks,
        "ranks_in_each_domain": run.shape.0,
        "domains": run.shape.1,
        "fidelity": run.request.fidelity.name(),
        "rows": rows,
        "notes": run.notes,
    }))
}

fn of_row(row: &CollectiveRow) -> Value {
    let found = row.found.as_ref().ok();
    let algorithm = found.and_then(|found| found.algorithm);
    let busiest = found.and_then(|found| found.busiest.as_ref());
    json!({
        "size_bytes": row.size.get(),
        "seconds": found.map(|found| found.time.get()),
        "algorithm_bytes_per_second": found.map(|found| found.algorithm_bandwidth.get()),
        "bus_bytes_per_second": found.map(|found| found.bus_bandwidth.get()),
        "algorithm": algorithm.map(|(algorithm, _)| algorithm.name()),
        "slices": algorithm.map(|(_, slices)| slices),
        "busiest_wire": busiest.map(|busiest| busiest.wire),
        "busiest_share": busiest.map(|busiest| busiest.share),
        "undamaged_seconds": row.whole.map(Seconds::get),
        "reason": row.found.as_ref().err(),
    })
}
