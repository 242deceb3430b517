//! What is noted down of an ephemeral workload, so that somebody deletes it even if this process is killed.

use inferencekey_core::Note;
use napi_derive::napi;

use crate::{Result, thrown};

/// The entry of one workload, locked as long as this process lives.
#[napi]
pub struct NativeNote(Note);

#[napi]
impl NativeNote {
    /// Writes the entry; `facts` are JSON.
    #[napi(constructor)]
    pub fn new(facts: String) -> Result<Self> {
        Note::write(facts.as_bytes()).map(Self).map_err(|error| thrown(&error))
    }

    /// The create was answered with this id.
    #[napi]
    pub fn created(&mut self, id: String) {
        self.0.created(&id);
    }

    /// It outlives its process on purpose.
    #[napi]
    pub fn keep(&mut self) {
        self.0.keep();
    }

    /// Leaves the entry to `gc`.
    #[napi]
    pub fn release(&mut self) {
        self.0.release();
    }

    /// Forgets the workload.
    #[napi]
    pub fn remove(&mut self) {
        self.0.remove();
    }

    /// Did somebody delete the workload to whom it was left?
    #[napi(getter)]
    pub fn is_collected(&self) -> bool {
        self.0.is_collected()
    }
}
