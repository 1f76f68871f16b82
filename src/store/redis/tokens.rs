//! API tokens: a hash each, at `tokens:HEX` whatever the prefix, so that other programs can write and read them.
//!
//! Ours are signed. What other programs write is not, and is believed as far as hosts go: it has no role, scope or
//! owner. Lists come from indexes of ours, which cannot be written in one step with the hash, as a cluster keeps the two
//! on different nodes: the hash is what counts, and the indexes follow it (`listing`).

use serde::Serialize;

use super::super::record_keys::Signed;
use super::super::token::{Rotated, TokenDigest, TokenRecord};
use super::super::{Result, StoreError};
use super::dial::Wire;
use super::fields::{Fields, MAC};
use super::script::{Call, Script};
use super::{LIB, RedisStore, lists, names};
use crate::clock::Timestamp;

static PUT: Script = Script::new(&[include_str!("lua/token_put.lua")]);
static GET: Script = Script::new(&[include_str!("lua/token_get.lua")]);
static SEEN: Script = Script::new(&[include_str!("lua/token_seen.lua")]);
static REPLACE: Script = Script::new(&[include_str!("lua/token_replace.lua")]);
static MOVE: Script = Script::new(&[include_str!("lua/token_move.lua")]);
static INDEX: Script = Script::new(&[LIB, include_str!("lua/token_index.lua")]);

const SIGNED: &[&str] = &[
    "id",
    "name",
    "email",
    "comment",
    "hosts",
    "roles",
    "scopes",
    "owner",
    "vested",
    "rate_limit",
    "created_at",
    "expires_at",
];
/// What a token that nobody signed cannot have.
const NOT_WITHOUT: [&str; 4] = ["roles", "scopes", "owner", "vested"];
/// A use is written down when the last one that was is older than this, in seconds: every write is told to every
/// gateway, which then reads the token again.
const COARSE: u32 = 60;
/// When many tokens were seen, that is written in small portions: so many, and then a pause.
const TOUCHED_AT_ONCE: usize = 8;
const BREATH: std::time::Duration = std::time::Duration::from_millis(2);
/// How often a record that somebody else changes is read again.
const ATTEMPTS: usize = 4;
/// How far the key's own time to live may fall behind what was signed without being believed: other clocks.
const LEEWAY: i64 = 2000;

/// A token, and how its record is signed; one of another program is not.
pub(super) struct Found {
    pub(super) token: TokenRecord,
    pub(super) signed: Option<Signed>,
    mac: Vec<u8>,
    /// How long the key has to live, in milliseconds.
    left: Option<i64>,
    /// When it ends by what was signed; the key may end sooner.
    ends: Option<Timestamp>,
}

/// What lists go by.
#[derive(Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

impl RedisStore {
    /// A token that has not ended.
    pub(super) async fn find_token(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<Found>> {
        let found = self.find_kept(digest, now).await?;
        Ok(found.filter(|found| found.token.expires_at.is_none_or(|at| at > now)))
    }

    /// A token, also one that has ended by `now` and that Redis keeps for the time being.
    pub(super) async fn find_kept(&self, digest: &TokenDigest, now: Timestamp) -> Result<Option<Found>> {
        let call = Call::new(&GET).key(names::token(digest));
        let (left, flat): (i64, Vec<Vec<u8>>) = self.link.call(&call).await?;
        let mut all = std::collections::HashMap::new();
        let mut values = flat.into_iter();
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            // Other programs may have fields of their own.
            if let Ok(name) = String::from_utf8(name) {
                all.insert(name, value);
            }
        }
        let Some(fields) = Fields::read(names::token(digest), all) else { return Ok(None) };
        self.read_token(digest, &fields, (left >= 0).then_some(left), now).map(Some)
    }

    fn read_token(
        &self,
        digest: &TokenDigest,
        fields: &Fields,
        left: Option<i64>,
        now: Timestamp,
    ) -> Result<Found> {
        let signed = match fields.has(MAC) {
            true => Some(fields.verify(SIGNED, &self.keys)?),
            false => None,
        };
        let by_key = left.map(|left| Timestamp::from_millis(now.millis().saturating_add(left)));
        let mut ends = None;
        let token = if signed.is_some() {
            let by_record = match fields.text("expires_at")? {
                None => None,
                Some(text) => Some(read_time(text).ok_or_else(|| fields.corrupt("expires_at"))?),
            };
            ends = by_record;
            let limit = match fields.text("rate_limit")? {
                None => None,
                Some(text) => Some(text.parse().map_err(|_| fields.corrupt("rate_limit"))?),
            };
            TokenRecord {
                digest: *digest,
                id: fields.owned("id")?,
                name: fields.owned("name")?,
                email: fields.owned("email")?,
                comment: fields.owned("comment")?,
                hosts: list(fields.text("hosts")?),
                roles: list(fields.text("roles")?),
                scopes: list(fields.text("scopes")?),
                owner: fields.owned("owner")?,
                vested: list(fields.text("vested")?),
                limit,
                created_at: fields.text("created_at")?.and_then(read_time),
                expires_at: sooner(by_record, by_key),
                last_used_at: fields.text("last_used_at")?.and_then(read_time),
                replaced_at: fields.text("replaced_at")?.and_then(read_time),
            }
        } else {
            if NOT_WITHOUT.iter().any(|name| fields.bytes(name).is_some_and(|value| !value.is_empty())) {
                return Err(fields.corrupt(MAC));
            }
            let said =
                |name: &str| fields.text(name).ok().flatten().map(str::trim).filter(|text| !text.is_empty());
            let owned = |name: &str| said(name).map(str::to_owned);
            TokenRecord {
                digest: *digest,
                // An id names a caller towards services: it is believed from nobody else.
                id: None,
                name: owned("name"),
                email: owned("email"),
                comment: owned("comment"),
                hosts: list(fields.text("hosts")?),
                roles: Vec::new(),
                scopes: Vec::new(),
                owner: None,
                vested: Vec::new(),
                limit: None,
                created_at: said("created_at").and_then(read_time),
                expires_at: by_key,
                last_used_at: said("last_used_at").and_then(read_time),
                replaced_at: said("replaced_at").and_then(read_time),
            }
        };
        Ok(Found { token, signed, mac: fields.bytes(MAC).unwrap_or_default().to_vec(), left, ends })
    }

    fn written(&self, token: &TokenRecord) -> Result<Fields> {
        let mut fields = Fields::new(names::token(&token.digest));
        fields.put_some("id", token.id.as_deref());
        fields.put_some("name", token.name.as_deref());
        fields.put_some("email", token.email.as_deref());
        fields.put_some("comment", token.comment.as_deref());
        fields.put("hosts", joined(&token.hosts)?);
        for (name, list) in [("roles", &token.roles), ("scopes", &token.scopes), ("vested", &token.vested)] {
            if !list.is_empty() {
                fields.put(name, joined(list)?);
            }
        }
        fields.put_some("owner", token.owner.as_deref());
        fields.put_some("rate_limit", token.limit.map(|limit| limit.to_string()));
        fields.put_some("created_at", token.created_at.map(write_time));
        fields.put_some("expires_at", token.expires_at.map(write_time));
        fields.sign(SIGNED, &self.keys)?;
        fields.put_some("last_used_at", token.last_used_at.map(write_time));
        fields.put_some("replaced_at", token.replaced_at.map(write_time));
        Ok(fields)
    }

    pub(super) async fn write_token(&self, token: &TokenRecord) -> Result<()> {
        let fields = self.written(token)?;
        let call =
            Call::new(&PUT).key(names::token(&token.digest)).arg(end(token.expires_at)).arg(fields.pairs());
        self.link.call::<i64>(&call).await?;
        self.index_token(token).await
    }

    pub(super) async fn delete_token(&self, digest: &TokenDigest) -> Result<bool> {
        let mut delete = redis::cmd("DEL");
        delete.arg(names::token(digest));
        let gone: i64 = self.link.run(async |mut wire| delete.query_async(&mut wire).await).await?;
        if let Err(error) = self.unindex_token(digest).await {
            // It is revoked; the list will notice.
            tracing::warn!(token = digest.short(), %error, "a revoked token is still listed");
        }
        Ok(gone > 0)
    }

    /// One script where both keys are on one server. In a cluster the new one is written first, and taken back if the
    /// old one was not there to be replaced: nobody has been shown its text by then.
    pub(super) async fn replace_token(
        &self,
        old: &TokenDigest,
        new: &TokenRecord,
        old_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Rotated> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find_token(old, now).await? else { return Ok(Rotated::Absent) };
            let after = old_until.map(|until| found.token.clone().replaced(until, now));
            let (put, pairs) = (
                self.written(new)?.pairs(),
                match &after {
                    Some(after) => self.written(after)?.pairs(),
                    None => Vec::new(),
                },
            );
            let (from, to) = (names::token(old), names::token(&new.digest));
            let over = after.as_ref().map_or_else(String::new, |after| end(after.expires_at));
            let call = Call::new(&REPLACE).key(from).arg(found.mac).arg(over);
            let call = call.arg(SIGNED.len()).arg(SIGNED).arg(pairs.len()).arg(pairs);
            let new_end = end(new.expires_at);
            let told = self
                .link
                .run(async |mut wire| {
                    if matches!(wire, Wire::Server(_)) {
                        return call.key(to).arg(new_end).arg(put).on::<i64>(wire).await;
                    }
                    let put = Call::new(&PUT).key(to.clone()).arg(new_end).arg(put);
                    put.on::<i64>(wire.clone()).await?;
                    let told = call.on::<i64>(wire.clone()).await?;
                    if told != 1 {
                        redis::cmd("DEL").arg(&to).query_async::<i64>(&mut wire).await?;
                    }
                    Ok(told)
                })
                .await?;
            match told {
                0 => return Ok(Rotated::Absent),
                1 => {
                    self.index_token(new).await?;
                    match &after {
                        Some(after) => self.index_token(after).await?,
                        None => self.unindex_token(old).await?,
                    }
                    return Ok(Rotated::Done);
                }
                2 => return Ok(Rotated::Before),
                // It was signed anew meanwhile.
                _ => {}
            }
        }
        Err(StoreError::Unavailable("a token is being changed by too many at once".into()))
    }

    /// One script where both keys are on one server. In a cluster the new one is written before the old one goes, and
    /// taken back if that was revoked meanwhile. A token of another program is signed from then on, as it has an id.
    pub(super) async fn rename_token(&self, old: &TokenDigest, new: &TokenDigest) -> Result<bool> {
        let Some(found) = self.find_kept(old, Timestamp::default()).await? else { return Ok(false) };
        // The key's own time to live goes on as it is.
        let mut token = TokenRecord { digest: *new, expires_at: found.ends, ..found.token };
        token.id = token.id.or_else(|| Some(old.id()));
        let fields = self.written(&token)?;
        let ends = found.left.map_or_else(String::new, |left| format!("+{left}"));
        let (from, to, mac, pairs) = (names::token(old), names::token(new), found.mac, fields.pairs());
        let moved = self
            .link
            .run(async |mut wire| {
                if matches!(wire, Wire::Server(_)) {
                    let call = Call::new(&MOVE).key(from).key(to).arg(mac);
                    let call = call.arg(SIGNED.len()).arg(SIGNED).arg(pairs);
                    return Ok(call.on::<i64>(wire).await? == 1);
                }
                if redis::cmd("EXISTS").arg(&to).query_async::<i64>(&mut wire).await? > 0 {
                    return Ok(false);
                }
                let put = Call::new(&PUT).key(to.clone()).arg(ends).arg(pairs);
                put.on::<i64>(wire.clone()).await?;
                let gone: i64 = redis::cmd("DEL").arg(&from).query_async(&mut wire).await?;
                if gone == 0 {
                    redis::cmd("DEL").arg(&to).query_async::<i64>(&mut wire).await?;
                }
                Ok(gone > 0)
            })
            .await?;
        if moved {
            self.unindex_token(old).await?;
            self.listing.look_at(*new);
        }
        Ok(moved)
    }

    pub(super) async fn touch_tokens<'a>(
        &self,
        seen: impl Iterator<Item = (&'a TokenDigest, Timestamp)>,
    ) -> Result<()> {
        for (number, (digest, at)) in seen.enumerate() {
            // Nobody waits for this, and somebody may wait for everything else.
            if number % TOUCHED_AT_ONCE == TOUCHED_AT_ONCE - 1 {
                tokio::time::sleep(BREATH).await;
            }
            let call = Call::new(&SEEN).key(names::token(digest)).arg(write_time(at)).arg(COARSE);
            self.link.call::<i64>(&call).await?;
        }
        Ok(())
    }

    pub(super) async fn index_token(&self, token: &TokenRecord) -> Result<()> {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let hosts = token.hosts.join(",").to_ascii_lowercase();
        let id = lower(&token.id);
        let text = [lower(&token.name), lower(&token.email), lower(&token.comment), hosts, id].join("\n");
        let entry = Entry {
            name: token.name.as_ref().map(|name| name.to_ascii_lowercase()),
            owner: token.owner.clone(),
        };
        let entry = serde_json::to_string(&entry)
            .map_err(|_| StoreError::Corrupt("a token that cannot be listed".into()))?;
        let age = token.created_at.map_or(0, |at| at.millis().saturating_neg());
        let call = Call::new(&INDEX)
            .key(self.names.of("tokens:entry"))
            .arg(self.names.space())
            .arg(token.digest.to_string())
            .arg(entry)
            .arg(age)
            .arg(end(token.expires_at))
            .arg(text);
        self.link.call::<i64>(&call).await?;
        Ok(())
    }

    pub(super) async fn unindex_token(&self, digest: &TokenDigest) -> Result<()> {
        let call = Call::new(&INDEX)
            .key(self.names.of("tokens:entry"))
            .arg(self.names.space())
            .arg(digest.to_string())
            .arg("");
        self.link.call::<i64>(&call).await?;
        Ok(())
    }

    /// Signs with the newest key what an older one signed. True when it was.
    pub(super) async fn sign_token_anew(&self, digest: &TokenDigest, now: Timestamp) -> Result<bool> {
        let found = lists::readable(self.find_kept(digest, now).await)?.flatten();
        let Some(Found { token, signed: Some(Signed::Before), mac, ends, .. }) = found else {
            return Ok(false);
        };
        let fields = self.written(&TokenRecord { expires_at: ends, ..token })?;
        let call =
            Call::new(&RESIGN).key(names::token(digest)).arg(mac).arg(fields.bytes(MAC).unwrap_or_default());
        Ok(self.link.call::<i64>(&call).await? == 1)
    }
}

static RESIGN: Script = Script::new(&[
    "if redis.call('HGET', KEYS[1], 'mac') ~= ARGV[1] then return 0 end\n",
    "redis.call('HSET', KEYS[1], 'mac', ARGV[2])\n",
    "return 1\n",
]);

fn end(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.millis().to_string())
}

fn list(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn joined(list: &[String]) -> Result<String> {
    let plain = |text: &String| !text.is_empty() && !text.contains(',') && text.trim() == text;
    if list.iter().all(plain) {
        Ok(list.join(","))
    } else {
        Err(StoreError::Corrupt("a host, role or scope of a token with a comma or blanks around it".into()))
    }
}

/// The earlier of what was signed and what the key says, which is trusted where it ends the token clearly sooner.
fn sooner(by_record: Option<Timestamp>, by_key: Option<Timestamp>) -> Option<Timestamp> {
    match (by_record, by_key) {
        (Some(record), Some(key)) if key.millis() >= record.millis().saturating_sub(LEEWAY) => Some(record),
        (record, key) => key.or(record),
    }
}

/// Seconds since the epoch, with milliseconds behind a point where there are some.
fn write_time(at: Timestamp) -> String {
    match at.millis().rem_euclid(1000) {
        0 => at.secs().to_string(),
        millis => format!("{}.{millis:03}", at.secs()),
    }
}

/// What [`write_time`] writes, and what else other programs may: another number of decimals, or RFC 3339.
fn read_time(text: &str) -> Option<Timestamp> {
    let (secs, decimals) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(secs) = secs.parse::<i64>()
        && decimals.bytes().all(|b| b.is_ascii_digit())
    {
        let millis: i64 = format!("{decimals:0<3}").get(..3)?.parse().ok()?;
        return Some(Timestamp::from_millis(secs.checked_mul(1000)?.checked_add(millis)?));
    }
    Timestamp::parse_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_back_and_those_of_others_as_well() {
        for millis in [0, 1, 1_800_000_000_000, 1_800_000_000_120, -1] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(read_time(&write_time(time)), Some(time), "{}", write_time(time));
        }
        assert_eq!(read_time("1800000000.5"), Some(Timestamp::from_millis(1_800_000_000_500)));
        assert_eq!(read_time("1800000000.123456"), Some(Timestamp::from_millis(1_800_000_000_123)));
        assert_eq!(read_time("2027-01-15T08:00:00Z"), Some(Timestamp::from_secs(1_800_000_000)));
        for wrong in ["", "soon", "9999999999999999999", "1.x", "2027-01-15"] {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
    }
}
