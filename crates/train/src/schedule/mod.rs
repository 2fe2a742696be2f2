//! Pipeline schedules: their closed forms, their orders, and an exact timeline.

mod kind;
mod order;
mod pipeline;
mod scheduler;
mod timeline;
mod uneven;

pub use kind::{Placement, Schedule, ScheduleError, UnknownSchedule};
pub use pipeline::{Chunk, Pipeline, PipelineError};
pub use scheduler::Scheduler;
pub use timeline::{Operation, OperationKind, RankTimes, Timeline};
pub(crate) use uneven::idle_of_uneven_1f1b;

#[cfg(test)]
mod tests;
