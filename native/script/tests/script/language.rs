//! TypeScript in, JSON out: types, positions, modules, results.

use openwrap_contracts::fault::ErrorCode;
use openwrap_script::Source;
use serde_json::json;

use crate::kit::{fault, run, run_with, script, value};

#[tokio::test(flavor = "multi_thread")]
async fn types_are_taken_away_and_nothing_else() {
    let rows = [
        ("const x: number = 3; return x", json!(3)),
        ("let x!: string; x = 'ü'; return x", json!("ü")),
        (
            "type A = { a: string }\ninterface B<T> extends A { b: T }\nreturn ({ a: 'x', b: 1 } as B<number>).b",
            json!(1),
        ),
        (
            "function f<T>(this: void, a?: T, ...rest: number[]): T | undefined { return a! }\nreturn f<number>(5, 1)",
            json!(5),
        ),
        (
            "function f(a: string): string;\nfunction f(a: number): string;\nfunction f(a: unknown): string { return `${a}` }\nreturn f(1)",
            json!("1"),
        ),
        (
            "const f = async <T,>(x: T): Promise<T> => x; return await f(4)",
            json!(4),
        ),
        (
            "return ([1, 2] satisfies number[]).map((n: number): number => n * 2)",
            json!([2, 4]),
        ),
        (
            "const m = new Map<string, number[]>([['a', [1]]]); return m.get('a')![0]",
            json!(1),
        ),
        (
            "declare const nothing: number; declare function f(): void; return 1",
            json!(1),
        ),
        ("const v = 5 as\n  number\nreturn v", json!(5)),
        ("try { throw 1 } catch (e: unknown) { return e }", json!(1)),
        (
            "for (const [k, v] of Object.entries({ a: 1 }) as [string, number][]) return [k, v]",
            json!(["a", 1]),
        ),
        (
            "const o = { a: 1 as const, b<T>(x: T) { return x } }; return o.b<number>(o.a)",
            json!(1),
        ),
        (
            "const { a, b = 2 }: { a: number; b?: number } = { a: 1 }; return a + b",
            json!(3),
        ),
        (
            "return ((x: number | string): x is number => typeof x === 'number')(3)",
            json!(true),
        ),
        ("let i = 1; i!++; return (i as number)! + (<T>(x: T) => x)(1)", json!(3)),
        (
            "label: for (;;) { break label }\nreturn a?.b!.c\nvar a: any",
            json!(null),
        ),
        (
            "const f = (a: number, b: string = 'x',): string => b + a; return f(1)",
            json!("x1"),
        ),
        ("return typeof (globalThis as any).nothing", json!("undefined")),
        (
            "const s = `a${(1 as number) + 1}b`; return s /* : string */",
            json!("a2b"),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(value(text).await, expected, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_lose_what_only_types_have() {
    let text = "
        abstract class Shape<T = number> {
            protected readonly sides: number = 0
            private static made?: number
            declare tag: string
            static count = 0
            #hidden: T | undefined
            [key: string]: unknown
            abstract area(): number
            constructor(name?: string)
            constructor(public_?: string) { Shape.count++ }
            public get n(): number { return this.sides }
            private *walk(): Generator<number> { yield 1 }
            override toString(): string { return `${this.n}` }
            async wait?(): Promise<void>
        }
        class Square extends Shape<string> implements Iterable<number>, Named {
            public override sides = 4
            area(this: Square): number { return 1 }
            *[Symbol.iterator](): Iterator<number> { yield this.area() }
        }
        interface Named {}
        return [String(new Square('x')), [...new Square()], Shape.count]";
    assert_eq!(value(text).await, json!(["4", [1], 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_javascript_is_refused_with_its_place() {
    let rows = [
        ("\n  enum A { B }", "job.ts:2:3: `enum`"),
        ("namespace N { export const a = 1 }", "job.ts:1:1: `namespace`"),
        (
            "class A { constructor(private a: number) {} }",
            "job.ts:1:23: parameter properties",
        ),
        ("const a = <number>1", "job.ts:1:11: `<T>x`"),
        ("@d class A {}", "job.ts:1:1: decorators"),
        ("await import('x')", "job.ts:1:7: `import()`"),
        ("let a = 1\nconst b = a as any\n(a)", "job.ts:3:1: without its types"),
        ("const f = (a: number)\n  : number\n=> a", "job.ts:"),
        ("let ü = ;", "job.ts:1:9: "),
        ("return 1 +", "job.ts:1:11: "),
        ("", "null"),
    ];
    for (text, start) in rows {
        if start == "null" {
            assert_eq!(value(text).await, json!(null));
            continue;
        }
        let fault = fault(text).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{text}: {fault}");
        assert!(fault.message.starts_with(start), "{text}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_names_the_line_and_column_of_the_source() {
    let rows = [
        ("null.x", "job.ts:1:"),
        ("const a: number = 1\n  null!.x", "job.ts:2:"),
        (
            "type A = {\n  a: number\n}\nfunction f(x: A): never {\n  throw new Error('no')\n}\nf({ a: 1 })",
            "job.ts:5:",
        ),
        (
            "export const a: number = 1\nexport default (): void => {\n  throw new TypeError('x')\n}",
            "job.ts:3:",
        ),
        ("await 1\n\nawait tools.test.deny({})", "job.ts:3:"),
        ("await 1\nawait (tools.test as any).echo(1)", "job.ts:2:"),
    ];
    for (text, start) in rows {
        let fault = fault(text).await;
        assert_eq!(fault.code, ErrorCode::ExecutionFailed, "{text}");
        assert!(fault.message.starts_with(start), "{text}: {fault}");
    }
    let fault = fault("throw { odd: 1 }").await;
    assert_eq!(fault.message, "job.ts: {\"odd\":1}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_imports_what_it_is_given_and_nothing_else() {
    let mut job = script(
        "import { twice, type N } from 'kit';\nimport type { X } from 'nowhere';\nexport default (inputs: { n: N }) => twice(inputs.n)",
    );
    job.modules.push(Source {
        name: "kit".to_owned(),
        text: "export type N = number;\nexport const twice = (n: N): N => n * 2;".to_owned(),
    });
    job.inputs = json!({ "n": 21 });
    assert_eq!(run_with(job, &Default::default()).await.result, Ok(json!(42)));
    for text in [
        "import fs from 'fs'; export default 1",
        "import * as os from 'qjs:os'; export default 1",
        "export * from './job.ts'; import './x'",
    ] {
        assert_eq!(fault(text).await.code, ErrorCode::ExecutionFailed, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_and_output_are_limited() {
    assert_eq!(
        value("return { a: undefined, b: [undefined], c: new Date(0) }").await,
        json!({"b": [null], "c": "1970-01-01T00:00:00.000Z"})
    );
    let done = run(
        "console.log('a', 1, { b: [2] }, null); console.warn(new Error('w').message); console.error(Symbol('s'), 1n)",
    )
    .await;
    assert_eq!(done.output, "a 1 {\"b\":[2]} null\nwarn: w\nerror: Symbol(s) 1\n");
    let done = run("for (let i = 0; i < 20000; i++) console.log('0123456789')").await;
    assert!(done.output_cut && done.output.len() <= 64 * 1024 && done.result.is_ok());
    let done = run("console.log('ü'.repeat(1e6)); console.log('\\ud800')").await;
    assert!(done.output_cut && done.output.len() <= 64 * 1024);
    let text = "return 'x'.repeat(9 * 1024 * 1024)";
    assert_eq!(fault(text).await.code, ErrorCode::LimitExceeded);
    let source = format!("return 1 // {}", "x".repeat(64 * 1024));
    assert_eq!(fault(&source).await.code, ErrorCode::LimitExceeded);
    assert_eq!(fault("return 1n").await.code, ErrorCode::ExecutionFailed);
    assert_eq!(
        fault("const a: any = {}; a.a = a; return a").await.code,
        ErrorCode::ExecutionFailed
    );
}
