//! The views that are followed, and which of them show an agent. They are found by where the agent works: what changes costs
//! what is shown of it, however many other views there are.

use std::{
    collections::{BTreeMap, HashMap},
    slice::IterMut,
};

use fanfare_proto::{DepartmentId, TeamId, tick::Tick};

use super::{super::scope::Scope, entry::Entry, view::View};
use crate::auth::Units;

/// Views, each of another scope.
#[derive(Debug, Default)]
pub(super) struct Views {
    all: Vec<View>,
    /// Where those stand in `all` that show everyone, or who works in a department or a team.
    everyone: Vec<usize>,
    departments: HashMap<DepartmentId, Vec<usize>>,
    teams: HashMap<TeamId, Vec<usize>>,
}

impl Views {
    pub(super) const fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter_mut(&mut self) -> IterMut<'_, View> {
        self.all.iter_mut()
    }

    /// The view of this scope.
    pub(super) fn find(&self, scope: &Scope) -> Option<u32> {
        self.all.iter().find(|view| view.scope == *scope).map(|view| view.id)
    }

    pub(super) fn add(&mut self, view: View) {
        let at = self.all.len();
        match &view.scope {
            Scope::Organisation => self.everyone.push(at),
            Scope::Units(units) => {
                for department in units.departments() {
                    self.departments.entry(department.clone()).or_default().push(at);
                }
                for team in units.teams() {
                    self.teams.entry(team.clone()).or_default().push(at);
                }
            }
        }
        self.all.push(view);
    }

    /// Keeps those with such ids.
    pub(super) fn retain(&mut self, keeps: impl Fn(u32) -> bool) {
        let before = self.all.len();
        self.all.retain(|view| keeps(view.id));
        if self.all.len() < before {
            // They stand elsewhere now.
            for view in std::mem::take(self).all {
                self.add(view);
            }
        }
    }

    /// An agent comes, moves to other units, or goes.
    pub(super) fn moved(&mut self, alias: u32, before: Option<&Units>, after: Option<&Units>) {
        let showing = |units: Option<&Units>| {
            let mut found = Vec::new();
            if let Some(units) = units {
                self.showing(units, &mut found);
            }
            found
        };
        let (before, after) = (showing(before), showing(after));
        for at in before.iter().filter(|at| after.binary_search(at).is_err()) {
            self.all[*at].hides(alias);
        }
        for at in after.iter().filter(|at| before.binary_search(at).is_err()) {
            self.all[*at].shows(alias);
        }
    }

    /// For each view, in order, what it shows of these agents.
    pub(super) fn ticks(&self, aliases: &[u32], entries: &BTreeMap<u32, Entry>) -> Vec<Vec<Tick>> {
        let mut ticks = vec![Vec::new(); self.all.len()];
        if self.is_empty() {
            return ticks;
        }
        let mut found = Vec::new();
        for (alias, entry) in aliases.iter().filter_map(|alias| Some((*alias, entries.get(alias)?))) {
            self.showing(&entry.units, &mut found);
            for at in &found {
                ticks[*at].push(entry.tick(alias));
            }
        }
        ticks
    }

    /// Finds where the views stand that show who works in these units, in order.
    fn showing(&self, units: &Units, found: &mut Vec<usize>) {
        let departments =
            units.departments().iter().filter_map(|department| self.departments.get(department));
        let teams = units.teams().iter().filter_map(|team| self.teams.get(team));
        found.clear();
        found.extend(departments.chain(teams).chain([&self.everyone]).flatten());
        found.sort_unstable();
        found.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(departments: &[&str], teams: &[&str]) -> Units {
        let departments = departments.iter().map(|name| DepartmentId::new(name).unwrap());
        Units::new(departments.collect(), teams.iter().map(|name| TeamId::new(name).unwrap()).collect())
    }

    #[test]
    fn views_that_show_an_agent_are_those_whose_scope_covers_it() {
        let names = ["a", "b", "c"];
        let some = |bits: u32| -> Vec<&str> {
            names.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name).collect()
        };
        let all: Vec<Units> = (0..64).map(|bits| units(&some(bits), &some(bits >> 3))).collect();
        let mut views = Views::default();
        let scopes = all.iter().cloned().map(Scope::Units).chain([Scope::Organisation]);
        for (id, scope) in (0..).zip(scopes) {
            views.add(View::new(id, scope, 0));
        }
        let mut found = Vec::new();
        for kept in [1, 3] {
            views.retain(|id| id % kept == 0);
            for of in &all {
                let expected = (0..views.len()).filter(|at| views.all[*at].scope.covers(of));
                views.showing(of, &mut found);
                assert_eq!(found, expected.collect::<Vec<_>>(), "{of:?}");
            }
        }
        assert_eq!(views.find(&Scope::Units(units(&["a", "b"], &[]))), Some(3));
        assert_eq!(views.find(&Scope::Units(units(&["a"], &[]))), None);
    }
}
