//! The network of a system as it is cabled: domains of chips, and the scale-out network that
//! joins them.
//!
//! [`ScaleOut`] has the shape of the network beyond the domains for a number of chips,
//! [`stages`] counts what is built, level by level, and [`SystemNetwork`] is the same as directed
//! links for the simulators. [`scale_out_parts`] is the only parts list: cost and power take it.

mod bisection;
mod clos;
mod damage;
mod domain;
mod failures;
mod parts;
mod placement;
mod scale_out;
mod stage;
mod survey;
mod system;

pub use bisection::{Bisection, bisection};
pub use clos::{Clos, Split};
pub use damage::{Amount, Damage, Damaged, NetworkPart, TooFew};
pub use domain::{Cabling, Domain};
pub use failures::Factors;
pub use parts::{FabricParts, fat_tree, scale_out_parts};
pub use scale_out::{Kind, Line, ScaleOut};
pub use stage::{Role, Stage, stages};
pub use survey::{Reach, survey};
pub use system::SystemNetwork;

/// Why a topology does not join a number of chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are more chips than it reaches.
    TooManyChips {
        /// The most that it reaches.
        most: u64,
    },
    /// Planes do not divide over the ports of a chip or the chips of a node.
    Planes {
        /// Planes.
        planes: u64,
        /// Ports of a chip.
        ports: u64,
    },
    /// A router needs more ports than it has.
    Radix {
        /// Ports that it needs.
        used: u64,
        /// Ports that it has.
        radix: u64,
    },
    /// Links are more than 32 bits count.
    TooManyLinks,
    /// The domain's cabling contradicts itself.
    Domain,
}
