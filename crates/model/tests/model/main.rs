//! What the crate promises, against published figures.

#[cfg(test)]
mod activations;
#[cfg(test)]
mod attention;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod common;
#[cfg(test)]
mod configs;
#[cfg(test)]
mod flops;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod real;
