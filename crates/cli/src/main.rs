//! The command line of Chokepoint: a thin shell over the engine.
//!
//! Exit codes: 0 done, 1 nothing feasible or a check failed, 2 bad input or usage, 70 internal
//! error.

mod args;
mod calibrate;
mod calibrate_measured;
mod calibrate_serving;
mod calibrate_table;
mod catalog;
mod collective;
mod compare;
mod diagnostic;
mod files;
mod import;
mod network;
mod options;
mod replay;
mod serve;
mod share;
mod sites;
mod train;
mod validate;
mod validate_kernels;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

/// How a command ended when nothing went wrong with the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It did what was asked.
    Done,
    /// Nothing is feasible, or a check failed.
    Failed,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ending = match &arguments.command {
        Command::Compare(options) => compare::run(options, &arguments.shared),
        Command::Train(options) => train::run(options, &arguments.shared),
        Command::Serve(options) => serve::run(options, &arguments.shared),
        Command::Replay(options) => replay::run(options, &arguments.shared),
        Command::Validate(options) => validate::run(options, &arguments.shared),
        Command::Network(options) => network::run(options, &arguments.shared),
        Command::Catalog(options) => catalog::run(options, &arguments.shared),
        Command::Calibrate(options) => calibrate::run(options, &arguments.shared),
        Command::Schema => files::print(&format!("{:#}\n", chokepoint_engine::scenario_schema()))
            .map(|()| Ending::Done),
    };
    match ending {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("{}", diagnostic::render(&problem));
            ExitCode::from(2)
        }
    }
}
