//! Refs: short names for nodes, the same for the same node, never used for another.

use std::collections::{HashMap, VecDeque};

use openwrap_contracts::limits::BROWSER_REFS_MAX;

use crate::page::FrameHome;

/// A node of a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeId {
    pub home: FrameHome,
    /// The document the number is good in: numbers begin anew in another process.
    pub loader: String,
    pub backend: i64,
}

/// The refs of one task. The counter only grows.
#[derive(Debug, Default)]
pub struct Refs {
    last: u64,
    by_node: HashMap<NodeId, u64>,
    by_ref: HashMap<u64, (u32, NodeId)>,
    order: VecDeque<u64>,
}

/// What a ref stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    Node(u32, NodeId),
    /// It was given out and is forgotten.
    Old,
    Never,
}

impl Refs {
    /// The ref of a node of a tab.
    pub fn of(&mut self, tab: u32, node: &NodeId) -> u64 {
        if let Some(known) = self.by_node.get(node) {
            return *known;
        }
        self.last += 1;
        self.by_node.insert(node.clone(), self.last);
        self.by_ref.insert(self.last, (tab, node.clone()));
        self.order.push_back(self.last);
        while self.order.len() > BROWSER_REFS_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some((_, node)) = self.by_ref.remove(&oldest) {
                self.by_node.remove(&node);
            }
        }
        self.last
    }

    /// Continues after the refs a browser before gave out.
    pub fn begin_after(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    /// What `e12` stands for.
    pub fn known(&self, text: &str) -> Known {
        let number = text.strip_prefix('e').and_then(|digits| digits.parse::<u64>().ok());
        match number {
            Some(number) if number >= 1 && number <= self.last => match self.by_ref.get(&number) {
                Some((tab, node)) => Known::Node(*tab, node.clone()),
                None => Known::Old,
            },
            _ => Known::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(loader: &str, backend: i64) -> NodeId {
        NodeId {
            home: FrameHome {
                session: "s".to_owned(),
                frame: "f".to_owned(),
            },
            loader: loader.to_owned(),
            backend,
        }
    }

    #[test]
    fn a_ref_is_one_node_for_ever() {
        let mut refs = Refs::default();
        let first = refs.of(1, &node("a", 5));
        assert_eq!(refs.of(1, &node("a", 5)), first);
        let other = refs.of(1, &node("b", 5));
        assert_ne!(first, other);
        assert_eq!(refs.known("e1"), Known::Node(1, node("a", 5)));
        for bad in ["e0", "e3", "1", "e", "e-1", "x1"] {
            assert_eq!(refs.known(bad), Known::Never, "{bad}");
        }
        for number in 0..BROWSER_REFS_MAX as i64 {
            refs.of(1, &node("c", number));
        }
        assert_eq!(refs.known("e1"), Known::Old);
        assert!(refs.of(1, &node("a", 5)) > BROWSER_REFS_MAX as u64);
    }
}
