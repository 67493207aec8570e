//! The conductor under thousands of seeds.

use std::thread;

use openwrap_workforce::simulation::{Summary, TIMINGS, simulate};

const SEEDS: u64 = 2_000;

// AP-100, AP-101, AP-102, AP-103, AP-104, AP-105, AP-106, AP-107, AP-108, AP-109, AP-112, AP-113, AP-114, AP-115, AP-117,
// AP-118, AP-119, AP-120
#[test]
fn two_thousand_seeds_settle_the_same_whatever_the_timing() {
    let halves = [0, 1].map(|half| thread::spawn(move || simulate((0..SEEDS).filter(|seed| seed % 2 == half))));
    let mut summary = Summary::default();
    for half in halves {
        let done = half.join().unwrap().unwrap_or_else(|violation| panic!("{violation}"));
        summary.add(done);
    }
    assert_eq!((summary.seeds, summary.runs), (SEEDS, SEEDS * u64::from(TIMINGS)));
    // Nothing of what is to be tested may be missing from the seeds.
    let met = [
        summary.failures,
        summary.backoffs,
        summary.escalations,
        summary.replans,
        summary.messages,
        summary.conflicts,
        summary.refusals,
        summary.needs_head,
        summary.heads,
        summary.let_go,
        summary.waits,
        summary.aborts,
        summary.squashed,
        summary.canceled,
        summary.crashes,
        summary.stops,
    ];
    assert!(met.iter().all(|count| *count >= 500), "{summary:?}");
    assert!(summary.running_max > 32, "{summary:?}");
}
