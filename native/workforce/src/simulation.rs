//! The conductor under thousands of seeds: random plans, timings, slots, failures, answers, messages, crashes, in virtual time.
//!
//! A seed fixes what happens ([`world`]), a timing when ([`host`]). Every timing of a seed must give the same record, and what the
//! conductor says in between must keep the rules ([`rules`]).

mod host;
mod random;
mod rules;
mod world;

use std::fmt;

use serde::Serialize;

use host::{Host, Outcome, Timing};
use random::Digest;
use world::World;

/// Timings tried of each seed, the reference and the one that is stopped included.
pub const TIMINGS: u32 = 6;

/// What happened, summed over the runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub seeds: u64,
    pub runs: u64,
    pub inputs: u64,
    pub starts: u64,
    /// Most attempts running at once.
    pub running_max: u64,
    pub retired: u64,
    pub failures: u64,
    pub backoffs: u64,
    pub escalations: u64,
    pub replans: u64,
    pub messages: u64,
    pub conflicts: u64,
    /// Commits refused because of a person's edit.
    pub refusals: u64,
    pub needs_head: u64,
    pub heads: u64,
    pub let_go: u64,
    pub waits: u64,
    pub aborts: u64,
    pub squashed: u64,
    pub canceled: u64,
    pub crashes: u64,
    pub stops: u64,
}

impl Summary {
    fn fields(&mut self) -> [&mut u64; 22] {
        [
            &mut self.seeds,
            &mut self.runs,
            &mut self.inputs,
            &mut self.starts,
            &mut self.retired,
            &mut self.failures,
            &mut self.backoffs,
            &mut self.escalations,
            &mut self.replans,
            &mut self.messages,
            &mut self.conflicts,
            &mut self.refusals,
            &mut self.needs_head,
            &mut self.heads,
            &mut self.let_go,
            &mut self.waits,
            &mut self.aborts,
            &mut self.squashed,
            &mut self.canceled,
            &mut self.crashes,
            &mut self.stops,
            &mut self.running_max,
        ]
    }

    /// Adds another summary; of `running_max` the larger one stays.
    pub fn add(&mut self, mut other: Self) {
        let most = self.running_max.max(other.running_max);
        for (sum, more) in self.fields().into_iter().zip(other.fields()) {
            *sum += *more;
        }
        self.running_max = most;
    }
}

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub seed: u64,
    /// Which timing of the seed, from 0.
    pub timing: u32,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, timing {}: {}", self.seed, self.timing, self.message)
    }
}

impl std::error::Error for Violation {}

/// Runs every seed under [`TIMINGS`] timings.
///
/// # Errors
/// The first rule that does not hold.
pub fn simulate(seeds: impl Iterator<Item = u64>) -> Result<Summary, Violation> {
    let mut summary = Summary::default();
    for seed in seeds {
        summary.add(simulate_seed(seed)?);
    }
    Ok(summary)
}

/// Runs one seed.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_seed(seed: u64) -> Result<Summary, Violation> {
    let world = World::new(seed);
    let mut summary = Summary {
        seeds: 1,
        ..Summary::default()
    };
    let mut reference: Option<Outcome> = None;
    for number in 0..TIMINGS {
        let at = |message: String| Violation {
            seed,
            timing: number,
            message,
        };
        let timing = Timing::new(
            number,
            Digest(seed).text("timing").word(u64::from(number)).random(),
            reference.as_ref(),
        );
        let stopped = timing.stop_at.is_some();
        let outcome = Host::new(&world, timing).run().map_err(at)?;
        summary.add(outcome.counts);
        match &reference {
            None => reference = Some(outcome),
            Some(reference) if stopped => rules::same_beginning(reference, &outcome).map_err(at)?,
            Some(reference) => rules::same_record(reference, &outcome).map_err(at)?,
        }
    }
    Ok(summary)
}
