//! One look at the store for many who ask for the same thing at once; its failure is shared too, so that a
//! store that hangs is waited for once and not once for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

type Landing<V> = watch::Receiver<Option<V>>;

/// Looks under way.
pub(super) struct Flights<K, V>(Mutex<HashMap<K, Landing<V>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Whose turn it is.
pub(super) enum Turn<'a, K: Eq + Hash, V> {
    /// Look, and tell the others.
    Lead(Flight<'a, K, V>),
    /// Somebody looks already.
    Follow(Follower<V>),
}

impl<K: Eq + Hash + Clone, V> Flights<K, V> {
    pub(super) fn join(&self, id: &K) -> Turn<'_, K, V> {
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
pub(super) struct Flight<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    id: K,
    tell: watch::Sender<Option<V>>,
}

impl<K: Eq + Hash, V> Flight<'_, K, V> {
    pub(super) fn land(self, standing: V) {
        self.tell.send_replace(Some(standing));
    }
}

impl<K: Eq + Hash, V> Drop for Flight<'_, K, V> {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Held by who waits.
pub(super) struct Follower<V>(Landing<V>);

impl<V: Clone> Follower<V> {
    /// What was found; `None` when the looking was cancelled.
    pub(super) async fn wait(mut self) -> Option<V> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}
