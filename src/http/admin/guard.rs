//! Who is an administrator. For now: whoever has a session with the role `doorward-admin`.

use actix_web::HttpResponse;

use super::super::callers::{Recognised, SignedIn};
use super::super::csrf;
use super::super::pages::Trouble;
use super::super::params::Params;
use super::super::visit::{Then, Visit};
use crate::admin::{Actor, Admin};
use crate::policy::ADMIN_ROLE;

pub(super) struct Seated<'a> {
    pub(super) admin: Admin<'a>,
    pub(super) csrf: String,
}

pub(super) async fn page<'a>(visit: &'a Visit<'_>) -> Result<Seated<'a>, HttpResponse> {
    seat(visit, None).await
}

pub(super) async fn form<'a>(visit: &'a Visit<'_>, form: &Params) -> Result<Seated<'a>, HttpResponse> {
    seat(visit, Some(form)).await
}

async fn seat<'a>(visit: &'a Visit<'_>, form: Option<&Params>) -> Result<Seated<'a>, HttpResponse> {
    let who = match visit.who().await {
        Recognised::SignedIn(who) => who,
        Recognised::Unchecked => return Err(visit.trouble(Trouble::StoreDown, Then::Home)),
        Recognised::Nobody => return Err(visit.trouble(Trouble::NotFound, Then::SignIn(""))),
    };
    let who: &SignedIn = &who;
    if !who.caller.identity.roles.iter().any(|role| role == ADMIN_ROLE) {
        return Err(visit.trouble(Trouble::Forged, Then::Home));
    }
    if let Some(form) = form
        && !csrf::allows(visit, who, form)
    {
        return Err(visit.trouble(Trouble::Forged, Then::Home));
    }
    let actor = Actor::User {
        id: who.payload.user_id.clone(),
        name: who.caller.display_name().to_owned(),
        session: who.payload.sid.clone(),
    };
    let admin = visit.state.desk.seat(actor, visit.now, Some(visit.client), Some(visit.id.as_str()));
    Ok(Seated { admin, csrf: csrf::token(visit, who) })
}
