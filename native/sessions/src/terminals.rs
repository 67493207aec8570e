//! The terminals of this crate as the tools know them.

use std::sync::Arc;

use openwrap_contracts::Outcome;
use openwrap_contracts::ports::Task;
use openwrap_contracts::session::{ProgramTerminal, Terminals};
use openwrap_contracts::spawn::{Child, ExitStatus, TerminalSize};

use crate::terminal::Terminal;

/// Makes [`Terminal`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScreenTerminals;

impl Terminals for ScreenTerminals {
    fn of_child(&self, child: Child, size: TerminalSize) -> Outcome<Arc<dyn ProgramTerminal>> {
        Terminal::of_child(child, size).map(|terminal| terminal as _)
    }

    fn of_pipes(&self, size: TerminalSize) -> Outcome<Arc<dyn ProgramTerminal>> {
        Terminal::of_pipes(size).map(|terminal| terminal as _)
    }
}

impl ProgramTerminal for Terminal {
    fn text(&self) -> String {
        Self::text(self)
    }

    fn last_lines(&self, most: usize) -> String {
        Self::last_lines(self, most)
    }

    fn ended(&self) -> Option<ExitStatus> {
        Self::ended(self)
    }

    fn end(&self) -> Task<'_, Option<ExitStatus>> {
        Box::pin(self.wait())
    }

    fn show(&self, output: &[u8]) {
        Self::show(self, output);
    }
}
