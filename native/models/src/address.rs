//! Where a provider's base URL leads: with `/v1` or without it, and also when the whole address of a question was pasted.

use openwrap_contracts::model::{ProviderConfig, ProviderKind};

/// What a question of a provider's kind is asked at.
pub fn question_url(provider: &ProviderConfig) -> String {
    let path = match provider.kind {
        ProviderKind::Anthropic => "messages",
        ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => "chat/completions",
    };
    format!("{}/{path}", root(provider))
}

/// Where a recording is written down.
pub fn transcription_url(provider: &ProviderConfig) -> String {
    format!("{}/audio/transcriptions", root(provider))
}

/// Where a provider lists its models.
pub fn models_url(provider: &ProviderConfig) -> String {
    format!("{}/models", root(provider))
}

/// The base as its kind needs it, without a slash at the end.
///
/// Servers that speak chat completions have their own paths (`/v1`, `/openai/v1`, `/api/v3`): a path that is given is kept. Those
/// that speak messages put `/v1` behind whatever they are given, as their clients do.
fn root(provider: &ProviderConfig) -> String {
    let base = provider.base_url.trim_end_matches('/');
    let base = ["/chat/completions", "/messages", "/models", "/responses"]
        .iter()
        .find_map(|end| base.strip_suffix(end))
        .unwrap_or(base)
        .trim_end_matches('/');
    let path = base.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let versioned = match provider.kind {
        ProviderKind::Anthropic => base.ends_with("/v1"),
        ProviderKind::Openai | ProviderKind::Local | ProviderKind::Rehearsal => path.is_some(),
    };
    if versioned {
        base.to_owned()
    } else {
        format!("{base}/v1")
    }
}

/// Host and port of the base, for words about it.
pub fn place(provider: &ProviderConfig) -> &str {
    let rest = provider.base_url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: ProviderKind, base_url: &str) -> String {
        question_url(&ProviderConfig {
            provider_id: "p".to_owned(),
            kind,
            base_url: base_url.to_owned(),
            auth_ref: None,
            model_ids: vec!["m".to_owned()],
            default_model_id: None,
            prices: Vec::new(),
        })
    }

    #[test]
    fn a_base_is_taken_however_it_is_written() {
        for base in [
            "http://h:1",
            "http://h:1/",
            "http://h:1/v1",
            "http://h:1/v1/",
            "http://h:1/v1/chat/completions",
            "http://h:1/v1/models/",
        ] {
            assert_eq!(
                at(ProviderKind::Local, base),
                "http://h:1/v1/chat/completions",
                "{base}"
            );
        }
        for base in [
            "http://h:1",
            "http://h:1/v1/",
            "http://h:1/v1/messages",
            "http://h:1/messages",
        ] {
            assert_eq!(at(ProviderKind::Anthropic, base), "http://h:1/v1/messages", "{base}");
        }
        let other = at(ProviderKind::Openai, "https://h/api/v3");
        assert_eq!(other, "https://h/api/v3/chat/completions");
        let other = at(ProviderKind::Anthropic, "https://h/anthropic");
        assert_eq!(other, "https://h/anthropic/v1/messages");
    }
}
