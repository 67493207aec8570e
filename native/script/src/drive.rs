//! Runs one script on its thread: makes the realm, runs jobs until nothing is left, hands calls out and answers in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use openwrap_contracts::fault::{ErrorCode, Fault, Outcome};
use openwrap_contracts::limits::{SCRIPT_CALLS_RUNNING_MAX, SCRIPT_TIMERS_MAX, SCRIPT_VALUE_BYTES_MAX};
use openwrap_contracts::ports::{CancellationToken, Task};
use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::prelude::{Func, Opt};
use rquickjs::promise::PromiseState;
use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Function, Module, Object, Persistent, Promise, Runtime, Value as Js,
};
use serde_json::Value;

use crate::host::{Chance, Printed, Requests, Settle, request};
use crate::meter::{Gauge, Meter};
use crate::strip::{Stripped, strip};
use crate::{Answer, Caller, Finished, Script, Source};

const GUARDS: &str = include_str!("guards.js");
const REALM: &str = include_str!("realm.js");
/// What a function's body is put into; on its first line, so that lines stay.
const BODY_START: &str = "export default async function main(inputs) {";
/// Rejections remembered until somebody handles them.
const REJECTIONS_MAX: usize = 100;

/// What of the language there is. Left out: `Proxy` (whose lies the guards could not see through), weak references, and the machine's
/// clock.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// Everything a script's thread gets.
pub(crate) struct Job {
    pub script: Script,
    pub caller: Arc<dyn Caller>,
    pub cancel: CancellationToken,
    pub meter: Arc<Meter>,
    pub runtime: tokio::runtime::Handle,
}

/// Runs the job to its end.
pub(crate) fn work(job: Job) -> Finished {
    let print = Rc::new(RefCell::new(Printed::new(job.script.bounds.output_bytes)));
    let calls = Rc::new(Cell::new(0));
    let result = run(&job, &print, &calls);
    let printed = print.take();
    Finished {
        result,
        output: printed.text,
        output_cut: printed.is_cut,
        calls: calls.get(),
    }
}

fn run(job: &Job, print: &Rc<RefCell<Printed>>, calls: &Rc<Cell<usize>>) -> Outcome<Value> {
    let gauge = Rc::new(RefCell::new(Gauge::new(Arc::clone(&job.meter))));
    let script = &job.script;
    let modules = script.modules.iter().map(stripped).collect::<Outcome<Vec<_>>>()?;
    let main = stripped(&script.source)?;
    let runtime = Runtime::new().map_err(|error| broken(&error))?;
    runtime.set_memory_limit(script.bounds.heap_bytes);
    runtime.set_max_stack_size(script.bounds.stack_bytes);
    let asked = Rc::clone(&gauge);
    runtime.set_interrupt_handler(Some(Box::new(move || asked.borrow_mut().must_stop())));
    let rejections = Rc::new(RefCell::new(Vec::new()));
    track_rejections(&runtime, &rejections);
    let context = Context::custom::<Language>(&runtime).map_err(|error| broken(&error))?;
    let result = context.with(|ctx| {
        let requests = Rc::new(RefCell::new(Vec::new()));
        let result = Realm::new(&ctx, job, &gauge, &requests, print, calls)
            .map_err(|error| realm_fault(&gauge, &error))
            .and_then(|realm| realm.play(&modules, &main, &rejections));
        requests.borrow_mut().clear();
        rejections.borrow_mut().clear();
        result
    });
    // Finalisers run no script, and freeing is not to be interrupted.
    runtime.set_interrupt_handler(None);
    runtime.set_host_promise_rejection_tracker(None);
    gauge.borrow_mut().pause();
    result
}

fn in_realm<'js, T: rquickjs::FromJs<'js>>(ctx: &Ctx<'js>, name: &str, text: &str) -> rquickjs::Result<T> {
    let mut options = EvalOptions::default();
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(text, options)
}

fn stripped(source: &Source) -> Outcome<(String, Stripped)> {
    Ok((source.name.clone(), strip(&source.name, &source.text)?))
}

/// Why the realm could not be made: it does not fit its heap, or the script was stopped already.
fn realm_fault(gauge: &RefCell<Gauge>, error: &rquickjs::Error) -> Fault {
    match gauge.borrow().stopped() {
        Some(fault) => fault,
        None => Fault::new(
            ErrorCode::LimitExceeded,
            format!("the script's world does not fit its heap: {error}"),
        ),
    }
}

fn broken(error: &rquickjs::Error) -> Fault {
    Fault::internal(format!("the script engine does not start: {error}"))
}

/// A promise nobody handles, and why it was rejected.
type Rejection = (Persistent<Js<'static>>, Persistent<Js<'static>>);

fn track_rejections(runtime: &Runtime, rejections: &Rc<RefCell<Vec<Rejection>>>) {
    let rejections = Rc::clone(rejections);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, is_handled| {
        let promise = Persistent::save(&ctx, promise);
        let mut open = rejections.borrow_mut();
        if is_handled {
            open.retain(|(one, _)| *one != promise);
        } else if open.len() < REJECTIONS_MAX {
            open.push((promise, Persistent::save(&ctx, reason)));
        }
    })));
}

/// The script's world, seen from outside.
struct Realm<'a, 'js> {
    ctx: Ctx<'js>,
    job: &'a Job,
    gauge: &'a Rc<RefCell<Gauge>>,
    requests: &'a Requests<'js>,
    /// Calls under way, oldest first, and the promises that wait for them.
    running: FuturesOrdered<Task<'a, Outcome<Answer>>>,
    waiting: VecDeque<Settle<'js>>,
    /// Calls made and not yet answered.
    open: Rc<Cell<usize>>,
    tick: Function<'js>,
    fail: Function<'js>,
    main: Function<'js>,
    describe: Function<'js>,
    /// Characters before the script on its first line.
    shift: usize,
}

impl<'a, 'js> Realm<'a, 'js> {
    fn new(
        ctx: &Ctx<'js>,
        job: &'a Job,
        gauge: &'a Rc<RefCell<Gauge>>,
        requests: &'a Requests<'js>,
        print: &Rc<RefCell<Printed>>,
        calls: &Rc<Cell<usize>>,
    ) -> rquickjs::Result<Self> {
        let host = Object::new(ctx.clone())?;
        host.set("began", job.script.world.date_ms)?;
        host.set("timersMax", SCRIPT_TIMERS_MAX)?;
        host.set("outputMax", job.script.bounds.output_bytes)?;
        let chance = RefCell::new(Chance::new(&job.script.world.seed));
        host.set("random", Func::from(move || chance.borrow_mut().next()))?;
        let printed = Rc::clone(print);
        host.set(
            "print",
            Func::from(move |level: String, line: String| printed.borrow_mut().line(&level, &line)),
        )?;
        let (queue, made, open) = (Rc::clone(requests), Rc::clone(calls), Rc::new(Cell::new(0)));
        let waited = Rc::clone(&open);
        let call = Function::new(ctx.clone(), move |ctx: Ctx<'js>, tool: String, given: Opt<Js<'js>>| {
            request(&ctx, &queue, &made, &waited, tool, given.0)
        })?;
        host.set("call", call)?;
        in_realm::<Function<'js>>(ctx, "guards", GUARDS)?.call::<_, ()>(())?;
        let realm: Function<'js> = in_realm(ctx, "realm", REALM)?;
        let controls: Object<'js> = realm.call((host, job.script.world.tools.clone()))?;
        Ok(Self {
            ctx: ctx.clone(),
            job,
            gauge,
            requests,
            running: FuturesOrdered::new(),
            waiting: VecDeque::new(),
            open,
            tick: controls.get("tick")?,
            fail: controls.get("fail")?,
            main: controls.get("main")?,
            describe: controls.get("describe")?,
            shift: 0,
        })
    }

    /// Runs the script. Calls under way when it fails are let finish: whether they take effect must not depend on timing.
    fn play(
        mut self,
        modules: &[(String, Stripped)],
        main: &(String, Stripped),
        rejections: &RefCell<Vec<Rejection>>,
    ) -> Outcome<Value> {
        let result = self.evaluate(modules, main).and_then(|text| {
            self.pump(None)?;
            self.check_rejections(rejections)?;
            Ok(text)
        });
        if result.is_err() {
            self.let_finish();
        }
        serde_json::from_str(&result?)
            .map_err(|error| Fault::new(ErrorCode::ExecutionFailed, format!("the result is no JSON: {error}")))
    }

    /// The result's JSON text.
    fn evaluate(&mut self, modules: &[(String, Stripped)], main: &(String, Stripped)) -> Outcome<String> {
        for (name, module) in modules {
            let declared = Module::declare(self.ctx.clone(), name.as_str(), module.code.as_str());
            self.thrown(declared)?;
        }
        let (name, stripped) = main;
        let declared = if stripped.is_module {
            Module::declare(self.ctx.clone(), name.as_str(), stripped.code.as_str())
        } else {
            self.shift = BODY_START.len();
            Module::declare(
                self.ctx.clone(),
                name.as_str(),
                format!("{BODY_START}{}\n}}", stripped.code),
            )
        };
        let declared = self.thrown(declared)?;
        let evaluated = declared.eval();
        let (module, loaded) = self.thrown(evaluated)?;
        self.settled(&loaded)?;
        let exported = module.namespace().and_then(|names| names.get::<_, Js<'js>>("default"));
        let exported = self.thrown(exported)?;
        let inputs = self.ctx.json_parse(self.job.script.inputs.to_string());
        let inputs = self.thrown(inputs)?;
        let promise = self.main.call::<_, Promise<'js>>((exported, inputs));
        let promise = self.thrown(promise)?;
        let value = self.settled(&promise)?;
        let text = self
            .ctx
            .json_stringify(value)
            .and_then(|text| text.map(|text| text.to_string()).transpose());
        let text = self.thrown(text)?.unwrap_or_else(|| "null".to_owned());
        if text.len() > SCRIPT_VALUE_BYTES_MAX {
            let message = format!(
                "the result has {} bytes; {SCRIPT_VALUE_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(Fault::new(ErrorCode::LimitExceeded, message));
        }
        Ok(text)
    }

    /// Waits for a promise.
    fn settled(&mut self, promise: &Promise<'js>) -> Outcome<Js<'js>> {
        self.pump(Some(promise))?;
        match promise.result::<Js<'js>>() {
            Some(result) => self.thrown(result),
            None => Err(Fault::internal("a promise of the script was not waited for")),
        }
    }

    /// Runs jobs, delivers answers and fires timers, in this order of preference, until `promise` is settled or nothing is left.
    fn pump(&mut self, promise: Option<&Promise<'js>>) -> Outcome<()> {
        loop {
            self.run_jobs()?;
            if promise.is_some_and(|promise| promise.state() != PromiseState::Pending) {
                return Ok(());
            }
            self.start_calls();
            if !self.running.is_empty() {
                self.deliver()?;
            } else if !self.fire_timer()? {
                return match promise {
                    None => Ok(()),
                    Some(_) => Err(Fault::new(
                        ErrorCode::ExecutionFailed,
                        "the script waits for a promise that nothing will ever settle",
                    )),
                };
            }
        }
    }

    fn run_jobs(&mut self) -> Outcome<()> {
        let mut done = 0_u32;
        while self.ctx.execute_pending_job() {
            done = done.wrapping_add(1);
            if done.is_multiple_of(256) {
                self.gauge.borrow_mut().must_stop();
            }
            self.check_stopped()?;
        }
        self.check_stopped()
    }

    fn check_stopped(&self) -> Outcome<()> {
        self.gauge.borrow().stopped().map_or(Ok(()), Err)
    }

    fn start_calls(&mut self) {
        let mut requests = self.requests.borrow_mut();
        let free = SCRIPT_CALLS_RUNNING_MAX
            .saturating_sub(self.running.len())
            .min(requests.len());
        for request in requests.drain(..free) {
            let (call, promise) = request.start();
            self.running.push_back(self.job.caller.call(call));
            self.waiting.push_back(promise);
        }
    }

    /// Waits for the oldest call's answer and hands it in.
    fn deliver(&mut self) -> Outcome<()> {
        let answer = self.next_answer().ok_or_else(Fault::canceled)??;
        let Some(settle) = self.waiting.pop_front() else {
            return Err(Fault::internal("an answer came that no call waits for"));
        };
        self.open.set(self.open.get().saturating_sub(1));
        let handed = match answer {
            Ok(value) => match self.parsed(&value) {
                Ok(value) => settle.resolve.call::<_, ()>((value,)),
                Err(_) => settle.reject.call::<_, ()>((self.ctx.catch(),)),
            },
            Err(fault) => self
                .fail
                .call::<_, Js<'js>>((fault.code.as_str(), fault.message, fault.hint))
                .and_then(|error| settle.reject.call::<_, ()>((error,))),
        };
        self.thrown(handed)
    }

    fn parsed(&self, value: &Value) -> rquickjs::Result<Js<'js>> {
        let text = value.to_string();
        if text.len() > SCRIPT_VALUE_BYTES_MAX {
            let message = format!(
                "the answer has {} bytes; {SCRIPT_VALUE_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(rquickjs::Exception::throw_range(&self.ctx, &message));
        }
        self.ctx.json_parse(text)
    }

    /// None when the script was canceled meanwhile.
    fn next_answer(&mut self) -> Option<Outcome<Answer>> {
        self.gauge.borrow_mut().pause();
        let (running, cancel) = (&mut self.running, &self.job.cancel);
        let answer = self.job.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => None,
                answer = running.next() => answer,
            }
        });
        self.gauge.borrow_mut().resume();
        answer
    }

    fn let_finish(&mut self) {
        while !self.running.is_empty() && self.next_answer().is_some() {}
    }

    fn fire_timer(&mut self) -> Outcome<bool> {
        let fired = self.tick.call::<_, bool>(());
        self.thrown(fired)
    }

    fn check_rejections(&self, rejections: &RefCell<Vec<Rejection>>) -> Outcome<()> {
        let first = rejections.borrow_mut().drain(..).next();
        let Some((_, reason)) = first else { return Ok(()) };
        match reason.restore(&self.ctx) {
            Ok(reason) => Err(self.fault_of(reason)),
            Err(error) => Err(Fault::internal(format!("a rejection was lost: {error}"))),
        }
    }

    /// What JavaScript threw, as a fault.
    fn thrown<T>(&self, result: rquickjs::Result<T>) -> Outcome<T> {
        result.catch(&self.ctx).map_err(|caught| {
            if let Err(fault) = self.check_stopped() {
                return fault;
            }
            match caught {
                CaughtError::Exception(exception) => self.fault_of(exception.into_value()),
                CaughtError::Value(value) => self.fault_of(value),
                CaughtError::Error(error) => Fault::new(
                    ErrorCode::ExecutionFailed,
                    format!("the script engine refused: {error}"),
                ),
            }
        })
    }

    fn fault_of(&self, thrown: Js<'js>) -> Fault {
        let described = self.describe.call::<_, Vec<String>>((thrown,)).catch(&self.ctx);
        if let Err(fault) = self.check_stopped() {
            return fault;
        }
        let (text, stack) = match described.as_deref() {
            Ok([text, stack]) => (text.as_str(), stack.as_str()),
            _ => ("InternalError: out of memory", ""),
        };
        let place = self.place(stack).map_or_else(
            || format!("{}: ", self.job.script.source.name),
            |place| format!("{place}: "),
        );
        let bounds = &self.job.script.bounds;
        if text == "InternalError: out of memory" {
            let message = format!("{place}the script needs more than {} bytes of heap", bounds.heap_bytes);
            return Fault::new(ErrorCode::LimitExceeded, message);
        }
        if text == "RangeError: Maximum call stack size exceeded" {
            let message = format!(
                "{place}the script needs more than {} bytes of stack",
                bounds.stack_bytes
            );
            return Fault::new(ErrorCode::LimitExceeded, message);
        }
        Fault::new(ErrorCode::ExecutionFailed, format!("{place}{text}"))
            .with_hint("Correct the script at the named place.")
    }

    /// `FILE:LINE:COLUMN` of the innermost frame in the script's own files.
    fn place(&self, stack: &str) -> Option<String> {
        let script = &self.job.script;
        stack.lines().find_map(|frame| {
            let (name, is_main) = script
                .modules
                .iter()
                .map(|module| (module.name.as_str(), false))
                .chain([(script.source.name.as_str(), true)])
                .find(|(name, _)| frame.contains(&format!("{name}:")))?;
            let rest = frame.rsplit_once(&format!("{name}:"))?.1.trim_end_matches(')');
            let (line, column) = rest.split_once(':').unwrap_or((rest, "1"));
            let (line, column) = (line.parse::<usize>().ok()?, column.parse::<usize>().ok()?);
            let shift = if is_main && line == 1 { self.shift } else { 0 };
            Some(format!("{name}:{line}:{}", column.saturating_sub(shift).max(1)))
        })
    }
}
