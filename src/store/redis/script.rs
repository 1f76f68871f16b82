//! Lua scripts: what must be one step is one.

use std::fmt::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use redis::{Cmd, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs};

use super::dial::Wire;

/// A script, known to the server by its SHA-1 (which is a name there, no protection).
pub(super) struct Script {
    parts: &'static [&'static str],
    text: OnceLock<(String, String)>,
}

impl Script {
    pub(super) const fn new(parts: &'static [&'static str]) -> Self {
        Self { parts, text: OnceLock::new() }
    }

    fn text(&self) -> &(String, String) {
        self.text.get_or_init(|| {
            let text = self.parts.concat();
            let mut name = String::with_capacity(40);
            for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref() {
                let _ = write!(name, "{byte:02x}");
            }
            (text, name)
        })
    }
}

/// A script with its keys and arguments.
#[derive(Clone)]
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(super) const fn new(script: &'static Script) -> Self {
        Self { script, keys: Vec::new(), args: Vec::new() }
    }

    pub(super) fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.keys.push(key.into());
        self
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }

    /// Runs it; a server that does not know it is told it.
    pub(super) async fn on<T: FromRedisValue>(&self, mut wire: Wire) -> RedisResult<T> {
        let (text, name) = self.script.text();
        match self.command("EVALSHA", name).query_async(&mut wire).await {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                self.command("EVAL", text).query_async(&mut wire).await
            }
            told => told,
        }
    }
}
