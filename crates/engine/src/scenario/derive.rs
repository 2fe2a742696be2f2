//! Parts of a scenario's own: others with some figures changed.

use std::collections::BTreeMap;

use chokepoint_units::{Bandwidth, Bytes, NumberFormat, OpsRate, Power};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// Parts derived from others.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derive {
    /// Chips by new id.
    #[serde(default, rename = "chip")]
    pub chips: BTreeMap<String, DerivedChip>,
    /// Systems by new id.
    #[serde(default, rename = "system")]
    pub systems: BTreeMap<String, DerivedSystem>,
}

/// A chip that is another with some figures changed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivedChip {
    /// Id of the other chip.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// Dense peaks by format, as in { fp8 = "2 PFLOP/s" }.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub peak: BTreeMap<NumberFormat, OpsRate>,
    /// Memory capacity.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub memory_capacity: Option<Bytes>,
    /// Memory bandwidth.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub memory_bandwidth: Option<Bandwidth>,
    /// Thermal design power.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub tdp: Option<Power>,
}

/// A system that is another with some figures changed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivedSystem {
    /// Id of the other system.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// Id of its chip.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub chip: Option<Spanned<String>>,
    /// Chips of a scale-up domain.
    #[serde(default)]
    pub domain_chips: Option<u64>,
    /// Bandwidth of a chip into its domain, per direction.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub domain_bandwidth: Option<Bandwidth>,
    /// Bandwidth of a chip into the scale-out network, per direction.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub scale_out_bandwidth: Option<Bandwidth>,
}
