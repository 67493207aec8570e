//! What models cost: what a person wrote down, nothing for the person's own servers, else the list prices of the two providers whose
//! prices are known here, asked at their own address.

use openwrap_contracts::model::{ProviderConfig, ProviderKind};
use openwrap_contracts::spend::{KnownPrice, ModelPrice};

use crate::address::place;

/// Day as of which the list prices are. They change: what a person wrote down goes first.
pub const PRICES_AS_OF: &str = "2025-12-01";

/// In thousandths of a US dollar a million tokens: read, written, read from the cache, written into it.
struct Listed {
    kind: ProviderKind,
    model: &'static str,
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    audio_minute: Option<u64>,
}

const fn openai(model: &'static str, input: u64, output: u64, cache_read: u64) -> Listed {
    Listed {
        kind: ProviderKind::Openai,
        model,
        input,
        output,
        cache_read: Some(cache_read),
        cache_write: None,
        audio_minute: None,
    }
}

/// The cache is a tenth to read and a quarter more to write.
const fn anthropic(model: &'static str, input: u64, output: u64) -> Listed {
    Listed {
        kind: ProviderKind::Anthropic,
        model,
        input,
        output,
        cache_read: Some(input / 10),
        cache_write: Some(input * 5 / 4),
        audio_minute: None,
    }
}

const fn by_minute(model: &'static str, minute: u64) -> Listed {
    Listed {
        kind: ProviderKind::Openai,
        model,
        input: 0,
        output: 0,
        cache_read: None,
        cache_write: None,
        audio_minute: Some(minute),
    }
}

/// As on the public price lists, standard service.
const LISTED: &[Listed] = &[
    openai("gpt-4.1", 2_000, 8_000, 500),
    openai("gpt-4.1-mini", 400, 1_600, 100),
    openai("gpt-4.1-nano", 100, 400, 25),
    openai("gpt-4o", 2_500, 10_000, 1_250),
    Listed {
        // The first of them stayed as dear as it was, in a cache or not.
        cache_read: None,
        ..openai("gpt-4o-2024-05-13", 5_000, 15_000, 0)
    },
    openai("gpt-4o-mini", 150, 600, 75),
    openai("gpt-4o-mini-transcribe", 3_000, 5_000, 3_000),
    openai("gpt-4o-transcribe", 6_000, 10_000, 6_000),
    openai("gpt-5", 1_250, 10_000, 125),
    openai("gpt-5-mini", 250, 2_000, 25),
    openai("gpt-5-nano", 50, 400, 5),
    openai("o3", 2_000, 8_000, 500),
    openai("o4-mini", 1_100, 4_400, 275),
    by_minute("whisper-1", 6),
    anthropic("claude-3-5-haiku", 800, 4_000),
    anthropic("claude-3-7-sonnet", 3_000, 15_000),
    anthropic("claude-haiku-4-5", 1_000, 5_000),
    anthropic("claude-opus-4", 15_000, 75_000),
    anthropic("claude-opus-4-1", 15_000, 75_000),
    anthropic("claude-opus-4-5", 5_000, 25_000),
    anthropic("claude-sonnet-4", 3_000, 15_000),
    anthropic("claude-sonnet-4-5", 3_000, 15_000),
];

impl Listed {
    fn price(&self) -> ModelPrice {
        let micro = |thousandths: u64| thousandths * 1_000;
        ModelPrice {
            model_id: self.model.to_owned(),
            input_micro_usd: micro(self.input),
            output_micro_usd: micro(self.output),
            cache_read_micro_usd: self.cache_read.map(micro),
            cache_write_micro_usd: self.cache_write.map(micro),
            audio_minute_micro_usd: self.audio_minute.map(micro),
        }
    }
}

/// Every list price, by kind and model.
#[must_use]
pub fn known_prices() -> Vec<KnownPrice> {
    let known = |listed: &Listed| KnownPrice {
        kind: listed.kind,
        price: listed.price(),
    };
    LISTED.iter().map(known).collect()
}

/// Price of a provider's model, where it is known.
pub fn of_model(provider: &ProviderConfig, model: &str) -> Option<ModelPrice> {
    if let Some(own) = provider.prices.iter().find(|price| price.model_id == model) {
        return Some(own.clone());
    }
    match provider.kind {
        ProviderKind::Local | ProviderKind::Rehearsal => Some(ModelPrice::free(model)),
        // Whoever stands between may ask another price.
        ProviderKind::Openai if place(provider) != "api.openai.com" => None,
        ProviderKind::Anthropic if place(provider) != "api.anthropic.com" => None,
        kind => {
            let meant = LISTED
                .iter()
                .filter(|listed| listed.kind == kind && is(listed.model, model));
            // A day that is listed by itself has a price of its own.
            meant.max_by_key(|listed| listed.model.len()).map(Listed::price)
        }
    }
}

/// Whether a name means the listed model: as it is, as of a day, or as the latest.
fn is(listed: &str, model: &str) -> bool {
    let Some(rest) = model.strip_prefix(listed) else {
        return false;
    };
    let digits: Vec<usize> = rest.split('-').skip(1).map(str::len).collect();
    let dated = matches!(digits.as_slice(), [8] | [4, 2, 2])
        && rest.starts_with('-')
        && rest.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    rest.is_empty() || rest == "-latest" || dated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(kind: ProviderKind, base_url: &str, model: &str) -> Option<(u64, u64)> {
        let provider = ProviderConfig {
            provider_id: "p".to_owned(),
            kind,
            base_url: base_url.to_owned(),
            auth_ref: None,
            model_ids: vec!["m".to_owned()],
            default_model_id: None,
            prices: vec![ModelPrice {
                input_micro_usd: 7,
                ..ModelPrice::free("mine")
            }],
        };
        of_model(&provider, model).map(|price| (price.input_micro_usd, price.output_micro_usd))
    }

    #[test]
    fn a_price_is_known_where_somebody_said_so() {
        let openai = |model| price(ProviderKind::Openai, "https://api.openai.com/v1", model);
        assert_eq!(openai("gpt-4.1"), Some((2_000_000, 8_000_000)));
        assert_eq!(openai("gpt-4.1-2025-04-14"), Some((2_000_000, 8_000_000)));
        assert_eq!(openai("gpt-4o-2024-05-13"), Some((5_000_000, 15_000_000)));
        assert_eq!(openai("gpt-4o-2024-08-06"), Some((2_500_000, 10_000_000)));
        assert_eq!(openai("mine"), Some((7, 0)));
        // Dearer models whose names begin alike.
        for model in [
            "gpt-5-pro",
            "o3-pro",
            "gpt-4o-audio-preview",
            "gpt-4.1-",
            "o3-1",
            "gpt-5.2",
        ] {
            assert_eq!(openai(model), None, "{model}");
        }
        let anthropic = |model| price(ProviderKind::Anthropic, "https://api.anthropic.com", model);
        assert_eq!(anthropic("claude-opus-4-20250514"), Some((15_000_000, 75_000_000)));
        assert_eq!(anthropic("claude-opus-4-5"), Some((5_000_000, 25_000_000)));
        assert_eq!(
            price(ProviderKind::Openai, "https://router.example/v1", "gpt-4.1"),
            None
        );
        assert_eq!(price(ProviderKind::Local, "http://127.0.0.1:1/v1", "any"), Some((0, 0)));
    }
}
