//! `doorward session …`.

use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use reqwest::Method;

use super::{Office, Place, Shown, answer_json, answer_list, or_dash, say};
use crate::admin::view::{List, SessionView};
use crate::http::admin::api::Ended;

/// The end of `session revoke --help`.
const REVOKE: &str = "\
Examples:
  doorward session revoke Vn3rT0pQhUuP1nJ8cXo2Xg
  doorward session revoke --user ada@example.com

Exit status: 0 ended, 1 not ended, 2 bad usage or configuration.";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Session {
    /// List who is signed in where.
    #[command(after_long_help = super::WHERE)]
    List(ListSessions),
    /// Sign somebody out: of one session, or everywhere.
    #[command(after_long_help = REVOKE)]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListSessions {
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "user"])))]
pub(in crate::cli) struct Revoke {
    /// The session's id, as `session list` shows it.
    id: Option<String>,
    /// All sessions of this user, an id or e-mail.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(in crate::cli) fn run(command: Session) -> ExitCode {
    match command {
        Session::List(list) => list.run(),
        Session::Revoke(revoke) => revoke.run(),
    }
}

impl ListSessions {
    fn run(self) -> ExitCode {
        let Self { shown, place } = self;
        let json = place.json;
        place.act(async |office| {
            let list: List<SessionView> = match &office {
                Office::Here(desk) => Office::seat(desk).sessions(&shown.search, shown.part()).await?,
                Office::There(remote) => remote.get(&["sessions"], &shown.query()).await?,
            };
            answer_list(
                &list,
                json,
                &["ID", "USER", "PROVIDER", "ADDRESS", "SINCE", "LAST SEEN", "AGENT"],
                |session| {
                    vec![
                        session.id.clone(),
                        session.email.clone().unwrap_or_else(|| session.user_id.clone()),
                        session.provider.clone(),
                        or_dash(session.address.as_ref()),
                        session.created_at.rfc3339(),
                        session.last_seen_at.rfc3339(),
                        or_dash(session.agent.as_ref()),
                    ]
                },
            )?;
            Ok(office)
        })
    }
}

impl Revoke {
    fn run(self) -> ExitCode {
        let Self { id, user, place } = self;
        let json = place.json;
        place.act(async |office| {
            let ended = match (&office, id, user) {
                (Office::Here(desk), Some(id), _) => {
                    Office::seat(desk).end_session(&id).await?;
                    Ended { ended: 1 }
                }
                (Office::Here(desk), None, user) => {
                    let ended = Office::seat(desk).sign_out_everywhere(&user.unwrap_or_default()).await?;
                    Ended { ended }
                }
                (Office::There(remote), Some(id), _) => {
                    remote.ask(Method::DELETE, &["sessions", &id], &[], None).await?
                }
                (Office::There(remote), None, user) => {
                    let query = [("user", user.unwrap_or_default())];
                    remote.ask(Method::DELETE, &["sessions"], &query, None).await?
                }
            };
            if json {
                answer_json(&ended)?;
            } else {
                say(&format!("ended {} session{}", ended.ended, if ended.ended == 1 { "" } else { "s" }));
            }
            Ok(office)
        })
    }
}
