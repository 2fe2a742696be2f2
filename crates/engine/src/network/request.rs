//! What is asked of a collective.

use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_fabric::algorithm::{Algorithm, Collective};
use chokepoint_fabric::topology::Damage;
use chokepoint_units::{Bytes, Dimension, parse_quantity};

use crate::limits::MOST_COUNTED;

/// How closely the network is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fidelity {
    /// Latency and size over bandwidth.
    ClosedForm,
    /// The same on measured curves, where there are any. Training and serving use it.
    Calibrated,
    /// Transfers that share links fairly.
    Flows,
    /// Packets in queues.
    Packets,
}

impl Fidelity {
    /// All of them, coarse to fine.
    pub const ALL: [Self; 4] = [
        Self::ClosedForm,
        Self::Calibrated,
        Self::Flows,
        Self::Packets,
    ];

    /// Its name in options and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClosedForm => "closed-form",
            Self::Calibrated => "calibrated",
            Self::Flows => "flows",
            Self::Packets => "packets",
        }
    }

    /// Whether it runs the transfers of an algorithm.
    #[must_use]
    pub const fn simulates(self) -> bool {
        matches!(self, Self::Flows | Self::Packets)
    }
}

/// What is asked of a collective.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectiveRequest {
    /// Id of a system.
    pub system: String,
    /// What ranks do.
    pub collective: Collective,
    /// Ranks, one on each chip from the first on.
    pub ranks: u64,
    /// Sizes of the message, in the convention of nccl-tests.
    pub sizes: Vec<Bytes>,
    /// How closely the network is looked at.
    pub fidelity: Fidelity,
    /// The algorithm that is simulated; the fastest where none is named.
    pub algorithm: Option<Algorithm>,
    /// Slices that a message is cut in; what is fastest where none are named.
    pub slices: Option<u32>,
    /// Parts of the network that fail or are slow.
    pub damage: Vec<Damage>,
    /// Seed of the choices of paths and of parts that fail.
    pub seed: u64,
}

/// Most slices of a message.
pub const MOST_SLICES: u32 = 256;

impl CollectiveRequest {
    /// # Errors
    /// The first value that cannot be.
    pub(super) fn check(&self) -> Result<(), Diagnostic> {
        let wrong = |message: String, help: &str| {
            Err(Diagnostic::new(Code::Usage, message).help(help.to_owned()))
        };
        if !(2..=MOST_COUNTED).contains(&self.ranks) {
            let message = format!("--ranks {} is out of range", self.ranks);
            return wrong(message, "write a number from 2 to 1,048,576");
        }
        let sized = |size: &Bytes| size.get() >= 1.0 && size.get() <= 1e15;
        if self.sizes.is_empty() || !self.sizes.iter().all(sized) {
            let message = "a size lies outside 1 B to 1000 TB".to_owned();
            return wrong(message, "write --size \"1 MiB\", or --from and --to");
        }
        if self
            .slices
            .is_some_and(|slices| !(1..=MOST_SLICES).contains(&slices))
        {
            let message = "--slices is out of range".to_owned();
            return wrong(message, "write a number from 1 to 256");
        }
        if !self.fidelity.simulates() && (self.algorithm.is_some() || self.slices.is_some()) {
            let message = format!(
                "an algorithm is not simulated by --fidelity {}",
                self.fidelity.name()
            );
            return wrong(message, "write --fidelity flows or packets");
        }
        if !self.damage.is_empty() && self.fidelity != Fidelity::Flows {
            let message =
                "failed and slow parts are looked at by --fidelity flows alone".to_owned();
            return wrong(message, "write --fidelity flows");
        }
        Ok(())
    }
}

/// Reads the name of a collective.
///
/// # Errors
/// When there is none of that name, with the nearest.
pub fn parse_collective(text: &str) -> Result<Collective, Diagnostic> {
    let known = Collective::ALL.map(Collective::name);
    named("collective", text, &known).map(|at| Collective::ALL[at])
}

/// Reads the name of an algorithm.
///
/// # Errors
/// When there is none of that name, with the nearest.
pub fn parse_algorithm(text: &str) -> Result<Algorithm, Diagnostic> {
    let known = Algorithm::ALL.map(Algorithm::name);
    named("algorithm", text, &known).map(|at| Algorithm::ALL[at])
}

pub(super) fn named(kind: &str, text: &str, known: &[&str]) -> Result<usize, Diagnostic> {
    let wanted = text.trim().to_lowercase().replace('_', "-");
    known
        .iter()
        .position(|name| *name == wanted)
        .ok_or_else(|| {
            let near = nearest(text, known.iter().copied());
            let help = match near.first() {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("one of {}", known.join(", ")),
            };
            Diagnostic::new(Code::Usage, format!("there is no {kind} \"{text}\"")).help(help)
        })
}

/// Reads a size with its unit.
///
/// # Errors
/// When it is none.
pub fn parse_size(text: &str) -> Result<Bytes, Diagnostic> {
    let size = parse_quantity(Dimension::Data, text);
    size.map(Bytes::new).map_err(|error| {
        Diagnostic::new(Code::Usage, format!("\"{text}\" is no size: {error}"))
            .help("write a number and a unit, such as \"64 KiB\" or \"1 GB\"")
    })
}

/// Sizes from one to another, each a factor larger, in whole bytes.
#[must_use]
pub fn sizes(from: Bytes, to: Bytes, factor: f64) -> Vec<Bytes> {
    /// More would be a factor near one.
    const MOST: usize = 1000;
    let rising = std::iter::successors(Some(from), |size| Some(*size * factor));
    let top = to * (1.0 + 1e-9);
    rising
        .take_while(|size| *size <= top)
        .take(MOST)
        .map(|size| Bytes::new(libm::round(size.get())))
        .collect()
}
