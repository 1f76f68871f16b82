//! `store`: where things are remembered.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use super::fault::{Faults, shown};
use super::parse;
use super::table::Table;

/// Keys that are about Redis alone.
const BESIDE: [&str; 7] =
    ["username", "password", "password_file", "ca_file", "insecure_tls_skip_verify", "prefix", "timeout"];

/// The port of Redis, and that of its sentinels.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// `store.url`, parsed.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// `sqlite:PATH`; relative paths are in `data_dir`.
    Sqlite(PathBuf),
    /// `redis:`, `rediss:`, `redis+sentinel:`, `redis+cluster:` or `redis+unix:`, with what stands beside the address.
    Redis(Box<RedisUrl>),
}

impl StoreUrl {
    /// Whether this is Redis.
    #[must_use]
    pub const fn is_redis(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

/// A Redis (or Valkey) and how to be let in. `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct RedisUrl {
    /// Where it is.
    pub place: RedisPlace,
    /// The ACL user; `None` is Redis's `default`.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The numbered database; a cluster has only 0.
    pub db: u32,
    /// TLS, or plain text.
    pub tls: Option<RedisTls>,
    /// What every key of ours is under, in braces, so that a cluster keeps them together: `doorward` is
    /// `{doorward}:`. API tokens are not under it: they are `tokens:HEX`.
    pub prefix: String,
    /// How long a call may take, waiting included.
    pub timeout: Duration,
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// One server.
    Server(HostPort),
    /// One server, by its socket on this machine.
    Socket(PathBuf),
    /// The master of that name, as sentinels tell.
    Sentinel {
        /// Whom to ask.
        sentinels: Vec<HostPort>,
        /// The master's name.
        master: String,
    },
    /// A cluster, found by any of these.
    Cluster(Vec<HostPort>),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// TLS to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTls {
    /// PEM file of the authorities to believe, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate is checked.
    pub verify: bool,
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, hosts: &[HostPort]| {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            f.write_str(&hosts.join(","))
        };
        let s = if self.tls.is_some() { "s" } else { "" };
        match &self.place {
            RedisPlace::Server(at) => write!(f, "redis{s}://{at}/{}", self.db),
            RedisPlace::Socket(path) => write!(f, "redis+unix://{}?db={}", path.display(), self.db),
            RedisPlace::Sentinel { sentinels, master } => {
                write!(f, "redis{s}+sentinel://")?;
                list(f, sentinels)?;
                write!(f, "/{master}/{}", self.db)
            }
            RedisPlace::Cluster(nodes) => {
                write!(f, "redis{s}+cluster://")?;
                list(f, nodes)
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl RedisUrl {
    /// From an address, with the defaults for what does not stand in it.
    ///
    /// # Errors
    /// What is wrong with it. Nothing of the address is shown: it may carry a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("must begin with `redis://`")?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#') {
            return Err("has a blank, a backslash or a `#` in it; write such characters as `%20`".to_owned());
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        // The last `@`: one in a password that should have been written `%40` is not taken for the end of it.
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (hosts, path) = rest.split_once('/').map_or((rest, ""), |(hosts, path)| (hosts, path));
        let path = path.trim_end_matches('/');
        let tls = matches!(scheme, "rediss" | "rediss+sentinel" | "rediss+cluster");
        let (place, db) = match scheme {
            "redis" | "rediss" => match hosts_of(hosts, PORT)?.as_slice() {
                [one] => (RedisPlace::Server(one.clone()), number(path)?),
                _ => {
                    return Err(
                        "names several servers; write `redis+sentinel://` or `redis+cluster://`".to_owned()
                    );
                }
            },
            "redis+unix" => {
                let db = match query.map(|query| query.strip_prefix("db=")) {
                    None => 0,
                    Some(Some(db)) => number(db)?,
                    Some(None) => return Err("has an unknown option behind `?`".to_owned()),
                };
                (RedisPlace::Socket(PathBuf::from(format!("/{}", decoded(path)?))), db)
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let (master, db) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    let form = "needs the master's name: `redis+sentinel://host:26379,host:26379/mymaster`";
                    return Err(form.to_owned());
                }
                let sentinels = hosts_of(hosts, SENTINEL_PORT)?;
                (RedisPlace::Sentinel { sentinels, master: decoded(master)? }, number(db)?)
            }
            "redis+cluster" | "rediss+cluster" => {
                if number(path)? != 0 {
                    return Err("names a database, and a cluster has only 0".to_owned());
                }
                (RedisPlace::Cluster(hosts_of(hosts, PORT)?), 0)
            }
            _ => return Err("is no known kind of Redis address".to_owned()),
        };
        if query.is_some() && scheme != "redis+unix" {
            return Err("has options behind `?`; write them as keys of `store`".to_owned());
        }
        let (username, password) = match user {
            None => (None, None),
            Some(user) => match user.split_once(':') {
                Some((name, password)) => (Some(name), Some(SecretString::from(decoded(password)?))),
                None => (Some(user), None),
            },
        };
        let username = username.filter(|name| !name.is_empty()).map(decoded).transpose()?;
        let tls = tls.then_some(RedisTls { ca_file: None, verify: true });
        let prefix = "doorward".to_owned();
        Ok(Self { place, username, password, db, tls, prefix, timeout: Duration::from_millis(500) })
    }
}

/// The text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| "has a `%XX` that is no UTF-8".to_owned())
}

fn number(text: &str) -> Result<u32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| "must end with the number of a database, such as `/0`".to_owned())
}

fn hosts_of(list: &str, default: u16) -> Result<Vec<HostPort>, String> {
    list.split(',').map(|one| host_port(one, default)).collect()
}

/// `redis`, `redis:6379`, `192.0.2.7:6379`, `[2001:db8::7]:6379`.
fn host_port(text: &str, default: u16) -> Result<HostPort, String> {
    let wrong = || "needs a host and a port, such as `redis:6379`".to_owned();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(fine) {
        return Err(wrong());
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| wrong()))?;
    if port == 0 {
        return Err(wrong());
    }
    Ok(HostPort { host: host.to_owned(), port })
}

/// Checks the section.
pub(super) fn store(
    table: &Table,
    data_dir: &Path,
    faults: &mut Faults,
    warnings: &mut Vec<String>,
) -> StoreUrl {
    let url = table.parse("url", faults, |text| {
        // The rest of the value is not shown: a store's address may carry a password.
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "sqlite" if rest.is_empty() || rest.starts_with("//") || rest == ":memory:" => {
                Err("needs the path of a file: `sqlite:doorward.db` (relative to `data_dir`)".to_owned())
            }
            "sqlite" => Ok(StoreUrl::Sqlite(data_dir.join(rest))),
            _ if scheme.starts_with("redis") => {
                RedisUrl::parse(text).map(|redis| StoreUrl::Redis(Box::new(redis)))
            }
            _ => Err("is no known store; write `sqlite:doorward.db` or `redis://redis:6379`".to_owned()),
        }
    });
    let known = url.is_some() || table.written("url").is_none();
    match url.unwrap_or_else(|| StoreUrl::Sqlite(data_dir.join("doorward.db"))) {
        StoreUrl::Redis(mut redis) => {
            beside(table, &mut redis, faults, warnings);
            StoreUrl::Redis(redis)
        }
        sqlite @ StoreUrl::Sqlite(_) => {
            for key in BESIDE {
                if known && table.written(key).is_some() {
                    table.fault(key, "is for a Redis store, and `store.url` names none", faults);
                }
            }
            sqlite
        }
    }
}

/// What stands in keys beside the address.
fn beside(table: &Table, redis: &mut RedisUrl, faults: &mut Faults, warnings: &mut Vec<String>) {
    if let Some(name) = table.text("username") {
        redis.username = Some(name.to_owned());
    }
    if let Some(password) = table.secret("password", faults) {
        redis.password = Some(password);
    }
    if redis.username.is_some() && redis.password.as_ref().is_none_or(|text| text.expose_secret().is_empty())
    {
        table.fault("password", "is missing beside the user's name; write `store.password_file`", faults);
    }
    let ca_file = table.parse("ca_file", faults, |text| match std::fs::read(text) {
        Ok(pem) if pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----") => {
            Ok(PathBuf::from(text))
        }
        Ok(_) => Err(format!("{} holds no certificate in PEM", shown(text))),
        Err(error) => Err(format!("cannot read {}: {error}", shown(text))),
    });
    let skip = table.flag("insecure_tls_skip_verify");
    match &mut redis.tls {
        Some(tls) => {
            tls.ca_file = ca_file;
            tls.verify = !skip;
        }
        None => {
            for key in ["ca_file", "insecure_tls_skip_verify"] {
                if table.written(key).is_some() && (key == "ca_file" || skip) {
                    table.fault(key, "is for TLS, and `store.url` asks for none; write `rediss://`", faults);
                }
            }
        }
    }
    if skip {
        warnings.push(
            "store.insecure_tls_skip_verify is set: whoever is between here and Redis can read and change \
             everything"
                .to_owned(),
        );
    }
    let prefix = table.parse("prefix", faults, |text| {
        let name = text.strip_suffix(':').unwrap_or(text);
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.len() <= 64 && !name.is_empty() && name != "tokens" && name.bytes().all(fine) {
            Ok(name.to_owned())
        } else {
            Err(format!(
                "{} is no prefix; write letters, digits, `-`, `_` and `.`, such as `doorward`",
                shown(text)
            ))
        }
    });
    redis.prefix = prefix.unwrap_or_else(|| redis.prefix.clone());
    let timeout = table.parse("timeout", faults, |text| match parse::duration(text)? {
        span if (Duration::from_millis(50)..=Duration::from_secs(10)).contains(&span) => Ok(span),
        _ => Err("must be from `50ms` to `10s`".to_owned()),
    });
    redis.timeout = timeout.unwrap_or(redis.timeout);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisUrl {
        RedisUrl::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, place, db) in [
            ("redis://redis", "redis://redis:6379/0", 0),
            ("redis://redis:7000/3", "redis://redis:7000/3", 3),
            ("rediss://:pw@[2001:db8::7]:7000/", "rediss://[2001:db8::7]:7000/0", 0),
            ("redis+unix:///run/redis.sock?db=2", "redis+unix:///run/redis.sock?db=2", 2),
            ("redis+sentinel://u:p@a,b:1/main/4", "redis+sentinel://a:26379,b:1/main/4", 4),
            ("redis+cluster://a:1,b:2", "redis+cluster://a:1,b:2", 0),
            ("rediss+cluster://a", "rediss+cluster://a:6379", 0),
        ] {
            let url = parsed(text);
            assert_eq!((url.to_string().as_str(), url.db), (place, db), "{text}");
        }
        let url = parsed("redis://ada:p%40ss:w%2Ford@h");
        assert_eq!(url.username.as_deref(), Some("ada"));
        assert_eq!(url.password.unwrap().expose_secret(), "p@ss:w/ord");
        let url = parsed("redis://:p@ss@h");
        assert_eq!((url.username, url.password.unwrap().expose_secret()), (None, "p@ss"));
    }

    #[test]
    fn what_could_mean_something_else_is_refused_and_never_shown() {
        for text in [
            "redis:host",
            "redis://",
            "redis://:S3CRET@",
            "redis://u:S3CRET@h:0",
            "redis://u:S3CRET@h:70000",
            "redis://u:S3CRET@h/x",
            "redis://u:S3CRET@h/0?protocol=resp2",
            "redis://u:S3CRET@h/0#insecure",
            "redis://u:S3CRET@a,b",
            "redis://u:S3C RET@a",
            "redis+sentinel://u:S3CRET@a",
            "redis+sentinel://u:S3CRET@a/main/x",
            "redis+cluster://u:S3CRET@a/1",
            "redis+magic://u:S3CRET@a",
            "redis://u:S3CRET@[::zz]",
            "redis://u:%ff@a",
        ] {
            let error = RedisUrl::parse(text).unwrap_err();
            assert!(!error.contains("S3CRET"), "{error}");
        }
        let url = parsed("redis://ada:S3CRET@h");
        assert!(!format!("{url:?} {url}").contains("S3CRET"));
    }
}
