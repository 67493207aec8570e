// The world a script sees, made before the script is. Given `host`, it takes away what could make code from text, wait, share
// memory or watch the collector, replaces what depends on the machine (time, zone, chance), adds `tools`, `console` and
// timers, and returns the handles the engine drives it by.
//
// What runs later uses only what is captured here: a script may replace `JSON`, `Promise` or `Array.prototype` for itself.
(host, toolNames) => {
  const { apply, construct } = Reflect;
  const { create, defineProperty, freeze, getPrototypeOf, hasOwn } = Object;
  const { stringify } = JSON;
  const { floor, min } = Math;
  const { toWellFormed, slice } = String.prototype;
  const TextOf = String;
  const Failure = Error;
  const Refusal = TypeError;
  const Excess = RangeError;

  const fixed = (target, name, value) => defineProperty(target, name, { __proto__: null, value });
  const shown = (target, name, value) => defineProperty(target, name, { __proto__: null, value, enumerable: true });
  const cut = (text, length) => apply(toWellFormed, apply(slice, text, [0, length]), []);

  // No code from text, no shared memory, no waiting, no view of the collector.
  for (const name of ["eval", "Atomics", "SharedArrayBuffer"]) {
    delete globalThis[name];
  }
  for (const name of ["prepareStackTrace", "captureStackTrace", "stackTraceLimit"]) delete Failure[name];
  const Inert = () => {
    throw new Refusal("code cannot be made from text here");
  };
  fixed(Inert, "name", "Function");
  fixed(Inert, "prototype", getPrototypeOf(Inert));
  for (const one of [() => {}, async () => {}, function* () {}, async function* () {}]) {
    fixed(getPrototypeOf(one), "constructor", Inert);
  }
  fixed(globalThis, "Function", Inert);

  // Chance from the seed.
  Math.random = host.random;

  // Time: the run's date, moved on by timers only. The zone is UTC.
  let elapsed = 0;
  const began = host.began;
  const now = () => began + elapsed;
  const RealDate = Date;
  const realParse = RealDate.parse;
  const dated = RealDate.prototype;
  const { toUTCString, toISOString } = dated;
  const dayOnly = /^[+-]?\d{4,6}(?:-\d\d){0,2}$/;
  const isoTime = /^[+-]?\d{4,6}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*$/;
  const zoned = /:\d\d.*(?:Z|[+-]\d\d:?\d\d|GMT|UTC|UT|[ECMP][SD]T)\s*(?:\([^()]*\))?$/i;
  const parse = (value) => {
    const text = TextOf(value);
    if (dayOnly.test(text) || zoned.test(text)) return realParse(text);
    return realParse(isoTime.test(text) ? `${text}Z` : `${text} UTC`);
  };
  const RunDate = function (...parts) {
    if (!new.target) return apply(dated.toString, new RealDate(now()), []);
    const value =
      parts.length === 0
        ? now()
        : parts.length > 1
          ? apply(RealDate.UTC, null, parts)
          : typeof parts[0] === "string"
            ? parse(parts[0])
            : parts[0];
    return construct(RealDate, [value], new.target);
  };
  fixed(RunDate, "name", "Date");
  RunDate.prototype = dated;
  fixed(dated, "constructor", RunDate);
  defineProperty(RunDate, "length", { value: 7 });
  RunDate.now = now;
  RunDate.parse = parse;
  RunDate.UTC = RealDate.UTC;
  globalThis.Date = RunDate;
  for (const part of ["FullYear", "Month", "Date", "Day", "Hours", "Minutes", "Seconds", "Milliseconds"]) {
    dated[`get${part}`] = dated[`getUTC${part}`];
    if (part !== "Day") dated[`set${part}`] = dated[`setUTC${part}`];
  }
  delete dated.getYear;
  delete dated.setYear;
  delete dated.toGMTString;
  dated.getTimezoneOffset = function getTimezoneOffset() {
    return 0;
  };
  // `Wed, 25 Nov 2026 09:29:22 GMT` in its parts.
  const partsOf = (date) => {
    const text = apply(toUTCString, date, []);
    return text === "Invalid Date" ? undefined : text.replace(",", "").split(" ");
  };
  const shows = {
    toString: (p) => `${p[0]} ${p[2]} ${p[1]} ${p[3]} ${p[4]} GMT+0000 (UTC)`,
    toDateString: (p) => `${p[0]} ${p[2]} ${p[1]} ${p[3]}`,
    toTimeString: (p) => `${p[4]} GMT+0000 (UTC)`,
    toLocaleString: (_, iso) => `${iso.slice(0, -14)} ${iso.slice(-13, -5)}`,
    toLocaleDateString: (_, iso) => iso.slice(0, -14),
    toLocaleTimeString: (_, iso) => iso.slice(-13, -5),
  };
  for (const name in shows) {
    const show = shows[name];
    dated[name] = function () {
      const parts = partsOf(this);
      return parts === undefined ? "Invalid Date" : show(parts, apply(toISOString, this, []));
    };
  }
  globalThis.performance = freeze({ __proto__: null, now: () => elapsed, timeOrigin: began });

  // Timers: a list by due time. They run when nothing else is left to do and cost no time.
  let next = null;
  let timers = 0;
  let lastTimer = 0;
  globalThis.setTimeout = function setTimeout(action, delay, ...parts) {
    if (typeof action !== "function") throw new Refusal("setTimeout needs a function");
    if (timers >= host.timersMax) throw new Excess(`more than ${host.timersMax} timers wait`);
    const wait = +delay;
    const due = elapsed + (wait > 1 ? floor(min(wait, 2147483647)) : 1);
    lastTimer += 1;
    timers += 1;
    const timer = { __proto__: null, id: lastTimer, due, action, parts, next: null };
    let before = null;
    for (let at = next; at !== null && at.due <= due; at = at.next) before = at;
    timer.next = before === null ? next : before.next;
    if (before === null) next = timer;
    else before.next = timer;
    return timer.id;
  };
  globalThis.clearTimeout = function clearTimeout(id) {
    let before = null;
    for (let at = next; at !== null; before = at, at = at.next) {
      if (at.id !== id) continue;
      if (before === null) next = at.next;
      else before.next = at.next;
      timers -= 1;
      return;
    }
  };
  const tick = () => {
    const timer = next;
    if (timer === null) return false;
    next = timer.next;
    timers -= 1;
    elapsed = timer.due;
    apply(timer.action, undefined, timer.parts);
    return true;
  };

  // What a value says of itself, whatever it is.
  const show = (value) => {
    if (typeof value === "string") return value;
    try {
      if (value instanceof Failure) return `${value.stack ? `${value}\n${value.stack}` : value}`;
      const text = typeof value === "object" && value !== null ? stringify(value) : undefined;
      return text === undefined ? TextOf(value) : text;
    } catch {
      return "[a value that cannot be shown]";
    }
  };
  const print =
    (level) =>
    (...values) => {
      let line = "";
      for (let at = 0; at < values.length && line.length <= host.outputMax; at += 1) {
        line += (at === 0 ? "" : " ") + show(values[at]);
      }
      host.print(level, cut(line, host.outputMax + 1));
    };
  const voice = create(null);
  for (const level of ["log", "info", "debug", "warn", "error"]) shown(voice, level, freeze(print(level)));
  fixed(globalThis, "console", freeze(voice));

  class ToolError extends Failure {
    constructor(code, message, hint) {
      super(message);
      fixed(this, "name", "ToolError");
      shown(this, "code", code);
      shown(this, "hint", hint);
    }
  }
  freeze(ToolError.prototype);

  // Tools: `file.read` is `tools.file.read`, a server's `notes:page.add` is `tools.notes.page.add`.
  const callOf = (name) => async (given) => {
    const { stack } = new Failure();
    try {
      return await host.call(name, given);
    } catch (thrown) {
      // A refusal comes from nowhere in the script: it is shown where the call was made.
      if (thrown instanceof ToolError) fixed(thrown, "stack", stack);
      throw thrown;
    }
  };
  const tools = create(null);
  const groups = [tools];
  for (const name of toolNames) {
    const path = name.split(/[.:/]/);
    const last = path.pop();
    let group = tools;
    for (const part of path) {
      if (!hasOwn(group, part)) {
        shown(group, part, create(null));
        groups.push(group[part]);
      }
      group = group[part];
    }
    if (!hasOwn(group, last)) shown(group, last, freeze(callOf(name)));
  }
  for (const group of groups) freeze(group);
  fixed(globalThis, "tools", tools);

  return {
    __proto__: null,
    tick,
    fail: (code, message, hint) => new ToolError(code, message, hint),
    main: async (exported, inputs) => (typeof exported === "function" ? await exported(inputs) : await exported),
    // What was thrown, as one line, and where.
    describe: (thrown) => {
      try {
        const isFailure = thrown instanceof Failure;
        const code = isFailure && typeof thrown.code === "string" ? ` ${thrown.code}` : "";
        const text = isFailure ? `${thrown.name}${code}: ${thrown.message}` : show(thrown);
        return [cut(text, 2000), isFailure ? cut(`${thrown.stack}`, 4000) : ""];
      } catch {
        return ["a value that cannot be shown", ""];
      }
    },
  };
};
