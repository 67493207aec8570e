//! Server-sent events, decoded as bytes arrive (HTML Living Standard, "Interpreting an event stream"). Only `data` matters here.

use openwrap_contracts::limits::MODEL_ANSWER_BYTES_MAX;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// One line, and the data of one event.
const EVENT_BYTES_MAX: usize = MODEL_ANSWER_BYTES_MAX * 2;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts a byte stream into events; an event without its closing empty line is never handed out.
#[derive(Default)]
pub struct EventDecoder {
    /// The begun line.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// A line ended with CR: an LF right after it belongs to it.
    after_return: bool,
    started: bool,
}

impl EventDecoder {
    /// Takes a chunk and hands the data of every event it completes to `take`.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, `MODEL_MALFORMED` (no UTF-8), and what `take` says; nothing is handed out after an error.
    pub fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&str) -> Outcome<()>) -> Outcome<()> {
        let mut rest = chunk;
        if self.after_return && !rest.is_empty() {
            self.after_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n' || *byte == b'\r') {
            let (line, after) = rest.split_at(end);
            if self.line.is_empty() {
                self.end_line(line, &mut take)?;
            } else {
                self.hold(line)?;
                let line = std::mem::take(&mut self.line);
                self.end_line(&line, &mut take)?;
            }
            rest = match after {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.hold(rest)
    }

    fn hold(&mut self, part: &[u8]) -> Outcome<()> {
        if self.line.len() + part.len() > EVENT_BYTES_MAX {
            return Err(too_large());
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], take: &mut impl FnMut(&str) -> Outcome<()>) -> Outcome<()> {
        let line = if self.started {
            line
        } else {
            self.started = true;
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        };
        if line.is_empty() {
            return self.dispatch(take);
        }
        let Some(value) = line.strip_prefix(b"data") else {
            return Ok(());
        };
        let value = match value {
            [] => value,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            // Another field whose name begins alike.
            _ => return Ok(()),
        };
        if self.data.len() + value.len() + 1 > EVENT_BYTES_MAX {
            return Err(too_large());
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(())
    }

    fn dispatch(&mut self, take: &mut impl FnMut(&str) -> Outcome<()>) -> Outcome<()> {
        if !std::mem::take(&mut self.has_data) {
            return Ok(());
        }
        let mut data = std::mem::take(&mut self.data);
        let text = std::str::from_utf8(&data).map_err(|_| {
            Fault::new(
                ErrorCode::ModelMalformed,
                "the provider's answer could not be read: it is no UTF-8",
            )
        })?;
        take(text)?;
        data.clear();
        self.data = data;
        Ok(())
    }
}

fn too_large() -> Fault {
    Fault::new(
        ErrorCode::LimitExceeded,
        format!("one event of the model's answer is over {EVENT_BYTES_MAX} bytes"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut decoder = EventDecoder::default();
        let mut events = Vec::new();
        for chunk in chunks {
            decoder
                .push(chunk, |data| {
                    events.push(data.to_owned());
                    Ok(())
                })
                .unwrap();
        }
        events
    }

    #[test]
    fn lines_fields_and_marks_follow_the_standard() {
        let text = b"\xef\xbb\xbfdata: one\r\n\r\n: comment\ndata:two\ndata: 2\n\ndata\n\nevent: x\n\ndatas: no\n\ndata: \xc3\xa4\r\rdata: lost";
        assert_eq!(events(&[text]), ["one", "two\n2", "", "ä"]);
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_lines_are_refused() {
        let mut decoder = EventDecoder::default();
        let fault = decoder.push(b"data: \xff\n\n", |_| Ok(())).unwrap_err();
        assert_eq!(fault.code, ErrorCode::ModelMalformed);
        let mut decoder = EventDecoder::default();
        let chunk = vec![b'a'; 1 << 20];
        let fault = (0..9).find_map(|_| decoder.push(&chunk, |_| Ok(())).err()).unwrap();
        assert_eq!(fault.code, ErrorCode::LimitExceeded);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(
            parts in prop::collection::vec(prop::sample::select(vec!["data: a", "data:ä", "\r", "\n", "\r\n", ": c", "event: x", "data"]), 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = parts.concat().into_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&chunks), events(&[&text]));
        }
    }
}
