//! The agents that are shown, in order of their ids: all of them, and those of each department and team. What is asked of it
//! costs as much as the answer, however many others there are.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, btree_map::Range},
    hash::Hash,
    ops::Bound,
};

use fanfare_proto::{DepartmentId, TeamId, UserId};

use super::super::scope::Scope;
use crate::auth::Units;

type Agents = BTreeMap<UserId, u32>;

/// Agents with their aliases.
#[derive(Debug, Default)]
pub(super) struct Order {
    all: Agents,
    departments: HashMap<DepartmentId, Agents>,
    teams: HashMap<TeamId, Agents>,
}

impl Order {
    pub(super) fn add(&mut self, agent: &UserId, units: &Units, alias: u32) {
        self.all.insert(agent.clone(), alias);
        for department in units.departments() {
            self.departments.entry(department.clone()).or_default().insert(agent.clone(), alias);
        }
        for team in units.teams() {
            self.teams.entry(team.clone()).or_default().insert(agent.clone(), alias);
        }
    }

    pub(super) fn remove(&mut self, agent: &UserId, units: &Units) {
        self.all.remove(agent);
        for department in units.departments() {
            remove(&mut self.departments, department, agent);
        }
        for team in units.teams() {
            remove(&mut self.teams, team, agent);
        }
    }

    /// The agents of a scope after `after`, in order, each once.
    pub(super) fn of(&self, scope: &Scope, after: Option<&UserId>) -> Walk<'_> {
        let mut walk = Walk::default();
        match scope {
            Scope::Organisation => walk.add(&self.all, after),
            Scope::Units(units) => {
                let departments = units.departments().iter().filter_map(|name| self.departments.get(name));
                let teams = units.teams().iter().filter_map(|name| self.teams.get(name));
                for agents in departments.chain(teams) {
                    walk.add(agents, after);
                }
            }
        }
        walk
    }
}

fn remove<K: Hash + Eq>(lists: &mut HashMap<K, Agents>, unit: &K, agent: &UserId) {
    if let Some(agents) = lists.get_mut(unit) {
        agents.remove(agent);
        if agents.is_empty() {
            lists.remove(unit);
        }
    }
}

/// Several lists as one.
#[derive(Debug, Default)]
pub(super) struct Walk<'a> {
    lists: Vec<Range<'a, UserId, u32>>,
    /// The first of each list that has any left.
    heads: BinaryHeap<Reverse<(&'a UserId, u32, usize)>>,
    last: Option<u32>,
    /// Entries of lists that were looked at.
    #[cfg(test)]
    pub(super) looked: usize,
}

impl<'a> Walk<'a> {
    fn add(&mut self, agents: &'a Agents, after: Option<&UserId>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.lists.push(agents.range::<UserId, _>((from, Bound::Unbounded)));
        self.advance(self.lists.len() - 1);
    }

    fn advance(&mut self, list: usize) {
        #[cfg(test)]
        {
            self.looked += 1;
        }
        if let Some((agent, alias)) = self.lists.get_mut(list).and_then(Iterator::next) {
            self.heads.push(Reverse((agent, *alias, list)));
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a UserId, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((agent, alias, list)) = self.heads.pop()?;
            self.advance(list);
            // Who works in several of the units stands in several lists.
            if self.last.replace(alias) != Some(alias) {
                return Some((agent, alias));
            }
        }
    }
}
