//! Labels: what a result carries, and what of the network a labelled step's programs keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A step's approver as the network of what it starts sees it: with what was allowed for this very call, and from the moment the
/// attempt has read text from outside only with what a person saw word for word.
pub struct Seen {
    pub approver: Arc<dyn Approver>,
    /// The context had labels when the call began.
    pub labelled: bool,
    /// For this call alone: a program it starts keeps them.
    pub permitted: Vec<Grant>,
    /// Addresses it opens in the browser: they are reached until the call is over.
    pub visits: Vec<Grant>,
    pub over: Arc<AtomicBool>,
}

impl Approver for Seen {
    fn ask(
        &self,
        step: StepRef,
        question: Question,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<EffectiveDecision>> {
        self.approver.ask(step, question, cancel)
    }

    fn grants(&self, step: &StepRef) -> Vec<Grant> {
        let mut grants = self.approver.grants(step);
        if self.labelled || !self.approver.labels(step).is_empty() {
            grants = seen_reach(grants);
        }
        grants.extend(self.permitted.iter().cloned());
        if !self.over.load(Ordering::Acquire) {
            grants.extend(self.visits.iter().cloned());
        }
        grants
    }

    fn policy(&self) -> ApprovePolicy {
        self.approver.policy()
    }

    fn denies(&self) -> Vec<String> {
        self.approver.denies()
    }

    fn labels(&self, step: &StepRef) -> Vec<Label> {
        self.approver.labels(step)
    }

    fn observed(&self, step: &StepRef) -> Option<ObservedResult> {
        self.approver.observed(step)
    }

    fn superseded(&self, attempt: &StepRef, base: Option<&BaseNote>) -> bool {
        self.approver.superseded(attempt, base)
    }

    fn edited(&self, step: &StepRef) -> Option<Vec<String>> {
        self.approver.edited(step)
    }

    fn messages(&self, step: &StepRef) -> Option<Vec<Told>> {
        self.approver.messages(step)
    }

    fn interrupted(&self, step: &StepRef) -> bool {
        self.approver.interrupted(step)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.approver.ledger()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels(needs: &[&str], networked: bool) -> Vec<Label> {
        let needs: Vec<Capability> = needs.iter().map(|need| Capability::parse(need).unwrap()).collect();
        let files = [
            ("from/web.txt".to_owned(), vec![Label::Web]),
            ("from/mcp [x".to_owned(), vec![Label::Mcp]),
        ];
        labels_of(&needs, &files, networked)
    }

    #[test]
    fn who_reads_a_labelled_file_is_labelled() {
        assert_eq!(labels(&["read:from/web.txt"], false), [Label::Web]);
        assert_eq!(labels(&["read:from"], false), [Label::Web, Label::Mcp]);
        assert_eq!(labels(&["read:."], false), [Label::Web, Label::Mcp]);
        assert_eq!(labels(&["read:other"], false), []);
        assert_eq!(labels(&["write:from/web.txt"], false), [], "writing reads nothing");
        assert_eq!(
            labels(&["run:cat"], false),
            [Label::Web, Label::Mcp],
            "a program reads what it likes"
        );
    }

    #[test]
    fn what_was_reached_labels_the_result() {
        assert_eq!(labels(&["net:a.example.org:443"], false), [Label::Web]);
        assert_eq!(labels(&["browser:https://a.example.org"], false), [Label::Web]);
        assert_eq!(labels(&["mcp:s/t"], false), [Label::Mcp]);
        let program = [Capability::parse("run:curl").unwrap()];
        assert_eq!(labels_of(&program, &[], true), [Label::Web]);
        assert_eq!(labels_of(&program, &[], false), []);
    }
}
