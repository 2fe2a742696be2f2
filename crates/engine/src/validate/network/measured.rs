//! The measured time of a row, stated or from a bandwidth whose definition is known.

use chokepoint_catalog::CollectiveKind;
use chokepoint_fabric::{Dispatch, bus_factor};

use super::operation::Operation;
use super::place::Place;
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// Seconds that a row measured; a text says why there are none.
///
/// nccl-tests: algorithm bandwidth is size over time; bus bandwidth that times 2(n-1)/n for
/// all-reduce, (n-1)/n for the others. `DeepEP`, UCCL-EP and MORI-EP (throughput kernels): a token
/// counts once for each node it goes to, its own included, or in one node once for each rank.
pub(super) fn seconds(
    row: &Row,
    operation: &Operation,
    place: &Place,
    assumed: &mut Assumed,
) -> Result<f64, String> {
    let positive = |column: &str| row.number(column).filter(|value| *value > 0.0);
    if let Some(time) = positive("time_us") {
        return Ok(time * 1e-6);
    }
    let (algorithm, bus) = (positive("algbw_GBps"), positive("busbw_GBps"));
    let (bandwidth, counted) = match operation {
        Operation::Collective(kind, size) => match (algorithm, bus) {
            (Some(rate), _) => (rate, size.get()),
            (None, Some(rate)) => (rate, size.get() * bus_factor(*kind, place.ranks)),
            (None, None) => return Err("neither a time nor a bandwidth is given".to_owned()),
        },
        Operation::Ring(size) | Operation::OneShot(size) => {
            let rate = bus.ok_or("neither a time nor a bandwidth is given")?;
            let share = bus_factor(CollectiveKind::AllReduce, place.ranks);
            (rate, size.get() * share)
        }
        Operation::Experts(dispatch) => {
            if row.text_or_blank("library").starts_with("sgl-kernel-npu") {
                return Err("what the bandwidth of these kernels counts is not stated".to_owned());
            }
            let rate = bus.ok_or("neither a time nor a bandwidth is given")?;
            (rate, counted(dispatch, place))
        }
        Operation::FewTokens(_) => return Err("no time is given".to_owned()),
    };
    assumed.note("time from the bandwidth");
    Ok(counted / (bandwidth * 1e9))
}

/// Bytes that the benchmarks of dispatch kernels count.
fn counted(dispatch: &Dispatch, place: &Place) -> f64 {
    let (inside, domains) = place.group.split(place.parts.system.domain.chips);
    let places = if domains > 1 { domains } else { inside };
    (dispatch.token * (dispatch.tokens * dispatch.distinct_domains(places))).get()
}
