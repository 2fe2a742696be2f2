//! Topologies of the catalogue's systems and of some that it does not have.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

#[path = "../../../../tests/support/shared.rs"]
mod shared;

mod case;
mod counts;
mod failures;
mod invented;
mod routes;
