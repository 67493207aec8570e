//! What the realm gets from outside: calls of tools, a printer, chance.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::{
    SCRIPT_CALLS_MAX, SCRIPT_CALLS_PENDING_MAX, SCRIPT_VALUE_BYTES_MAX, TOOL_ARGUMENTS_BYTES_MAX,
};
use rquickjs::{Ctx, Exception, Function, Promise, Value as Js};
use serde_json::Value;

use crate::Call;

/// A call made and not yet started. Its arguments wait as text: as values they are many times larger, and no part of the heap.
pub(crate) struct Request<'js> {
    number: usize,
    tool: String,
    arguments: String,
    promise: Settle<'js>,
}

impl<'js> Request<'js> {
    pub(crate) fn start(self) -> (Call, Settle<'js>) {
        let call = Call {
            number: self.number,
            tool: self.tool,
            // It could be read when the call was made.
            arguments: serde_json::from_str(&self.arguments).unwrap_or_default(),
        };
        (call, self.promise)
    }
}

/// The two ways to settle a promise.
pub(crate) struct Settle<'js> {
    pub resolve: Function<'js>,
    pub reject: Function<'js>,
}

pub(crate) type Requests<'js> = Rc<RefCell<Vec<Request<'js>>>>;

/// What a script printed.
#[derive(Default)]
pub(crate) struct Printed {
    pub text: String,
    bytes_max: usize,
    pub is_cut: bool,
}

impl Printed {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    pub(crate) fn line(&mut self, level: &str, line: &str) {
        if self.is_cut {
            return;
        }
        if matches!(level, "warn" | "error") {
            self.text.push_str(level);
            self.text.push_str(": ");
        }
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() > self.bytes_max {
            let mut end = self.bytes_max;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
            self.is_cut = true;
        }
    }
}

/// Takes a call from the script: its arguments as JSON, by the engine's own conversion, and a promise for the answer.
pub(crate) fn request<'js>(
    ctx: &Ctx<'js>,
    requests: &Requests<'js>,
    made: &Cell<usize>,
    open: &Cell<usize>,
    tool: String,
    given: Option<Js<'js>>,
) -> rquickjs::Result<Promise<'js>> {
    let text = match given {
        Some(given) if !given.is_undefined() => ctx.json_stringify(given)?.map(|text| text.to_string()).transpose()?,
        _ => Some("{}".to_owned()),
    };
    let text = text.unwrap_or_default();
    if text.len() > TOOL_ARGUMENTS_BYTES_MAX {
        let message = format!(
            "{tool}: the arguments have {} bytes; {TOOL_ARGUMENTS_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(Exception::throw_range(ctx, &message));
    }
    let Ok(Value::Object(_)) = serde_json::from_str(&text) else {
        let message = format!("{tool}: the arguments must be one object, of JSON values only, nested at most 127 deep");
        return Err(Exception::throw_type(ctx, &message));
    };
    if made.get() >= SCRIPT_CALLS_MAX {
        return Err(Exception::throw_range(
            ctx,
            &format!("{tool}: a script makes at most {SCRIPT_CALLS_MAX} calls"),
        ));
    }
    if open.get() >= SCRIPT_CALLS_PENDING_MAX {
        let message = format!("{tool}: {SCRIPT_CALLS_PENDING_MAX} calls wait already; await some of them first");
        return Err(Exception::throw_range(ctx, &message));
    }
    let waiting: usize = requests.borrow().iter().map(|request| request.arguments.len()).sum();
    if waiting + text.len() > SCRIPT_VALUE_BYTES_MAX {
        let message = format!(
            "{tool}: the arguments of calls that wait have more than {SCRIPT_VALUE_BYTES_MAX} bytes; await some of them first"
        );
        return Err(Exception::throw_range(ctx, &message));
    }
    let (promise, resolve, reject) = ctx.promise()?;
    made.set(made.get() + 1);
    open.set(open.get() + 1);
    requests.borrow_mut().push(Request {
        number: made.get(),
        tool,
        arguments: text,
        promise: Settle { resolve, reject },
    });
    Ok(promise)
}

/// xoshiro256** from the SHA-256 of a seed.
pub(crate) struct Chance([u64; 4]);

impl Chance {
    pub(crate) fn new(seed: &str) -> Self {
        let digest = sha256_hex(seed.as_bytes());
        let word = |at: usize| {
            digest
                .get(at * 16..at * 16 + 16)
                .and_then(|part| u64::from_str_radix(part, 16).ok())
                .unwrap_or(1)
        };
        Self([word(0), word(1), word(2), word(3)])
    }

    /// A number from 0, included, to 1, excluded.
    pub(crate) fn next(&mut self) -> f64 {
        let [a, b, c, d] = self.0;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        let bits = u32::try_from(drawn >> 38).unwrap_or(0);
        let more = u32::try_from((drawn >> 11) & 0x7ff_ffff).unwrap_or(0);
        (f64::from(bits) * 134_217_728.0 + f64::from(more)) / 9_007_199_254_740_992.0
    }
}
