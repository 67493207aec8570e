//! The program `workforce-simulator`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workforce-simulator"));
    let command = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that stops at its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn golden(name: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/tracks/ap")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

// AP-060
#[test]
fn a_scenario_gives_its_batches_then_the_state() {
    let (path, scenario) = golden("scenario.json");
    let (_, expected) = golden("expected.jsonl");
    for output in [
        run(&[path.to_str().unwrap()], ""),
        run(&[], &scenario),
        run(&["-"], &scenario),
    ] {
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert!(output.stderr.is_empty());
    }
    let last: Value = serde_json::from_str(expected.lines().last().unwrap()).unwrap();
    assert!(last["snapshot"].is_object() && last["events"].is_array() && last["channel"].is_array());
}

// AP-061
#[test]
fn what_cannot_be_read_or_done_is_said_with_its_exit_code() {
    let cases: [(&[&str], &str, i32, &str); 7] = [
        (&["--unknown"], "", 2, "usage"),
        (&["one", "two"], "", 2, "usage"),
        (&["no-such-file.json"], "", 2, "no-such-file.json"),
        (&[], "{", 2, "the scenario could not be read"),
        (
            &[],
            r#"{"plan":{"planId":"p","tasks":[{"taskId":"a","title":"","dependsOn":["b"]}]}}"#,
            1,
            "INVALID_PLAN",
        ),
        (
            &[],
            r#"{"plan":{"planId":"p","tasks":[]},"actions":[{"type":"schedule","nowMs":5},{"type":"schedule","nowMs":4}]}"#,
            1,
            "action 1: INVALID_ARGUMENTS",
        ),
        (&["--seeds", "9..3"], "", 2, "A..B"),
    ];
    for (arguments, input, code, message) in cases {
        let output = run(arguments, input);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(
            told.starts_with("workforce-simulator: ") && told.contains(message),
            "{told}"
        );
    }
}

// AP-062
#[test]
fn seeds_give_one_summary_line() {
    let output = run(&["--seeds", "5..8"], "");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1);
    let summary: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&summary["seeds"], &summary["runs"]),
        (&Value::from(3), &Value::from(18))
    );
}
