//! The grant language: what reads, how it prints, what covers what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use openwrap_contracts::ErrorCode;
use openwrap_contracts::plan::{Plan, PlanTask};
use openwrap_grants::{Capability, bundle_of, narrowed, task_bundle};
use proptest::prelude::*;

fn parsed(text: &str) -> Capability {
    Capability::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn covers(grant: &str, need: &str) -> bool {
    parsed(grant).covers(&parsed(need))
}

#[test]
fn normal_forms() {
    for (text, normal) in [
        ("read:.", "read:."),
        ("read:./", "read:."),
        ("write:./a//b/./c/", "write:a/b/c"),
        ("write:**/*.csv", "write:**/*.csv"),
        ("write:a:b", "write:a:b"),
        ("net:Example.ORG.:443", "net:example.org:443"),
        ("net:*.example.org", "net:*.example.org"),
        ("net:[::FFFF:127.0.0.1]:80", "net:127.0.0.1:80"),
        ("net:[2001:DB8:0::1]:80", "net:[2001:db8::1]:80"),
        ("net:*", "net:*"),
        ("run:node", "run:node"),
        ("run:/usr//bin/./node", "run:/usr/bin/node"),
        ("run:g++", "run:g++"),
        ("env:HOME", "env:HOME"),
        ("mcp:files/read", "mcp:files/read"),
        ("mcp:files/*", "mcp:files/*"),
        ("model:openai", "model:openai"),
        ("secret:openai", "secret:openai"),
        ("browser:https://example.org:443/", "browser:https://example.org"),
        ("browser:http://*.example.org:8080", "browser:http://*.example.org:8080"),
    ] {
        assert_eq!(parsed(text).to_string(), normal);
    }
}

#[test]
fn what_is_no_capability_is_refused_with_its_text() {
    for text in [
        "",
        "read",
        "read:",
        "Read:a",
        "exec:node",
        "write:a**b",
        "write:***",
        "write:a\nb",
        "write:a\0",
        "net:",
        "net:example.org:0",
        "net:example.org:65536",
        "net:example.org:080",
        "net:example.org:",
        "net:::1",
        "net:[::1",
        "net:[::1]80",
        "net:exa mple.org",
        "net:-a.org",
        "net:*.org",
        "net:a.*.org",
        "net:0x7f.1",
        "net:127.1",
        "net:2130706433",
        "net:0177.0.0.1",
        "net:münchen.de",
        "net:example.org/path",
        "net:user@example.org",
        "run:",
        "run:bin/node",
        "run:../node",
        "run:/usr/../bin/sh",
        "run:node -e 1",
        "run:-c",
        "run:..",
        "run:/",
        "run:/usr/bin/*",
        "env:A=B",
        "env:1A",
        "mcp:server",
        "mcp:/tool",
        "mcp:a/../b\n",
        "model:Open AI",
        "secret:a b",
        "browser:example.org",
        "browser:file:///etc",
        "browser:https://",
    ] {
        let fault = Capability::parse(text).expect_err(text);
        assert!(matches!(
            fault.code,
            ErrorCode::InvalidArguments | ErrorCode::PathOutside
        ));
    }
    let fault = Capability::parse("exec:\u{202e}x").unwrap_err();
    assert!(fault.message.contains("[U+202E]"), "{}", fault.message);
}

#[test]
fn paths_out_of_the_project_are_named_as_such() {
    for path in [
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "./../a",
        "~/x",
        "~",
        "a/../../b",
        "//etc",
    ] {
        for kind in ["read", "write"] {
            let fault = Capability::parse(&format!("{kind}:{path}")).expect_err(path);
            assert_eq!(fault.code, ErrorCode::PathOutside, "{path}");
        }
    }
    assert_eq!(parsed("write:~$report.docx").to_string(), "write:~$report.docx");
    assert_eq!(parsed("write:a/~/b").to_string(), "write:a/~/b");
}

#[test]
fn what_covers_what() {
    for (grant, need) in [
        ("read:.", "read:a/b"),
        ("read:.", "read:."),
        ("write:out", "write:out"),
        ("write:out", "write:out/a/b"),
        ("write:out", "write:out/*.csv"),
        ("write:*.csv", "write:a.csv"),
        ("write:out/**", "write:out/a/b"),
        ("write:**/*.csv", "write:a/b/c.csv"),
        ("write:**/*.csv", "write:c.csv"),
        ("write:a*b*c", "write:aXbXbc"),
        ("write:**", "write:a/**"),
        ("write:out/*", "write:out/a*"),
        ("net:example.org", "net:example.org:443"),
        ("net:*.example.org:443", "net:a.b.example.org:443"),
        ("net:*", "net:example.org:443"),
        ("net:localhost:8080", "net:localhost:8080"),
        ("run:*", "run:node"),
        ("mcp:s/*", "mcp:s/t"),
        ("browser:https://*.example.org", "browser:https://a.example.org"),
        ("browser:https://example.org", "browser:https://example.org:443"),
    ] {
        assert!(covers(grant, need), "{grant} covers {need}");
    }
    for (grant, need) in [
        ("read:.", "write:a"),
        ("write:out", "write:output"),
        ("write:out", "write:."),
        ("write:out", "write:Out"),
        ("write:caf\u{e9}", "write:cafe\u{301}"),
        ("write:out", "write:out*/x"),
        ("write:*.csv", "write:a/b.csv"),
        ("write:*.csv", "write:a.csvx"),
        ("write:out/*", "write:out/a/b"),
        ("write:a*", "write:*"),
        ("write:*", "write:**"),
        ("write:out/**", "write:outer/a"),
        ("net:example.org:443", "net:example.org"),
        ("net:example.org:443", "net:example.org:80"),
        ("net:*.example.org", "net:example.org:1"),
        ("net:*.example.org", "net:evilexample.org:1"),
        ("net:example.org", "net:example.org.evil.com"),
        ("net:*", "net:localhost:8080"),
        ("net:*", "net:127.0.0.1:80"),
        ("net:localhost", "net:localhost:8080"),
        ("net:127.0.0.1", "net:127.0.0.1:80"),
        ("net:[::1]", "net:[::1]:80"),
        ("net:0.0.0.0", "net:0.0.0.0:80"),
        ("run:node", "run:/usr/bin/node"),
        ("run:/usr/bin/node", "run:node"),
        ("run:node", "run:nodejs"),
        ("mcp:s/t", "mcp:s/*"),
        ("mcp:s/*", "mcp:other/t"),
        ("browser:http://example.org", "browser:https://example.org"),
        ("browser:https://example.org", "browser:https://example.org:8443"),
    ] {
        assert!(!covers(grant, need), "{grant} does not cover {need}");
    }
}

#[test]
fn a_denial_holds_for_other_spellings_of_the_same_thing() {
    let overlaps = |deny: &str, need: &str| parsed(deny).overlaps(&parsed(need));
    for (deny, need) in [
        ("run:curl", "run:/usr/bin/curl"),
        ("run:/usr/bin/curl", "run:curl"),
        ("run:/usr/bin/curl", "run:/bin/curl"),
        ("run:/usr/bin/curl", "run:/usr//bin/./curl"),
        ("run:*", "run:/opt/x"),
        ("net:localhost", "net:127.0.0.1:80"),
        ("net:127.0.0.1:80", "net:[::1]:80"),
        ("net:127.0.0.1:80", "net:app.localhost:80"),
        ("net:localhost", "net:[::ffff:127.0.0.1]:80"),
        ("net:127.0.0.1", "net:0.0.0.0:80"),
        ("net:example.org", "net:EXAMPLE.org.:443"),
        ("write:secret", "write:Secret/a"),
        ("write:**/*.KEY", "write:a/b.key"),
        ("write:*\u{3a3}", "write:a\u{3a3}"),
        ("write:secret/k", "write:SECRET"),
    ] {
        assert!(overlaps(deny, need) && overlaps(need, deny), "{deny} denies {need}");
    }
    for (deny, need) in [
        ("run:curl", "run:/usr/bin/curl2"),
        ("run:/opt/a/node", "run:/usr/bin/node"),
        ("net:localhost:80", "net:127.0.0.1:81"),
        ("net:example.org", "net:127.0.0.1:80"),
        ("write:secret", "write:secrets/a"),
        ("write:secret", "read:secret"),
    ] {
        assert!(!overlaps(deny, need), "{deny} does not deny {need}");
    }
}

#[test]
fn a_need_is_single_or_a_pattern() {
    for single in [
        "read:.",
        "write:a/b",
        "net:example.org",
        "net:localhost:80",
        "run:sh",
        "mcp:s/t",
        "env:A",
    ] {
        assert!(parsed(single).is_single(), "{single}");
    }
    for many in [
        "read:*",
        "write:**",
        "write:a*/b",
        "net:*",
        "browser:https://*",
        "net:*.example.org:443",
        "run:*",
        "mcp:s/*",
        "browser:https://*.example.org",
    ] {
        assert!(!parsed(many).is_single(), "{many}");
    }
}

#[test]
fn hostile_patterns_end() {
    let grant = format!("write:{}", "*a".repeat(1000));
    let need = format!("write:{}", "a".repeat(4000));
    assert!(covers(&grant, &need));
    let grant = format!("write:{}x", "**/".repeat(1000));
    let need = format!("write:{}y", "a/".repeat(2000));
    assert!(!covers(&grant, &need));
}

fn task(id: &str, needs: &[&str], writes: &[&str]) -> PlanTask {
    serde_json::from_value(serde_json::json!({
        "taskId": id, "title": id, "role": "developer", "needs": needs, "writes": writes
    }))
    .unwrap()
}

#[test]
fn bundles_are_the_sorted_union_in_normal_form() {
    let plan = Plan {
        summary: String::new(),
        tasks: vec![
            task("a", &["run:node", "read:./"], &["out//a.csv"]),
            task("b", &["read:.", "write:report.md"], &["report.md"]),
        ],
    };
    assert_eq!(
        bundle_of(&plan).unwrap(),
        ["read:.", "run:node", "write:out/a.csv", "write:report.md"]
    );
    assert_eq!(task_bundle(&plan.tasks[1]).unwrap(), ["read:.", "write:report.md"]);
}

#[test]
fn plans_that_ask_for_too_much_are_refused_by_name() {
    for (needs, writes) in [
        (&["write:.git/hooks"][..], &[][..]),
        (&[], &["a/.ENV"]),
        (&[], &["../x"]),
        (&["run:*"], &[]),
        (&["net:*"], &[]),
        (&["net:localhost"], &[]),
        (&["browser:https://*"], &[]),
        (&["everything"], &[]),
    ] {
        let fault = task_bundle(&task("months", needs, writes)).unwrap_err();
        assert_eq!(fault.code, ErrorCode::InvalidPlan);
        assert!(fault.message.contains("`months`"), "{}", fault.message);
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a", "b", "ab", "ä", ".x", "a b", "*", "a*", "*b", "**", "…", "a:b",
    ])
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(".".to_owned()),
        prop::collection::vec(name(), 1..5).prop_map(|names| names.join("/")),
    ]
}

fn capability() -> impl Strategy<Value = Capability> {
    let host = prop::sample::select(vec![
        "example.org",
        "a.example.org",
        "*.example.org",
        "*.a.example.org",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "*",
    ]);
    let port = prop::sample::select(vec!["", ":80", ":443"]);
    let place = (host, port).prop_map(|(host, port)| format!("{host}{port}"));
    let other = prop::sample::select(vec![
        "run:node",
        "run:/usr/bin/node",
        "run:*",
        "env:A",
        "mcp:s/t",
        "mcp:s/*",
        "model:p",
        "secret:s",
    ]);
    prop_oneof![
        4 => (any::<bool>(), path()).prop_map(|(write, path)| format!("{}:{path}", if write { "write" } else { "read" })),
        2 => place.clone().prop_map(|place| format!("net:{place}")),
        1 => (any::<bool>(), place).prop_map(|(secure, place)| format!("browser:http{}://{place}", if secure { "s" } else { "" })),
        1 => other.prop_map(str::to_owned),
    ]
    .prop_map(|text| parsed(&text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_reads_back_as_the_same(capability in capability()) {
        prop_assert_eq!(parsed(&capability.to_string()), capability);
    }

    #[test]
    fn any_text_reads_to_a_stable_form_or_not_at_all(kind in "read|write|net|run|env|mcp|model|secret|browser", value in "\\PC{0,12}|[./*:\\[\\]a-z0-9]{0,16}") {
        if let Ok(capability) = Capability::parse(&format!("{kind}:{value}")) {
            let printed = capability.to_string();
            prop_assert_eq!(parsed(&printed), capability);
            prop_assert!(!printed.split(['/', ':']).any(|name| name == ".."));
        }
    }

    #[test]
    fn narrowing_never_widens(a in capability(), b in capability(), c in capability()) {
        if a.covers(&b) && b.covers(&c) {
            prop_assert!(a.covers(&c), "{} {} {}", a, b, c);
        }
        if let Ok(taken) = narrowed(std::slice::from_ref(&a), std::slice::from_ref(&b))
            && taken.iter().any(|grant| grant.covers(&c))
        {
            prop_assert!(a.covers(&c));
        }
        if a.covers(&b) {
            prop_assert!(a.overlaps(&b) && b.overlaps(&a));
        }
    }

    #[test]
    fn spelling_does_not_change_what_a_path_is(names in prop::collection::vec("[a-zä][a-zä.]{0,3}", 1..5), noise in prop::collection::vec(0..3usize, 6)) {
        let mut text = String::new();
        for (name, noise) in names.iter().zip(noise.iter().cycle()) {
            text.push_str(["", "./", "./././"][*noise]);
            text.push_str(name);
            text.push_str(["/", "//", "/./"][*noise]);
        }
        prop_assert_eq!(parsed(&format!("write:{text}")).to_string(), format!("write:{}", names.join("/")));
    }

    #[test]
    fn a_path_that_climbs_is_never_read(before in prop::collection::vec("[a-z.*]{1,3}", 0..3), after in prop::collection::vec("[a-z.*]{1,3}", 0..3)) {
        let names: Vec<String> = before.into_iter().chain(["..".to_owned()]).chain(after).collect();
        let text = format!("write:{}", names.join("/"));
        prop_assert!(Capability::parse(&text).is_err());
    }
}
