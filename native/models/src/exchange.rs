//! One question to one provider, or one look at its models: what is sent, and how far the answer is believed.

use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::MODEL_ANSWER_BYTES_MAX;
use openwrap_contracts::model::{ModelAnswer, ProviderConfig, ToolOffer, Usage};
use openwrap_contracts::ports::{CancellationToken, Dialer, HttpRequest, HttpResponse, Meter, Secret};
use openwrap_contracts::{ErrorCode, Fault};
use serde_json::Value;

use crate::address::{models_url, place, question_url, transcription_url};
use crate::assembly::{Assembly, malformed, too_large};
use crate::redaction::Redactor;
use crate::refusal::{Refused, is_page, no_server_hint};
use crate::retry::Failure;
use crate::stream::EventDecoder;
use crate::transcription::{self, Form};
use crate::wire::{self, Reader};

/// Most of an error body that is read.
const ERROR_BODY_BYTES: usize = 16 * 1024;
/// Most of a provider's message that goes on.
const MESSAGE_BYTES: usize = 2000;
/// The wire around an answer may be this much larger than the answer.
const WIRE_FACTOR: usize = 16;

/// Who is asked, on whose behalf.
pub struct Exchange<'a> {
    pub dialer: &'a dyn Dialer,
    pub provider: &'a ProviderConfig,
    /// On whose account, where a person has several.
    pub organization: Option<&'a str>,
    pub model: &'a str,
    pub key: Option<&'a Secret>,
    /// As egress knows it.
    pub purpose: String,
    pub run_id: Option<&'a str>,
    /// Told that the provider has begun to answer.
    pub meter: Option<&'a dyn Meter>,
    /// Longest silence.
    pub idle: Duration,
    pub cancel: &'a CancellationToken,
}

/// A question, and who hears the words of its answer as they come.
pub struct Question<'a> {
    pub body: Bytes,
    pub step: &'a StepRef,
    pub offers: &'a [ToolOffer],
    /// Gets the offset of a text in the answer, and the text.
    pub heard: &'a (dyn Fn(usize, &str) + Send + Sync),
}

impl Exchange<'_> {
    /// Asks once.
    pub async fn ask(&self, question: Question<'_>) -> Result<(ModelAnswer, Usage), Failure> {
        let redactor = Redactor::new(self.key);
        let outcome = self.ask_with(question, &redactor).await;
        outcome.map_err(|failure| clean(failure, &redactor))
    }

    /// What the provider says at the address of its models.
    pub async fn models(&self, limit: usize) -> Result<Vec<u8>, Failure> {
        let redactor = Redactor::new(self.key);
        let outcome = self.models_with(limit).await;
        outcome.map_err(|failure| clean(failure, &redactor))
    }

    /// Has a recording written down once.
    pub async fn listen(&self, form: &Form, limit: usize) -> Result<(String, Usage, Option<u64>), Failure> {
        let redactor = Redactor::new(self.key);
        let outcome = self.listen_with(form, limit).await;
        let clean_text = |(text, usage, seconds)| (redactor.clean(text), usage, seconds);
        outcome.map(clean_text).map_err(|failure| clean(failure, &redactor))
    }

    async fn listen_with(&self, form: &Form, limit: usize) -> Result<(String, Usage, Option<u64>), Failure> {
        let url = transcription_url(self.provider);
        let mut request = self.request("POST", url, form.body.clone(), "application/json");
        let kind = format!("multipart/form-data; boundary={}", form.boundary);
        request.headers.retain(|(name, _)| name != "content-type");
        request
            .headers
            .push(("content-type".to_owned(), Secret::new(kind.into_bytes())));
        let mut response = self.send(request).await?;
        let (body, whole) = self.whole_body(&mut response, limit).await?;
        if !whole {
            return Err(Failure::of_answer(too_large()));
        }
        transcription::read(&body)
    }

    async fn models_with(&self, limit: usize) -> Result<Vec<u8>, Failure> {
        let request = self.request("GET", models_url(self.provider), Bytes::new(), "application/json");
        let mut response = self.send(request).await?;
        let (body, whole) = self.whole_body(&mut response, limit).await?;
        if !whole {
            return Err(Failure::last(too_large()));
        }
        Ok(body)
    }

    async fn ask_with(&self, question: Question<'_>, redactor: &Redactor) -> Result<(ModelAnswer, Usage), Failure> {
        let url = question_url(self.provider);
        let request = self.request("POST", url, question.body.clone(), "text/event-stream");
        let response = self.send(request).await?;
        let mut assembly = Assembly::new(redactor);
        self.read_answer(response, &mut assembly, question.heard).await?;
        let offset = assembly.text_bytes();
        (question.heard)(offset, &assembly.rest());
        assembly
            .finish(question.step, question.offers)
            .map_err(Failure::of_answer)
    }

    fn request(&self, method: &'static str, url: String, body: Bytes, accept: &str) -> HttpRequest {
        HttpRequest {
            method,
            url,
            headers: wire::headers(self.provider.kind, self.key, self.organization, accept),
            body,
            purpose: self.purpose.clone(),
            run_id: self.run_id.map(str::to_owned),
        }
    }

    /// The answer's head, when it is one that may hold what was asked for.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        // Until the first byte only the wall counts: a model on a small machine may read a long prompt for minutes.
        let sent = self.dialer.http(request, self.cancel.clone()).await;
        let response = sent.map_err(|fault| unreached(self.provider, fault))?;
        if response.status != 200 {
            return Err(self.refusal(response).await);
        }
        if let Some(meter) = self.meter {
            meter.begun();
        }
        if let Some(packed) = header(&response, "content-encoding").filter(|how| *how != "identity") {
            let how = packed.escape_debug().to_string();
            return Err(Failure::last(malformed(&format!("it came packed as `{how}`, unasked"))));
        }
        if let Some(kind) = header(&response, "content-type").filter(|kind| is_page(kind)) {
            let what = format!(
                "the server answered with `{}`, not as a model does",
                kind.escape_debug()
            );
            return Err(Failure::last(no_server(self.provider, what)));
        }
        Ok(response)
    }

    async fn read_answer(
        &self,
        mut response: HttpResponse,
        assembly: &mut Assembly<'_>,
        heard: &(dyn Fn(usize, &str) + Send + Sync),
    ) -> Result<(), Failure> {
        let mut reader = Reader::of(self.provider.kind);
        let mut take = |reader: &mut Reader, data: &str| {
            let offset = assembly.text_bytes();
            let added = reader.push(assembly, data)?;
            heard(offset, &added);
            Ok(assembly.is_whole())
        };
        let kind = header(&response, "content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.starts_with("application/json") {
            let (body, whole) = self.whole_body(&mut response, MODEL_ANSWER_BYTES_MAX * 2).await?;
            if !whole {
                return Err(Failure::of_answer(too_large()));
            }
            let body = String::from_utf8(body).map_err(|_| Failure::of_answer(malformed("it is no UTF-8")))?;
            let whole = take(&mut reader, &body).map_err(Failure::of_answer)?;
            return if whole { Ok(()) } else { Err(self.no_answer(&body)) };
        }
        let mut decoder = EventDecoder::default();
        let (mut done, mut whole) = (false, false);
        let (mut bytes, mut events) = (0, 0_usize);
        while !done {
            let chunk = match self.next_chunk(&mut response).await {
                Ok(Some(chunk)) => chunk,
                // A whole answer counts even when the closing line is missing: some servers leave it out.
                Ok(None) => break,
                Err(_) if whole => break,
                Err(failure) => return Err(failure),
            };
            bytes += chunk.len();
            if bytes > MODEL_ANSWER_BYTES_MAX * WIRE_FACTOR {
                return Err(Failure::of_answer(too_large()));
            }
            let taken = decoder.push(&chunk, |data| {
                events += 1;
                done |= reader.is_last(data);
                if !done {
                    whole = take(&mut reader, data)?;
                }
                Ok(())
            });
            taken.map_err(Failure::of_answer)?;
        }
        if events == 0 && !kind.starts_with("text/event-stream") {
            let what = "what the server answered is no answer of a model".to_owned();
            return Err(Failure::last(no_server(self.provider, what)));
        }
        Ok(())
    }

    /// JSON that ended no answer: half of one, or something else altogether.
    fn no_answer(&self, body: &str) -> Failure {
        let known: Option<Value> = serde_json::from_str(body).ok();
        let begun = known.is_some_and(|value| value.get("choices").is_some() || value.get("content").is_some());
        if begun {
            return Failure::of_answer(malformed("it was cut off"));
        }
        let what = "the JSON the server answered is no answer of a model".to_owned();
        Failure::last(no_server(self.provider, what))
    }

    async fn next_chunk(&self, response: &mut HttpResponse) -> Result<Option<Bytes>, Failure> {
        match tokio::time::timeout(self.idle, response.body.recv()).await {
            Err(_) => Err(Failure::passing(silent("the provider fell silent"))),
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(fault))) if fault.code == ErrorCode::Canceled => Err(Failure::last(fault)),
            Ok(Some(Err(fault))) => Err(Failure::passing(Fault::new(
                ErrorCode::ModelUnavailable,
                format!("the stream broke: {}", fault.message),
            ))),
        }
    }

    /// The body, and whether it is all of it.
    async fn whole_body(&self, response: &mut HttpResponse, limit: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.next_chunk(response).await? {
            body.extend_from_slice(&chunk);
            if body.len() > limit {
                body.truncate(limit);
                return Ok((body, false));
            }
        }
        Ok((body, true))
    }

    async fn refusal(&self, mut response: HttpResponse) -> Failure {
        let (body, _) = self
            .whole_body(&mut response, ERROR_BODY_BYTES)
            .await
            .unwrap_or_default();
        let request_id = header(&response, "request-id").or_else(|| header(&response, "x-request-id"));
        let refused = Refused {
            provider: self.provider,
            model: self.model,
            has_key: self.key.is_some(),
            status: response.status,
            content_type: header(&response, "content-type"),
            body: &body,
            after_ms: asked_wait(&response),
            request_id: request_id.filter(|id| is_request_id(id)),
        };
        refused.failure()
    }
}

/// Before anything of a provider leaves.
fn clean(mut failure: Failure, redactor: &Redactor) -> Failure {
    failure.fault.message = shortened(redactor.clean_strictly(failure.fault.message));
    failure.fault.hint = redactor.clean_strictly(failure.fault.hint);
    failure
}

fn is_request_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

/// Nobody answered: what may be wrong, as far as the connection tells.
fn unreached(provider: &ProviderConfig, fault: Fault) -> Failure {
    let place = place(provider);
    match fault.code {
        ErrorCode::EgressTls => Failure::last(with_tls_hint(fault, place)),
        // What a server that expects TLS answers to a plain request is no HTTP.
        ErrorCode::EgressFailed if fault.message.contains("invalid HTTP") => {
            Failure::last(Fault::new(ErrorCode::ModelAddress, fault.message).with_hint(format!(
                "What answers at {place} does not speak plain HTTP: is it https://?"
            )))
        }
        ErrorCode::EgressFailed | ErrorCode::Timeout => {
            let refused = fault.message.contains("refused");
            let own_words = fault.hint != fault.code.hint();
            let hint = match fault.code {
                _ if own_words => fault.hint,
                _ if refused => format!("Nothing listens at {place}: start the server, or correct the port."),
                _ => ErrorCode::ModelUnavailable.hint().to_owned(),
            };
            Failure::passing(Fault::new(ErrorCode::ModelUnavailable, fault.message).with_hint(hint))
        }
        _ => Failure::last(fault),
    }
}

fn with_tls_hint(fault: Fault, place: &str) -> Fault {
    let cause = fault.message.to_ascii_lowercase();
    let about = |words: &str| cause.contains(words);
    let hint = if about("invalidcontenttype") || about("corrupt message") {
        format!("What answers at {place} does not speak TLS: write http:// for a server on this machine or network.")
    } else if about("unknownissuer") {
        format!("Nobody this system trusts vouches for {place}: add its authority to the system's certificates.")
    } else if about("expired") || about("not valid yet") || about("notvalidyet") {
        format!("The certificate of {place} is out of date, or this machine's clock is wrong.")
    } else if about("not valid for name") || about("notvalidforname") {
        format!("The certificate of {place} is for another name: write the address with the name it is for.")
    } else {
        return fault;
    };
    fault.with_hint(hint)
}

fn no_server(provider: &ProviderConfig, what: String) -> Fault {
    Fault::new(ErrorCode::ModelAddress, what).with_hint(no_server_hint(provider))
}

/// A header of an answer.
pub fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    let known = response
        .headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, value)| value.trim())
}

/// `retry-after-ms`, or `retry-after` in seconds.
fn asked_wait(response: &HttpResponse) -> Option<u64> {
    if let Some(ms) = header(response, "retry-after-ms").and_then(|value| value.parse().ok()) {
        return Some(ms);
    }
    let seconds: f64 = header(response, "retry-after")?.parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(wait.as_millis()).ok()
}

fn shortened(message: String) -> String {
    if message.len() <= MESSAGE_BYTES {
        return message;
    }
    let end = (0..=MESSAGE_BYTES).rev().find(|at| message.is_char_boundary(*at));
    format!("{}…", &message[..end.unwrap_or(0)])
}

/// Nothing came for too long.
pub fn silent(what: &str) -> Fault {
    Fault::new(ErrorCode::ModelUnavailable, what)
}
