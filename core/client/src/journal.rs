//! What this user's processes create for a while: one small file per workload, gone with it.
//!
//! An entry is on disk before the create is sent. Its process holds a lock on the file for as long as it lives, whatever
//! ends it, so a file without a lock is a workload that was left behind: `inferencekey gc` deletes it. Entries hold no
//! secret. `inferencekey/_ephemeral/journal.py` reads them, and writes the same.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::system::uname;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::arguments::{self, trimmed};
use crate::error::{Error, code};

/// Of the files. What a newer version writes is left to it.
const VERSION: u32 = 1;
const TEXTS: [&str; 4] = ["base_url", "project_slug", "workload_slug", "mark"];
const LIFETIME: &str = "max_lifetime";

/// The entry of one workload, open and locked.
pub struct Note {
    path: PathBuf,
    /// `None` once it is left to `gc`.
    file: Option<File>,
}

impl Note {
    /// A new entry, on disk once this returns; `facts` are the JSON object
    /// `{"base_url", "project_slug", "workload_slug", "mark", "max_lifetime"?: seconds}`.
    ///
    /// # Errors
    /// `ConfigurationError` if it cannot be written: then nothing may be created.
    pub fn write(facts: &[u8]) -> Result<Self, Error> {
        let facts = arguments::parse(facts)?;
        let folder = folder(|name| env::var(name).ok())?;
        let unusable = |cause: io::Error| unusable(&format!("'{}': {cause}", folder.display()));
        private(&folder).map_err(unusable)?;
        let entry = entry(&facts)?;
        let name = format!("{}.json", arguments::string(&facts, "mark")?.unwrap_or_default());
        Self::write_to(folder.join(name), &entry).map_err(unusable)
    }

    /// Nobody ever sees the entry half written or without its lock.
    fn write_to(path: PathBuf, entry: &Value) -> io::Result<Self> {
        let draft = path.with_extension("draft");
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&draft)?;
        let written = || -> io::Result<()> {
            // Where the file system knows no locks, the process id in the entry is all there is.
            let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
            append(&file, entry)?;
            fs::rename(&draft, &path)?;
            // The folder's own content on disk: a name is part of it.
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        if let Err(error) = written() {
            let _ = (fs::remove_file(&draft), fs::remove_file(&path));
            return Err(error);
        }
        Ok(Self { path, file: Some(file) })
    }

    /// The create was answered with this id. Nothing depends on it alone, so a full disk is no error.
    pub fn created(&mut self, id: &str) {
        self.add(&json!({ "id": id }));
    }

    /// It outlives its process on purpose, but not its lifetime.
    pub fn keep(&mut self) {
        self.add(&json!({ "kept": true }));
        self.release();
    }

    /// Leaves the entry to `gc`, though this process lives.
    pub fn release(&mut self) {
        self.file = None;
    }

    /// Forgets the workload. An entry that cannot be removed does no harm to anybody.
    pub fn remove(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.release();
    }

    /// Did somebody delete the workload to whom it was left?
    pub fn is_collected(&self) -> bool {
        self.file.is_none() && !self.path.exists()
    }

    fn add(&self, facts: &impl Serialize) {
        if let Some(file) = &self.file {
            let _ = append(file, facts);
        }
    }
}

fn entry(facts: &Map<String, Value>) -> Result<Value, Error> {
    let known: Vec<&str> = TEXTS.into_iter().chain([LIFETIME]).collect();
    arguments::refuse_unknown(facts, &known)?;
    let mut entry = json!({
        "version": VERSION,
        "host": uname().nodename().to_string_lossy(),
        "pid": process::id(),
        "created": SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64(),
        LIFETIME: facts.get(LIFETIME),
    });
    for name in TEXTS {
        let text = arguments::string(facts, name)?;
        entry[name] =
            text.ok_or_else(|| Error::invalid(name, format!("`{name}` is missing")))?.into();
    }
    Ok(entry)
}

fn append(mut file: &File, facts: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(facts)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_all()
}

/// `$INFERENCEKEY_STATE_DIR/ephemeral`, or `inferencekey/ephemeral` where the user's state is: in `$XDG_STATE_HOME`, or
/// in `~/.local/state`.
fn folder(variable: impl Fn(&str) -> Option<String>) -> Result<PathBuf, Error> {
    let own = variable("INFERENCEKEY_STATE_DIR");
    if let Some(own) = own.as_deref().and_then(trimmed) {
        let own = std::path::absolute(own).unwrap_or_else(|_| own.into());
        return Ok(own.join("ephemeral"));
    }
    let state = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|state| state.is_absolute());
    let home = || env::home_dir().filter(|home| home.is_absolute());
    let state = state.or_else(|| Some(home()?.join(".local/state")));
    let state = state.ok_or_else(|| unusable("this user has no home"))?;
    Ok(state.join("inferencekey/ephemeral"))
}

/// The folder, made where it is missing, as its parents are, closed to other users.
fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn unusable(words: &str) -> Error {
    let words =
        format!("there is no place to note workloads down in: {words}; nothing was created");
    let mut error = Error::configuration(code::CONFIGURATION, words)
        .hint("set INFERENCEKEY_STATE_DIR to a folder that this process may write to");
    error.operation = Some("ephemeral");
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users_own() {
        let found = |own: Option<&str>, state: Option<&str>| {
            let variable = |name: &str| match name {
                "INFERENCEKEY_STATE_DIR" => own.map(str::to_owned),
                _ => state.map(str::to_owned),
            };
            folder(variable).expect("a folder")
        };
        let home = env::home_dir().expect("a home");
        for (own, state, expected) in [
            (Some("/own"), Some("/state"), PathBuf::from("/own/ephemeral")),
            (Some(" /own\n"), None, PathBuf::from("/own/ephemeral")),
            (Some(" "), Some("/state"), PathBuf::from("/state/inferencekey/ephemeral")),
            (None, Some("relative"), home.join(".local/state/inferencekey/ephemeral")),
            (None, None, home.join(".local/state/inferencekey/ephemeral")),
        ] {
            assert_eq!(found(own, state), expected, "{own:?} {state:?}");
        }
        assert!(found(Some("here"), None).is_absolute());
    }

    #[test]
    fn an_entry_is_locked_until_it_is_left_or_removed() {
        let place = env::temp_dir().join(format!("inferencekey-{}", uuid::Uuid::new_v4()));
        private(&place).expect("a folder");
        let path = place.join("m.json");
        let facts =
            json!({"base_url": "http://h", "project_slug": "p", "workload_slug": "s", "mark": "m"});
        let entry = entry(facts.as_object().expect("an object")).expect("good facts");
        let mut note = Note::write_to(path.clone(), &entry).expect("a note");
        let others = File::open(&path).expect("the entry");
        let lock = || flock(&others, FlockOperation::NonBlockingLockExclusive);
        assert!(lock().is_err());
        note.created("wl_1");
        note.keep();
        assert!(lock().is_ok() && !note.is_collected());
        let text = fs::read_to_string(&path).expect("text");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["workload_slug"], "s");
        assert_eq!(lines[1..], [json!({"id": "wl_1"}), json!({"kept": true})]);
        note.remove();
        assert!(note.is_collected());
        fs::remove_dir(&place).expect("nothing is left in it");
    }

    #[test]
    fn what_is_no_fact_is_refused() {
        for (facts, field) in [
            (json!({"mark": "m"}), "base_url"),
            (json!({"mark": 1, "base_url": "", "project_slug": "", "workload_slug": ""}), "mark"),
            (json!({"token": "x"}), "token"),
        ] {
            let error = entry(facts.as_object().expect("an object")).expect_err("refused");
            assert_eq!(error.field.as_deref(), Some(field));
        }
    }
}
