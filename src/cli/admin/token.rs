//! `doorward token …`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::Method;

use super::{Office, Place, Shown, answer_json, answer_list, or_dash, or_none, say};
use crate::admin::view::{List, TokenView};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::http::admin::api::{MadeToken, NewToken, Rotation};
use crate::store::token::{TokenFilter, TokenOrder};

/// The end of `token create --help`.
const CREATE: &str = "\
Examples:
  doorward token create --name ci --host app.example.com --role reader --ttl 90d
  TOKEN=$(doorward token create --name backup --host '*.example.com' --email ops@example.com)
  doorward token create --name terraform --scope admin --ttl never   # for the REST API and --server

Only the token itself goes to standard output. It is kept nowhere: lost is lost, `token rotate` makes another.

Exit status: 0 made, 1 not made, 2 bad usage or configuration.";

/// The end of `token rotate --help`.
const ROTATE: &str = "\
Example:
  NEW=$(doorward token rotate 3f9a1c07 --keep-old 1h)

Exit status: 0 made, 1 not made, 2 bad usage or configuration.";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Token {
    /// Make an API token, and print it this once.
    #[command(after_long_help = CREATE)]
    Create(Create),
    /// List the tokens that have not ended.
    #[command(after_long_help = super::WHERE)]
    List(ListTokens),
    /// Revoke a token, at once.
    #[command(after_long_help = super::WHERE)]
    Revoke(Revoke),
    /// Replace the text of a token. Its name, hosts, roles and scopes stay.
    #[command(after_long_help = ROTATE)]
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Create {
    /// What to call it; services see it as the user's name.
    #[arg(long)]
    name: Option<String>,
    /// Where it is good: `app.example.com`, `*.example.com`, `*`. Again for more; without any, nowhere.
    #[arg(long = "host", value_name = "HOST", value_delimiter = ',')]
    hosts: Vec<String>,
    /// What it may be. Again for more.
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    roles: Vec<String>,
    /// What it may ask of the gateway itself: `admin` (the REST API), `authorize` (what others may).
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// How long it lives: `90d`, `12h`, `30m`, `3600` (seconds), `never`; `tokens.default_ttl_seconds` unless given.
    #[arg(long, value_parser = seconds)]
    ttl: Option<i64>,
    /// Whom to ask about it.
    #[arg(long)]
    email: Option<String>,
    /// Anything.
    #[arg(long)]
    comment: Option<String>,
    /// Requests a window instead of `rate_limit.max`; 0 is no limit.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<i64>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Sort {
    Newest,
    Name,
    Ends,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListTokens {
    /// Only those that this user (an id) made for themselves.
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Only those that end within this span: `14d`, `12h`.
    #[arg(long, value_name = "SPAN", value_parser = seconds)]
    ends_within: Option<i64>,
    /// Newest first, by name, or those that end first first.
    #[arg(long, value_enum, default_value_t = Sort::Newest)]
    sort: Sort,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    /// Its id or digest, or the first eight or more digits of one of them; on the machine also the token itself, `-`
    /// reads it from standard input.
    token: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rotate {
    /// Its id or digest, or the first eight or more digits of one of them.
    token: String,
    /// How long the old text goes on: `1h`, `30m`; not at all unless given.
    #[arg(long, value_name = "SPAN", value_parser = seconds, default_value = "0")]
    keep_old: i64,
    #[command(flatten)]
    place: Place,
}

/// Seconds, as people write them; 0 is `never`.
fn seconds(text: &str) -> Result<i64, String> {
    if text == "never" {
        return Ok(0);
    }
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err("write it like 90d, 12h, 30m, 3600 or never".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "write it like 90d, 12h, 30m, 3600 or never".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is too long".to_owned())
}

pub(in crate::cli) fn run(command: Token) -> ExitCode {
    match command {
        Token::Create(create) => create.run(),
        Token::List(list) => list.run(),
        Token::Revoke(revoke) => revoke.run(),
        Token::Rotate(rotate) => rotate.run(),
    }
}

impl Create {
    fn run(self) -> ExitCode {
        let Self { name, hosts, roles, scopes, ttl, email, comment, limit, place } = self;
        let json = place.json;
        let new = NewToken { name, email, comment, hosts, roles, scopes, ttl_seconds: ttl, limit };
        place.act(async |office| {
            let made: MadeToken = match &office {
                Office::Here(desk) => Office::seat(desk).create_token(&new.into()).await?.into(),
                Office::There(remote) => {
                    remote.ask(Method::POST, &["tokens"], &[], Some(serde_json::to_value(new)?)).await?
                }
            };
            show(&made, json)?;
            Ok(office)
        })
    }
}

/// The token alone on standard output, so that `$(…)` takes it.
fn show(made: &MadeToken, json: bool) -> anyhow::Result<()> {
    let token = &made.view;
    let text = if json { serde_json::to_string_pretty(made)? } else { made.token.clone() };
    // Nobody who hung up has it, and it is not to be had again.
    writeln!(std::io::stdout().lock(), "{text}")
        .with_context(|| format!("token {} was made, and could not be printed: revoke it", token.id))?;
    if json {
        return Ok(());
    }
    say(&format!(
        "made {} {}: good on {}; roles {}; scopes {}; ends {}. It is shown this once.",
        or_dash(token.name.as_ref()),
        token.id,
        if token.hosts.is_empty() { "no host".to_owned() } else { token.hosts.join(", ") },
        or_none(&token.roles),
        or_none(&token.scopes),
        ends(token.expires_at),
    ));
    Ok(())
}

fn ends(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), Timestamp::rfc3339)
}

impl ListTokens {
    fn run(self) -> ExitCode {
        let Self { owner, ends_within, sort, shown, place } = self;
        let json = place.json;
        let (order, word) = match sort {
            Sort::Newest => (TokenOrder::Newest, "newest"),
            Sort::Name => (TokenOrder::Name, "name"),
            Sort::Ends => (TokenOrder::Ends, "ends"),
        };
        place.act(async |office| {
            let span = ends_within.map(u64::try_from).transpose()?.map(Duration::from_secs);
            let ends_before = span.map(|span| SystemClock.now().plus(span));
            let list: List<TokenView> = match &office {
                Office::Here(desk) => {
                    let filter = TokenFilter { search: shown.search.clone(), owner, ends_before };
                    Office::seat(desk).tokens(&filter, order, shown.part()).await?
                }
                Office::There(remote) => {
                    let mut query = shown.query().to_vec();
                    query.push(("sort", word.to_owned()));
                    query.extend(owner.map(|owner| ("owner", owner)));
                    query.extend(ends_before.map(|at| ("ends_before", at.rfc3339())));
                    remote.get(&["tokens"], &query).await?
                }
            };
            answer_list(
                &list,
                json,
                &["ID", "NAME", "HOSTS", "ROLES", "SCOPES", "ENDS", "LAST USED"],
                |token| {
                    vec![
                        token.id.clone(),
                        or_dash(token.name.as_ref()),
                        or_none(&token.hosts),
                        or_none(&token.roles),
                        or_none(&token.scopes),
                        ends(token.expires_at),
                        ends(token.last_used_at),
                    ]
                },
            )?;
            Ok(office)
        })
    }
}

impl Revoke {
    fn run(self) -> ExitCode {
        let Self { token, place } = self;
        let json = place.json;
        place.act(async |office| {
            let token = if token == "-" {
                std::io::read_to_string(std::io::stdin())?.trim().to_owned()
            } else {
                token
            };
            let revoked: TokenView = match &office {
                Office::Here(desk) => Office::seat(desk).revoke_token(&token).await?,
                Office::There(remote) => {
                    // Addresses are written into logs; a token is not.
                    let is_name = token.bytes().all(|byte| byte.is_ascii_hexdigit());
                    anyhow::ensure!(is_name, "to a gateway elsewhere, name the token by its id or digest");
                    remote.ask(Method::DELETE, &["tokens", &token], &[], None).await?
                }
            };
            if json {
                answer_json(&revoked)?;
            } else {
                say(&format!("revoked {} {}", or_dash(revoked.name.as_ref()), revoked.id));
            }
            Ok(office)
        })
    }
}

impl Rotate {
    fn run(self) -> ExitCode {
        let Self { token, keep_old, place } = self;
        let json = place.json;
        place.act(async |office| {
            let keep_old_seconds = u32::try_from(keep_old)?;
            let made: MadeToken = match &office {
                Office::Here(desk) => Office::seat(desk).rotate_token(&token, keep_old_seconds).await?.into(),
                Office::There(remote) => {
                    let how = serde_json::to_value(Rotation { keep_old_seconds })?;
                    remote.ask(Method::POST, &["tokens", &token, "rotate"], &[], Some(how)).await?
                }
            };
            show(&made, json)?;
            Ok(office)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, expected) in [
            ("90d", 7_776_000),
            ("12h", 43_200),
            ("30m", 1800),
            ("5", 5),
            ("5s", 5),
            ("never", 0),
            ("2w", 1_209_600),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for wrong in ["", "d", "-1", "1y", "1 d", "1.5h", "99999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
