//! Track AP wire types.

/// Adds the AP wire types to the generated document.
pub fn register(_generator: &mut schemars::SchemaGenerator) {}
