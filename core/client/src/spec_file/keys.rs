//! Collects the entries of a mapping, and finds a key that is there twice.

use std::collections::HashMap;

use super::problem::{Problem, Problems};
use super::tree::{At, Entry, Node, Table};

#[derive(Debug, Default)]
pub(super) struct Keys {
    entries: Vec<Entry>,
    places: HashMap<String, At>,
}

impl Keys {
    /// Adds an entry; of two with one key the first one stays, and both places are told.
    pub(super) fn add(&mut self, key: String, key_at: At, node: Node, problems: &mut Problems) {
        match self.places.get(&key) {
            Some(first) => problems.add(twice(&key, *first, key_at)),
            None => {
                self.places.insert(key.clone(), key_at);
                self.entries.push(Entry { key, key_at, node });
            }
        }
    }

    /// Adds what a merge key brings: keys of the mapping's own win.
    pub(super) fn merge(&mut self, table: Table) {
        for entry in table.0 {
            if !self.places.contains_key(&entry.key) {
                self.places.insert(entry.key.clone(), entry.key_at);
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn into_table(self) -> Table {
        Table(self.entries)
    }
}

/// `key` is there twice.
pub(super) fn twice(key: &str, first: At, second: At) -> Problem {
    Problem::twice(&format!("`{key}`"), first, second).field(key).hint("remove one of the two")
}
