//! Sessions: who is signed in, from where, and the end of it.

use minijinja::{Value, context};

use super::list::List;
use super::{Answer, Confirm, LONGEST, Site, clip};
use crate::admin::view::SessionView;
use crate::http::pages::device_in_words;

const BACK: (&str, &str) = ("/sessions", "All sessions");

/// `GET /sessions`.
pub(super) async fn list(site: &Site<'_>) -> Answer {
    let list = List::asked(site, "/sessions", &[], &[]);
    let found = site.admin.sessions(&list.q, list.part()).await;
    let found = found.map_err(|refusal| site.refused("sessions", refusal, BACK))?;
    if let Some(last) = list.beyond(found.total) {
        return Ok(site.visit.redirect(&last));
    }
    let page = context! {
        sessions => found.items.iter().map(|session| row(site, session)).collect::<Vec<_>>(),
        list => list.value(found.total, &[], &[]),
    };
    Ok(site.show("sessions", "admin-sessions.html", page))
}

/// `GET /sessions/end?id=…`.
pub(super) async fn ask_end(site: &Site<'_>) -> Answer {
    let id = site.needed("id")?;
    let session = site.admin.session(id).await;
    let session = session.map_err(|refusal| site.refused("sessions", refusal, BACK))?;
    let device = device_in_words(session.agent.as_deref());
    let seen = super::ago(site.visit.now, session.last_seen_at);
    let confirm = Confirm {
        title: "Sign out this session",
        whom: format!("{}, {device}, last seen {seen}", who(&session)),
        what: vec![
            "That browser has to sign in again, in every service behind this gateway.".to_owned(),
            "Their other sessions and their API tokens go on.".to_owned(),
        ],
        button: "Sign out",
        cancel: "Leave it",
        danger: true,
        action: site.address("/sessions/end"),
        fields: vec![("id", id)],
        back: (site.user_address(&session.user_id), who(&session)),
    };
    Ok(site.confirm("sessions", confirm))
}

/// `POST /sessions/end`.
pub(super) async fn end(site: &Site<'_>) -> Answer {
    let ended = site.admin.end_session(site.needed("id")?).await;
    ended.map_err(|refusal| site.refused("sessions", refusal, BACK))?;
    Ok(site.go(&site.address("/sessions"), "ended"))
}

fn who(session: &SessionView) -> String {
    let name = session.email.as_ref().or(session.name.as_ref()).unwrap_or(&session.user_id);
    clip(name, LONGEST)
}

/// A row of a list.
pub(super) fn row(site: &Site<'_>, session: &SessionView) -> Value {
    context! {
        who => who(session),
        user_href => site.user_address(&session.user_id),
        device => device_in_words(session.agent.as_deref()),
        address => session.address.as_ref().map_or_else(|| "not known".to_owned(), |address| clip(address, 48)),
        provider => site.provider(&session.provider),
        since => site.ago(session.created_at),
        seen => site.ago(session.last_seen_at),
        current => session.current,
        end_href => site.address_with("/sessions/end", &[("id", &session.id)]),
    }
}
