//! The sandbox against real children: one program, which also plays the core and the children that its tests start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unsafe_code)]

mod children;
mod confinement;
mod endings;
mod neighbours;
mod network;
mod stage;
mod ways;

/// What this program does when it is started again, as a core or inside the sandbox.
#[test]
fn scenes() {
    let Ok(scene) = std::env::var(stage::SCENE) else { return };
    let known = [
        children::play,
        confinement::play,
        endings::play,
        neighbours::play,
        network::play,
    ];
    assert!(known.iter().any(|play| play(&scene)), "no scene `{scene}`");
}
