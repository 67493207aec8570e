//! Programs with a network: real ones reach what is granted and nothing else, in each way a core may be started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unsafe_code)]

mod attacks;
mod broker;
mod programs;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../stage/ways.rs"]
mod ways;

use stage::{SCENE, lines, text};
use ways::core_command;

#[test]
fn scenes() {
    match std::env::var(SCENE).as_deref() {
        Ok("core") => programs::play_core(),
        Ok("attacks") => attacks::play(),
        Ok("waiting") => attacks::wait_for_the_end(),
        _ => {}
    }
}

fn started(plain_user: bool, container: bool) {
    if plain_user && !rustix::process::geteuid().is_root() {
        // Already one: the other test is this one.
        return;
    }
    let (_folder, mut command) = core_command(plain_user, container);
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert_eq!(lines(&said).last().map(String::as_str), Some("done"), "{said}");
}

#[test]
fn as_started() {
    started(false, false);
}

#[test]
fn as_started_in_a_container() {
    started(false, true);
}

#[test]
fn as_a_plain_user() {
    started(true, false);
}

#[test]
fn as_a_plain_user_in_a_container() {
    started(true, true);
}
