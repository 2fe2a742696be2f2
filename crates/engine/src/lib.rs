//! The front of the calculation: scenario in, rows out; the only crate that shells call for
//! results. Pure: no files, clock, threads or printing; a shell may evaluate the jobs of a
//! comparison in any order or at once, the rows are the same.

mod compare;
mod data;
mod economics;
mod elasticity;
mod emit;
mod equal;
mod export;
mod fleet;
mod launch;
mod limits;
mod network;
mod prediction;
mod replay;
mod resolve;
mod row;
mod run;
mod scenario;
mod schema;
mod serve_run;
mod serving;
mod serving_fit;
mod serving_software;
mod software;
mod step_time;
mod topology;
mod training;
mod validate;

pub use compare::{Job, assemble, evaluate, jobs};
pub use data::{Data, embedded};
pub use emit::{Target, emit};
pub use export::facts as export_facts;
pub use launch::{Launch, Launcher, launch};
pub use network::{
    Busiest, CollectiveFound, CollectiveRequest, CollectiveRow, CollectiveRun, Fidelity, Import,
    Imported, NcclRow, NcclRun, ShareFound, ShareRequest, ShareRow, ShareRun, Traffic,
    collective_goal, import, parse_algorithm, parse_collective, parse_failed, parse_size,
    parse_slow, parse_traffic, run_collective, run_share, sizes,
};
pub use replay::{
    Activity, MeanLengths, ReplayFailures, ReplayFound, ReplayRequest, ReplayRun, ReplayScaling,
    ReplaySource, Spent, parse_autoscale, parse_lengths, parse_process, parse_router, parse_split,
    router_name, run_replay,
};
pub use resolve::{Resolved, SystemParts, quoted_span, resolve, system_parts};
pub use row::{Comparison, Kind, Outcome, Resource, Row, Statement};
pub use run::{
    ContentionFound, ContentionRow, DegradedRow, Failures, Local, RunContention, RunDegraded,
    RunFigures, RunFound, RunGoodput, RunPlan, RunRequest, RunSites, RunTimeline, SitesOptions,
    SpaceChoice, TrainingOptions, TrainingRun, parse_formats, parse_tokens, run_training,
};
pub use scenario::{Equal, Held, Scenario, Serving, Training, Workload};
pub use schema::scenario_schema;
pub use serve_run::{
    Ask, Goal, RandomArrivals, ServeFound, ServePlan, ServeRequest, ServingRun, run_serving,
};
pub use serving_fit::{
    Answer, BenchmarkFigure, BenchmarkFile, BenchmarkLoad, BenchmarkPoint, BenchmarkTool, Each,
    FitErrors, FitRow, FittedTime, ServingFit, ServingFitRequest, Verdict, engine_file,
    fit_serving,
};
pub use topology::{Built, TopologyRequest, TopologyRun, run_topology};
pub use validate::{
    Errors, NetworkPrediction, NetworkRow, NetworkSummary, NetworkTable, NetworkValidation, Peer,
    RowPrediction, ServingPrediction, ServingRow, ServingSummary, ServingTable, ServingValidation,
    SummaryRow, TrainingTable, Validation, ValidationRow, group_summary, validate_network,
    validate_serving, validate_training,
};

pub use chokepoint_catalog as catalog;
pub use chokepoint_cost as cost;
pub use chokepoint_diag as diag;
pub use chokepoint_fabric as fabric;
pub use chokepoint_model as model;
pub use chokepoint_replay as trace;
pub use chokepoint_rules as rules;
pub use chokepoint_serve as serve;
pub use chokepoint_train as train;
pub use chokepoint_units as units;
