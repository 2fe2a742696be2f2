//! The shipped rule files: reference cases, well-known chips, properties, malformed files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod cases;
mod compare;
mod known;
mod malformed;
mod properties;
mod support;
