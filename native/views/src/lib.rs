//! Workspace views: private copies of a project that tasks work in, what they changed, and how that gets into the
//! project and out of it again.
//!
//! On disk: `bases/<tree hash>/` holds read-only copies of accepted projects (always rebuildable from blobs),
//! `work/<run>/<task>.<attempt>/{project,home,temp}` holds the views. A project is only ever written by a commit or a
//! revert, path by path through a temporary name, and never through a symbolic link.

// This crate is made for files.
#![allow(clippy::disallowed_methods)]

mod apply;
mod base;
mod beneath;
mod content;
mod ignore;
mod layer;
mod name;
mod project;
mod removal;
mod store;
mod tree;
mod view;

pub use store::{ViewConfig, ViewStore};
