//! Every tool call: one pipeline from the model's words to the finished step.

pub mod aq;
mod call;
mod effect;
mod guest;
mod outcome;
mod paths;
mod provenance;
mod question;
mod registry;

pub use call::ToolGatewayCore;
