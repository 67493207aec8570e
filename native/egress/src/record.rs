//! Connections as events.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::Outcome;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::ports::{Clock, Ledger};
use tokio::sync::OnceCell;

/// Connections remembered as written down; beyond it they are written down again.
const NOTED_MAX: usize = 10_000;

/// Who connects where, why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    pub run_id: Option<String>,
    pub task_id: Option<String>,
    pub purpose: String,
    pub host: String,
    pub port: u16,
    pub address: IpAddr,
}

impl Connection {
    fn fact(&self) -> Fact {
        Fact::Connected {
            host: self.host.clone(),
            port: u32::from(self.port),
            address: self.address.to_string(),
            purpose: self.purpose.clone(),
        }
    }
}

/// Writes events of connections.
pub struct Record {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    noted: Mutex<HashMap<Connection, Arc<OnceCell<()>>>>,
}

impl Record {
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledger,
            clock,
            noted: Mutex::default(),
        }
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Returns when the connection is on disk; later ones of the same run, purpose, host, port and address cost nothing.
    pub async fn connected(&self, connection: &Connection) -> Outcome<()> {
        let cell = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.len() >= NOTED_MAX && !noted.contains_key(connection) {
                noted.clear();
            }
            Arc::clone(noted.entry(connection.clone()).or_default())
        };
        let write = || {
            let fact = connection.fact();
            self.append(connection.run_id.clone(), connection.task_id.clone(), fact)
        };
        cell.get_or_try_init(write).await?;
        Ok(())
    }

    /// As [`Record::connected`], each connection anew.
    pub async fn connected_again(&self, connection: &Connection) -> Outcome<()> {
        let fact = connection.fact();
        self.append(connection.run_id.clone(), connection.task_id.clone(), fact)
            .await
    }

    pub async fn refused(
        &self,
        run_id: Option<String>,
        task_id: Option<String>,
        purpose: &str,
        host: &str,
        port: u16,
        reason: &str,
    ) -> Outcome<()> {
        let fact = Fact::ConnectionRefused {
            host: host.to_owned(),
            port: u32::from(port),
            reason: reason.to_owned(),
            purpose: purpose.to_owned(),
        };
        self.append(run_id, task_id, fact).await
    }

    async fn append(&self, run_id: Option<String>, task_id: Option<String>, fact: Fact) -> Outcome<()> {
        let event = Event {
            at: self.now_ms(),
            actor: Actor::core("egress"),
            project_id: None,
            run_id,
            task_id,
            attempt: None,
            step: None,
            fact,
        };
        self.ledger.append(vec![event]).await.map(|_| ())
    }
}
