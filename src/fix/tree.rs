//! The edits of one file, gathered by place, with those that contradict one another refused.

use casa_doctor_checks::finding::{Change, Edit};
use serde_json::Value;

use super::apply::EditError;
use super::pointer;

/// What is asked for one place and for the places below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Node<'e> {
    /// The value that the place gets.
    pub(super) set: Option<(&'e Value, &'e Edit)>,
    /// That the place goes away.
    pub(super) remove: Option<&'e Edit>,
    /// The name that the key gets.
    pub(super) rename: Option<(&'e str, &'e Edit)>,
    /// Values for the end of the list, in the order in which they were asked for.
    pub(super) appends: Vec<(&'e Value, &'e Edit)>,
    /// The places below, in the order in which they were first named.
    pub(super) children: Vec<(String, Node<'e>)>,
}

impl<'e> Node<'e> {
    /// Gathers the edits of one file.
    pub(super) fn gather(edits: &'e [Edit]) -> Result<Self, EditError> {
        let mut root = Self::default();
        for edit in edits {
            let steps = pointer::steps(&edit.key)
                .ok_or_else(|| EditError::BadPointer { key: edit.key.clone(), because: edit.because.clone() })?;
            if steps.is_empty() && !matches!(edit.change, Change::Append { .. }) {
                return Err(EditError::WholeFile { because: edit.because.clone() });
            }
            let mut node = &mut root;
            for step in steps {
                node = node.child_or_new(&step);
            }
            node.ask(edit)?;
        }
        Ok(root)
    }

    /// The place below with this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(known, _)| known == name).map(|(_, child)| child)
    }

    /// Takes the place below with this name out; an empty one when nothing is asked there.
    pub(super) fn take_child(&mut self, name: &str) -> Self {
        match self.children.iter().position(|(known, _)| known == name) {
            Some(index) => self.children.remove(index).1,
            None => Self::default(),
        }
    }

    /// The place below with this name, made when nothing was asked there yet.
    pub(super) fn child_or_new(&mut self, name: &str) -> &mut Self {
        let index = self.children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.children.push((name.to_owned(), Self::default()));
            self.children.len() - 1
        });
        &mut self.children[index].1
    }

    /// Adds everything that another node asks.
    pub(super) fn graft(&mut self, other: Self) -> Result<(), EditError> {
        let asked = [other.set.map(|(_, edit)| edit), other.remove, other.rename.map(|(_, edit)| edit)];
        for edit in asked.into_iter().flatten().chain(other.appends.into_iter().map(|(_, edit)| edit)) {
            self.ask(edit)?;
        }
        for (name, child) in other.children {
            self.child_or_new(&name).graft(child)?;
        }
        Ok(())
    }

    /// The part that gives something to a place that need not be there: values set and appended, under the names that they
    /// will have.
    pub(super) fn creations(self) -> Self {
        let mut creations = Self { set: self.set, appends: self.appends, ..Self::default() };
        for (name, child) in self.children {
            let name = child.rename.map_or(name, |(to, _)| to.to_owned());
            let child = child.creations();
            if child.first_creation().is_some() {
                creations.children.push((name, child));
            }
        }
        creations
    }

    /// An edit, here or below, that gives something.
    pub(super) fn first_creation(&self) -> Option<&'e Edit> {
        let here = self.set.map(|(_, edit)| edit).or_else(|| self.appends.first().map(|(_, edit)| *edit));
        here.or_else(|| self.children.iter().find_map(|(_, child)| child.first_creation()))
    }

    /// An edit, here or below, that wants the place to stay: all but removals.
    pub(super) fn first_that_keeps(&self) -> Option<&'e Edit> {
        self.rename
            .map(|(_, edit)| edit)
            .or_else(|| self.first_creation())
            .or_else(|| self.children.iter().find_map(|(_, child)| child.first_that_keeps()))
    }

    /// An edit of a place below.
    pub(super) fn first_below(&self) -> Option<&'e Edit> {
        let here = |node: &Self| {
            node.set.map(|(_, edit)| edit).or(node.remove).or(node.rename.map(|(_, edit)| edit)).or_else(|| node.first_below())
        };
        self.appends.first().map(|(_, edit)| *edit).or_else(|| self.children.iter().find_map(|(_, child)| here(child)))
    }

    fn ask(&mut self, edit: &'e Edit) -> Result<(), EditError> {
        let asked = [self.set.map(|(_, edit)| edit), self.remove, self.rename.map(|(_, edit)| edit)];
        if let Some(earlier) = asked.into_iter().flatten().next() {
            // Of set, remove and rename a place takes one only; two findings may well ask for the same.
            if earlier.change != edit.change && !(matches!(edit.change, Change::Append { .. }) && self.remove.is_none()) {
                return Err(EditError::clash(earlier, edit));
            }
        }
        match &edit.change {
            Change::Set { to } => self.set = Some((to, edit)),
            Change::Remove => match self.appends.first() {
                Some((_, earlier)) => return Err(EditError::clash(earlier, edit)),
                None => self.remove = Some(edit),
            },
            Change::Rename { to } => self.rename = Some((to, edit)),
            Change::Append { value } if self.appends.iter().any(|(known, _)| *known == value) => {}
            Change::Append { value } => self.appends.push((value, edit)),
        }
        Ok(())
    }
}
