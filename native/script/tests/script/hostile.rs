//! Scripts that want out, or want everything.

/// How a hostile script must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Out of processor time.
    Cpu,
    /// Out of heap, stack, or a bound on one step.
    Room,
    /// Of either.
    Soon,
    /// By itself: there is less to do than it seems.
    Well,
}

use Ends::{Cpu, Room, Soon, Well};

/// Scripts without an end, or with a growing one.
pub const EXHAUSTING: &[(&str, Ends)] = &[
    ("for (;;) {}", Cpu),
    ("try { for (;;) {} } catch { for (;;) {} } finally { for (;;) {} }", Cpu),
    (
        "label: while (true) { try { continue label } finally { continue label } }",
        Cpu,
    ),
    ("for (;;) await null", Cpu),
    (
        "const f = () => Promise.resolve().then(f); f(); await new Promise(() => {})",
        Cpu,
    ),
    (
        "(function p(): void { Promise.resolve().then(p); Promise.resolve().then(p) })(); await new Promise(() => {})",
        Soon,
    ),
    ("const p: any = { then(r: any) { r(p) } }; await p", Cpu),
    (
        "queueMicrotask(function f() { queueMicrotask(f) }); await new Promise(() => {})",
        Cpu,
    ),
    ("for (;;) await new Promise(r => setTimeout(r, 1e9))", Cpu),
    (
        "(function f() { setTimeout(f, 0); })(); await new Promise(() => {})",
        Cpu,
    ),
    ("function* g() { for (;;) yield 1 } for (const x of g()) {}", Cpu),
    (
        "async function* g() { for (;;) yield 1 } for await (const x of g()) {}",
        Cpu,
    ),
    ("function* g() { for (;;) yield 1 } Array.from(g())", Soon),
    ("function* g() { for (;;) yield 1 } new Set(g())", Cpu),
    ("/^(a+)+$/.test('a'.repeat(60) + 'b')", Cpu),
    ("/(x+x+)+y/.exec('x'.repeat(60))", Cpu),
    ("'a'.repeat(50000).replace(/(?=(a+))\\1b/g, '')", Cpu),
    ("[3, 2, 1].sort(() => { for (;;) {} })", Cpu),
    ("new Uint8Array(9).sort(() => { for (;;) {} })", Cpu),
    ("return { get a() { for (;;) {} } }", Cpu),
    ("return { toJSON() { for (;;) {} } }", Cpu),
    ("await tools.test.echo({ toJSON() { for (;;) {} } } as any)", Cpu),
    ("console.log({ toJSON() { for (;;) {} } })", Cpu),
    (
        "throw { get stack() { for (;;) {} }, toString() { for (;;) {} }, toJSON() { for (;;) {} } }",
        Cpu,
    ),
    (
        "throw new (class extends Error { get name(): string { for (;;) {} } })('x')",
        Cpu,
    ),
    (
        "class E extends Error { get message(): string { for (;;) {} } } await Promise.reject(new E())",
        Cpu,
    ),
    (
        "Object.defineProperty(Object.prototype, 'then', { get() { for (;;) {} } }); await tools.test.echo({})",
        Cpu,
    ),
    (
        "Array.prototype[Symbol.iterator] = function* () { for (;;) yield 1 } as any; const [...a] = [1]",
        Soon,
    ),
    (
        "Error.prototype.toString = () => { for (;;) {} }; throw new Error('x')",
        Soon,
    ),
    ("`${{ toString() { for (;;) {} } }}`", Cpu),
    ("[].indexOf.call({ length: 2 ** 53 - 1 } as any, 1 as never)", Cpu),
    ("[].includes.call({ length: 2 ** 53 - 1 } as any, 1 as never)", Cpu),
    ("[].lastIndexOf.call({ length: 2 ** 53 - 1 } as any, 1 as never)", Cpu),
    ("[].forEach.call({ length: 2 ** 53 - 1 } as any, () => {})", Cpu),
    ("[].join.call({ length: 2 ** 53 - 1 } as any, '')", Room),
    ("[].join.call({ get length() { return 2 ** 53 - 1 } } as any, '')", Room),
    (
        "[].concat.call({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true } as any)",
        Well,
    ),
    ("[].concat(new Array(4294967295) as any)", Room),
    ("[].reverse.call({ length: 2 ** 53 - 1 } as any)", Room),
    ("[].shift.call(new Array(4294967295) as any)", Room),
    ("[].unshift.call({ length: 2 ** 53 - 2 } as any, 1 as never)", Room),
    ("[].copyWithin.call({ length: 2 ** 53 - 1 } as any, 0, 1)", Room),
    ("[].splice.call(new Array(4294967295) as any, 0, 1)", Room),
    ("[].sort.call({ length: 2 ** 53 - 1 } as any)", Room),
    ("new Array(4294967295).sort()", Room),
    ("[new Array(4294967295)].flat()", Room),
    ("[1].flatMap(() => new Array(4294967295))", Room),
    ("const a: any[] = []; a[0] = a; a.flat(Infinity)", Room),
    ("new Set(new Array(4294967295))", Cpu),
    (
        "const a = [1]; const i = a.values(); a.length = 4294967295; new Set(i)",
        Cpu,
    ),
    (
        "new Set([1]).union({ size: 1, has: () => true, keys: () => new Array(4294967295).values() } as any)",
        Room,
    ),
    ("(new Array(4294967295).values() as any).drop(4294967290)", Room),
    ("new Array(4294967295).fill(1)", Room),
    ("[...new Array(4294967295)]", Soon),
    ("String.raw({ raw: { length: 2 ** 53 - 1 } as any })", Room),
    ("'a'.repeat(2e7).indexOf('a'.repeat(1e7) + 'b')", Room),
    ("'a'.repeat(2e7).lastIndexOf('b' + 'a'.repeat(1e7))", Room),
    ("'a'.repeat(2e7).includes('a'.repeat(1e7) + 'b')", Room),
    ("'a'.repeat(2e7).split('a'.repeat(1e7) + 'b')", Room),
    (
        "'a'.repeat(2e7).replace({ toString: () => 'a'.repeat(1e7) + 'b' } as any, '')",
        Room,
    ),
    ("let x = 3n; for (;;) x = x * x", Soon),
    ("let s = 'x'; for (;;) s += s", Soon),
    ("let s = 'x'; for (;;) s = `${s}${s.slice(1)}y`", Soon),
    ("const a: any[] = []; for (;;) a.push({})", Room),
    ("const a: any[] = []; for (;;) a.push(new ArrayBuffer(1 << 20))", Room),
    (
        "const a: any[] = []; for (;;) a.push('x'.repeat(100000) + a.length)",
        Soon,
    ),
    ("new Uint8Array(1e9)", Room),
    ("new ArrayBuffer(8, { maxByteLength: 2 ** 40 } as any)", Soon),
    ("const m = new Map(); for (let i = 0; ; i++) m.set(i, i)", Soon),
    ("const o: any = {}; for (let i = 0; ; i++) o['k' + i] = i", Soon),
    (
        "const m = new WeakMap(); const k: any[] = []; for (;;) { k.push({}); m.set(k[k.length - 1], k) }",
        Soon,
    ),
    ("function f(): number { return f() + 1 } f()", Room),
    ("const o: any = { get a() { return this.a } }; o.a", Room),
    (
        "let f: any = () => {}; for (let i = 0; i < 1e5; i++) f = f.bind(null); f()",
        Room,
    ),
    ("JSON.parse('['.repeat(1e6))", Room),
    (
        "let x: any = {}; for (let i = 0; i < 1e5; i++) x = { x }; return x",
        Room,
    ),
    ("const a: any[] = []; a[0] = a; return a", Soon),
    ("JSON.parse('[' + '1,'.repeat(5e6) + '1]')", Soon),
    ("new RegExp('('.repeat(2e5))", Soon),
    ("new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))", Soon),
    ("for (;;) console.log('0123456789'.repeat(100))", Cpu),
    ("for (;;) try { await tools.test.deny({}) } catch {}", Soon),
    (
        "await Promise.all(Array.from({ length: 1e5 }, () => tools.test.echo({})))",
        Soon,
    ),
    ("for (;;) tools.test.echo({}).catch(() => {})", Soon),
    ("for (let i = 0; i < 1e6; i++) setTimeout(() => {}, i)", Soon),
    ("const r = []; for (;;) r.push(Promise.reject(1))", Soon),
    (
        "await tools.test.big({ bytes: 7e6 }); const a: any[] = []; for (;;) a.push(await tools.test.big({ bytes: 7e6 }))",
        Soon,
    ),
    ("class A { static { for (;;) {} } }", Cpu),
    ("('\\u0301'.repeat(1e6) + '\\u0323'.repeat(1e6)).normalize()", Room),
    (
        "('a' + '\\u0301\\u0323'.repeat(490)).repeat(2000).normalize('NFD')",
        Room,
    ),
    ("'\\u0323\\uff9e'.repeat(9e5).normalize('NFKD')", Room),
    (
        "('\\u0301'.repeat(1e6) + '\\u0323'.repeat(1e6)).localeCompare('x')",
        Room,
    ),
    ("'x'.localeCompare('\\u0301'.repeat(1e6) + '\\u0323'.repeat(1e6))", Room),
    ("new RegExp('[\\\\p{L}&&[]]'.repeat(1e6), 'v')", Room),
    ("RegExp('[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']', 'v')", Room),
    ("/x/.constructor('[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']', 'v')", Room),
    ("/x/.compile('[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']', 'v')", Room),
    (
        "new (class extends RegExp {})('[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']', 'v')",
        Room,
    ),
    (
        "new RegExp({ [Symbol.match]: true, flags: 'v', source: '[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']' } as any)",
        Room,
    ),
    (
        "const o: any = { [Symbol.match]: true, flags: 'v', source: '[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']' }; RegExp.prototype[Symbol.split].call(o, 'x')",
        Room,
    ),
    (
        "const o: any = { [Symbol.match]: true, flags: 'v', source: '[' + '\\\\p{RGI_Emoji}'.repeat(1e5) + ']' }; RegExp.prototype[Symbol.matchAll].call(o, 'x')",
        Room,
    ),
    (
        "let s = '['; for (let c = 256; c < 20000; c += 2) s += String.fromCharCode(c); ''.match(s + 'a'.repeat(1e6) + ']')",
        Room,
    ),
    (
        "let s = '['; for (let c = 256; c < 20000; c += 2) s += String.fromCharCode(c); ''.search(s + 'a'.repeat(1e6) + ']')",
        Room,
    ),
    (
        "let s = '['; for (let c = 256; c < 20000; c += 2) s += String.fromCharCode(c); ''.matchAll(s + 'a'.repeat(1e6) + ']')",
        Room,
    ),
    (
        "let n = 0; const o: any = { get [Symbol.split]() { n += 1; return n > 1 ? undefined : () => 1 }, toString: () => 'a'.repeat(1e7) + 'b' }; if (('a'.repeat(2e7).split(o) as any) === 1) throw 1",
        Room,
    ),
];

/// Each must answer `true`: what it looks for is not there, or does nothing.
pub const ESCAPES: &[&str] = &[
    "return ['fetch', 'process', 'require', 'Deno', 'Bun', 'std', 'os', 'scriptArgs', 'load', 'print', 'eval', 'Atomics', 'SharedArrayBuffer', 'WeakRef', 'FinalizationRegistry', 'Proxy', 'WebAssembly', 'host', 'gc', 'navigator', 'Worker', 'XMLHttpRequest'].every(n => !(n in globalThis))",
    "try { new Function('return 1')(); return false } catch { return true }",
    "try { (() => {}).constructor('return this')(); return false } catch { return true }",
    "return [async () => {}, function* () {}, async function* () {}].every(f => { try { f.constructor('return this')(); return false } catch { return true } })",
    "try { Reflect.construct(Object.getPrototypeOf(function () {}).constructor, ['return 1']); return false } catch { return true }",
    "const seen = new Set<unknown>(); const walk = (v: any): boolean => { if ((typeof v !== 'object' && typeof v !== 'function') || v === null || seen.has(v)) return true; seen.add(v); for (const k of Reflect.ownKeys(v)) { const d = Object.getOwnPropertyDescriptor(v, k)!; for (const one of [d.value, d.get, d.set]) { if (typeof one === 'function' && one !== Object.prototype.constructor && /^(eval|GeneratorFunction|AsyncFunction|AsyncGeneratorFunction)$/.test(one.name)) return false; if (!walk(one)) return false } } return walk(Object.getPrototypeOf(v)) }; return [globalThis, tools, console, inputs, function* () {}, async () => {}, async function* () {}, tools.test.echo({})].every(walk) && seen.size > 100",
    "return typeof (globalThis as any).constructor.constructor === 'function' && (() => { try { (globalThis as any).constructor.constructor('1'); return false } catch { return true } })()",
    "'use strict'; try { (tools as any).test.echo = 1; return false } catch { return true }",
    "try { (tools as any).more = 1; return false } catch { return Object.isFrozen(tools) && Object.isFrozen(tools.test) && Object.isFrozen(tools.test.echo) }",
    "return Object.getPrototypeOf(tools) === null && Object.getPrototypeOf(tools.test) === null && (tools as any).__proto__ === undefined && (tools as any).constructor === undefined",
    "return Reflect.ownKeys(tools).every(k => typeof k === 'string') && (tools as any)[Symbol.toPrimitive] === undefined",
    "try { (globalThis as any).tools = {}; return false } catch { return !Reflect.deleteProperty(globalThis, 'tools') && !Reflect.deleteProperty(globalThis, 'console') }",
    "const g = globalThis as any; g.JSON = { stringify: () => '{\"evil\":1}', parse: () => 7 }; g.Promise = class {}; g.Error = null; g.Object = null; g.Reflect = null; const a = await tools.test.echo({ a: 1 }) as any; return a.a === 1 && a.evil === undefined",
    "JSON.stringify = (() => { throw 1 }) as any; JSON.parse = JSON.stringify as any; return (await tools.test.echo({ a: 1 }) as any).a === 1",
    "Array.prototype.push = Array.prototype.shift = Array.prototype.map = (() => { throw 1 }) as any; Function.prototype.call = Function.prototype.apply = Function.prototype.bind = (() => { throw 1 }) as any; return (await tools.test.echo({ a: 1 }) as any).a === 1",
    "Object.prototype.code = 'X'; (Object.prototype as any).hint = 'Y'; (Object.prototype as any).toJSON = undefined; try { await tools.test.deny({}) } catch (e: any) { return e.code === 'PERMISSION_DENIED' && e.hint === 'ask' }",
    "let seen: any; Object.defineProperty(Object.prototype, 'resolve', { set(v) { seen = v }, configurable: true }); Object.defineProperty(Object.prototype, 'tool', { set(v) { seen = v }, configurable: true }); await tools.test.echo({}); return seen === undefined",
    "let stack: any; (Error as any).prepareStackTrace = (_: any, frames: any) => { stack = frames; return frames }; const e = new Error('x'); await tools.test.deny({}).catch(() => {}); return typeof e.stack === 'string' && stack === undefined",
    "const e: any = await tools.test.deny({}).catch((e: any) => e); try { e.code = 'OK'; return false } catch { return e.code === 'PERMISSION_DENIED' }",
    "const e: any = await tools.test.deny({}).catch((e: any) => e); try { const F = e.constructor.constructor; F('return 1')(); return false } catch { return true }",
    "const t = (tools.test.echo as any); return t.prototype === undefined && ['caller', 'arguments'].every(n => { try { return t[n] === undefined } catch { return true } }) && (() => { try { new t({}); return false } catch { return true } })()",
    "return (function (this: unknown) { return this })() === undefined && (() => { try { (undefined_ as any); return false } catch { return true } })()",
    "function f() { return (f as any).caller } try { return f() === undefined || f() === null } catch { return true }",
    "try { (arguments as any).callee; return false } catch { return true }",
    "const a = await tools.test.echo(JSON.parse('{\"__proto__\": {\"polluted\": 1}, \"constructor\": {\"prototype\": {\"polluted\": 1}}}')) as any; return ({} as any).polluted === undefined && Object.hasOwn(a, '__proto__')",
    "return Object.keys(inputs).length === 0 && Object.getPrototypeOf(inputs) === Object.prototype",
    "const before = Date.now(); for (let i = 0; i < 1e5; i++); return Date.now() === before && performance.now() === 0 && new Date().getTimezoneOffset() === 0",
    "return !/\\/(home|root|work|usr|tmp)\\//.test(String(new Error('x').stack)) && !/0x[0-9a-f]{6}/.test(String(new Error('x').stack))",
    "try { (null as any).x } catch (e: any) { return !('fileName' in e) || !/[/]/.test(e.fileName) }",
    "const s = Symbol.for('x'); return (globalThis as any)[s] === undefined && Symbol.keyFor(s) === 'x'",
    "const d = Object.getOwnPropertyDescriptor(globalThis, 'tools')!; return d.writable === false && d.configurable === false",
    "console.log = (() => { throw 1 }) as any; return false",
    "return await Promise.race([tools.test.echo({ a: 1 }), 5]).then(v => v === 5)",
    "return 'e\\u0301'.normalize() === '\\u00e9' && 'a'.localeCompare('b') === -1 && '\\u00e9'.localeCompare('e\\u0301') === 0 && ('e\\u0301'.repeat(5e5)).normalize().length === 5e5",
    "const r = /a(b)?/g; return r instanceof RegExp && r.constructor === RegExp && RegExp(r) === r && new RegExp(r) !== r && new RegExp(r, 'i').flags === 'i' && RegExp('a').test('xa') && RegExp.prototype.constructor === RegExp && RegExp.length === 2 && RegExp.name === 'RegExp'",
    "class R extends RegExp { exec(s: string) { return super.exec(s.toLowerCase()) } } const r = new R('b', 'g'); return r instanceof R && 'ABAB'.replace(r, 'x').length === 4 && 'aXbXc'.split(/x/i).join('') === 'abc' && 'a,b'.split(',').length === 2",
    "return 'abab'.match('b')!.index === 1 && 'abab'.match(/b/g)!.length === 2 && [...'abab'.matchAll(/(a)b/g)].length === 2 && 'abab'.search(/b/) === 1 && 'abab'.search('b') === 1 && 'abab'.replaceAll('a', 'c') === 'cbcb' && 'abab'.replaceAll(/a/g, m => m + m) === 'aabaab' && 'a.b'.split('.').length === 2 && ''.match(undefined as any)!.length === 1",
    "let n = 0; for (const f of [() => 'a'.replaceAll(/a/, ''), () => 'a'.matchAll(/a/)]) try { f() } catch (e) { n += e instanceof TypeError ? 1 : 0 } return n === 2",
    "return (import.meta as any) === undefined || Object.keys(import.meta).length === 0",
];
