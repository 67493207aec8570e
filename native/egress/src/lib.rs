//! Every outgoing connection. Nothing is reachable until a rule names it; a name is resolved once, every address behind it
//! is checked, and the checked address is the one that is dialed.

mod address;
mod broker;
mod carry;
mod egress;
mod exchange;
mod names;
mod proxy;
mod record;
mod rule;
mod target;

pub use egress::Egress;
pub use names::Names;
pub use rule::AllowRule;
