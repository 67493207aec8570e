//! The one error shape and the one table of stable codes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! error_table {
    ($( $variant:ident, $code:literal, $status:literal, $hint:literal; )*) => {
        /// Stable error codes. A code never changes its meaning; new failures get new codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum ErrorCode {
            $( #[doc = $hint] #[serde(rename = $code)] $variant, )*
        }

        impl ErrorCode {
            /// Every code, in table order.
            pub const ALL: &'static [ErrorCode] = &[ $( ErrorCode::$variant, )* ];

            /// The code as it appears on every wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( ErrorCode::$variant => $code, )* }
            }

            /// The HTTP status the server answers with.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $( ErrorCode::$variant => $status, )* }
            }

            /// What a person can do when the fault itself says nothing better.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $( ErrorCode::$variant => $hint, )* }
            }
        }
    };
}

error_table! {
    InvalidArguments, "INVALID_ARGUMENTS", 400, "Correct the named field and send it again.";
    InvalidPlan, "INVALID_PLAN", 400, "Correct the named tasks of the plan.";
    InvalidState, "INVALID_STATE", 409, "Read the current state and try what fits it.";
    NotFound, "NOT_FOUND", 404, "Check the identifier.";
    AlreadyExists, "ALREADY_EXISTS", 409, "Choose another name, or use the one that is there.";
    Unauthorized, "UNAUTHORIZED", 401, "Open the app with a link printed by `openwrap open`.";
    Forbidden, "FORBIDDEN", 403, "This device may not do that.";
    ForeignHost, "FOREIGN_HOST", 421, "Open the app under the address it printed at start.";
    PermissionDenied, "PERMISSION_DENIED", 403, "Ask for the permission, or do without it.";
    ApprovalExpired, "APPROVAL_EXPIRED", 409, "Start the step again to be asked again.";
    ProtectedPath, "PROTECTED_PATH", 403, "This path is protected; choose another.";
    PathOutside, "PATH_OUTSIDE", 400, "Use a path inside the project, without `..`.";
    Timeout, "TIMEOUT", 504, "Try again, or allow more time.";
    Canceled, "CANCELED", 409, "It was stopped; start it again if you still want it.";
    ExecutionFailed, "EXECUTION_FAILED", 500, "Read the message for what failed.";
    OutcomeUnknown, "OUTCOME_UNKNOWN", 409, "Say whether the step took effect.";
    NeedsHead, "NEEDS_HEAD", 409, "The task runs again once every earlier task has settled.";
    CheckFailed, "CHECK_FAILED", 409, "The task's acceptance check did not hold.";
    Conflict, "CONFLICT", 409, "The same path was changed elsewhere; decide which version stays.";
    LeaseHeld, "LEASE_HELD", 409, "Somebody else drives; ask them to hand back, or wait until the lease ends.";
    LeaseLost, "LEASE_LOST", 409, "Take control again: this lease is over.";
    DefinitionChanged, "DEFINITION_CHANGED", 409, "Look at what the server changed, then approve it or remove the server.";
    LimitExceeded, "LIMIT_EXCEEDED", 413, "Make it smaller than the stated limit.";
    TooManyRequests, "TOO_MANY_REQUESTS", 429, "Wait a moment, then try again.";
    PairingLocked, "PAIRING_LOCKED", 423, "Too many wrong codes: ask for a new link and code.";
    SandboxUnavailable, "SANDBOX_UNAVAILABLE", 503, "Run `openwrap doctor` to see what this system lacks.";
    SpawnFailed, "SPAWN_FAILED", 500, "Check that the program exists and may be run.";
    EgressDenied, "EGRESS_DENIED", 403, "Grant the host by name, or do without it.";
    EgressFailed, "EGRESS_FAILED", 502, "Check that the address is reachable from this machine.";
    EgressTls, "EGRESS_TLS", 502, "Check that http:// or https:// is right for this server, and its certificate.";
    ModelUnavailable, "MODEL_UNAVAILABLE", 502, "Check the provider's address and that it is running.";
    ModelAuth, "MODEL_AUTH", 502, "Check the key of this provider.";
    ModelRejected, "MODEL_REJECTED", 502, "The provider refused the request; read its message.";
    ModelMalformed, "MODEL_MALFORMED", 502, "The provider's answer could not be read; try again or use another model.";
    ModelAddress, "MODEL_ADDRESS", 502, "Check the provider's address and kind: no such model server answers there.";
    ModelUnknown, "MODEL_UNKNOWN", 502, "Choose a model that this provider has.";
    ModelCredit, "MODEL_CREDIT", 502, "The provider's account is out of credit or over its limit; look there, or use another provider.";
    ModelOverloaded, "MODEL_OVERLOADED", 503, "The provider is busy; try again later.";
    BudgetReached, "BUDGET_REACHED", 409, "Raise the budget of the run, or stop it.";
    NoRoute, "NO_ROUTE", 409, "Add a model, or choose the rehearsal model.";
    LedgerBroken, "LEDGER_BROKEN", 500, "Run `openwrap audit verify` and restore a copy of the data folder.";
    StorageFailed, "STORAGE_FAILED", 500, "Check free space and permissions of the data folder.";
    VaultLocked, "VAULT_LOCKED", 423, "The key of the vault is missing or does not fit.";
    ReplayDiverged, "REPLAY_DIVERGED", 409, "The named step gave another result than was recorded.";
    FeatureDisabled, "FEATURE_DISABLED", 503, "The feature was switched off by the named environment variable.";
    NativeUnavailable, "NATIVE_UNAVAILABLE", 500, "Build the native addon with `npm run build`.";
    AlreadyRunning, "ALREADY_RUNNING", 409, "Another Open Wrap uses this data folder; open that one.";
    Internal, "INTERNAL", 500, "This is a defect; the message says where.";
}

/// What went wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub code: ErrorCode,
    /// What happened and where, in one sentence. Never holds a secret.
    pub message: String,
    /// What to do about it; the code's own hint where nothing better is known.
    pub hint: String,
}

/// The result every port answers with.
pub type Outcome<T> = Result<T, Fault>;

impl Fault {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: code.hint().to_owned(),
        }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArguments, message)
    }

    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    #[must_use]
    pub fn canceled() -> Self {
        Self::new(ErrorCode::Canceled, "the work was stopped")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Fault {}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::invalid(format!("JSON could not be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_upper_snake_and_round_trip() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} twice");
            assert!(text.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{text}");
            assert_eq!(serde_json::to_value(code).ok(), Some(serde_json::json!(text)));
            assert!((400..600).contains(&code.http_status()));
        }
    }
}
