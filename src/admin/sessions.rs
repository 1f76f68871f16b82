//! Sessions: who is signed in where, and the end of it.

use std::collections::HashMap;

use super::view::{List, SessionView};
use super::{Actor, Admin, Part, Refusal, Result};
use crate::store::{SessionRecord, UserRecord};

impl Admin<'_> {
    /// Live sessions whose user id, user's e-mail, provider or address contains `search`, newest first.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub async fn sessions(&self, search: &str, part: Part) -> Result<List<SessionView>> {
        let page = self.desk.store.sessions(search, part.slice(), self.now).await?;
        let mut users: HashMap<String, Option<UserRecord>> = HashMap::new();
        for session in &page.items {
            if !users.contains_key(&session.user_id) {
                let user = self.desk.store.user(&session.user_id).await?;
                users.insert(session.user_id.clone(), user);
            }
        }
        Ok(part.of(page, |session| {
            let user = users.get(&session.user_id).and_then(Option::as_ref);
            self.session_view(session, user)
        }))
    }

    /// One session, by its [`SessionView::id`].
    ///
    /// # Errors
    /// [`Refusal::NoSuch`] when it is over or never was; [`Refusal::Store`].
    pub async fn session(&self, id: &str) -> Result<SessionView> {
        let session = self.handled(id).await?;
        let user = self.desk.store.user(&session.user_id).await?;
        Ok(self.session_view(session, user.as_ref()))
    }

    /// Ends one session, by its [`SessionView::id`].
    ///
    /// # Errors
    /// [`Refusal::NoSuch`] when it is over or never was; [`Refusal::Store`].
    pub async fn end_session(&self, id: &str) -> Result<()> {
        let record = self.handled(id).await?;
        if !self.desk.store.end_session(&record.id).await? {
            return Err(no_session());
        }
        self.desk.told(|known| known.ended(&record.id));
        self.wrote("session_ended", record.id.short(), format!("of {}", record.user_id));
        Ok(())
    }

    async fn handled(&self, handle: &str) -> Result<SessionRecord> {
        let id = self.desk.handles.session(handle).ok_or_else(no_session)?;
        self.desk.store.session(&id, self.now).await?.ok_or_else(no_session)
    }

    pub(super) fn session_view(&self, session: SessionRecord, user: Option<&UserRecord>) -> SessionView {
        let current = matches!(&self.actor, Actor::User { session: own, .. } if *own == session.id);
        SessionView { current, ..SessionView::new(session, user, &self.desk.handles) }
    }
}

fn no_session() -> Refusal {
    Refusal::NoSuch("there is no such session, or it is over".to_owned())
}
