//! A yes for once to a page is that page and what it loads: not where it leads, and not what the worker does there afterwards.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Told;
use crate::planted::places::{Reached, answer, site};
use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task};

const PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Once</title><body>
    <script src=/script></script><a href=/clicked>Further</a><label>Name<input oninput=\"fetch('/typed')\"></label>
    <script>setTimeout(() => fetch('/late').then(() => document.body.append('came late')), 700)</script>";
/// Takes its tab to another page of the same host, once the call that opened it is over.
const LEAVES: &str = "<!doctype html><html lang=en><title>Leaves</title><body>stays
    <script>setTimeout(() => { location = '/moved' }, 900)</script>";

async fn sites() -> (u16, Reached) {
    site(|_| {
        let page = |text: &str| answer("text/html; charset=utf-8", "", text.as_bytes());
        let script = answer("text/javascript", "", b"document.title = 'Script ran'");
        [("/once", page(PAGE)), ("/leaves", page(LEAVES)), ("/script", script)]
            .map(|(path, answer)| (path.to_owned(), answer))
            .into()
    })
    .await
}

fn reference(results: &[String], words: &str) -> String {
    let text = results.concat();
    let line = text.split("\\n").find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no `{words}` in {text}"));
    let is_ref = |word: &&str| word.starts_with('e') && word.len() > 1 && word[1..].bytes().all(|b| b.is_ascii_digit());
    line.split([' ', ':', '[', ']']).find(is_ref).unwrap().to_owned()
}

fn script(port: u16) -> Script {
    let at = move |path: &str| json!({ "url": format!("http://127.0.0.1:{port}{path}") });
    Arc::new(move |asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => {
            let needs = ["read:.", "browser:https://*.example.org"];
            let tasks = [task("visit", "reader", &[], &needs, &[])];
            Reply::call("plan.submit", json!({ "summary": "Visit.", "tasks": tasks }))
        }
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply::call("browser.open", at("/leaves")),
        (_, 1) => Reply::call("browser.snapshot", json!({})),
        (_, 2) => Reply {
            text: String::new(),
            calls: vec![
                ("browser.tabs".to_owned(), json!({ "act": "list" })),
                ("browser.wait".to_owned(), json!({ "ms": 1_500 })),
            ],
        },
        (_, 3) => Reply::call("browser.open", at("/once")),
        (_, 4) => Reply::call("browser.wait", json!({ "text": "came late" })),
        (_, 5) => Reply::call("browser.snapshot", json!({})),
        (_, 6) => Reply {
            text: String::new(),
            calls: vec![
                (
                    "browser.type".to_owned(),
                    json!({ "ref": reference(&asked.results, "Name"), "text": "secret" }),
                ),
                ("browser.wait".to_owned(), json!({ "ms": 300 })),
                (
                    "browser.click".to_owned(),
                    json!({ "ref": reference(&asked.results, "Further") }),
                ),
            ],
        },
        (_, 7) => Reply::call("browser.navigate", at("/again")),
        _ => Reply::text("1"),
    })
}

async fn visited(approve: &str, scope: &str) -> (Told, Reached) {
    let (port, reached) = sites().await;
    let world = World::new(script(port), &[]).await;
    let run_id = world.start("run", approve, 1).await;
    let decide = |question: &Value| {
        let scope = if question["kind"] == "plan" { "once" } else { scope };
        json!({ "allow": true, "scope": scope })
    };
    let run = world.finish(&run_id, decide).await;
    let events = world.all_events(&run_id).await;
    assert_eq!(run["status"], "completed", "{:?}", events.last());
    (Told { run_id, events }, reached)
}

fn questions(told: &Told) -> Vec<&Value> {
    told.of("approval_requested", "visit")
}

fn counts(reached: &Reached, paths: &[&str]) -> Vec<usize> {
    paths.iter().map(|path| reached.count(path)).collect()
}

const LOADED: &[&str] = &["leaves", "once", "script", "late"];
const LED: &[&str] = &["moved", "typed", "clicked"];

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_for_once_is_one_page_with_what_it_loads() {
    let (told, reached) = visited("ask", "once").await;
    assert_eq!(counts(&reached, LOADED), [1, 1, 1, 1]);
    assert_eq!(counts(&reached, LED), [0, 0, 0]);
    assert_eq!(reached.count("again"), 1);
    let questions = questions(&told);
    assert_eq!(
        questions.len(),
        3,
        "each of the three addresses was asked about: {questions:?}"
    );
    let why = questions[0]["question"]["why"].as_str().unwrap();
    assert!(why.contains("A yes for once is this page and what it loads"), "{why}");
    let clicked = told.of("tool_finished", "visit");
    let clicked = clicked.iter().find(|event| event["tool"] == "browser.click").unwrap();
    assert!(clicked["preview"].as_str().unwrap().contains("refused"), "{clicked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_for_the_task_goes_on() {
    let (told, reached) = visited("ask", "task").await;
    assert_eq!(counts(&reached, LOADED), [1, 1, 1, 1]);
    assert!(
        counts(&reached, LED).iter().all(|count| *count >= 1),
        "{:?}",
        counts(&reached, LED)
    );
    assert_eq!((questions(&told).len(), reached.count("again")), (1, 1));
}

/// Where nobody is asked, a page that was opened is one to go on in.
#[tokio::test(flavor = "multi_thread")]
async fn without_questions_a_page_goes_on_as_well() {
    let (_, reached) = visited("all", "once").await;
    assert!(
        counts(&reached, LED).iter().all(|count| *count >= 1),
        "{:?}",
        counts(&reached, LED)
    );
}
