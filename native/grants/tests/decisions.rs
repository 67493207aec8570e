//! Decisions: deny wins, then allow, then ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use openwrap_contracts::ErrorCode;
use openwrap_contracts::grant::{ApprovePolicy, Decision, Grant, Holder, Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::{Label, StepRef};
use openwrap_grants::{
    Capability, DecideInput, Verdict, capabilities_held, decide, denied_writes, grants_of_decision, refused_writes,
    seen_reach,
};
use proptest::prelude::*;

fn parsed(texts: &[&str]) -> Vec<Capability> {
    texts.iter().map(|text| Capability::parse(text).unwrap()).collect()
}

fn step() -> StepRef {
    StepRef {
        task_id: "t".to_owned(),
        attempt: 1,
        step: 2,
    }
}

fn grant(capability: &str) -> Grant {
    Grant {
        grant_id: format!("g-{capability}"),
        capability: capability.to_owned(),
        holder: Holder::Task {
            run_id: "r".to_owned(),
            task_id: "t".to_owned(),
        },
        issued_at: 0,
        expires_at: None,
        approval_id: None,
    }
}

struct Case {
    needs: Vec<Capability>,
    grants: Vec<Grant>,
    denies: Vec<Capability>,
    policy: ApprovePolicy,
    labels: Vec<Label>,
    irreversible: bool,
}

impl Case {
    fn new(needs: &[&str], grants: &[&str]) -> Self {
        Self {
            needs: parsed(needs),
            grants: grants.iter().map(|text| grant(text)).collect(),
            denies: Vec::new(),
            policy: ApprovePolicy::Ask,
            labels: Vec::new(),
            irreversible: false,
        }
    }

    fn verdict(&self) -> Verdict {
        decide(&DecideInput {
            needs: &self.needs,
            grants: &self.grants,
            denies: &self.denies,
            policy: self.policy,
            labels: &self.labels,
            run_id: "r",
            step: &step(),
            irreversible: self.irreversible,
            now: 100,
        })
    }

    fn allows(&self) -> bool {
        matches!(self.verdict(), Verdict::Allow { .. })
    }
}

#[test]
fn covered_needs_are_allowed_and_name_their_grants() {
    let case = Case::new(
        &["read:a", "write:out/x", "run:node"],
        &["read:.", "write:out", "run:node"],
    );
    assert_eq!(
        case.verdict(),
        Verdict::Allow {
            grant_ids: vec!["g-read:.".to_owned(), "g-write:out".to_owned(), "g-run:node".to_owned()],
            answered: false
        }
    );
    assert!(Case::new(&[], &[]).allows());
}

#[test]
fn the_rest_is_asked_refused_or_allowed_by_policy() {
    let mut case = Case::new(&["write:b", "run:node", "write:b", "read:a"], &["read:."]);
    assert_eq!(
        case.verdict(),
        Verdict::Ask {
            missing: parsed(&["write:b", "run:node"]),
            risk: Risk::RunsProgram
        }
    );
    case.policy = ApprovePolicy::Bundle;
    let Verdict::Deny { code, reason } = case.verdict() else {
        panic!("allowed");
    };
    assert_eq!(code, ErrorCode::PermissionDenied);
    assert!(
        reason.contains("`write:b`") && reason.contains("`run:node`"),
        "{reason}"
    );
    case.policy = ApprovePolicy::All;
    assert!(case.allows());
}

#[test]
fn protected_names_are_never_written() {
    for policy in [ApprovePolicy::Ask, ApprovePolicy::Bundle, ApprovePolicy::All] {
        for path in [
            ".git/config",
            "a/.GIT/x",
            ".openwrap/state",
            ".ssh/id",
            ".env",
            "a/.envrc",
            ".bashrc",
        ] {
            let mut case = Case::new(&["read:."], &["read:.", "write:.", "write:**"]);
            case.needs.push(Capability::parse(&format!("write:{path}")).unwrap());
            case.policy = policy;
            let Verdict::Deny { code, .. } = case.verdict() else {
                panic!("{path} was allowed");
            };
            assert_eq!(code, ErrorCode::ProtectedPath);
        }
    }
    assert!(Case::new(&["read:.git/config"], &["read:."]).allows());
}

#[test]
fn a_grant_serves_its_holder_until_its_end() {
    let allowed = |change: fn(&mut Grant)| {
        let mut case = Case::new(&["write:a"], &["write:a"]);
        change(&mut case.grants[0]);
        case.allows()
    };
    let run = |id: &str| Holder::Run { run_id: id.to_owned() };
    assert!(allowed(|grant| grant.expires_at = Some(101)));
    assert!(!allowed(|grant| grant.expires_at = Some(100)));
    assert!(!allowed(|grant| grant.capability = "no capability".to_owned()));
    let mut case = Case::new(&["write:a"], &["write:a"]);
    case.grants[0].holder = run("r");
    assert!(case.allows());
    case.grants[0].holder = run("other");
    assert!(!case.allows());
    case.grants[0].holder = Holder::Task {
        run_id: "r".to_owned(),
        task_id: "other".to_owned(),
    };
    assert!(!case.allows());
}

#[test]
fn a_grant_of_the_plan_comes_before_an_answer() {
    let mut case = Case::new(&["write:a"], &["write:a", "write:."]);
    case.grants[0].approval_id = Some("ask".to_owned());
    assert_eq!(
        case.verdict(),
        Verdict::Allow {
            grant_ids: vec!["g-write:.".to_owned()],
            answered: false
        }
    );
    case.grants.pop();
    assert!(matches!(case.verdict(), Verdict::Allow { answered: true, .. }));
}

#[test]
fn in_a_labelled_context_only_what_was_seen_word_for_word_leaves_the_view() {
    let labelled = |needs: &[&str], grants: &[&str]| {
        let mut case = Case::new(needs, grants);
        assert!(case.allows(), "{grants:?}");
        case.labels = vec![Label::Web];
        case.allows()
    };
    assert!(labelled(&["net:a.example.org:443"], &["net:a.example.org:443"]));
    assert!(!labelled(&["net:a.example.org:443"], &["net:*.example.org:443"]));
    assert!(
        labelled(&["net:a.example.org:443"], &["net:a.example.org"]),
        "a host is named for its web ports"
    );
    assert!(!labelled(&["net:a.example.org:22"], &["net:a.example.org"]));
    assert!(
        !labelled(&["net:a.example.org"], &["net:a.example.org"]),
        "every port is a wider scope"
    );
    assert!(labelled(
        &["browser:https://a.example.org"],
        &["browser:https://a.example.org"]
    ));
    assert!(!labelled(
        &["browser:https://a.example.org"],
        &["browser:https://*.example.org"]
    ));
    assert!(labelled(&["run:node"], &["run:node"]));
    assert!(!labelled(&["run:node"], &["run:*"]));
    assert!(!labelled(&["mcp:s/t"], &["mcp:s/*"]));
    assert!(labelled(&["write:out/a.csv", "read:b"], &["write:out/*", "read:."]));
    let mut act = Case::new(&["write:out/a.csv"], &["write:out"]);
    act.labels = vec![Label::Mcp];
    act.irreversible = true;
    assert_eq!(
        act.verdict(),
        Verdict::Ask {
            missing: parsed(&["write:out/a.csv"]),
            risk: Risk::CannotBeUndone
        }
    );
    act.grants = vec![grant("write:out/a.csv")];
    assert!(!act.allows(), "a capability shows neither whom it is for nor what");
    act.needs.clear();
    assert!(matches!(act.verdict(), Verdict::Ask { missing, .. } if missing.is_empty()));
    act.policy = ApprovePolicy::Bundle;
    assert!(matches!(act.verdict(), Verdict::Deny { .. }));
}

#[test]
fn programs_of_a_labelled_step_reach_what_was_seen() {
    let reach = |grants: &[&str]| -> Vec<String> {
        let grants = grants.iter().map(|text| grant(text)).collect();
        seen_reach(grants).into_iter().map(|grant| grant.capability).collect()
    };
    assert_eq!(
        reach(&[
            "read:.",
            "net:a.example.org:22",
            "net:b.example.org",
            "net:*.example.org",
            "net:localhost",
            "net:localhost:80",
            "net:*",
            "browser:https://*.example.org",
            "browser:https://example.org"
        ]),
        [
            "read:.",
            "net:a.example.org:22",
            "net:b.example.org:80",
            "net:b.example.org:443",
            "net:localhost:80",
            "browser:https://example.org"
        ]
    );
}

#[test]
fn answers_become_grants_of_their_scope() {
    let question = Question {
        approval_id: "ask".to_owned(),
        kind: QuestionKind::Tool,
        risk: Risk::ChangesFiles,
        sentence: String::new(),
        exact: String::new(),
        why: String::new(),
        if_no: String::new(),
        adds: vec!["write:a".to_owned(), "run:node".to_owned()],
        labels: Vec::new(),
        tool: None,
        arguments_hash: None,
        scopes: Vec::new(),
    };
    let grants = |allow: bool, scope: Scope| {
        let decision = Decision {
            allow,
            scope,
            reason: None,
        };
        let mut next = 0;
        grants_of_decision(&question, &decision, "r", &step(), 7, || {
            next += 1;
            format!("g{next}")
        })
    };
    assert!(grants(true, Scope::Once).is_empty());
    assert!(grants(false, Scope::Run).is_empty());
    let task = grants(true, Scope::Task);
    assert_eq!(task.len(), 2);
    let mut case = Case::new(&["write:a", "run:node"], &[]);
    assert!(!case.allows());
    case.grants = task;
    assert!(matches!(case.verdict(), Verdict::Allow { answered: true, .. }));
    assert_eq!(
        grants(true, Scope::Run)[1].holder,
        Holder::Run { run_id: "r".to_owned() }
    );
}

#[test]
fn changed_paths_are_held_against_writes_and_rules() {
    let paths: Vec<String> = ["out/a", "b", "x/.git/hooks/y", "a*b", "new\nline", "secret/k"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(
        refused_writes(
            &paths,
            &parsed(&["write:out", "write:secret"]),
            &parsed(&["write:secret"])
        ),
        ["b", "x/.git/hooks/y", "a*b", "new\nline", "secret/k"]
    );
    assert_eq!(
        refused_writes(&paths, &parsed(&["write:."]), &[]),
        ["x/.git/hooks/y", "new\nline"]
    );
    assert_eq!(
        denied_writes(&paths, &parsed(&["write:secret", "write:out/a/b"])),
        ["out/a", "new\nline", "secret/k"]
    );
    assert!(denied_writes(&paths, &[]).is_empty());
}

#[test]
fn capabilities_are_held_by_the_run_the_task_and_until_their_end() {
    let held = |change: fn(&mut Grant)| {
        let mut grant = grant("write:out");
        grant.holder = Holder::Task {
            run_id: "r".to_owned(),
            task_id: "t".to_owned(),
        };
        change(&mut grant);
        capabilities_held(&[grant], "r", "t", 100)
    };
    assert_eq!(held(|_| {}), parsed(&["write:out"]));
    assert_eq!(held(|grant| grant.expires_at = Some(101)), parsed(&["write:out"]));
    assert!(held(|grant| grant.expires_at = Some(100)).is_empty());
    assert!(held(|grant| grant.capability = "wriet:out".to_owned()).is_empty());
    for (run, task) in [("r", "u"), ("q", "t")] {
        let other = |grant: &mut Grant| {
            grant.holder = Holder::Task {
                run_id: run.to_owned(),
                task_id: task.to_owned(),
            };
        };
        let mut grant = grant("write:out");
        other(&mut grant);
        assert!(capabilities_held(&[grant], "r", "t", 100).is_empty());
    }
    assert!(held(|grant| grant.holder = Holder::Run { run_id: "q".to_owned() }).is_empty());
    assert_eq!(
        held(|grant| grant.holder = Holder::Run { run_id: "r".to_owned() }),
        parsed(&["write:out"])
    );
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "read:.",
        "read:a",
        "read:a/b",
        "write:.",
        "write:a",
        "write:a/b",
        "write:*",
        "write:**/b",
        "write:c",
        "net:example.org",
        "net:example.org:443",
        "net:*.example.org",
        "net:a.example.org:443",
        "net:localhost:80",
        "run:node",
        "run:*",
        "run:/bin/sh",
        "mcp:s/t",
        "mcp:s/*",
        "secret:k",
        "env:A",
    ])
}

fn policy() -> impl Strategy<Value = ApprovePolicy> {
    prop::sample::select(vec![ApprovePolicy::Ask, ApprovePolicy::Bundle, ApprovePolicy::All])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deny_wins_over_everything(
        needs in prop::collection::vec(text(), 1..4), grants in prop::collection::vec(text(), 0..6), policy in policy(),
        denied in any::<prop::sample::Index>(), labelled in any::<bool>(), irreversible in any::<bool>(),
    ) {
        let mut case = Case::new(&needs, &grants);
        case.policy = policy;
        case.irreversible = irreversible;
        case.labels = if labelled { vec![Label::Web] } else { Vec::new() };
        case.grants.extend(needs.iter().map(|need| grant(need)));
        case.denies = vec![case.needs[denied.index(needs.len())].clone()];
        let denied = matches!(case.verdict(), Verdict::Deny { .. });
        prop_assert!(denied);
    }

    #[test]
    fn fewer_grants_or_more_rules_never_allow_more(
        needs in prop::collection::vec(text(), 0..4), grants in prop::collection::vec(text(), 0..6), policy in policy(),
        labelled in any::<bool>(), dropped in any::<prop::sample::Index>(), rule in text(),
    ) {
        let mut case = Case::new(&needs, &grants);
        case.policy = policy;
        let before = case.allows();
        if !case.grants.is_empty() {
            case.grants.remove(dropped.index(grants.len()));
        }
        if labelled {
            case.labels = vec![Label::UntrustedFile];
        }
        let after = case.allows();
        prop_assert!(before || !after);
        case.denies = parsed(&[rule]);
        prop_assert!(after || !case.allows());
    }

    /// Whatever stands in the bundle: with a label, an act leaves the view only as it was seen, and an act inside never asks more.
    #[test]
    fn a_label_asks_for_exactly_what_was_not_seen(
        needs in prop::collection::vec(text(), 1..4), grants in prop::collection::vec(text(), 0..6), irreversible in any::<bool>(),
    ) {
        let mut case = Case::new(&needs, &grants);
        case.irreversible = irreversible;
        let before = case.allows();
        case.labels = vec![Label::Web];
        let web = |need: &Capability, grant: &Capability| match (need, grant) {
            (Capability::Net(need), Capability::Net(grant)) => {
                need.host == grant.host && grant.port.is_none() && matches!(need.port, Some(80 | 443))
            }
            _ => false,
        };
        let held: Vec<Capability> = case.grants.iter().map(|grant| Capability::parse(&grant.capability).unwrap()).collect();
        let seen = |need: &Capability| {
            need.is_confined() || held.iter().any(|grant| (grant == need && !grant.is_pattern()) || web(need, grant))
        };
        prop_assert_eq!(case.allows(), before && !irreversible && case.needs.iter().all(seen));
    }

    #[test]
    fn a_narrowed_reach_never_widens(grants in prop::collection::vec(text(), 0..6), need in text()) {
        let need = Capability::parse(need).unwrap();
        let covers = |grants: Vec<Grant>| grants.iter().any(|grant| Capability::parse(&grant.capability).unwrap().covers(&need));
        let grants: Vec<Grant> = grants.iter().map(|text| grant(text)).collect();
        prop_assert!(!covers(seen_reach(grants.clone())) || covers(grants));
    }

    #[test]
    fn the_order_of_grants_decides_nothing(needs in prop::collection::vec(text(), 0..4), grants in prop::collection::vec(text(), 0..6), answered in any::<u8>()) {
        let mut case = Case::new(&needs, &grants);
        for (place, grant) in case.grants.iter_mut().enumerate() {
            grant.approval_id = (answered >> place & 1 == 1).then(|| "ask".to_owned());
        }
        let kind = |verdict: Verdict| match verdict {
            Verdict::Allow { answered, .. } => format!("allow {answered}"),
            other => format!("{other:?}"),
        };
        let before = kind(case.verdict());
        case.grants.reverse();
        prop_assert_eq!(before, kind(case.verdict()));
    }
}
