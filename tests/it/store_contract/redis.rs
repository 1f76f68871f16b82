//! What only the shared store promises.

use std::sync::Arc;

use doorward::config::{RedisUrl, StoreUrl};
use doorward::store::{self, RecordKeys, Store};

use super::Backend;
use crate::support::redis::Redis;

/// An empty server, with any number of stores on it.
pub(super) struct Server {
    redis: Redis,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { redis: Redis::start() }
    }
}

/// The keys that records are signed with.
fn keys() -> RecordKeys {
    RecordKeys::new([[7; 32]])
}

async fn open(url: &str) -> Arc<dyn Store> {
    let url = StoreUrl::Redis(Box::new(RedisUrl::parse(url).unwrap()));
    store::open(&url, std::path::Path::new("/nowhere"), &keys()).await.unwrap()
}

#[async_trait::async_trait]
impl Backend for Server {
    async fn open(&self) -> Arc<dyn Store> {
        open(&self.redis.url()).await
    }
}
