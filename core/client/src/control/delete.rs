//! `delete`: the result says whether this call removed the workload (wire.md 2.10).

use super::Context;
use crate::error::Error;
use crate::transport::Call;

/// Removes every workload with this canonical slug; false if there was none.
pub(crate) async fn delete(context: &Context, slug: &str, call: &Call) -> Result<bool, Error> {
    let mut deleted = false;
    for workload in context.find_all(slug, call).await? {
        deleted |= context.remove(&workload.id, call).await?;
    }
    Ok(deleted)
}

impl Context {
    /// Deletes by id. A 404 means that somebody else was faster, unless an earlier send of ours may have done it.
    pub(super) async fn remove(&self, id: &str, call: &Call) -> Result<bool, Error> {
        match self.transport().call(&self.delete_request(id)?, call).await {
            Ok(_) => Ok(true),
            Err(error) if error.status == Some(404) => Ok(error.repeated),
            Err(error) => Err(error),
        }
    }
}
