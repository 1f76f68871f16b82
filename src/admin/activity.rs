//! What happened lately.

use super::view::{ActivityView, List};
use super::{Admin, Part, Result};
use crate::store::activity::ActivityFilter;

impl Admin<'_> {
    /// What happened lately, newest first.
    ///
    /// # Errors
    /// [`super::Refusal::Store`].
    pub async fn activity(&self, filter: &ActivityFilter, part: Part) -> Result<List<ActivityView>> {
        let page = self.desk.store.activity(filter, part.slice()).await?;
        Ok(part.of(page, ActivityView::from))
    }
}
