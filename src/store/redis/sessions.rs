//! The session registry: a signed hash each; what ended is not there.

use std::collections::HashMap;

use super::super::page::{Page, Slice};
use super::super::token::Used;
use super::super::{Result, SessionId, SessionRecord};
use super::fields::Fields;
use super::lists::{self, Ends, Scan};
use super::script::{Call, Script};
use super::{LIB, RedisStore};
use crate::clock::Timestamp;

static OPEN: Script = Script::new(&[LIB, include_str!("lua/session_open.lua")]);
static END: Script = Script::new(&[LIB, include_str!("lua/session_end.lua")]);
static SEEN: Script = Script::new(&[LIB, include_str!("lua/session_seen.lua")]);
static SCAN: Script = Script::new(&[LIB, include_str!("lua/scan_sessions.lua")]);

/// What is signed: all but when it was last seen.
const SIGNED: &[&str] =
    &["user_id", "provider", "subject", "sid", "created_at", "expires_at", "address", "agent", "logout_hint"];

impl RedisStore {
    fn read_session(&self, id: &SessionId, fields: &Fields) -> Result<SessionRecord> {
        fields.verify(SIGNED, &self.keys)?;
        Ok(SessionRecord {
            id: id.clone(),
            user_id: fields.need("user_id")?,
            provider: fields.need("provider")?,
            subject: fields.need("subject")?,
            provider_sid: fields.owned("sid")?,
            created_at: fields.time("created_at")?,
            last_seen_at: fields.time("last_seen_at")?,
            expires_at: fields.time("expires_at")?,
            address: fields.owned("address")?,
            agent: fields.owned("agent")?,
            logout_hint: fields.bytes("logout_hint").map(<[u8]>::to_vec),
        })
    }

    pub(super) async fn begin_session(&self, s: &SessionRecord) -> Result<()> {
        let key = self.names.session(&s.id);
        let mut fields = Fields::new(key.clone());
        fields.put("user_id", s.user_id.as_str());
        fields.put("provider", s.provider.as_str());
        fields.put("subject", s.subject.as_str());
        fields.put_some("sid", s.provider_sid.as_deref());
        fields.put_time("created_at", s.created_at);
        fields.put_time("expires_at", s.expires_at);
        fields.put_some("address", s.address.as_deref());
        fields.put_some("agent", s.agent.as_deref());
        fields.put_some("logout_hint", s.logout_hint.as_deref());
        fields.sign(SIGNED, &self.keys)?;
        fields.put_time("last_seen_at", s.last_seen_at);
        let call = Call::new(&OPEN)
            .key(key)
            .arg(self.names.space())
            .arg(s.id.as_str())
            .arg(&s.user_id)
            .arg(s.created_at.millis())
            .arg(s.expires_at.millis())
            .arg(fields.pairs());
        self.link.call::<i64>(&call).await?;
        Ok(())
    }

    pub(super) async fn one_session(&self, id: &SessionId, now: Timestamp) -> Result<Option<SessionRecord>> {
        let key = self.names.session(id);
        let mut ask = redis::cmd("HGETALL");
        ask.arg(&key);
        let all: HashMap<String, Vec<u8>> =
            self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let Some(fields) = Fields::read(key, all) else { return Ok(None) };
        Ok(Some(self.read_session(id, &fields)?).filter(|session| session.expires_at > now))
    }

    async fn read_sessions(&self, ids: &[SessionId], now: Timestamp) -> Result<Vec<SessionRecord>> {
        let records = self.hashes(ids.iter().map(|id| self.names.session(id)).collect()).await?;
        let mut sessions = Vec::with_capacity(ids.len());
        for (id, fields) in ids.iter().zip(records) {
            let read = fields.map(|fields| self.read_session(id, &fields)).transpose();
            sessions.extend(lists::readable(read)?.flatten().filter(|session| session.expires_at > now));
        }
        Ok(sessions)
    }

    pub(super) async fn sessions_of_user(&self, user: &str, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let mut ask = redis::cmd("SMEMBERS");
        ask.arg(self.of_user(user));
        let ids: Vec<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let mut sessions = self.read_sessions(&parsed(&ids), now).await?;
        sessions.retain(|session| session.user_id == user);
        sessions
            .sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.as_str().cmp(b.id.as_str())));
        Ok(sessions)
    }

    pub(super) async fn page_of_sessions(
        &self,
        search: &str,
        slice: Slice,
        now: Timestamp,
    ) -> Result<Page<SessionRecord>> {
        let index = self.names.of("sessions:new");
        let ends = Ends { index: self.names.of("sessions:end"), entries: None };
        let page = match search {
            "" => self.page_of(&index, Some(&ends), slice, now).await?,
            _ => None,
        };
        let page = match page {
            Some(page) => page,
            None => {
                let scan = Scan { script: &SCAN, index: &index, last: &[now.millis().to_string()] };
                self.scan(&scan, &search.to_ascii_lowercase(), slice).await?
            }
        };
        let ids: Vec<String> =
            page.items.iter().filter_map(|id| String::from_utf8(id.clone()).ok()).collect();
        Ok(Page { items: self.read_sessions(&parsed(&ids), now).await?, total: page.total })
    }

    /// Sessions in one go, tokens one by one: in a cluster they are everywhere.
    pub(super) async fn touch_all(&self, seen: &[(Used, Timestamp)]) -> Result<()> {
        let mut call = Call::new(&SEEN).key(self.names.of("sessions:new")).arg(self.names.space());
        let mut sessions = 0;
        for (used, at) in seen {
            if let Used::Session(id) = used {
                call = call.arg(id.as_str()).arg(at.millis());
                sessions += 1;
            }
        }
        if sessions > 0 {
            self.link.call::<i64>(&call).await?;
        }
        let tokens = seen.iter().filter_map(|(used, at)| match used {
            Used::Token(digest) => Some((digest, *at)),
            Used::Session(_) => None,
        });
        self.touch_tokens(tokens).await
    }

    pub(super) async fn end_one(&self, id: &SessionId) -> Result<bool> {
        // The set is one that is never there.
        Ok(!self.end(self.names.of("nobody"), None, &[id.as_str()]).await?.is_empty())
    }

    pub(super) async fn end_of_user(&self, user: &str) -> Result<Vec<SessionId>> {
        self.end(self.of_user(user), None, &[]).await
    }

    /// With a `sid` and a subject both must match (OpenID Connect Back-Channel Logout 1.0, section 2.6): a `sid`
    /// is only unique together with its issuer, and a logout token must not end somebody else's session.
    pub(super) async fn end_at_provider(
        &self,
        provider: &str,
        subject: Option<&str>,
        sid: Option<&str>,
    ) -> Result<Vec<SessionId>> {
        let set = |kind: &str, name: &str| {
            self.names.of(&format!("sessions:{kind}:{}:{provider}:{name}", provider.len()))
        };
        match (sid, subject) {
            (Some(sid), subject) => self.end(set("sid", sid), subject, &[]).await,
            (None, Some(subject)) => self.end(set("subject", subject), None, &[]).await,
            (None, None) => Ok(Vec::new()),
        }
    }

    async fn end(&self, set: String, subject: Option<&str>, more: &[&str]) -> Result<Vec<SessionId>> {
        let subject = subject.map_or_else(String::new, |subject| format!("={subject}"));
        let call = Call::new(&END).key(set).arg(self.names.space()).arg(subject).arg(more);
        let ended: Vec<String> = self.link.call(&call).await?;
        Ok(parsed(&ended))
    }

    fn of_user(&self, user: &str) -> String {
        self.names.of(&format!("sessions:user:{user}"))
    }
}

fn parsed(ids: &[String]) -> Vec<SessionId> {
    ids.iter().filter_map(|id| SessionId::parse(id)).collect()
}
