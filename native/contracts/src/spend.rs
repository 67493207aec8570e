//! What model calls cost and what a run may spend. Money is whole millionths of a US dollar (µUSD), rounded up for each call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Outcome};
use crate::limits::{BUDGET_MICRO_USD_MAX, BUDGET_TOKENS_MAX, MODEL_PRICE_MICRO_USD_MAX};
use crate::model::{ProviderKind, Usage};

/// What a run may spend at most. Each limit holds by itself; at least one is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// Money, 1 to `BUDGET_MICRO_USD_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
    /// Tokens read and written, 1 to `BUDGET_TOKENS_MAX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What one model call costs, or may cost at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spend {
    pub tokens: u64,
    /// None: the price of the model is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
}

/// What was spent so far. Sums only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// Of the calls whose price is known.
    pub cost_micro_usd: u64,
    pub tokens: u64,
    /// Of these, tokens of models whose price is not known: their cost is not in the sum.
    pub unpriced_tokens: u64,
    /// Calls under way may cost this much more.
    pub reserved_micro_usd: u64,
    pub reserved_tokens: u64,
}

/// What a model costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelPrice {
    pub model_id: String,
    /// A million tokens read.
    pub input_micro_usd: u64,
    /// A million tokens written.
    pub output_micro_usd: u64,
    /// A million tokens read from the provider's cache; none: as any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_micro_usd: Option<u64>,
    /// A million tokens written into the cache; none: as any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_micro_usd: Option<u64>,
    /// A minute of sound, for models that are paid by time; tokens are free then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_minute_micro_usd: Option<u64>,
}

/// A list price that is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownPrice {
    pub kind: ProviderKind,
    pub price: ModelPrice,
}

/// Calls and cost of one model, or of one task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostLine {
    /// `provider/model`, or a task's id (`planner`, `answer`).
    pub name: String,
    /// Calls that were answered.
    pub calls: u32,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub spending: Spending,
}

impl Budget {
    /// Checks the bounds.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`.
    pub fn check(&self) -> Outcome<()> {
        let fits = |limit: Option<u64>, max: u64| limit.is_none_or(|limit| (1..=max).contains(&limit));
        if self.cost_micro_usd.is_none() && self.tokens.is_none() {
            return Err(Fault::invalid("a budget names costMicroUsd, tokens or both"));
        }
        if !fits(self.cost_micro_usd, BUDGET_MICRO_USD_MAX) || !fits(self.tokens, BUDGET_TOKENS_MAX) {
            return Err(Fault::invalid(format!(
                "a budget is 1 to {BUDGET_MICRO_USD_MAX} costMicroUsd, 1 to {BUDGET_TOKENS_MAX} tokens"
            )));
        }
        Ok(())
    }

    /// Whether so much may be spent. What a price is not known for counts its tokens alone.
    #[must_use]
    pub fn allows(&self, cost_micro_usd: u64, tokens: u64) -> bool {
        self.cost_micro_usd.is_none_or(|limit| cost_micro_usd <= limit)
            && self.tokens.is_none_or(|limit| tokens <= limit)
    }
}

impl Spending {
    /// Takes a finished call in.
    pub fn book(&mut self, spend: Spend) {
        self.tokens = self.tokens.saturating_add(spend.tokens);
        match spend.cost_micro_usd {
            Some(cost) => self.cost_micro_usd = self.cost_micro_usd.saturating_add(cost),
            None => self.unpriced_tokens = self.unpriced_tokens.saturating_add(spend.tokens),
        }
    }

    /// A call goes out that may cost so much.
    pub fn reserve(&mut self, spend: Spend) {
        let cost = spend.cost_micro_usd.unwrap_or(0);
        self.reserved_tokens = self.reserved_tokens.saturating_add(spend.tokens);
        self.reserved_micro_usd = self.reserved_micro_usd.saturating_add(cost);
    }

    /// It is over.
    pub fn release(&mut self, spend: Spend) {
        let cost = spend.cost_micro_usd.unwrap_or(0);
        self.reserved_tokens = self.reserved_tokens.saturating_sub(spend.tokens);
        self.reserved_micro_usd = self.reserved_micro_usd.saturating_sub(cost);
    }
}

const MILLION: u128 = 1_000_000;

impl ModelPrice {
    /// A model nothing is paid for.
    #[must_use]
    pub fn free(model_id: impl Into<String>) -> Self {
        Self {
            model_id: model_id.into(),
            input_micro_usd: 0,
            output_micro_usd: 0,
            cache_read_micro_usd: None,
            cache_write_micro_usd: None,
            audio_minute_micro_usd: None,
        }
    }

    /// Whether the price can be one.
    #[must_use]
    pub fn fits(&self) -> bool {
        let others = [
            self.cache_read_micro_usd,
            self.cache_write_micro_usd,
            self.audio_minute_micro_usd,
        ];
        let all = [Some(self.input_micro_usd), Some(self.output_micro_usd)];
        let mut all = all.iter().chain(&others).flatten();
        all.all(|price| *price <= MODEL_PRICE_MICRO_USD_MAX)
    }

    /// Price of a counted call, in µUSD, rounded up.
    #[must_use]
    pub fn of_usage(&self, usage: &Usage) -> u64 {
        let (read, written) = (usage.cache_read_tokens, usage.cache_write_tokens);
        let plain = usage.input_tokens.saturating_sub(read).saturating_sub(written);
        let parts = [
            (plain, self.input_micro_usd),
            (read, self.cache_read_micro_usd.unwrap_or(self.input_micro_usd)),
            (written, self.cache_write_micro_usd.unwrap_or(self.input_micro_usd)),
            (usage.output_tokens, self.output_micro_usd),
        ];
        rounded_up(
            parts
                .iter()
                .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
                .sum(),
        )
    }

    /// Most that so many tokens read, in whatever way, and written can cost, in µUSD.
    #[must_use]
    pub fn at_most(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let others = [self.cache_read_micro_usd, self.cache_write_micro_usd];
        let dearest = others.into_iter().flatten().fold(self.input_micro_usd, u64::max);
        let input = u128::from(input_tokens) * u128::from(dearest);
        rounded_up(input + u128::from(output_tokens) * u128::from(self.output_micro_usd))
    }

    /// Price of so much sound, in µUSD; none for a model that is paid by tokens.
    #[must_use]
    pub fn of_seconds(&self, seconds: u64) -> Option<u64> {
        let price = u128::from(seconds) * u128::from(self.audio_minute_micro_usd?);
        Some(u64::try_from(price.div_ceil(60)).unwrap_or(u64::MAX))
    }
}

fn rounded_up(millionths: u128) -> u64 {
    u64::try_from(millionths.div_ceil(MILLION)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn price() -> ModelPrice {
        ModelPrice {
            input_micro_usd: 3_000_000,
            output_micro_usd: 15_000_000,
            cache_read_micro_usd: Some(300_000),
            cache_write_micro_usd: Some(3_750_000),
            ..ModelPrice::free("m")
        }
    }

    #[test]
    fn a_call_is_priced_to_the_millionth_of_a_dollar_and_rounded_up() {
        let usage = |input, output, read, written| Usage {
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: read,
            cache_write_tokens: written,
        };
        assert_eq!(price().of_usage(&usage(1000, 100, 0, 0)), 3_000 + 1_500);
        assert_eq!(price().of_usage(&usage(1000, 0, 500, 500)), 150 + 1_875);
        let cheap = ModelPrice {
            input_micro_usd: 150_000,
            ..ModelPrice::free("m")
        };
        assert_eq!(cheap.of_usage(&usage(1, 0, 0, 0)), 1);
        assert_eq!(ModelPrice::free("m").of_usage(&usage(u32::MAX, u32::MAX, 0, 0)), 0);
        let by_time = ModelPrice {
            audio_minute_micro_usd: Some(6_000),
            ..ModelPrice::free("w")
        };
        assert_eq!(by_time.of_seconds(61), Some(6_100));
        assert_eq!(price().of_seconds(61), None);
    }

    #[test]
    fn budgets_are_checked_and_hold_each_by_itself() {
        let budget = |cost, tokens| Budget {
            cost_micro_usd: cost,
            tokens,
        };
        assert!(budget(None, None).check().is_err());
        assert!(budget(Some(0), None).check().is_err());
        assert!(budget(None, Some(BUDGET_TOKENS_MAX + 1)).check().is_err());
        assert!(budget(Some(1), Some(1)).check().is_ok());
        assert!(budget(Some(5), None).allows(5, u64::MAX));
        assert!(!budget(Some(5), None).allows(6, 0));
        assert!(!budget(Some(5), Some(7)).allows(5, 8));
    }

    proptest! {
        #[test]
        fn what_is_reserved_is_never_less_than_what_it_costs(
            input in 0_u32..2_000_000, output in 0_u32..200_000, read in 0_u32..2_000_000, written in 0_u32..2_000_000,
        ) {
            let read = read.min(input);
            let written = written.min(input - read);
            let usage = Usage { input_tokens: input, output_tokens: output, cache_read_tokens: read, cache_write_tokens: written };
            prop_assert!(price().of_usage(&usage) <= price().at_most(u64::from(input), u64::from(output)));
        }
    }
}
