//! One look at the store for many who ask for the same session at once; its failure is shared too, so that a
//! store that hangs is waited for once and not once for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::super::SessionId;
use super::Standing;

type Landing = watch::Receiver<Option<Standing>>;

/// Looks under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<SessionId, Landing>>);

/// Whose turn it is.
pub(super) enum Turn<'a> {
    /// Look, and tell the others.
    Lead(Flight<'a>),
    /// Somebody looks already.
    Follow(Follower),
}

impl Flights {
    pub(super) fn join(&self, id: &SessionId) -> Turn<'_> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = under_way.get(id) {
            return Turn::Follow(Follower(landing.clone()));
        }
        let (tell, landing) = watch::channel(None);
        under_way.insert(id.clone(), landing);
        Turn::Lead(Flight { flights: self, id: id.clone(), tell })
    }
}

/// Held by who looks; dropped (also when the request is cancelled), the next one may.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    id: SessionId,
    tell: watch::Sender<Option<Standing>>,
}

impl Flight<'_> {
    pub(super) fn land(self, standing: Standing) {
        self.tell.send_replace(Some(standing));
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Held by who waits.
pub(super) struct Follower(Landing);

impl Follower {
    /// What was found; `None` when the looking was cancelled.
    pub(super) async fn wait(mut self) -> Option<Standing> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}
