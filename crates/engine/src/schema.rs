//! The JSON Schema of scenario files, for editors.

use schemars::schema_for;

use crate::Scenario;

/// The JSON Schema of scenario files.
#[must_use]
pub fn scenario_schema() -> serde_json::Value {
    schema_for!(Scenario).to_value()
}
