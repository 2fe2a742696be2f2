//! Packets: times worked by hand, laws, and tables of errors
//! (`cargo test --package chokepoint-fabric --test packet_tests -- --nocapture`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "helpers of tests fail the test and print its errors"
)]

mod cases;
mod fluid;
mod laws;
mod reference;
mod support;
