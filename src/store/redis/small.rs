//! What needs no record: names used once, hand-overs, rate windows; and sweeping.

use super::super::rate::{Limit, Taken};
use super::super::token::TokenDigest;
use super::super::{Once, Result};
use super::script::{Call, Script};
use super::{LIB, RedisStore, names};
use crate::clock::Timestamp;

static PUT_HANDOVER: Script = Script::new(&[include_str!("lua/handover_put.lua")]);
static TAKE_HANDOVER: Script = Script::new(&[include_str!("lua/handover_take.lua")]);
static TAKE: Script = Script::new(&[include_str!("lua/take.lua")]);
static SWEEP: Script = Script::new(&[LIB, include_str!("lua/sweep.lua")]);
static MOVE_RING: Script = Script::new(&[
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end\n",
    "return 1\n",
]);

/// Records swept, or signed anew, in one go.
const PART: usize = 500;

impl RedisStore {
    pub(super) async fn claim(&self, kind: Once, name: &str, until: Timestamp) -> Result<bool> {
        let mut add = redis::cmd("ZADD");
        add.arg(self.names.of("once")).arg("NX").arg(until.millis()).arg(format!("{}:{name}", kind.as_str()));
        let added: i64 = self.link.run(async |mut wire| add.query_async(&mut wire).await).await?;
        Ok(added == 1)
    }

    pub(super) async fn keep_handover(
        &self,
        digest: &[u8; 32],
        sealed: &[u8],
        until: Timestamp,
    ) -> Result<()> {
        let call = Call::new(&PUT_HANDOVER)
            .key(self.names.of("handovers"))
            .key(self.names.of("handovers:end"))
            .arg(TokenDigest::new(*digest).to_string())
            .arg(sealed)
            .arg(until.millis());
        self.link.call::<i64>(&call).await?;
        Ok(())
    }

    pub(super) async fn give_handover(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>> {
        let call = Call::new(&TAKE_HANDOVER)
            .key(self.names.of("handovers"))
            .key(self.names.of("handovers:end"))
            .arg(TokenDigest::new(*digest).to_string());
        let taken: Option<(f64, Vec<u8>)> = self.link.call(&call).await?;
        // Milliseconds since the epoch are whole numbers that a double holds exactly.
        Ok(taken.filter(|(until, _)| *until > now.millis() as f64).map(|(_, sealed)| sealed))
    }

    pub(super) async fn take_of(
        &self,
        bucket: &str,
        limit: Limit,
        want: u32,
        now: Timestamp,
    ) -> Result<Taken> {
        let window = u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX).max(1);
        let call = Call::new(&TAKE)
            .key(self.names.of(&format!("window:{bucket}")))
            .arg(limit.max)
            .arg(window)
            .arg(want)
            .arg(now.millis());
        let (granted, left, again): (u32, u32, u64) = self.link.call(&call).await?;
        Ok(Taken { granted, left, again_in: std::time::Duration::from_millis(again) })
    }

    pub(super) async fn sweep_all(&self, now: Timestamp) -> Result<()> {
        loop {
            let call = Call::new(&SWEEP)
                .key(self.names.of("sessions:end"))
                .arg(self.names.space())
                .arg(now.millis())
                .arg(PART);
            if self.link.call::<i64>(&call).await? == 0 {
                break;
            }
        }
        self.sweep_tokens(now).await?;
        self.sign_anew(now).await
    }

    /// Redis forgets tokens by itself; this is for the indexes, and for clocks that differ.
    async fn sweep_tokens(&self, now: Timestamp) -> Result<()> {
        loop {
            let mut ask = redis::cmd("ZRANGEBYSCORE");
            ask.arg(self.names.of("tokens:end")).arg("-inf").arg(now.millis()).arg("LIMIT").arg(0).arg(PART);
            let ended: Vec<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
            let full = ended.len() == PART;
            for hex in ended {
                let Some(digest) = TokenDigest::parse(&hex) else { continue };
                match super::lists::readable(self.find_token(&digest, now).await)?.flatten() {
                    // Somebody gave it more time.
                    Some(found) => self.index_token(&found.token).await?,
                    None => {
                        self.delete_token(&digest).await?;
                    }
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// After the first key of the ring was changed: signs users and tokens with it, which outlive the old key.
    async fn sign_anew(&self, now: Timestamp) -> Result<()> {
        let mut ask = redis::cmd("GET");
        ask.arg(self.names.ring());
        let ring: Option<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
        let names = self.keys.names();
        let (Some(ring), Some(newest)) = (ring, names.first()) else { return Ok(()) };
        if ring == *newest {
            return Ok(());
        }
        let (mut users, mut tokens) = (0, 0);
        for id in self.all_of("users:seen").await? {
            users += usize::from(self.sign_user_anew(&id).await?);
        }
        for digest in self.all_of("tokens:new").await?.iter().filter_map(|hex| TokenDigest::parse(hex)) {
            tokens += usize::from(self.sign_token_anew(&digest, now).await?);
        }
        let call = Call::new(&MOVE_RING).key(self.names.ring()).arg(ring).arg(newest);
        self.link.call::<i64>(&call).await?;
        tracing::info!(users, tokens, "records in Redis are signed with the newest session key");
        Ok(())
    }

    async fn all_of(&self, index: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        loop {
            let mut ask = redis::cmd("ZRANGE");
            ask.arg(self.names.of(index)).arg(all.len()).arg(all.len() + PART * 10 - 1);
            let part: Vec<String> = self.link.run(async |mut wire| ask.query_async(&mut wire).await).await?;
            let last = part.len() < PART * 10;
            all.extend(part);
            if last {
                return Ok(all);
            }
        }
    }

    pub(super) async fn try_it(&self) -> Result<()> {
        let mut write = redis::cmd("SET");
        write.arg(self.names.alive()).arg("1").arg("PX").arg(60_000);
        self.link
            .run(async |mut wire| {
                write.query_async::<()>(&mut wire).await?;
                // Another node of a cluster may be the one that is away.
                redis::cmd("EXISTS").arg(names::TOKENS).query_async::<i64>(&mut wire).await
            })
            .await
            .map(|_| ())
    }
}
