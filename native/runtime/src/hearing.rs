//! Models that write recordings down, for `media.analyzeAudio`: the one a person chose for sound, unless another was granted.

use std::sync::Arc;

use openwrap_agent::conversation::is_elsewhere_better;
use openwrap_agent::engine::Engine;
use openwrap_contracts::canonical::{Hashed, canonical_bytes, sha256_hex};
use openwrap_contracts::limits::{AUDIO_TOKENS_PER_SECOND_MAX, MODEL_OUTPUT_TOKENS};
use openwrap_contracts::media::{Hearing, RecordingAnswer, RecordingQuestion};
use openwrap_contracts::model::{TranscriptionCall, TranscriptionReply, Usage};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_contracts::spend::{ModelPrice, Spend};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::json;

use crate::asking::{Answered, Question};
use crate::live::LiveEngines;
use crate::rehearsal::REHEARSAL;
use crate::routes::AUDIO;

/// Listens through the models a run has. Each time is a model call of the step that asked, noted with what it cost.
pub struct ModelHearing {
    pub engines: Arc<LiveEngines>,
}

impl ModelHearing {
    async fn listen_now(&self, question: RecordingQuestion, cancel: CancellationToken) -> Outcome<RecordingAnswer> {
        let engine = self.engines.get(&question.run_id)?;
        let mut failed = None;
        for route in routes(&engine, question.route.clone())? {
            match listen_with(&engine, &question, &route, &cancel).await {
                Ok(reply) => {
                    return Ok(RecordingAnswer {
                        rehearsal: route.split('/').next() == Some(REHEARSAL),
                        route,
                        text: reply.text,
                    });
                }
                Err(fault) if is_elsewhere_better(fault.code) => failed = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(failed.unwrap_or_else(|| no_route(&question.run_id)))
    }
}

/// A model that talks need not be one that listens: there is one for sound, or none. Who rehearses hears the rehearsal.
fn routes(engine: &Engine, granted: Option<String>) -> Outcome<Vec<String>> {
    if let Some(route) = granted {
        return Ok(vec![route]);
    }
    let fixed = {
        let state = engine.journal.state();
        state.routes.iter().find(|fixed| fixed.role == AUDIO).cloned()
    };
    match fixed {
        Some(fixed) => Ok(std::iter::once(fixed.route).chain(fixed.fallbacks).collect()),
        None if engine.spec.model.split('/').next() == Some(REHEARSAL) => Ok(vec![engine.spec.model.clone()]),
        None => Err(no_route(&engine.spec.run_id)),
    }
}

fn no_route(run_id: &str) -> Fault {
    Fault::new(ErrorCode::NoRoute, format!("the run `{run_id}` has no model for sound"))
        .with_hint("Add a route for `audio` that names a transcription model, such as openai/whisper-1.")
}

/// Most it can cost: by its longest length, or by the tokens of that.
fn at_most(price: Option<&ModelPrice>, seconds: u64) -> Spend {
    let input = seconds.saturating_mul(AUDIO_TOKENS_PER_SECOND_MAX as u64);
    let output = input.max(MODEL_OUTPUT_TOKENS as u64);
    let by_tokens = |price: &ModelPrice| price.at_most(input, output);
    Spend {
        tokens: input.saturating_add(output),
        cost_micro_usd: price.map(|price| price.of_seconds(seconds).unwrap_or_else(|| by_tokens(price))),
    }
}

/// What it costs where that is no matter of its tokens: by the time the provider counted, or the longest there can be where a model is
/// paid by time and none was told. None: by its tokens, or all of it where nothing was told.
fn by_time(price: Option<&ModelPrice>, usage: &Usage, told: Option<u64>, seconds_max: u64) -> Option<Spend> {
    if told.is_none() && usage.input_tokens == 0 {
        return None;
    }
    let tokens = u64::from(usage.input_tokens) + u64::from(usage.output_tokens);
    let spend = |cost_micro_usd| Spend { tokens, cost_micro_usd };
    match price {
        Some(price) => price.of_seconds(told.unwrap_or(seconds_max)).map(Some).map(spend),
        None => told.map(|_| spend(None)),
    }
}

async fn listen_with(
    engine: &Arc<Engine>,
    question: &RecordingQuestion,
    route: &str,
    cancel: &CancellationToken,
) -> Outcome<TranscriptionReply> {
    let models = &engine.ports.models;
    let price = models.price(route);
    let recording = &question.recording;
    // The recording itself is in the project.
    let request = json!({
        "route": route, "recording": sha256_hex(&recording.bytes), "mediaType": recording.media_type, "prompt": question.prompt,
    });
    let asked = Question {
        engine,
        step: &question.step,
        route,
        request: Hashed::new(canonical_bytes(&request)?),
        at_most: at_most(price.as_ref(), recording.seconds_max),
        price: price.clone(),
    };
    let asked = asked.begin(cancel).await?;
    let call = TranscriptionCall {
        run_id: question.run_id.clone(),
        route: route.to_owned(),
        file_name: format!("recording.{}", recording.ending),
        media_type: recording.media_type.to_owned(),
        bytes: recording.bytes.clone(),
        prompt: question.prompt.clone(),
        meter: asked.meter(),
    };
    match models.transcribe(call, cancel.clone()).await {
        Ok(reply) => {
            let answered = Answered {
                answer: Hashed::new(canonical_bytes(&json!({ "text": reply.text }))?),
                text: &reply.text,
                usage: reply.usage,
                latency_ms: reply.latency_ms,
                tries: reply.tries,
                booked: by_time(price.as_ref(), &reply.usage, reply.seconds, recording.seconds_max),
            };
            asked.answered(answered).await?;
            Ok(reply)
        }
        Err(fault) => {
            asked.failed(&fault).await?;
            Err(fault)
        }
    }
}

impl Hearing for ModelHearing {
    fn listen(&self, question: RecordingQuestion, cancel: CancellationToken) -> Task<'_, Outcome<RecordingAnswer>> {
        Box::pin(self.listen_now(question, cancel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_paid_by_time_or_by_tokens() {
        let whisper = ModelPrice {
            audio_minute_micro_usd: Some(6_000),
            ..ModelPrice::free("whisper-1")
        };
        assert_eq!(at_most(Some(&whisper), 60).cost_micro_usd, Some(6_000));
        let none = Usage::default();
        let some = Usage {
            input_tokens: 14,
            output_tokens: 2,
            ..none
        };
        let cost =
            |price, usage, told| by_time(price, usage, told, 60).map(|spend| (spend.tokens, spend.cost_micro_usd));
        assert_eq!(cost(Some(&whisper), &none, Some(30)), Some((0, Some(3_000))));
        assert_eq!(cost(Some(&whisper), &none, None), None);
        // Tokens are told of a model that is paid by time: they are no price.
        assert_eq!(cost(Some(&whisper), &some, None), Some((16, Some(6_000))));
        let talker = ModelPrice {
            input_micro_usd: 1_000_000,
            ..ModelPrice::free("t")
        };
        assert_eq!(at_most(Some(&talker), 10).cost_micro_usd, Some(500));
        assert_eq!(cost(Some(&talker), &some, Some(30)), None);
        assert_eq!(cost(None, &some, Some(30)), Some((16, None)));
        assert_eq!(cost(None, &some, None), None);
        assert_eq!(at_most(None, 10).cost_micro_usd, None);
    }
}
