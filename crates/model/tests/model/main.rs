//! What the crate promises, against published figures.

mod activations;
mod cache;
mod common;
mod configs;
mod flops;
mod mutations;
mod operators;
mod parameters;
mod real;
