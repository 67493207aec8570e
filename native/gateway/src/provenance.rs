//! Labels: what a result carries, and what of the network a labelled step's programs keep.

use std::sync::Arc;

use openwrap_contracts::Outcome;
use openwrap_contracts::event::BaseNote;
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant, Question};
use openwrap_contracts::identity::{Label, StepRef, join_labels};
use openwrap_contracts::ports::{Approver, CancellationToken, Ledger, ObservedResult, Task, Told};
use openwrap_grants::{Capability, seen_reach};

/// Labels that follow from what an act needed: what it reached, and the files of labelled work it may have read. A program may have read
/// every file of the view, and with a network whatever it was granted.
pub fn labels_of(needs: &[Capability], files: &[(String, Vec<Label>)], networked: bool) -> Vec<Label> {
    let mut labels = Vec::new();
    for need in needs {
        match need {
            Capability::Net(_) | Capability::Browser(_) => labels.push(Label::Web),
            Capability::Mcp { .. } => labels.push(Label::Mcp),
            Capability::Run(_) => {
                labels.extend(networked.then_some(Label::Web));
                labels.extend(files.iter().flat_map(|(_, labels)| labels));
            }
            Capability::Read(_) => {
                let read = files.iter().filter(|(path, _)| reads(need, path));
                labels.extend(read.flat_map(|(_, labels)| labels));
            }
            _ => {}
        }
    }
    join_labels(&labels, &[])
}

/// A name that cannot be read as a path counts as read.
fn reads(need: &Capability, path: &str) -> bool {
    Capability::parse(&format!("read:{path}")).map_or(true, |file| need.overlaps(&file))
}

/// The approver of a labelled step, as its programs' network sees it: grants reach what a person saw word for word.
pub struct Seen(pub Arc<dyn Approver>);

impl Approver for Seen {
    fn ask(
        &self,
        step: StepRef,
        question: Question,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<EffectiveDecision>> {
        self.0.ask(step, question, cancel)
    }

    fn grants(&self, step: &StepRef) -> Vec<Grant> {
        seen_reach(self.0.grants(step))
    }

    fn policy(&self) -> ApprovePolicy {
        self.0.policy()
    }

    fn denies(&self) -> Vec<String> {
        self.0.denies()
    }

    fn observed(&self, step: &StepRef) -> Option<ObservedResult> {
        self.0.observed(step)
    }

    fn superseded(&self, attempt: &StepRef, base: Option<&BaseNote>) -> bool {
        self.0.superseded(attempt, base)
    }

    fn edited(&self, step: &StepRef) -> Option<Vec<String>> {
        self.0.edited(step)
    }

    fn messages(&self, step: &StepRef) -> Option<Vec<Told>> {
        self.0.messages(step)
    }

    fn interrupted(&self, step: &StepRef) -> bool {
        self.0.interrupted(step)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.0.ledger()
    }
}
