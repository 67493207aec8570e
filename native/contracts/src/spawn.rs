//! The spawner port.
