//! Requests and replays for tests.

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{Fleet, Load, Record, Request, Summary, replay};
use chokepoint_units::Seconds;

/// A request with a time in whole seconds.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub at: u32,
    pub input: u32,
    pub output: u32,
    pub class: u8,
    pub ids: Vec<u64>,
}

impl Case {
    pub fn of((at, input, output): (u32, u32, u32)) -> Self {
        Self {
            at,
            input,
            output,
            ..Self::default()
        }
    }

    pub fn request(&self) -> Request {
        Request {
            arrival: Seconds::new(f64::from(self.at)),
            input_tokens: self.input,
            output_tokens: self.output,
            class: self.class,
            hash_ids: self.ids.clone(),
        }
    }
}

/// Records in the order of arrival, and the summary.
pub fn run(fleet: &Fleet<'_>, cases: &[Case]) -> (Vec<Record>, Summary) {
    let requests = cases.iter().map(|case| Ok::<_, Diagnostic>(case.request()));
    let mut records = Vec::new();
    let summary = replay(fleet, Load::Timed(requests), &mut |record: &Record| {
        records.push(record.clone());
    })
    .unwrap();
    records.sort_by_key(|record| record.request);
    (records, summary)
}

/// First tokens and ends.
pub fn whole_seconds(records: &[Record]) -> Vec<(u32, u32)> {
    let of = |time: Seconds| {
        assert!((time.get() - time.get().round()).abs() < 1e-9, "{time}");
        time.get().round() as u32
    };
    records
        .iter()
        .map(|r| (of(r.first_token.unwrap()), of(r.end)))
        .collect()
}

/// Whether a time is so many seconds.
pub fn seconds(time: Seconds, wanted: f64) -> bool {
    (time.get() - wanted).abs() < 1e-9
}
