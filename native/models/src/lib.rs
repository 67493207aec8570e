//! Every model call: routes, the wires of OpenAI chat completions and Anthropic messages, retries, limits, servers found on this
//! machine. Keys are read from the vault for the moment of a call; nothing that leaves this crate holds one.

mod address;
mod assembly;
mod call_names;
mod chat;
mod chat_reading;
mod counting;
mod exchange;
mod fabric;
mod local;
mod messages;
mod messages_reading;
mod models_list;
mod price;
mod redaction;
mod refusal;
mod retry;
mod stream;
mod transcription;
mod trial;
mod wire;

pub use fabric::{ModelFabric, Terms, Times};
pub use local::{LOCAL_PORTS, LOCAL_PURPOSE, LocalPort, find_local};
pub use price::{PRICES_AS_OF, known_prices};
pub use trial::TRIAL_PURPOSE;
