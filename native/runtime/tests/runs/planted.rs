//! Planted instructions: every kind meets every sink, with workers that obey all of them. Nothing outside the bundle happens without a
//! question that shows what the worker has read, and an honest job asks no more than it has to.
//!
//! Ways and sinks are the real ones: the live browser, programs of the shell, a connected server, files; a host, a mail server and a
//! server's file count what reaches them.

mod acts;
mod kinds;
pub mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::acts::{SINKS, act, cell_of, on_the_page, refused_at_once};
use self::kinds::{Call, KINDS, Part, Ports, Way, heard, order, parts};
use self::places::Reached;
use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};
use serde_json::{Value, json};

const WRITERS: &[&str] = &["file.write", "note.create", "excel.create"];
/// Kinds of one run: tasks that wait for an answer keep their browsers, and there may be eight.
const KINDS_AT_ONCE: usize = 7;

/// The world with everything a planted order can lead to.
struct Ground {
    world: World,
    ports: Ports,
    site: Reached,
    outside: Reached,
    mail: Reached,
    sent: String,
}

impl Ground {
    async fn new(script: impl FnOnce(Ports) -> Script) -> Self {
        let (outside_port, outside) = places::site(|_| Default::default()).await;
        let (mail_port, mail) = places::post_office().await;
        let (site_port, site) = places::site(|_| kinds::site(outside_port)).await;
        let ports = Ports {
            site: site_port,
            outside: outside_port,
            mail: mail_port,
        };
        let world = World::new(script(ports), &[]).await;
        let sent = add_desk(&world).await;
        Self {
            world,
            ports,
            site,
            outside,
            mail,
            sent,
        }
    }

    /// Effects of a cell that have left the machine's confined part.
    fn count(&self, cell: &str) -> usize {
        let sent = std::fs::read_to_string(&self.sent).unwrap();
        self.outside.count(cell) + self.mail.count(cell) + sent.lines().filter(|line| *line == cell).count()
    }
}

/// A real server that keeps what it is told to send in a file of its own.
async fn add_desk(world: &World) -> String {
    use std::os::unix::fs::PermissionsExt;
    let program = world.place_file("desk.mjs", include_str!("../servers/desk.mjs"));
    for kind in ["told", "fault"] {
        world.place_file(&format!("desk/{kind}"), &format!("To go on, {}", order(kind)));
    }
    let sent = world.place_file("sent/lines", "");
    // The server runs as another user when the tests run as root.
    std::fs::set_permissions(&sent, std::fs::Permissions::from_mode(0o666)).unwrap();
    let answers = world.folder_of("desk").to_str().unwrap().to_owned();
    let params = json!({
        "requestId": "add-desk", "serverId": "desk", "command": ["node", program, answers, sent],
        "grants": [format!("read:{program}"), format!("read:{answers}"), format!("write:{sent}")],
    });
    let state = world.call("mcp.add", params).await.unwrap();
    let hash = &state["definitionsHash"];
    let params = json!({ "requestId": "approve-desk", "serverId": "desk", "definitionsHash": hash });
    world.call("mcp.approve", params).await.unwrap();
    sent
}

/// Workers that do whatever they read.
fn obeying(plan: Vec<Part>, ports: Ports) -> Script {
    let tasks: Vec<Value> = plan.iter().map(|part| part.task.clone()).collect();
    let plan_of_all = json!({ "summary": "All cells.", "tasks": tasks });
    let parts: BTreeMap<String, Part> = plan
        .into_iter()
        .map(|part| (part.task["taskId"].as_str().unwrap().to_owned(), part))
        .collect();
    let has_heard: Mutex<BTreeSet<String>> = Mutex::default();
    let reply = move |calls: Vec<Call>| Reply {
        text: String::new(),
        calls,
    };
    Arc::new(move |asked: &Asked| {
        match asked.role.as_str() {
            "planner" if asked.turn == 0 => return Reply::call("plan.submit", plan_of_all.clone()),
            "planner" => unreachable!("the plan was refused: {:?}", asked.results),
            "answer" => return Reply::text("Done."),
            _ => {}
        }
        let Part {
            kind,
            reads,
            then,
            hands,
            ..
        } = &parts[&asked.task];
        let shown = format!("{}\n{}", asked.opening, asked.results.join("\n"));
        if heard(&shown, kind) {
            has_heard.lock().unwrap().insert(asked.task.clone());
        }
        let again = asked.opening.contains("# Earlier try");
        let turn = if again {
            asked.turn + reads.len() + then.len()
        } else {
            asked.turn
        };
        if let Some(next) = reads.get(turn) {
            return reply(vec![next.clone()]);
        }
        if !has_heard.lock().unwrap().contains(&asked.task) {
            return Reply::text("I read nothing of the kind");
        }
        if let Some(next) = then.get(turn - reads.len()) {
            return reply(vec![next.clone()]);
        }
        match (hands, turn - reads.len() - then.len()) {
            (Some(hands), _) => Reply::text(hands.clone()),
            (None, 0) if !again || heard(&asked.opening, kind) => {
                let mut calls = on_the_page(kind, &shown);
                calls.extend(refused_at_once(kind, ports));
                calls.extend(SINKS.iter().map(|sink| act(kind, sink, ports).0));
                reply(calls)
            }
            _ => Reply::text("went on"),
        }
    })
}

fn plan_of(kinds: &[(&'static str, Way)], ports: Ports) -> Vec<Part> {
    kinds.iter().flat_map(|(kind, way)| parts(kind, *way, ports)).collect()
}

/// Events of one run by what they are about.
struct Told(Vec<Value>);

impl Told {
    fn of<'a>(&'a self, kind: &'a str, task: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0
            .iter()
            .filter(move |event| event["type"] == kind && event["taskId"] == task)
    }

    /// Events of this type about a cell's act.
    fn about<'a>(&'a self, kind: &'a str, task: &'a str, tool: &'a str, cell: &'a str) -> Vec<&'a Value> {
        let said = move |event: &&Value| {
            let text = event["summary"].as_str().unwrap_or_default();
            event["tool"] == tool && holds(text, cell)
        };
        self.of(kind, task).filter(said).collect()
    }
}

/// Whether a text holds a cell's name as a word of its own.
fn holds(text: &str, cell: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|word| word == cell)
}

fn label_of(way: Way) -> &'static str {
    if way == Way::Server { "mcp" } else { "web" }
}

/// Where the order came from, as the question tells.
fn source_of(kind: &str, way: Way, ports: Ports) -> String {
    match way {
        Way::Page => format!("`browser:http://127.0.0.1:{}`", ports.site),
        Way::Fetched | Way::Failure => format!("`net:127.0.0.1:{}`", ports.site),
        Way::Server => "`mcp:desk/read`".to_owned(),
        Way::Through if kind == "handed" => "`task m-handed`".to_owned(),
        Way::Through => format!("`task r-{kind}`"),
    }
}

/// One question about a cell: the act, what a yes adds, and what the worker has read.
fn check_question(told: &Told, (kind, way): (&str, Way), sink: &str, ports: Ports) {
    let (cell, need) = (cell_of(kind, sink), act(kind, sink, ports).1);
    let asked: Vec<&Value> = told
        .of("approval_requested", kind)
        .map(|event| &event["question"])
        .filter(|question| holds(question["exact"].as_str().unwrap(), &cell))
        .collect();
    assert_eq!(asked.len(), 1, "{cell}: {asked:?}");
    let question = asked[0];
    assert_eq!(question["adds"], json!([need]), "{cell}: {question}");
    assert!(
        question["labels"].as_array().unwrap().contains(&json!(label_of(way))),
        "{cell}: {question}"
    );
    let why = question["why"].as_str().unwrap();
    assert!(why.contains("has read text from"), "{cell}: {why}");
    assert!(why.contains(&source_of(kind, way, ports)), "{cell}: {why}");
}

/// Some result of the tasks of a kind held the order, and each that did was labelled by what it came from.
async fn check_arrival(ground: &Ground, told: &Told, (kind, way): (&str, Way)) {
    let tasks = [kind.to_owned(), format!("r-{kind}")];
    // What a worker writes is its own words, said back.
    let reads = |event: &&Value| !WRITERS.contains(&event["tool"].as_str().unwrap());
    let results = tasks
        .iter()
        .flat_map(|task| told.of("tool_finished", task))
        .filter(reads);
    let mut arrived = 0;
    for event in results {
        let params = json!({ "hash": event["resultHash"] });
        let blob = ground.world.call("blob.get", params).await.unwrap();
        if heard(blob["text"].as_str().unwrap_or_default(), kind) {
            arrived += 1;
            let labels = event["labels"].as_array().unwrap();
            assert!(labels.contains(&json!(label_of(way))), "{kind}: {event}");
        }
    }
    assert!(arrived > 0, "{kind}: the order was read nowhere");
}

/// The rest of a cell: refused once, or done once.
fn check_outcome(ground: &Ground, told: &Told, (kind, sink): (&str, &str), allowed: bool) {
    let cell = cell_of(kind, sink);
    let ((tool, _), _) = act(kind, sink, ground.ports);
    let counts = |event| told.about(event, kind, &tool, &cell).len();
    let expected = if allowed { (1, 0) } else { (0, 1) };
    assert_eq!((counts("tool_requested"), counts("tool_refused")), expected, "{cell}");
    let file = match sink {
        "program" => Some(cell.clone()),
        "outside" => Some(format!("planted/{cell}")),
        _ => None,
    };
    match file {
        Some(file) => assert_eq!(ground.world.read(&file), if allowed { "ran\n" } else { "" }, "{cell}"),
        None => assert_eq!(ground.count(&cell), usize::from(allowed), "{cell}"),
    }
}

/// Runs these kinds; `allowed` says which cells a person allows, once.
async fn obeyed(kinds: &[(&'static str, Way)], allowed: fn(&str, &str) -> bool) -> Ground {
    let ground = Ground::new(|ports| obeying(plan_of(kinds, ports), ports)).await;
    let world = &ground.world;
    let run_id = world.start("run", "ask", 4).await;
    let decide = |question: &Value| {
        let exact = question["exact"].as_str().unwrap();
        let of_cell = kinds
            .iter()
            .flat_map(|(kind, _)| SINKS.iter().map(move |sink| (*kind, *sink)))
            .find(|(kind, sink)| holds(exact, &cell_of(kind, sink)));
        let Some((kind, sink)) = of_cell else {
            return json!({ "allow": question["kind"] == "plan", "scope": "once", "reason": "no" });
        };
        assert_eq!(ground.count(&cell_of(kind, sink)), 0, "before the answer: {exact}");
        json!({ "allow": allowed(kind, sink), "scope": "once", "reason": "no" })
    };
    let run = world.finish(&run_id, decide).await;
    let told = Told(world.all_events(&run_id).await);
    assert_eq!(run["status"], "completed", "{:?}", told.0.last());
    for (kind, way) in kinds {
        check_arrival(&ground, &told, (kind, *way)).await;
        for sink in SINKS {
            check_question(&told, (kind, *way), sink, ground.ports);
            check_outcome(&ground, &told, (kind, sink), allowed(kind, sink));
        }
        // What nobody can allow: no question, and the file is nowhere.
        let write = told
            .of("tool_refused", kind)
            .filter(|event| event["tool"] == "file.write");
        let codes: Vec<&str> = write.map(|event| event["code"].as_str().unwrap()).collect();
        assert!(
            codes
                .iter()
                .any(|code| ["PROTECTED_PATH", "PATH_OUTSIDE"].contains(code)),
            "{kind}: {codes:?}"
        );
    }
    let asked = told
        .0
        .iter()
        .filter(|event| event["type"] == "approval_requested")
        .count();
    assert_eq!(asked, 1 + kinds.len() * SINKS.len(), "the plan, and each cell once");
    let beside = std::fs::read_dir(world.project.parent().unwrap()).unwrap();
    let beside = beside.chain(std::fs::read_dir("/tmp").unwrap()).flatten();
    let pwned: Vec<String> = beside
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!pwned.iter().any(|name| name.starts_with("pwned-")), "{pwned:?}");
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_order_leaves_the_bundle_unasked() {
    assert!(KINDS.len() >= 20);
    for kinds in KINDS.chunks(KINDS_AT_ONCE) {
        let ground = obeyed(kinds, |_, _| false).await;
        // Not one connection: also pages' own scripts and pictures, forms, redirects and undeclared reach stayed inside.
        assert_eq!((ground.outside.connections(), ground.mail.connections()), (0, 0));
        assert_eq!(std::fs::read_to_string(&ground.sent).unwrap(), "");
        let from_site = kinds.iter().filter(|(_, way)| *way != Way::Server).count();
        assert!(
            ground.site.connections() >= from_site,
            "the orders were read where they lie"
        );
        let project = ground.world.tree().into_iter().map(|(path, _)| path);
        let strange = project.filter(|path| !path.starts_with("drop/") && !path.starts_with("notes/"));
        assert_eq!(strange.collect::<Vec<String>>(), Vec::<String>::new());
    }
}

/// The counters count: of each sink one cell is allowed once, and happens once; its neighbours of the same need are asked about again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_allows_once_happens_once() {
    const SAMPLE: &[(&str, Way)] = &[
        ("header", Way::Fetched),
        ("plain", Way::Page),
        ("told", Way::Server),
        ("file", Way::Through),
        ("handed", Way::Through),
        ("failure", Way::Failure),
    ];
    let allowed = |kind: &str, sink: &str| {
        let kind = SAMPLE.iter().position(|(known, _)| *known == kind);
        kind == SINKS.iter().position(|known| *known == sink)
    };
    obeyed(SAMPLE, allowed).await;
}

/// An honest worker: it opens, fetches and sends what its plan names, and writes one file beyond it.
fn honest(ports: Ports) -> Script {
    let Ports { site, outside, .. } = ports;
    let browses = format!("browser:http://127.0.0.1:{site}");
    let reaches = format!("net:127.0.0.1:{outside}");
    let needs = [
        "read:.",
        "run:sh",
        "run:cat",
        "run:curl",
        &browses,
        &reaches,
        "mcp:desk/send",
    ];
    let plan = json!({ "summary": "Clean.", "tasks": [
            task("read", "reader", &[], &needs, &["out/**"]),
            task("use", "reader", &["read"], &needs, &["report.md"]),
        ] });
    let open = move || {
        Reply::call(
            "browser.open",
            json!({ "url": format!("http://127.0.0.1:{site}/clean") }),
        )
    };
    let exec = |line: &str| Reply::call("shell.exec", json!({ "command": ["sh", "-c", line] }));
    Arc::new(
        move |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", ..) => Reply::call("plan.submit", plan.clone()),
            ("answer", ..) => Reply::text("Done."),
            (_, "read", 0) => open(),
            (_, "read", 1) => Reply::call("browser.snapshot", json!({})),
            (_, "read", 2) => Reply::call("file.write", json!({ "path": "out/a/means.csv", "content": "1" })),
            (_, "read", 3) => Reply::call("desk:send", json!({ "text": "named" })),
            (_, "read", 4) => exec(&format!("curl -s http://127.0.0.1:{outside}/named")),
            (_, "use", 0) => Reply::call("shell.exec", json!({ "command": ["cat", "out/a/means.csv"] })),
            (_, "use", 1) => exec("cat out/a/means.csv > report.md"),
            (_, "use", 2) => Reply::call(
                "file.write",
                json!({ "path": "extra.md", "content": "planned question" }),
            ),
            _ => Reply::text("done"),
        },
    )
}

/// The same work on an honest page: the bundle, and the one question that was planned.
#[tokio::test(flavor = "multi_thread")]
async fn a_clean_job_asks_for_its_bundle_and_what_was_planned() {
    let ground = Ground::new(honest).await;
    let world = &ground.world;
    let run_id = world.start("run", "ask", 4).await;
    let run = world.finish(&run_id, yes).await;
    let told = Told(world.events(&run_id).await);
    assert_eq!(run["status"], "completed", "{:?}", told.0.last());
    let asked: Vec<&Value> = told
        .0
        .iter()
        .filter(|event| event["type"] == "approval_requested")
        .collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0]["question"]["kind"], "plan");
    assert_eq!(asked[1]["question"]["adds"], json!(["write:extra.md"]));
    assert_eq!(world.read("report.md"), "1");
    assert_eq!(
        ground.count("named"),
        2,
        "sent once and fetched once, as the plan named both"
    );
    for task in ["read", "use"] {
        let done = told.of("task_completed", task).next().unwrap();
        assert_eq!(done["labels"], json!(["web", "mcp"]), "what is read is handed on");
    }
    let replay = world
        .call("run.replay", json!({ "runId": run_id, "slots": 8 }))
        .await
        .unwrap();
    assert_eq!(replay["equal"], true, "{replay}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_restart_counts_after_it() {
    const ONE: &[(&str, Way)] = &[("comment", Way::Fetched)];
    let ground = Ground::new(|ports| obeying(plan_of(ONE, ports), ports)).await;
    let run_id = ground.world.start("run", "ask", 4).await;
    let mut held = false;
    for _ in 0..2_000 {
        let events = ground.world.events(&run_id).await;
        if events.iter().any(|event| event["type"] == "tool_finished") {
            held = true;
            break;
        }
        let overview = ground.world.call("overview.get", json!({})).await.unwrap();
        for pending in overview["approvals"].as_array().unwrap() {
            if pending["question"]["kind"] == "plan" {
                let approval = &pending["question"]["approvalId"];
                let answer = json!({ "requestId": approval, "approvalId": approval, "decision": yes(&json!({})) });
                ground.world.call("approval.resolve", answer).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(held);
    let ports = ground.ports;
    let world = ground.world.reopened().await;
    let no = |_: &Value| json!({ "allow": false, "scope": "once", "reason": "no" });
    let run = world.finish(&run_id, no).await;
    assert_eq!(run["status"], "completed");
    let told = Told(world.all_events(&run_id).await);
    for sink in SINKS {
        check_question(&told, ONE[0], sink, ports);
    }
    assert_eq!((ground.outside.connections(), ground.mail.connections()), (0, 0));
}
