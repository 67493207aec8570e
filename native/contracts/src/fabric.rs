//! Wire types of track AS: providers, routes and calls of the model fabric. Times are milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Message, StopReason, ToolCallPart, ToolOffer};
use crate::spend::ModelPrice;

/// A provider as it is given; it must name at least one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderConfigRecord {
    /// `[a-z0-9][a-z0-9-]{0,31}`.
    pub provider_id: String,
    pub kind: FabricProviderKind,
    /// Name of the secret that is its key, read at call time only.
    pub auth_ref: String,
    /// Without it the kind's own; `local` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// All tries of a call together; at most `MODEL_WALL_MS_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Further tries of a call that may come out otherwise; fewer than `MODEL_TRIES_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Sent as `openai-organization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    pub model_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<ModelPrice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FabricProviderKind {
    /// OpenAI chat completions.
    Openai,
    /// Anthropic messages.
    Anthropic,
    /// Gemini, by its chat completions.
    Gemini,
    /// A server of the person's own that speaks chat completions.
    Local,
}

/// Which model serves what. Every filter that is given must match; of several rules the highest priority wins, then the smallest id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRule {
    /// `[a-z0-9][a-z0-9._-]{0,63}`.
    pub rule_id: String,
    /// Higher goes first.
    pub priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    /// In the product: a role (`planner`, `developer`, …), or `vision` and `audio` for pictures and sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_type: Option<String>,
    /// `provider/model`.
    pub model_id: String,
    /// Asked in this order when the one before gives no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_model_ids: Option<Vec<String>>,
}

/// What a call is for, as rules see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FabricContext {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_type: Option<String>,
}

/// A question to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FabricRequest {
    /// `provider/model`; without it the routes decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(default)]
    pub system: String,
    pub messages: Vec<Message>,
    #[serde(default)]
    pub tools: Vec<ToolOffer>,
    /// At most `MODEL_OUTPUT_TOKENS`, which is also taken without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
}

/// An answer, with what it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FabricAnswer {
    pub text: String,
    pub tool_calls: Vec<ToolCallPart>,
    pub stop: StopReason,
    pub usage: ModelUsageEvent,
}

/// Tokens and time of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelUsageEvent {
    /// `usage-N`, N from 1.
    pub event_id: String,
    pub provider_id: String,
    pub model_id: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub total_tokens: u32,
    pub latency_ms: u32,
    /// Where the price of the model is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    pub created_at: i64,
}

/// Everything there is to see: providers by id, routes by priority (highest first), then id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFabricSnapshot {
    pub providers: Vec<ProviderConfigRecord>,
    pub routes: Vec<RouteRule>,
    /// Number of the newest usage event, 0 before the first.
    pub usage_cursor: u64,
}

/// Models of one role, or of pictures or sound, fixed for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FixedRoute {
    /// As [`RouteRule::task_type`].
    pub role: String,
    /// `provider/model`.
    pub route: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
}

impl RouteRule {
    /// The order in which rules are tried.
    #[must_use]
    pub fn order(&self) -> (std::cmp::Reverse<i32>, &str) {
        (std::cmp::Reverse(self.priority), &self.rule_id)
    }

    /// Whether every filter that is given matches.
    #[must_use]
    pub fn matches(&self, context: &FabricContext) -> bool {
        let same = |filter: &Option<String>, given: &Option<String>| filter.is_none() || filter == given;
        same(&self.worker_id, &context.worker_id) && same(&self.task_type, &context.task_type)
    }
}

/// Adds the AS wire types to the generated document.
pub fn register(generator: &mut schemars::SchemaGenerator) {
    generator.subschema_for::<ProviderConfigRecord>();
    generator.subschema_for::<RouteRule>();
    generator.subschema_for::<FabricContext>();
    generator.subschema_for::<FabricRequest>();
    generator.subschema_for::<FabricAnswer>();
    generator.subschema_for::<ModelUsageEvent>();
    generator.subschema_for::<ModelFabricSnapshot>();
}
