//! Which ready task goes to which worker. Ready tasks and free workers are kept in order, so an assignment costs a few tree
//! operations whatever the size of the plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::graph::Graph;

/// Priority, then place: the order of dispatch. A place is unique, so ids never decide.
type Key = (i32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not for dispatch: dependencies are missing, or somebody else decides.
    Parked,
    Ready,
    Running(u32),
    /// Under way without a worker.
    Detached,
    Completed,
}

#[derive(Debug, Clone)]
struct Node {
    priority: i32,
    class: u32,
    /// Dependencies that are not completed.
    missing: u32,
    state: State,
    /// Ready, but not to be handed out yet.
    held: bool,
}

/// Tasks that need the same capabilities.
#[derive(Debug, Clone, Default)]
struct Class {
    needs: Vec<String>,
    ready: BTreeSet<Key>,
    /// Pools whose workers have all that is needed.
    pools: Vec<u32>,
}

/// Workers with the same capabilities.
#[derive(Debug, Clone, Default)]
struct Pool {
    capabilities: Vec<String>,
    /// Workers with capacity left: active count, id, index.
    free: BTreeSet<(u32, Arc<str>, u32)>,
    /// First ready task of every class these workers can serve.
    heads: BTreeSet<Key>,
    /// The one of `heads` that stands in [`Scheduler::firsts`].
    listed: Option<Key>,
}

/// A registered worker.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub id: Arc<str>,
    pub capacity: u32,
    pub active: u32,
    pub draining: bool,
    pool: u32,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Scheduler {
    nodes: Vec<Node>,
    graph: Graph,
    classes: Vec<Class>,
    class_of: HashMap<Vec<String>, u32>,
    /// First task of every pool with a free worker: the next assignment is the first of them.
    firsts: BTreeSet<(Key, u32)>,
    pools: Vec<Pool>,
    pool_of: HashMap<Vec<String>, u32>,
    workers: Vec<Worker>,
    worker_of: BTreeMap<Arc<str>, u32>,
}

fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Sorted, without repeats.
pub(crate) fn normal(mut capabilities: Vec<String>) -> Vec<String> {
    capabilities.sort_unstable();
    capabilities.dedup();
    capabilities
}

fn covers(have: &[String], need: &[String]) -> bool {
    need.iter().all(|one| have.binary_search(one).is_ok())
}

impl Scheduler {
    /// Replaces all tasks; workers stay and are free. Every task starts parked; `tasks` gives priority and needs by place.
    pub fn load<'a>(&mut self, graph: Graph, tasks: impl Iterator<Item = (i32, &'a [String])>) {
        self.nodes.clear();
        self.classes.clear();
        self.class_of.clear();
        self.firsts.clear();
        for pool in &mut self.pools {
            pool.heads.clear();
            pool.listed = None;
        }
        for (place, (priority, needs)) in tasks.enumerate() {
            let class = self.class(needs);
            let missing = graph.dependencies.get(place).map_or(0, |edges| index(edges.len()));
            self.nodes.push(Node {
                priority,
                class,
                missing,
                state: State::Parked,
                held: false,
            });
        }
        self.graph = graph;
        for worker in 0..index(self.workers.len()) {
            self.set_active(worker, |_| 0);
        }
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn workers(&self) -> impl Iterator<Item = (&Worker, &[String])> {
        self.worker_of.values().filter_map(|index| {
            let worker = self.workers.get(*index as usize)?;
            Some((worker, self.pools.get(worker.pool as usize)?.capabilities.as_slice()))
        })
    }

    pub fn worker(&self, worker: u32) -> Option<&Worker> {
        self.workers.get(worker as usize)
    }

    pub fn worker_named(&self, id: &str) -> Option<u32> {
        self.worker_of.get(id).copied()
    }

    /// Adds a worker, or replaces what is known of it; its running tasks stay.
    pub fn put_worker(&mut self, id: &str, capabilities: Vec<String>, capacity: u32, draining: bool) -> u32 {
        let pool = self.pool(normal(capabilities));
        let capacity = capacity.max(1);
        if let Some(known) = self.worker_named(id) {
            self.unlist(known);
            if let Some(worker) = self.workers.get_mut(known as usize) {
                (worker.pool, worker.capacity, worker.draining) = (pool, capacity, draining);
            }
            self.list(known);
            return known;
        }
        let new = index(self.workers.len());
        let id: Arc<str> = id.into();
        self.workers.push(Worker {
            id: Arc::clone(&id),
            capacity,
            active: 0,
            draining,
            pool,
        });
        self.worker_of.insert(id, new);
        self.list(new);
        new
    }

    /// Whether all dependencies are completed.
    pub fn is_free(&self, task: u32) -> bool {
        self.nodes.get(task as usize).is_some_and(|node| node.missing == 0)
    }

    /// Makes a task ready for dispatch.
    pub fn queue(&mut self, task: u32) {
        self.set_state(task, State::Ready);
    }

    /// Takes a task out of dispatch; its worker is free again.
    pub fn park(&mut self, task: u32) {
        self.set_state(task, State::Parked);
    }

    /// A running task gives its worker back and stays under way.
    pub fn detach(&mut self, task: u32) {
        self.set_state(task, State::Detached);
    }

    /// Puts a task under way with a given worker.
    pub fn occupy(&mut self, task: u32, worker: u32) {
        self.set_state(task, State::Running(worker));
    }

    /// Gives one certain task the worker the rule names, when there is one.
    pub fn assign(&mut self, task: u32) -> Option<u32> {
        let class = self.nodes.get(task as usize)?.class;
        let worker = self.best_worker(class)?;
        self.occupy(task, worker);
        Some(worker)
    }

    /// The next assignment: the smallest (priority, place) for which a worker is free; of those the fewest active, then id.
    pub fn next(&mut self) -> Option<(u32, u32)> {
        let ((_, task), _) = *self.firsts.first()?;
        let worker = self.best_worker(self.nodes.get(task as usize)?.class)?;
        self.occupy(task, worker);
        Some((task, worker))
    }

    /// Marks a task completed; answers the dependents that miss nothing any more.
    pub fn complete(&mut self, task: u32) -> Vec<u32> {
        self.set_state(task, State::Completed);
        let mut free = Vec::new();
        for dependent in self.graph.dependents.get(task as usize).into_iter().flatten() {
            if let Some(node) = self.nodes.get_mut(*dependent as usize) {
                node.missing = node.missing.saturating_sub(1);
                if node.missing == 0 {
                    free.push(*dependent);
                }
            }
        }
        free
    }

    /// Takes a completion back: parked, and missed by its dependents again (which the caller parks too).
    pub fn reopen(&mut self, task: u32) {
        let was = self.nodes.get(task as usize).map(|node| node.state);
        self.set_state(task, State::Parked);
        if was == Some(State::Completed) {
            for dependent in self.graph.dependents.get(task as usize).into_iter().flatten() {
                if let Some(node) = self.nodes.get_mut(*dependent as usize) {
                    node.missing += 1;
                }
            }
        }
    }

    /// A held task is not handed out by [`Scheduler::next`].
    pub fn hold(&mut self, task: u32, held: bool) {
        let Some(node) = self.nodes.get_mut(task as usize) else {
            return;
        };
        if node.held == held {
            return;
        }
        let (state, class, key) = (node.state, node.class, (node.priority, task));
        node.held = held;
        if state == State::Ready {
            if held {
                self.unready(class, key);
            } else {
                self.ready(class, key);
            }
        }
    }

    /// Ready and not held.
    pub fn is_open(&self, task: u32) -> bool {
        self.nodes
            .get(task as usize)
            .is_some_and(|node| node.state == State::Ready && !node.held)
    }

    pub fn is_ready(&self, task: u32) -> bool {
        self.nodes
            .get(task as usize)
            .is_some_and(|node| node.state == State::Ready)
    }

    fn set_state(&mut self, task: u32, state: State) {
        let Some(node) = self.nodes.get_mut(task as usize) else {
            return;
        };
        let (class, key, held) = (node.class, (node.priority, task), node.held);
        let was = std::mem::replace(&mut node.state, state);
        match was {
            State::Ready if !held => self.unready(class, key),
            State::Running(worker) => self.set_active(worker, |active| active.saturating_sub(1)),
            _ => {}
        }
        match state {
            State::Ready if !held => self.ready(class, key),
            State::Running(worker) => self.set_active(worker, |active| active + 1),
            _ => {}
        }
    }

    fn best_worker(&self, class: u32) -> Option<u32> {
        let pools = &self.classes.get(class as usize)?.pools;
        let first = |pool: &u32| self.pools.get(*pool as usize).and_then(|pool| pool.free.first());
        pools.iter().filter_map(first).min().map(|(_, _, worker)| *worker)
    }

    fn ready(&mut self, class_index: u32, key: Key) {
        let Some(class) = self.classes.get_mut(class_index as usize) else {
            return;
        };
        let before = class.ready.first().copied();
        class.ready.insert(key);
        if before.is_none_or(|first| key < first) {
            self.change_head(class_index, before, Some(key));
        }
    }

    fn unready(&mut self, class_index: u32, key: Key) {
        let Some(class) = self.classes.get_mut(class_index as usize) else {
            return;
        };
        let before = class.ready.first().copied();
        class.ready.remove(&key);
        let after = class.ready.first().copied();
        if before != after {
            self.change_head(class_index, before, after);
        }
    }

    /// Tells the pools of a class that its first ready task is another one.
    fn change_head(&mut self, class_index: u32, before: Option<Key>, after: Option<Key>) {
        let Some(class) = self.classes.get(class_index as usize) else {
            return;
        };
        for index in &class.pools {
            let Some(pool) = self.pools.get_mut(*index as usize) else {
                continue;
            };
            if let Some(before) = before {
                pool.heads.remove(&before);
            }
            pool.heads.extend(after);
            pool.relist(*index, &mut self.firsts);
        }
    }

    fn class(&mut self, needs: &[String]) -> u32 {
        if let Some(known) = self.class_of.get(needs) {
            return *known;
        }
        let needs = normal(needs.to_vec());
        if let Some(known) = self.class_of.get(&needs) {
            return *known;
        }
        let new = index(self.classes.len());
        let pools = (0u32..)
            .zip(&self.pools)
            .filter(|(_, pool)| covers(&pool.capabilities, &needs));
        let pools = pools.map(|(pool, _)| pool).collect();
        self.classes.push(Class {
            needs: needs.clone(),
            ready: BTreeSet::new(),
            pools,
        });
        self.class_of.insert(needs, new);
        new
    }

    fn pool(&mut self, capabilities: Vec<String>) -> u32 {
        if let Some(known) = self.pool_of.get(&capabilities) {
            return *known;
        }
        let new = index(self.pools.len());
        let mut pool = Pool {
            capabilities: capabilities.clone(),
            ..Pool::default()
        };
        for class in &mut self.classes {
            if covers(&capabilities, &class.needs) {
                class.pools.push(new);
                pool.heads.extend(class.ready.first());
            }
        }
        self.pools.push(pool);
        self.pool_of.insert(capabilities, new);
        new
    }

    fn set_active(&mut self, worker: u32, change: impl Fn(u32) -> u32) {
        self.unlist(worker);
        if let Some(worker) = self.workers.get_mut(worker as usize) {
            worker.active = change(worker.active);
        }
        self.list(worker);
    }

    fn list(&mut self, index: u32) {
        let Some(worker) = self.workers.get(index as usize) else {
            return;
        };
        if worker.draining || worker.active >= worker.capacity {
            return;
        }
        if let Some(pool) = self.pools.get_mut(worker.pool as usize) {
            pool.free.insert((worker.active, Arc::clone(&worker.id), index));
            pool.relist(worker.pool, &mut self.firsts);
        }
    }

    fn unlist(&mut self, index: u32) {
        let Some(worker) = self.workers.get(index as usize) else {
            return;
        };
        if let Some(pool) = self.pools.get_mut(worker.pool as usize) {
            pool.free.remove(&(worker.active, Arc::clone(&worker.id), index));
            pool.relist(worker.pool, &mut self.firsts);
        }
    }
}

impl Pool {
    /// Brings the pool's entry among the firsts of all up to date.
    fn relist(&mut self, index: u32, firsts: &mut BTreeSet<(Key, u32)>) {
        let first = if self.free.is_empty() {
            None
        } else {
            self.heads.first().copied()
        };
        if first != self.listed {
            if let Some(listed) = self.listed {
                firsts.remove(&(listed, index));
            }
            firsts.extend(first.map(|first| (first, index)));
            self.listed = first;
        }
    }
}
