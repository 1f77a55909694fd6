//! A graph of calls with labelled edges, and its cycles. Used by [`super::list_append`] alone.

use std::collections::{BTreeMap, VecDeque};

/// Why one call must come before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edge {
    /// It wrote the version before.
    WriteWrite,
    /// It wrote what the other saw.
    WriteRead,
    /// It did not see what the other wrote.
    ReadWrite,
    /// It had ended before the other was sent.
    RealTime,
}

/// Nodes are numbers; each has its edges to others.
#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: Vec<Vec<(usize, Edge)>>,
}

impl Graph {
    /// A graph of so many nodes without edges.
    pub(super) fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    /// One more node.
    pub(super) fn node(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.edges.len() - 1
    }

    /// `from` comes before `to`. Nobody comes before itself by being one call.
    pub(super) fn edge(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.edges[from].push((to, edge));
        }
    }

    /// A shortest cycle through one node of a knot, over edges of the wanted kinds; none when there is none.
    pub(super) fn cycle(&self, wanted: &[Edge]) -> Option<Vec<(usize, Edge)>> {
        let knot = self.knot(wanted)?;
        let inside: BTreeMap<usize, ()> = knot.iter().map(|node| (*node, ())).collect();
        self.shortest(*knot.first()?, wanted, |node| inside.contains_key(&node))
    }

    /// A strongly connected component of more than one node: Tarjan, without recursion.
    fn knot(&self, wanted: &[Edge]) -> Option<Vec<usize>> {
        let mut search = Search::new(self.edges.len());
        (0..self.edges.len()).find_map(|root| search.from(root, &self.edges, wanted))
    }

    /// Breadth first from `start` back to it.
    fn shortest(
        &self,
        start: usize,
        wanted: &[Edge],
        inside: impl Fn(usize) -> bool,
    ) -> Option<Vec<(usize, Edge)>> {
        let mut came_from: BTreeMap<usize, (usize, Edge)> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(node) = waiting.pop_front() {
            for (next, edge) in self.edges[node].iter().filter(|(_, edge)| wanted.contains(edge)) {
                if *next == start {
                    return Some(trail(&came_from, start, node, *edge));
                }
                if inside(*next) && !came_from.contains_key(next) {
                    came_from.insert(*next, (node, *edge));
                    waiting.push_back(*next);
                }
            }
        }
        None
    }
}

/// The way back from `last` to `start`: each node with the edge that leaves it.
fn trail(
    came_from: &BTreeMap<usize, (usize, Edge)>,
    start: usize,
    last: usize,
    closing: Edge,
) -> Vec<(usize, Edge)> {
    let mut cycle = vec![(last, closing)];
    let mut node = last;
    while node != start {
        let Some((before, edge)) = came_from.get(&node) else { break };
        cycle.push((*before, *edge));
        node = *before;
    }
    cycle.reverse();
    cycle
}

/// The state of Tarjan's algorithm.
struct Search {
    next: usize,
    number: Vec<Option<usize>>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Self {
            next: 0,
            number: vec![None; nodes],
            low: vec![0; nodes],
            on_stack: vec![false; nodes],
            stack: Vec::new(),
        }
    }

    fn from(
        &mut self,
        root: usize,
        edges: &[Vec<(usize, Edge)>],
        wanted: &[Edge],
    ) -> Option<Vec<usize>> {
        if self.number[root].is_some() {
            return None;
        }
        let mut path = vec![(self.enter(root), 0)];
        while let Some((node, place)) = path.pop() {
            let Some((next, edge)) = edges[node].get(place) else {
                if let Some(knot) = self.leave(node) {
                    return Some(knot);
                }
                if let Some((parent, _)) = path.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[node]);
                }
                continue;
            };
            path.push((node, place + 1));
            if !wanted.contains(edge) {
                continue;
            }
            match self.number[*next] {
                None => path.push((self.enter(*next), 0)),
                Some(number) if self.on_stack[*next] => {
                    self.low[node] = self.low[node].min(number);
                }
                Some(_) => {}
            }
        }
        None
    }

    fn enter(&mut self, node: usize) -> usize {
        self.number[node] = Some(self.next);
        self.low[node] = self.next;
        self.next += 1;
        self.on_stack[node] = true;
        self.stack.push(node);
        node
    }

    /// The component whose root this node is, when it has more than one node.
    fn leave(&mut self, node: usize) -> Option<Vec<usize>> {
        if self.number[node] != Some(self.low[node]) {
            return None;
        }
        let mut knot = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack[member] = false;
            knot.push(member);
            if member == node {
                break;
            }
        }
        (knot.len() > 1).then_some(knot)
    }
}

#[cfg(test)]
mod tests {
    use super::Edge::{ReadWrite, WriteRead, WriteWrite};
    use super::*;

    #[test]
    fn a_chain_has_no_cycle_however_long() {
        let mut graph = Graph::new(100_000);
        (1..100_000).for_each(|node| graph.edge(node - 1, node, WriteWrite));
        assert_eq!(graph.cycle(&[WriteWrite]), None);
    }

    #[test]
    fn a_cycle_is_found_over_the_wanted_edges_alone() {
        let mut graph = Graph::new(5);
        for (from, to, edge) in
            [(0, 1, WriteWrite), (1, 2, WriteRead), (2, 1, ReadWrite), (2, 3, WriteWrite)]
        {
            graph.edge(from, to, edge);
        }
        assert_eq!(graph.cycle(&[WriteWrite, WriteRead]), None);
        let cycle = graph.cycle(&[WriteWrite, WriteRead, ReadWrite]).unwrap();
        assert_eq!(cycle.len(), 2);
        assert!(cycle.contains(&(1, WriteRead)) && cycle.contains(&(2, ReadWrite)), "{cycle:?}");
    }
}
