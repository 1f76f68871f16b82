//! `doorward user …`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::{Office, Place, Shown, answer, answer_json, answer_list, or_dash, or_none, say, table};
use crate::admin::UserDetail;
use crate::admin::view::{List, UserView};
use crate::store::UserOrder;

/// The end of `user --help`.
pub(in crate::cli) const MORE: &str = "\
Examples:
  doorward user grant ada@example.com doorward-admin   # the first administrator, after she has signed in once
  doorward user list --search example.com
  doorward user disable mallory@example.com

A user is somebody who has signed in, and is named by id or e-mail. What is changed counts from their next request on.";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum User {
    /// List who has signed in.
    #[command(after_long_help = super::WHERE)]
    List(ListUsers),
    /// Show one of them: roles, sessions, tokens.
    #[command(after_long_help = super::WHERE)]
    Show(Named),
    /// Grant a role.
    #[command(after_long_help = super::WHERE)]
    Grant(Role),
    /// Take a granted role back.
    #[command(after_long_help = super::WHERE)]
    Revoke(Role),
    /// Shut somebody out: all their sessions end.
    #[command(after_long_help = super::WHERE)]
    Disable(Named),
    /// Let somebody in again.
    #[command(after_long_help = super::WHERE)]
    Enable(Named),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// By e-mail.
    Email,
    /// Who was there last first.
    LastSeen,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListUsers {
    /// In which order.
    #[arg(long, value_enum, default_value_t = Sort::Email)]
    sort: Sort,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Named {
    /// An id or e-mail.
    user: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Role {
    /// An id or e-mail.
    user: String,
    /// One that the policy names, or `doorward-admin`.
    role: String,
    #[command(flatten)]
    place: Place,
}

pub(in crate::cli) fn run(command: User) -> ExitCode {
    match command {
        User::List(list) => list.run(),
        User::Show(who) => who.show(),
        User::Grant(role) => role.change(true),
        User::Revoke(role) => role.change(false),
        User::Disable(who) => who.set_disabled(true),
        User::Enable(who) => who.set_disabled(false),
    }
}

impl ListUsers {
    fn run(self) -> ExitCode {
        let Self { sort, shown, place } = self;
        let json = place.json;
        place.act(async |office| {
            let (order, word) = match sort {
                Sort::Email => (UserOrder::Email, "email"),
                Sort::LastSeen => (UserOrder::LastSeen, "last_seen"),
            };
            let list: List<UserView> = match &office {
                Office::Here(desk) => Office::seat(desk).users(&shown.search, order, shown.part()).await?,
                Office::There(remote) => {
                    let mut query = shown.query().to_vec();
                    query.push(("sort", word.to_owned()));
                    remote.get(&["users"], &query).await?
                }
            };
            answer_list(
                &list,
                json,
                &["ID", "E-MAIL", "NAME", "PROVIDER", "GRANTED", "STATE", "LAST SEEN"],
                |user| {
                    vec![
                        user.id.clone(),
                        or_dash(user.email.as_ref()),
                        or_dash(user.name.as_ref()),
                        user.provider.clone(),
                        or_none(&user.roles),
                        state(user),
                        user.last_seen.rfc3339(),
                    ]
                },
            )?;
            Ok(office)
        })
    }
}

fn state(user: &UserView) -> String {
    if user.disabled { "disabled" } else { "active" }.to_owned()
}

impl Named {
    fn show(self) -> ExitCode {
        let Self { user, place } = self;
        let json = place.json;
        place.act(async |office| {
            let detail: UserDetail = match &office {
                Office::Here(desk) => Office::seat(desk).user(&user).await?,
                Office::There(remote) => remote.get(&["users", &user], &[]).await?,
            };
            if json {
                answer_json(&detail)?;
            } else {
                answer(describe(&detail).trim_end())?;
            }
            Ok(office)
        })
    }

    fn set_disabled(self, disabled: bool) -> ExitCode {
        let Self { user, place } = self;
        let json = place.json;
        place.act(async |office| {
            let view: UserView = match &office {
                Office::Here(desk) if disabled => Office::seat(desk).disable(&user).await?,
                Office::Here(desk) => Office::seat(desk).enable(&user).await?,
                Office::There(remote) => {
                    let change = json!({ "disabled": disabled });
                    remote.ask(Method::PATCH, &["users", &user], &[], Some(change)).await?
                }
            };
            tell(&view, json)?;
            Ok(office)
        })
    }
}

impl Role {
    fn change(self, grant: bool) -> ExitCode {
        let Self { user, role, place } = self;
        let json = place.json;
        place.act(async |office| {
            let path = ["users", &user, "roles"];
            let view: UserView = match &office {
                Office::Here(desk) if grant => Office::seat(desk).grant(&user, &role).await?,
                Office::Here(desk) => Office::seat(desk).ungrant(&user, &role).await?,
                Office::There(remote) if grant => {
                    remote.ask(Method::POST, &path, &[], Some(json!({ "role": role }))).await?
                }
                Office::There(remote) => remote.ask(Method::DELETE, &path, &[("role", role)], None).await?,
            };
            tell(&view, json)?;
            Ok(office)
        })
    }
}

/// What somebody is after a change.
fn tell(user: &UserView, json: bool) -> anyhow::Result<()> {
    if json {
        return answer_json(user);
    }
    let name = user.email.as_ref().unwrap_or(&user.id);
    say(&format!("{} is {}; granted: {}", table::plain_line(name), state(user), or_none(&user.roles)));
    Ok(())
}

fn describe(detail: &UserDetail) -> String {
    let user = &detail.user;
    let facts = [
        ("id", user.id.clone()),
        ("e-mail", or_dash(user.email.as_ref())),
        ("name", or_dash(user.name.as_ref())),
        ("provider", format!("{} (subject {})", user.provider, user.subject)),
        ("state", state(user)),
        ("granted", or_none(&user.roles)),
        ("by policy", or_none(&detail.assigned)),
        ("first seen", user.first_seen.rfc3339()),
        ("last seen", user.last_seen.rfc3339()),
    ];
    let rows: Vec<Vec<String>> =
        facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let mut text = table::aligned(&["USER", ""], &rows);
    if !detail.sessions.is_empty() {
        let rows: Vec<Vec<String>> = detail
            .sessions
            .iter()
            .map(|session| {
                vec![session.id.clone(), or_dash(session.address.as_ref()), session.last_seen_at.rfc3339()]
            })
            .collect();
        text += &format!("\n{}", table::aligned(&["SESSION", "ADDRESS", "LAST SEEN"], &rows));
    }
    if !detail.tokens.is_empty() {
        let rows: Vec<Vec<String>> = detail
            .tokens
            .iter()
            .map(|token| vec![token.id.clone(), or_dash(token.name.as_ref()), or_none(&token.hosts)])
            .collect();
        text += &format!("\n{}", table::aligned(&["TOKEN", "NAME", "HOSTS"], &rows));
    }
    text
}
