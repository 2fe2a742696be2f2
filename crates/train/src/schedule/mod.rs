//! Pipeline schedules.

mod kind;

pub use kind::{Placement, Schedule, ScheduleError, UnknownSchedule};
