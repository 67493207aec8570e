//! The wire of OpenAI's transcriptions (`POST /audio/transcriptions`, multipart): one recording goes out, its words come back as JSON.

use std::time::{Duration, Instant};

use bytes::Bytes;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::{AUDIO_BYTES_MAX, MODEL_ANSWER_BYTES_MAX, MODEL_TRIES_MAX};
use openwrap_contracts::model::{ProviderConfig, ProviderKind, TranscriptionCall, TranscriptionReply, Usage};
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::Value;

use crate::assembly::malformed;
use crate::counting::counted;
use crate::exchange::{Exchange, silent};
use crate::fabric::{ModelFabric, trimmed};
use crate::retry::{Failure, wait_ms};

#[derive(Deserialize)]
struct Answer {
    text: String,
    /// By tokens, by time, by both: each provider in its own words.
    #[serde(default)]
    usage: Value,
}

/// A recording on its way: what a try sends.
pub struct Form {
    pub boundary: String,
    pub body: Bytes,
}

/// The multipart form of a recording (RFC 7578).
///
/// # Errors
/// `LIMIT_EXCEEDED`, `INVALID_ARGUMENTS` (a name or form that cannot stand in a header).
pub fn form(call: &TranscriptionCall, model: &str) -> Outcome<Form> {
    if call.bytes.len() > AUDIO_BYTES_MAX {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!(
                "the recording has {} bytes, {AUDIO_BYTES_MAX} are the most",
                call.bytes.len()
            ),
        ));
    }
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    if !plain(&call.file_name) || !plain(&call.media_type) {
        return Err(Fault::invalid("a recording's name and form are plain letters"));
    }
    // By the content, and nowhere in it: the same question is the same bytes.
    let mut boundary = format!("openwrap-{}", sha256_hex(&call.bytes));
    while find(&call.bytes, boundary.as_bytes()) || call.prompt.as_ref().is_some_and(|text| text.contains(&boundary)) {
        boundary = format!("openwrap-{}", sha256_hex(boundary.as_bytes()));
    }
    let mut body = Vec::with_capacity(call.bytes.len() + 2_048);
    let mut field = |head: &str, content: &[u8]| {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend(content);
        body.extend(b"\r\n");
    };
    field("name=\"model\"", model.as_bytes());
    field("name=\"response_format\"", b"json");
    if let Some(prompt) = &call.prompt {
        field("name=\"prompt\"", prompt.as_bytes());
    }
    let file = format!(
        "name=\"file\"; filename=\"{}\"\r\nContent-Type: {}",
        call.file_name, call.media_type
    );
    field(&file, &call.bytes);
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    Ok(Form {
        boundary,
        body: Bytes::from(body),
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|part| part == wanted)
}

/// The words, and what the provider counted.
///
/// # Errors
/// `MODEL_MALFORMED`.
pub fn read(body: &[u8]) -> Result<(String, Usage, Option<u64>), Failure> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| Failure::of_answer(malformed("it is no JSON with the words of a recording")))?;
    let told = |names: &[&str]| counted(&answer.usage, names);
    let usage = Usage {
        input_tokens: told(&["input_tokens", "prompt_tokens"]).unwrap_or(0),
        output_tokens: told(&["output_tokens", "completion_tokens"]).unwrap_or(0),
        ..Usage::default()
    };
    let seconds = told(&["seconds", "prompt_audio_seconds"]).map(u64::from);
    Ok((answer.text, usage, seconds))
}

impl ModelFabric {
    pub(crate) async fn transcribe_route(
        &self,
        call: TranscriptionCall,
        cancel: CancellationToken,
    ) -> Outcome<TranscriptionReply> {
        let (provider, model) = self.route(&call.route)?;
        if provider.kind == ProviderKind::Anthropic {
            return Err(
                Fault::new(ErrorCode::NoRoute, format!("`{}` takes no recordings", call.route))
                    .with_hint("Choose a transcription model, such as whisper-1 of an OpenAI-compatible server."),
            );
        }
        let form = form(&call, &model)?;
        let started = Instant::now();
        let wall_ms = self.terms_of(&provider).wall_ms.unwrap_or(self.times().wall_ms);
        let work = self.listen(&provider, &model, &call, &form, &cancel);
        let ((text, usage, seconds), tries) = tokio::select! {
            () = cancel.cancelled() => return Err(Fault::canceled()),
            outcome = tokio::time::timeout(Duration::from_millis(wall_ms), work) => {
                outcome.unwrap_or_else(|_| Err(silent("the answer took too long")))?
            }
        };
        Ok(TranscriptionReply {
            text,
            usage,
            seconds,
            latency_ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            tries,
        })
    }

    async fn listen(
        &self,
        provider: &ProviderConfig,
        model: &str,
        call: &TranscriptionCall,
        form: &Form,
        cancel: &CancellationToken,
    ) -> Outcome<((String, Usage, Option<u64>), u32)> {
        let started = Instant::now();
        let tries_max = self.terms_of(provider).tries.unwrap_or(MODEL_TRIES_MAX);
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.listen_once(provider, model, call, form, cancel).await {
                Ok(heard) => return Ok((heard, tries)),
                Err(failure) => failure,
            };
            if tries as usize >= tries_max || !failure.again {
                return Err(failure.fault);
            }
            if let Some(meter) = &call.meter {
                meter.again().await?;
            }
            let spread = u64::from(started.elapsed().subsec_nanos());
            let wait = wait_ms(self.times().first_wait_ms, tries, failure.after_ms, spread);
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    async fn listen_once(
        &self,
        provider: &ProviderConfig,
        model: &str,
        call: &TranscriptionCall,
        form: &Form,
        cancel: &CancellationToken,
    ) -> Result<(String, Usage, Option<u64>), Failure> {
        let key = match &provider.auth_ref {
            Some(name) => Some(trimmed(&self.vault().open(name).await.map_err(Failure::last)?)),
            None => None,
        };
        let terms = self.terms_of(provider);
        let exchange = Exchange {
            dialer: self.dialer(),
            provider,
            organization: terms.organization.as_deref(),
            model,
            key: key.as_ref(),
            purpose: format!("model:{}", provider.provider_id),
            run_id: Some(&call.run_id),
            meter: call.meter.as_deref(),
            idle: Duration::from_millis(self.times().idle_ms),
            cancel,
        };
        exchange.listen(form, MODEL_ANSWER_BYTES_MAX).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn call(bytes: &'static [u8], prompt: Option<&str>) -> TranscriptionCall {
        TranscriptionCall {
            run_id: "run".to_owned(),
            route: "p/whisper-1".to_owned(),
            file_name: "recording.mp3".to_owned(),
            media_type: "audio/mpeg".to_owned(),
            bytes: Bytes::from_static(bytes),
            prompt: prompt.map(str::to_owned),
            meter: None,
        }
    }

    #[test]
    fn a_recording_is_a_form_whose_bytes_are_as_they_were() {
        let form = form(&call(b"\x00\r\n--\xff", Some("Open Wrap")), "whisper-1").unwrap();
        let text = String::from_utf8_lossy(&form.body).replace(&form.boundary, "B");
        let expected = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
            --B\r\nContent-Disposition: form-data; name=\"response_format\"\r\n\r\njson\r\n\
            --B\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nOpen Wrap\r\n\
            --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"recording.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
            \0\r\n--\u{fffd}\r\n--B--\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_boundary_is_never_in_what_it_bounds() {
        let first = form(&call(b"x", None), "m").unwrap().boundary;
        let with = form(&call(b"x", Some(&format!("--{first}\r\n"))), "m").unwrap();
        assert_ne!(with.boundary, first);
        let mut hostile = call(b"x", None);
        hostile.file_name = "a\"\r\nx: y".to_owned();
        assert_eq!(form(&hostile, "m").err().unwrap().code, ErrorCode::InvalidArguments);
        let large = TranscriptionCall {
            bytes: vec![0; AUDIO_BYTES_MAX + 1].into(),
            ..call(b"", None)
        };
        assert_eq!(form(&large, "m").err().unwrap().code, ErrorCode::LimitExceeded);
    }

    #[test]
    fn what_is_counted_is_read_by_tokens_or_by_time() {
        let (text, usage, seconds) =
            read(br#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"output_tokens":2,"total_tokens":16}}"#)
                .unwrap();
        assert_eq!((text.as_str(), usage.input_tokens, seconds), ("hi", 14, None));
        let by_time = |usage: &str| read(format!(r#"{{"text":"","usage":{usage}}}"#).as_bytes()).unwrap().2;
        assert_eq!(by_time(r#"{"type":"duration","seconds":2.1}"#), Some(3));
        assert_eq!(by_time(r#"{"type":"duration","seconds":-2}"#), None);
        assert_eq!(by_time(r#"{"seconds":3,"type":null}"#), Some(3));
        for nothing in [
            "null",
            "{}",
            r#"{"type":"later"}"#,
            r#"{"type":"duration","seconds":null}"#,
            "\"none\"",
        ] {
            assert_eq!(by_time(nothing), None, "{nothing}");
        }
        let (_, usage, seconds) =
            read(br#"{"text":"","usage":{"prompt_audio_seconds":8,"prompt_tokens":4.0,"completion_tokens":6}}"#)
                .unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens, seconds), (4, 6, Some(8)));
        assert_eq!(read(br#"{"text":"hi"}"#).unwrap().0, "hi");
        assert!(read(b"hi").is_err());
    }
}
