//! People: the list.

use minijinja::{Value, context};

use super::list::List;
use super::{Answer, LONGEST, Site, clip, few};
use crate::admin::view::UserView;
use crate::store::UserOrder;

/// `GET /users`.
pub(super) async fn list(site: &Site<'_>) -> Answer {
    let list = List::asked(site, "/users", &["email", "seen"], &[]);
    let order = if list.sort() == Some("seen") { UserOrder::LastSeen } else { UserOrder::Email };
    let found = site.admin.users(&list.q, order, list.part()).await;
    let found = found.map_err(|refusal| site.refused("users", refusal, ("/users", "All users")))?;
    if let Some(last) = list.beyond(found.total) {
        return Ok(site.visit.redirect(&last));
    }
    let page = context! {
        users => found.items.iter().map(|user| row(site, user)).collect::<Vec<_>>(),
        list => list.value(found.total, &[], &[("email", "ascending"), ("seen", "descending")]),
    };
    Ok(site.show("users", "admin-users.html", page))
}

/// What to call somebody, and what else is known of them.
pub(super) fn title(user: &UserView) -> (String, Option<String>) {
    let name = user.name.as_deref().filter(|name| !name.trim().is_empty());
    let email = user.email.as_deref();
    match (name, email) {
        (Some(name), email) => (clip(name, LONGEST), email.map(|email| clip(email, LONGEST))),
        (None, Some(email)) => (clip(email, LONGEST), None),
        (None, None) => (clip(&user.id, LONGEST), None),
    }
}

/// A row of the list, and the head of somebody's page.
pub(super) fn row(site: &Site<'_>, user: &UserView) -> Value {
    let (title, also) = title(user);
    let (granted, more_granted) = few(&user.roles, 3);
    context! {
        href => site.user_address(&user.id),
        id => user.id.as_str(),
        subject => user.subject.as_str(),
        initial => title.chars().find(|c| c.is_alphanumeric()).map_or("?".into(), |c| c.to_uppercase().to_string()),
        title,
        also,
        disabled => user.disabled,
        granted,
        more_granted,
        provider => site.provider(&user.provider),
        first_seen => site.ago(user.first_seen),
        last_seen => site.ago(user.last_seen),
    }
}
