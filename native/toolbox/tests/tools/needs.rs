//! What each tool says it needs and does, against the grant language.

use openwrap_contracts::ErrorCode;
use openwrap_contracts::tool::{Reach, Repeatability};
use openwrap_grants::Capability;
use serde_json::{Value, json};

use crate::view::World;

#[test]
fn the_tools_of_a_view_have_their_nature() {
    let world = World::new();
    assert_eq!(
        world.names(),
        [
            "excel.create",
            "file.append",
            "file.list",
            "file.read",
            "file.write",
            "note.append",
            "note.create",
            "note.list",
            "shell.exec",
            "table.read"
        ]
    );
    for name in world.names() {
        let definition = world.tool(&name).definition();
        // A process reads clocks and schedulers: its result and change set are inputs. It has no network and writes only
        // into the view, so it is run again after a crash.
        let repeat = if name == "shell.exec" {
            Repeatability::Observed
        } else {
            Repeatability::Deterministic
        };
        let reach = match name.as_str() {
            "file.list" | "file.read" | "table.read" => Reach::Reads,
            _ => Reach::Confined,
        };
        assert_eq!((definition.repeat, definition.reach), (repeat, reach), "{name}");
        assert_eq!(definition.input_schema["type"], "object", "{name}");
        assert_eq!(definition.input_schema["additionalProperties"], false, "{name}");
    }
}

/// The needs are single capabilities in normal form: what a grant is held against is what is touched.
#[test]
fn needs_follow_from_the_arguments_in_normal_form() {
    let world = World::new();
    let sheets =
        json!([{ "name": "B", "csv": "b//x.csv" }, { "name": "A", "csv": "./a.csv" }, { "name": "C", "csv": "a.csv" }]);
    for (tool, arguments, needs) in [
        ("file.read", json!({ "path": "./a//b/" }), &["read:a/b"][..]),
        ("file.list", json!({ "path": "." }), &["read:."]),
        ("file.list", json!({ "path": "a/./b", "pattern": "*" }), &["read:a/b"]),
        ("file.write", json!({ "path": "a/b", "content": "" }), &["write:a/b"]),
        (
            "file.append",
            json!({ "path": "a/~/b", "content": "" }),
            &["write:a/~/b"],
        ),
        ("note.create", json!({ "title": "A b" }), &["write:notes"]),
        (
            "note.append",
            json!({ "noteId": "t-a", "content": "x" }),
            &["write:notes/t-a.md"],
        ),
        ("note.list", json!({}), &["read:notes"]),
        ("shell.exec", json!({ "command": ["node", "a.mjs"] }), &["run:node"]),
        (
            "shell.exec",
            json!({ "command": ["/usr/bin/node"] }),
            &["run:/usr/bin/node"],
        ),
        (
            "shell.exec",
            json!({ "command": ["sh", "-c", "node x"], "env": { "TZ": "UTC", "MODE": "1", "A_B": "" } }),
            &["run:sh", "env:A_B", "env:MODE"],
        ),
        (
            "excel.create",
            json!({ "path": "out/./Report.XLSX", "title": "", "sheets": sheets }),
            &["read:a.csv", "read:b/x.csv", "write:out/Report.XLSX"],
        ),
    ] {
        let found = world.tool(tool).needs(&arguments).unwrap();
        assert_eq!(found, needs, "{tool} {arguments}");
        for need in &found {
            let capability = Capability::parse(need).unwrap();
            assert!(capability.is_single() && capability.to_string() == *need, "{need}");
        }
    }
}

/// Whatever the paths: either the needs are refused, or running touches what they name and nothing else.
#[tokio::test]
async fn what_is_touched_is_what_was_needed() {
    for path in [
        "a",
        "./a",
        "a//b",
        "a/./b",
        "b/",
        ".x",
        "...",
        "a b",
        "A",
        "\u{e4}",
        "a\u{301}",
        "a\u{202e}b",
        "~a",
        "a/~",
        "-rf",
        "a\\b",
        "%2e%2e/a",
        "C:x",
    ] {
        let world = World::new();
        let arguments = json!({ "path": path, "content": "x" });
        let need = world.tool("file.write").needs(&arguments).unwrap().remove(0);
        let need = Capability::parse(&need).unwrap().to_string();
        let output = world.ok("file.write", arguments).await;
        let named = need.strip_prefix("write:").unwrap();
        assert_eq!(output.artifacts[0].path, named);
        assert_eq!(world.get(named), b"x");
        assert_eq!(world.tree().len(), named.split('/').count(), "{path}");
    }
    let world = World::new();
    for path in ["../a", "/a", "~/a", "", "a\0", "a/../b", "."] {
        let fault = world
            .tool("file.write")
            .needs(&json!({ "path": path, "content": "" }))
            .unwrap_err();
        assert!(
            [ErrorCode::PathOutside, ErrorCode::InvalidArguments].contains(&fault.code),
            "{path:?}"
        );
    }
    for path in ["a.xls", "xlsx", "../a.xlsx", "a.xlsx/"] {
        let needs = world
            .tool("excel.create")
            .needs(&json!({ "path": path, "title": "", "sheets": [] }));
        assert_eq!(needs.is_err(), path != "a.xlsx/", "{path}");
    }
    for command in [json!([]), json!([""]), json!(["./x"]), json!(["a/b"]), json!(["a\0b"])] {
        let fault = world
            .tool("shell.exec")
            .needs(&json!({ "command": command }))
            .unwrap_err();
        assert_eq!(fault.code, ErrorCode::InvalidArguments);
    }
    // Names that are no program by the grant language never become a need that a grant could cover.
    for program in ["/usr/../bin/sh", "A=1", "a;b", "-x", "..", "n\u{f6}de", "/bin/*"] {
        let needs = world
            .tool("shell.exec")
            .needs(&json!({ "command": [program] }))
            .unwrap();
        assert!(Capability::parse(&needs[0]).is_err(), "{program}");
    }
}

#[test]
fn a_summary_shows_the_act_and_hides_nothing() {
    let world = World::new();
    let summary = |tool: &str, arguments: Value| world.tool(tool).summary(&arguments);
    assert_eq!(summary("file.read", json!({ "path": "data/a.csv" })), "read data/a.csv");
    assert_eq!(summary("file.list", json!({ "path": "a b" })), "list \"a b\"");
    assert_eq!(
        summary("file.write", json!({ "path": "a.md", "content": "x\n# y" })),
        "write a.md (5 bytes): \"x\\n# y\""
    );
    assert_eq!(
        summary(
            "file.write",
            json!({ "path": "a", "content": "eA==", "encoding": "base64" })
        ),
        "write a (4 bytes of base64): \"eA==\""
    );
    assert_eq!(
        summary(
            "shell.exec",
            json!({ "command": ["sh", "-c", "rm -r x | y"], "cwd": "a", "env": { "M": "1 2" }, "stdin": "go\n" })
        ),
        "in a: M=\"1 2\" sh -c \"rm -r x | y\" < \"go\\n\""
    );
    assert_eq!(
        summary(
            "excel.create",
            json!({ "path": "r.xlsx", "sheets": [{ "name": "Data", "csv": "d.csv" }, { "name": "My sums" }] })
        ),
        "write the workbook r.xlsx (2 sheets: Data from d.csv, \"My sums\")"
    );
    let odd = "x\u{202e}\u{200b}\u{7}\n\r\u{85}";
    for (tool, arguments) in [
        ("file.read", json!({ "path": odd })),
        ("file.list", json!({ "path": odd })),
        ("file.write", json!({ "path": odd, "content": odd })),
        ("file.append", json!({ "path": odd, "content": odd })),
        (
            "shell.exec",
            json!({ "command": [odd, odd], "cwd": odd, "stdin": odd, "env": { "A": odd } }),
        ),
        (
            "excel.create",
            json!({ "path": odd, "sheets": [{ "name": odd, "csv": odd }] }),
        ),
    ] {
        let text = summary(tool, arguments);
        assert!(text.contains("\\u{202e}") && text.contains("\\u{200b}"), "{text}");
        assert!(text.chars().all(|c| c == ' ' || (c.is_ascii_graphic())), "{text:?}");
    }
}
