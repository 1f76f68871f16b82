//! Users: a signed hash each, changed only when it is still what was read; indexes by e-mail and by last sign-in.

use std::collections::HashMap;

use super::super::page::{Page, Slice};
use super::super::record_keys::Signed;
use super::super::{Result, SignIn, StoreError, UserOrder, UserRecord};
use super::fields::{Fields, MAC};
use super::lists::{self, Scan};
use super::script::{Call, Script};
use super::{LIB, RedisStore};
use crate::clock::Timestamp;

static PUT: Script = Script::new(&[LIB, include_str!("lua/user_put.lua")]);
static SCAN: Script = Script::new(&[LIB, include_str!("lua/scan_users.lua")]);

/// What is signed: all but when the user was last seen.
const SIGNED: &[&str] = &["provider", "subject", "email", "name", "granted", "disabled", "first_seen"];
/// How often a record that somebody else changes is read again.
const ATTEMPTS: usize = 8;

/// A user, and the signature that the record has.
struct Found {
    user: UserRecord,
    mac: Vec<u8>,
    signed: Signed,
}

/// What a change asks for.
enum Change {
    /// Leave it.
    Keep,
    /// Write it; tell of it or not; end the sessions or not.
    Write { tell: bool, end: bool },
}

impl RedisStore {
    async fn find_user(&self, id: &str) -> Result<Option<Found>> {
        let key = self.names.user(id);
        let mut ask = redis::cmd("HGETALL");
        ask.arg(&key);
        let all: HashMap<String, Vec<u8>> =
            self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        Fields::read(key, all).map(|fields| self.read_user(id, &fields)).transpose()
    }

    fn read_user(&self, id: &str, fields: &Fields) -> Result<Found> {
        let signed = fields.verify(SIGNED, &self.keys)?;
        let granted = fields.need("granted")?;
        let user = UserRecord {
            id: id.to_owned(),
            provider: fields.need("provider")?,
            subject: fields.need("subject")?,
            email: fields.owned("email")?,
            name: fields.owned("name")?,
            granted: serde_json::from_str(&granted).map_err(|_| fields.corrupt("granted"))?,
            disabled: match fields.text("disabled")? {
                Some("0") => false,
                Some("1") => true,
                _ => return Err(fields.corrupt("disabled")),
            },
            first_seen: fields.time("first_seen")?,
            last_seen: fields.time("last_seen")?,
        };
        Ok(Found { user, mac: fields.bytes(MAC).unwrap_or_default().to_vec(), signed })
    }

    /// Writes the user, if the record still has this signature (none: if there is no record). Tells when they were
    /// last seen then, or nothing when it has not.
    async fn put_user(
        &self,
        user: &UserRecord,
        instead_of: &[u8],
        tell: bool,
        end: bool,
    ) -> Result<Option<i64>> {
        let key = self.names.user(&user.id);
        let mut fields = Fields::new(key.clone());
        fields.put("provider", user.provider.as_str());
        fields.put("subject", user.subject.as_str());
        fields.put_some("email", user.email.as_deref());
        fields.put_some("name", user.name.as_deref());
        fields.put("granted", serde_json::Value::from(user.granted.as_slice()).to_string());
        fields.put("disabled", if user.disabled { "1" } else { "0" });
        fields.put_time("first_seen", user.first_seen);
        fields.sign(SIGNED, &self.keys)?;
        let call = Call::new(&PUT)
            .key(key)
            .arg(self.names.space())
            .arg(&user.id)
            .arg(instead_of)
            .arg(i32::from(tell))
            .arg(i32::from(end))
            .arg(user.last_seen.millis())
            .arg(fields.pairs());
        self.link.call(&call).await
    }

    /// Changes a user as one step: what was read must still stand there when it is written. False when there is
    /// no such user.
    async fn change_user(
        &self,
        id: &str,
        change: impl Fn(&mut UserRecord) -> Change + Send + Sync,
    ) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Some(mut found) = self.find_user(id).await? else { return Ok(false) };
            let Change::Write { tell, end } = change(&mut found.user) else { return Ok(true) };
            if self.put_user(&found.user, &found.mac, tell, end).await?.is_some() {
                return Ok(true);
            }
        }
        Err(busy())
    }

    pub(super) async fn sign_in_user(&self, who: &SignIn, now: Timestamp) -> Result<UserRecord> {
        for _ in 0..ATTEMPTS {
            let found = self.find_user(&who.user_id).await?;
            let (before, mac) = match found {
                Some(found) => (Some(found.user), found.mac),
                None => (None, Vec::new()),
            };
            let mut user = UserRecord {
                id: who.user_id.clone(),
                provider: who.provider.clone(),
                subject: who.subject.clone(),
                email: who.email.clone(),
                name: who.name.clone(),
                granted: Vec::new(),
                disabled: false,
                first_seen: now,
                last_seen: now,
            };
            let mut tell = false;
            if let Some(before) = before {
                tell = before.email != user.email || before.name != user.name;
                (user.granted, user.disabled, user.first_seen) =
                    (before.granted, before.disabled, before.first_seen);
            }
            if let Some(seen) = self.put_user(&user, &mac, tell, false).await? {
                return Ok(UserRecord { last_seen: Timestamp::from_millis(seen), ..user });
            }
        }
        Err(busy())
    }

    pub(super) async fn one_user(&self, id: &str) -> Result<Option<UserRecord>> {
        Ok(self.find_user(id).await?.map(|found| found.user))
    }

    pub(super) async fn grant_role(&self, id: &str, role: &str) -> Result<bool> {
        self.change_user(id, |user| match user.granted.binary_search_by(|has| has.as_str().cmp(role)) {
            Ok(_) => Change::Keep,
            Err(at) => {
                user.granted.insert(at, role.to_owned());
                Change::Write { tell: true, end: false }
            }
        })
        .await
    }

    pub(super) async fn ungrant_role(&self, id: &str, role: &str) -> Result<bool> {
        self.change_user(id, |user| match user.granted.iter().position(|has| has == role) {
            None => Change::Keep,
            Some(at) => {
                user.granted.remove(at);
                Change::Write { tell: true, end: false }
            }
        })
        .await
    }

    pub(super) async fn disable_user(&self, id: &str, disabled: bool) -> Result<bool> {
        self.change_user(id, |user| {
            let tell = user.disabled != disabled;
            user.disabled = disabled;
            if tell || disabled { Change::Write { tell, end: disabled } } else { Change::Keep }
        })
        .await
    }

    /// By id, and by e-mail from its index.
    pub(super) async fn named_users(&self, name: &str) -> Result<Vec<UserRecord>> {
        let mut from = b"[".to_vec();
        from.extend(lists::text_member(name));
        let mut to = b"(".to_vec();
        to.extend(lists::text_member(name));
        to.push(0xff);
        let mut ask = redis::cmd("ZRANGEBYLEX");
        ask.arg(self.names.of("users:email")).arg(from).arg(to);
        let members: Vec<Vec<u8>> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let mut ids: Vec<String> = members.iter().filter_map(|member| lists::id_of(member)).collect();
        ids.push(name.to_owned());
        ids.sort_unstable();
        ids.dedup();
        let mut users = Vec::new();
        for id in &ids {
            let found = self.one_user(id).await?;
            users.extend(found.filter(|user| user.id == name || user.email.as_deref() == Some(name)));
        }
        Ok(users)
    }

    pub(super) async fn page_of_users(
        &self,
        search: &str,
        order: UserOrder,
        slice: Slice,
    ) -> Result<Page<UserRecord>> {
        let (index, by_text) = match order {
            UserOrder::Email => ("users:email", true),
            UserOrder::LastSeen => ("users:seen", false),
        };
        let index = self.names.of(index);
        let page = if search.is_empty() {
            self.page_of(&index, None, slice, Timestamp::default()).await?
        } else {
            None
        };
        let page = match page {
            Some(page) => page,
            None => {
                let needle = search.to_ascii_lowercase();
                let scan = Scan { script: &SCAN, index: &index, last: &[i32::from(by_text).to_string()] };
                self.scan(&scan, &needle, slice).await?
            }
        };
        let ids: Vec<String> =
            page.items
                .iter()
                .filter_map(|member| {
                    if by_text { lists::id_of(member) } else { String::from_utf8(member.clone()).ok() }
                })
                .collect();
        let records = self.hashes(ids.iter().map(|id| self.names.user(id)).collect()).await?;
        let mut items = Vec::with_capacity(ids.len());
        for (id, fields) in ids.iter().zip(records) {
            let read = fields.map(|fields| self.read_user(id, &fields)).transpose();
            items.extend(lists::readable(read)?.flatten().map(|found| found.user));
        }
        Ok(Page { items, total: page.total })
    }

    /// Signs with the newest key what an older one signed. True when it was.
    pub(super) async fn sign_user_anew(&self, id: &str) -> Result<bool> {
        let Some(found) = lists::readable(self.find_user(id).await)?.flatten() else { return Ok(false) };
        if found.signed == Signed::Now {
            return Ok(false);
        }
        // Somebody who was faster signed it with the newest key too.
        Ok(self.put_user(&found.user, &found.mac, false, false).await?.is_some())
    }
}

fn busy() -> StoreError {
    StoreError::Unavailable("a user is being changed by too many at once".into())
}
