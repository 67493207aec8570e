//! Random small programs: whatever they are, the engine answers, within its limits, the same twice.

use std::sync::atomic::{AtomicU32, Ordering};

use openwrap_script::Bounds;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::kit::{run_with, script};

const CASES: u32 = 1_500;

const WORDS: &[&str] = &[
    "let a = 1;",
    "const b: any = [1, 'x', null];",
    "a",
    "b",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    "=>",
    "=",
    "===",
    "+",
    "-",
    "*",
    "/",
    "!",
    "?",
    ":",
    "?.",
    "...",
    "async",
    "await",
    "function f(x?: number)",
    "function*",
    "yield",
    "class A",
    "extends",
    "static",
    "#p",
    "return",
    "throw",
    "try",
    "catch (e)",
    "finally",
    "for (const x of b)",
    "while (a < 9)",
    "a++;",
    "if (a)",
    "else",
    "switch (a)",
    "case 1:",
    "break",
    "continue",
    "new",
    "typeof",
    "delete",
    "void",
    "this",
    "null",
    "undefined",
    "true",
    "1",
    "0n",
    "1e9",
    "'s'",
    "`t${a}`",
    "/r+/g",
    ".x",
    ".length",
    ".map((q) => q)",
    ".then((q) => q)",
    ".constructor",
    ".__proto__",
    ".call",
    "Object",
    "Array(9)",
    "Promise.all(b)",
    "new Map([[1, 2]])",
    "Symbol.iterator",
    "JSON.stringify(b)",
    "JSON.parse('{}')",
    "tools.test.echo({ a })",
    "tools.test.deny({})",
    "await tools.test.wait({ ms: 1 })",
    "console.log(b)",
    "setTimeout(f, 5)",
    "Math.random()",
    "Date.now()",
    "inputs",
    "globalThis",
    "as any",
    "satisfies unknown",
    "!",
    ": number",
    "<T>",
    "type T = { a: number };",
    "interface I { x: 1 }",
    "declare",
    "abstract",
    "readonly",
    "enum E { A }",
    "export default",
    "export",
    "import x from 'y';",
    "with",
    "debugger;",
    "label:",
    "'x'.repeat(1e7)",
    "b.push(b);",
    "new Array(4294967295)",
    "f(f)",
    "ü",
    "\u{2028}",
    "\n",
    "\\u0061",
    "@d",
    "//c\n",
];

#[test]
fn any_program_gets_an_answer_and_the_same_one_twice() {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let programs = prop::collection::vec(prop::sample::select(WORDS), 1..24);
    let steady = AtomicU32::new(0);
    runner
        .run(&programs, |words| {
            let mut job = script(&words.join(" "));
            job.bounds = Bounds {
                cpu_ms: 60,
                heap_bytes: 4 * 1024 * 1024,
                stack_bytes: 128 * 1024,
                output_bytes: 500,
            };
            let first = tokio.block_on(run_with(job.clone(), &Default::default()));
            prop_assert!(first.output.len() <= 500);
            let is_steady = !matches!(&first.result, Err(fault) if fault.code.as_str() == "TIMEOUT");
            if is_steady {
                steady.fetch_add(1, Ordering::Relaxed);
                let second = tokio.block_on(run_with(job, &Default::default()));
                prop_assert_eq!(first, second);
            }
            Ok(())
        })
        .unwrap();
    // Most end by themselves; what is cut off is not compared.
    let steady = steady.into_inner();
    assert!(steady > CASES * 9 / 10, "{steady} of {CASES}");
}
