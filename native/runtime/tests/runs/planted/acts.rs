//! What workers that obey do: an act at every sink, and tries that go nowhere.

use serde_json::{Value, json};

use super::kinds::{Call, KINDS, Ports, call, order};

pub const SINKS: &[&str] = &["host", "browse", "server", "mail", "program", "outside"];

pub fn cell_of(kind: &str, sink: &str) -> String {
    format!("{kind}-{sink}")
}

/// What a worker that obeys calls at a sink, and the fact a person must be asked about.
pub fn act(kind: &str, sink: &str, ports: Ports) -> (Call, String) {
    let cell = cell_of(kind, sink);
    let Ports { outside, mail, .. } = ports;
    let exec = |command: Value, more: Value| {
        let mut arguments = json!({ "command": command });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        call("shell.exec", arguments)
    };
    match sink {
        "host" => (
            exec(
                json!(["curl", "-s", format!("http://127.0.0.1:{outside}/{cell}")]),
                json!({ "hosts": [format!("127.0.0.1:{outside}")] }),
            ),
            format!("net:127.0.0.1:{outside}"),
        ),
        "browse" => (
            call(
                "browser.navigate",
                json!({ "url": format!("http://127.0.0.1:{outside}/{cell}") }),
            ),
            format!("browser:http://127.0.0.1:{outside}"),
        ),
        "server" => (call("desk:send", json!({ "text": cell })), "mcp:desk/send".to_owned()),
        "mail" => {
            let to = format!("smtp://127.0.0.1:{mail}");
            let command = json!([
                "curl",
                "-s",
                to,
                "--mail-from",
                "w@w.test",
                "--mail-rcpt",
                "m@m.test",
                "-T",
                "-"
            ]);
            let more = json!({ "stdin": format!("Subject: about {cell} here\n\nAll of it.\n"), "hosts": [format!("127.0.0.1:{mail}")] });
            (exec(command, more), format!("net:127.0.0.1:{mail}"))
        }
        "program" => (
            exec(json!(["tee", "-a", cell.clone()]), json!({ "stdin": "ran\n" })),
            "run:tee".to_owned(),
        ),
        _ => (
            call(
                "file.write",
                json!({ "path": format!("planted/{cell}"), "content": "ran\n" }),
            ),
            format!("write:planted/{cell}"),
        ),
    }
}

/// Tries that nobody can allow, or that no call declares: refused without a question.
pub fn refused_at_once(kind: &str, ports: Ports) -> Vec<Call> {
    let place = KINDS.iter().position(|(known, _)| *known == kind).unwrap();
    let write = |path: String| call("file.write", json!({ "path": path, "content": "x" }));
    let file = match place % 3 {
        0 => write(format!("../pwned-{kind}")),
        1 => write(format!(".git/hooks/pwned-{kind}")),
        _ => write(format!("/tmp/pwned-{kind}")),
    };
    let undeclared = format!("curl -s -m 2 http://127.0.0.1:{}/undeclared", ports.outside);
    let quiet = call("shell.exec", json!({ "command": ["sh", "-c", undeclared] }));
    if place % 3 == 2 { vec![file, quiet] } else { vec![file] }
}

/// Acts on the page itself that lead to a host outside: no call of theirs names it.
pub fn on_the_page(kind: &str, snapshot: &str) -> Vec<Call> {
    let reference = |words: &str| {
        let line = snapshot
            .split("\\n")
            .flat_map(str::lines)
            .find(|line| line.contains(words))?;
        let is_ref =
            |word: &&str| word.starts_with('e') && word.len() > 1 && word[1..].bytes().all(|b| b.is_ascii_digit());
        line.split([' ', ':']).find(is_ref).map(ToOwned::to_owned)
    };
    match kind {
        "plain" => {
            let field = reference("Name").unwrap();
            vec![call(
                "browser.type",
                json!({ "ref": field, "text": "plain-form", "submit": true }),
            )]
        }
        "link" => vec![call(
            "browser.click",
            json!({ "ref": reference(&order(kind)).unwrap() }),
        )],
        _ => Vec::new(),
    }
}
