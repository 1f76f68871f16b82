//! People: who they are, what they were granted, whether they may come in at all.

use serde::{Deserialize, Serialize};

use super::view::{List, SessionView, TokenView, UserView};
use super::{Actor, Admin, LONGEST_LIST, Part, Refusal, Result};
use crate::policy::{ADMIN_ROLE, Facts, is_role};
use crate::store::page::Slice;
use crate::store::token::{TokenFilter, TokenOrder};
use crate::store::{UserOrder, UserRecord};

/// More roles than these help nobody who mistyped one.
const MAX_HINTS: usize = 20;

/// All of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// Who it is.
    #[serde(flatten)]
    pub user: UserView,
    /// Roles by the policy's assignments to their e-mail. What a provider claims is known at a sign-in only.
    pub assigned: Vec<String>,
    /// Where they are signed in.
    pub sessions: Vec<SessionView>,
    /// Tokens that they made for themselves.
    pub tokens: Vec<TokenView>,
}

impl Admin<'_> {
    /// People whose e-mail, name or id contains `search`.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub async fn users(&self, search: &str, order: UserOrder, part: Part) -> Result<List<UserView>> {
        let page = self.desk.store.users(search, order, part.slice()).await?;
        Ok(part.of(page, UserView::from))
    }

    /// Everybody whose e-mail is exactly this: one person may be a user at several providers.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub async fn users_of_email(&self, email: &str) -> Result<Vec<UserView>> {
        let found = self.desk.store.users_named(email).await?;
        let same = found.into_iter().filter(|user| user.email.as_deref() == Some(email));
        Ok(same.map(UserView::from).collect())
    }

    /// One person, by id or e-mail.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub async fn user(&self, name: &str) -> Result<UserDetail> {
        let user = self.named(name).await?;
        let store = &self.desk.store;
        let sessions = store.sessions_of(&user.id, self.now).await?;
        let filter = TokenFilter { owner: Some(user.id.clone()), ..TokenFilter::default() };
        let all = Slice { offset: 0, limit: LONGEST_LIST };
        let tokens = store.tokens(&filter, TokenOrder::Newest, all, self.now).await?;
        let assigned = self.desk.policy.load().roles(&Facts {
            provider: &user.provider,
            email: user.email.as_deref(),
            ..Facts::default()
        });
        Ok(UserDetail {
            assigned,
            sessions: sessions.into_iter().map(|session| self.session_view(session, Some(&user))).collect(),
            tokens: tokens.items.into_iter().map(TokenView::from).collect(),
            user: user.into(),
        })
    }

    /// Grants a role, from the person's next request on. Granted twice is granted.
    ///
    /// # Errors
    /// As [`Self::named`]; and [`Refusal::Faults`] for a role that the policy does not know.
    pub async fn grant(&self, name: &str, role: &str) -> Result<UserView> {
        self.role_fits(role)?;
        let user = self.named(name).await?;
        self.change_role(user, role, true).await
    }

    /// Takes a granted role back, from the person's next request on. The policy may know it no more.
    ///
    /// # Errors
    /// As [`Self::named`]; and [`Refusal::NoSuch`] for a role that was not granted.
    pub async fn ungrant(&self, name: &str, role: &str) -> Result<UserView> {
        let user = self.named(name).await?;
        if !user.granted.iter().any(|granted| granted == role) {
            return Err(Refusal::NoSuch(format!(
                "the role {role:?} was not granted to {}; what a provider or the policy gives is not taken back here",
                user.id
            )));
        }
        self.change_role(user, role, false).await
    }

    async fn change_role(&self, mut user: UserRecord, role: &str, grant: bool) -> Result<UserView> {
        let store = &self.desk.store;
        let there =
            if grant { store.grant(&user.id, role).await? } else { store.ungrant(&user.id, role).await? };
        if !there {
            return Err(Refusal::no("user", &user.id));
        }
        self.desk.told(|known| known.user_changed(&user.id));
        self.wrote(if grant { "role_granted" } else { "role_revoked" }, &user.id, role.to_owned());
        user.granted.retain(|other| other != role);
        if grant {
            user.granted.push(role.to_owned());
            user.granted.sort();
        }
        Ok(user.into())
    }

    /// Shuts somebody out: every session ends, no new one begins, their own tokens and bearers are refused.
    ///
    /// # Errors
    /// As [`Self::named`]; and [`Refusal::Faults`] when it is the one who asks.
    pub async fn disable(&self, name: &str) -> Result<UserView> {
        let user = self.named(name).await?;
        if matches!(&self.actor, Actor::User { id, .. } if *id == user.id) {
            return Err(Refusal::field(
                "user",
                "is yourself: you would lock yourself out; ask another administrator",
            ));
        }
        self.set_disabled(user, true).await
    }

    /// Lets somebody in again.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub async fn enable(&self, name: &str) -> Result<UserView> {
        let user = self.named(name).await?;
        self.set_disabled(user, false).await
    }

    async fn set_disabled(&self, mut user: UserRecord, disabled: bool) -> Result<UserView> {
        if !self.desk.store.set_disabled(&user.id, disabled).await? {
            return Err(Refusal::no("user", &user.id));
        }
        self.desk.told(|known| known.user_changed(&user.id));
        let action = if disabled { "user_disabled" } else { "user_enabled" };
        self.wrote(action, &user.id, user.email.clone());
        user.disabled = disabled;
        Ok(user.into())
    }

    /// Signs somebody out everywhere; how many sessions that were.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub async fn sign_out_everywhere(&self, name: &str) -> Result<usize> {
        let user = self.named(name).await?;
        let ended = self.desk.store.end_sessions_of(&user.id).await?;
        self.desk.told(|known| ended.iter().for_each(|session| known.ended(session)));
        self.wrote("sessions_ended", &user.id, format!("all {}", ended.len()));
        Ok(ended.len())
    }

    /// Whom an id or e-mail names. An id is no e-mail, unless a provider calls people by theirs: then somebody's id may
    /// be another's address, and `id:` before it says that the id is meant.
    ///
    /// # Errors
    /// [`Refusal::NoSuch`]; [`Refusal::Faults`] when several people are called so; [`Refusal::Store`].
    async fn named(&self, name: &str) -> Result<UserRecord> {
        let mut found = self.desk.store.users_named(name).await?;
        if found.is_empty()
            && let Some(id) = name.strip_prefix("id:")
        {
            found = self.desk.store.users_named(id).await?;
            found.retain(|user| user.id == id);
        }
        match (found.pop(), found.is_empty()) {
            (Some(user), true) => Ok(user),
            (None, _) => Err(Refusal::no("user", name)),
            (Some(last), false) => {
                let ids: Vec<String> =
                    found.into_iter().chain([last]).map(|user| format!("id:{}", user.id)).collect();
                let why = format!(
                    "is ambiguous: several people have this e-mail or id; write one of {}",
                    ids.join(", ")
                );
                Err(Refusal::field("user", why))
            }
        }
    }

    /// Who is named, where there may be nobody.
    pub(super) async fn maybe_named(&self, name: &str) -> Result<Option<UserRecord>> {
        match self.named(name).await {
            Ok(user) => Ok(Some(user)),
            Err(Refusal::NoSuch(_)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a role may be granted: the policy knows it, if it names roles at all. Administrators are made by a role
    /// that no policy has to name.
    fn role_fits(&self, role: &str) -> Result<()> {
        if !is_role(role) {
            return Err(Refusal::field(
                "role",
                format!(
                    "{role:?} is no role: letters, digits and a few marks, no comma, and no word of the policy"
                ),
            ));
        }
        let policy = self.desk.policy.load();
        if role == ADMIN_ROLE || policy.knows_role(role) {
            return Ok(());
        }
        let known: Vec<&str> =
            policy.role_names().filter(|name| *name != ADMIN_ROLE).take(MAX_HINTS).collect();
        Err(Refusal::field(
            "role",
            format!(
                "{role:?} is named nowhere in the policy; it knows {}, and {ADMIN_ROLE}",
                known.join(", ")
            ),
        ))
    }
}
