//! API tokens: made, listed, revoked, replaced.

use std::time::Duration;

use secrecy::SecretString;

use super::view::{List, TokenView};
use super::{Admin, Part, Refusal, Result, digest};
use crate::clock::Timestamp;
use crate::identity::api_token::{Asked, NewToken, Plain};
use crate::policy::is_role;
use crate::store::page::Slice;
use crate::store::token::{Rotated, TokenDigest, TokenFilter, TokenOrder, TokenRecord};

/// Fewer digits of a digest than these name nothing.
const SHORTEST_PREFIX: usize = 8;

/// A token that was made, with its text.
#[derive(Debug)]
pub struct NewSecret {
    /// The token itself, to be shown once: it is kept nowhere.
    pub secret: SecretString,
    /// What is kept.
    pub token: TokenView,
}

impl Admin<'_> {
    /// Makes a token.
    ///
    /// # Errors
    /// [`Refusal::Faults`], one a field; [`Refusal::Store`].
    pub async fn create_token(&self, asked: &Asked) -> Result<NewSecret> {
        let policy = self.desk.policy.load();
        let fits = |role: &str| is_role(role) && policy.knows_role(role);
        let new = NewToken::new(asked, None, &self.desk.config.tokens, fits).map_err(Refusal::Faults)?;
        let (plain, record) = new.mint(&self.desk.peppers, self.now)?;
        self.desk.store.put_token(&record).await?;
        self.desk.told(|known| known.token_changed(&record.digest));
        let made = NewSecret { secret: SecretString::from(plain.expose()), token: record.into() };
        self.wrote("token_created", &made.token.id, about(&made.token));
        Ok(made)
    }

    /// Tokens that have not ended.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub async fn tokens(
        &self,
        filter: &TokenFilter,
        order: TokenOrder,
        part: Part,
    ) -> Result<List<TokenView>> {
        let page = self.desk.store.tokens(filter, order, part.slice(), self.now).await?;
        Ok(part.of(page, TokenView::from))
    }

    /// One token; see [`Self::token_named`].
    ///
    /// # Errors
    /// As [`Self::token_named`].
    pub async fn token(&self, name: &str) -> Result<TokenView> {
        Ok(self.token_named(name).await?.into())
    }

    /// Revokes a token, at once.
    ///
    /// # Errors
    /// As [`Self::token_named`].
    pub async fn revoke_token(&self, name: &str) -> Result<TokenView> {
        let token = self.token_named(name).await?;
        if !self.desk.store.revoke_token(&token.digest).await? {
            return Err(no_token());
        }
        self.desk.told(|known| known.token_changed(&token.digest));
        let token = TokenView::from(token);
        self.wrote("token_revoked", &token.id, about(&token));
        Ok(token)
    }

    /// Replaces the text of a token: name, hosts, roles and scopes stay, services go on knowing it as the same, and it
    /// lives as long as it was to when it was made. The old text goes on for `keep_old_seconds` (not beyond its own
    /// end), or is revoked at once. A text is replaced once, however many ask at the same time.
    ///
    /// # Errors
    /// As [`Self::token_named`]; [`Refusal::Faults`] for a token that somebody made for themselves, whose text is for
    /// nobody else to see, and for one that was replaced before.
    pub async fn rotate_token(&self, name: &str, keep_old_seconds: u32) -> Result<NewSecret> {
        let old = self.token_named(name).await?;
        if let Some(owner) = &old.owner {
            let why = format!("is {owner}'s own: only they can replace it; you can revoke it");
            return Err(Refusal::field("token", why));
        }
        if let Some(at) = old.replaced_at {
            return Err(replaced(&format!(" at {at}")));
        }
        let plain = Plain::new()?;
        let new = TokenRecord {
            digest: self.desk.peppers.digest(plain.expose()),
            id: Some(old.stable_id()),
            created_at: Some(self.now),
            expires_at: self.same_span(&old),
            last_used_at: None,
            ..old.clone()
        };
        let kept = Duration::from_secs(keep_old_seconds.into());
        let until = (keep_old_seconds > 0).then(|| self.now.plus(kept));
        let until = until.map(|until| old.expires_at.map_or(until, |end| end.min(until)));
        match self.desk.store.rotate_token(&old.digest, &new, until, self.now).await? {
            Rotated::Done => {}
            Rotated::Before => return Err(replaced(" meanwhile")),
            Rotated::Absent => return Err(no_token()),
        }
        self.desk.told(|known| {
            known.token_changed(&old.digest);
            known.token_changed(&new.digest);
        });
        let made = NewSecret { secret: SecretString::from(plain.expose()), token: new.into() };
        let goes_on = until.map_or_else(
            || "the old text is revoked".to_owned(),
            |until| format!("the old text goes on until {until}"),
        );
        self.wrote("token_rotated", &made.token.id, format!("{}; {goes_on}", about(&made.token)));
        Ok(made)
    }

    /// The end of a token that is to live as long as `old` was to, within what the configuration allows now.
    fn same_span(&self, old: &TokenRecord) -> Option<Timestamp> {
        let end = match (old.expires_at, old.created_at) {
            (Some(end), Some(created)) => Some(self.now.plus(end.since(created))),
            (end, _) => end,
        };
        let latest = self.desk.config.tokens.max_ttl.map(|most| self.now.plus(most));
        end.into_iter().chain(latest).min()
    }

    /// The token that is meant: by its digest, its id or the first eight or more digits of its digest, or by its own
    /// text.
    ///
    /// # Errors
    /// [`Refusal::NoSuch`]; [`Refusal::Faults`] when the beginning is that of several; [`Refusal::Store`].
    pub(super) async fn token_named(&self, name: &str) -> Result<TokenRecord> {
        let name = name.trim();
        if let Some(token) = self.by_digest(digest(name)).await? {
            return Ok(token);
        }
        let is_prefix =
            (SHORTEST_PREFIX..64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        if is_prefix && let Some(token) = self.by_prefix(&name.to_ascii_lowercase()).await? {
            return Ok(token);
        }
        // Tokens that other tools made may look like anything, also like a digest.
        let digests = self.desk.peppers.digests(name, self.now);
        match self.by_digest(Some(digests.current)).await? {
            Some(token) => Ok(token),
            None => self.by_digest(digests.previous).await?.ok_or_else(no_token),
        }
    }

    async fn by_digest(&self, digest: Option<TokenDigest>) -> Result<Option<TokenRecord>> {
        match digest {
            Some(digest) => Ok(self.desk.store.token(&digest, self.now).await?),
            None => Ok(None),
        }
    }

    async fn by_prefix(&self, prefix: &str) -> Result<Option<TokenRecord>> {
        let filter = TokenFilter { search: prefix.to_owned(), ..TokenFilter::default() };
        let some = Slice { offset: 0, limit: 100 };
        let page = self.desk.store.tokens(&filter, TokenOrder::Newest, some, self.now).await?;
        let fits = |token: &TokenRecord| {
            token.stable_id().starts_with(prefix) || token.digest.to_string().starts_with(prefix)
        };
        let mut found: Vec<TokenRecord> = page.items.into_iter().filter(fits).collect();
        match (found.pop(), found.len()) {
            (Some(one), 1..) => Err(Refusal::field(
                "token",
                if found.iter().all(|other| other.stable_id() == one.stable_id()) {
                    "is that of a token and of those that it took the place of: name one by its digest"
                } else {
                    "is the beginning of several digests: write more of it"
                },
            )),
            (one, _) => Ok(one),
        }
    }
}

/// A text has one successor: a second one would go on beside it, known to nobody in charge of it.
fn replaced(when: &str) -> Refusal {
    Refusal::field("token", format!("was replaced{when}: rotate the one that took its place"))
}

/// Never what was written in its place, which may be a token.
fn no_token() -> Refusal {
    Refusal::NoSuch("there is no such token; it was revoked, has ended or never was".to_owned())
}

/// A token in the words of the audit log.
fn about(token: &TokenView) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(",") };
    let until = token.expires_at.map_or_else(|| "for ever".to_owned(), |end| format!("until {end}"));
    format!(
        "{}: hosts {}; roles {}; scopes {}; {until}",
        token.name.as_deref().unwrap_or("without a name"),
        list(&token.hosts),
        list(&token.roles),
        list(&token.scopes)
    )
}
