//! Programs with a network: real ones reach what is granted and nothing else, in each way a core may be started.

mod attacks;
mod broker;
mod programs;

use crate::stage::{lines, text};
use crate::ways::{Starter, core_command};

pub fn play(scene: &str) -> bool {
    match scene {
        "network_core" => programs::play_core(),
        "attacks" => attacks::play(),
        "waiting" => attacks::wait_for_the_end(),
        _ => return false,
    }
    true
}

fn started(starter: Starter, container: bool) {
    if !starter.is_played() {
        return;
    }
    let (_held, mut command) = core_command("network_core", starter, container);
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert_eq!(lines(&said).last().map(String::as_str), Some("done"), "{said}");
}

#[test]
fn as_started() {
    started(Starter::Own, false);
}

#[test]
fn as_started_in_a_container() {
    started(Starter::Own, true);
}

#[test]
fn as_a_plain_user() {
    started(Starter::Plain, false);
}

#[test]
fn as_a_plain_user_in_a_container() {
    started(Starter::Plain, true);
}

#[test]
fn as_who_may_only_change_users_in_a_container() {
    started(Starter::ChangingUsers, true);
}
