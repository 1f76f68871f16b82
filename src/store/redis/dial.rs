//! Reaching the servers: addresses, TLS, and whom the sentinels or the cluster say to talk to.

use std::time::Duration;

use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture, RedisResult, TlsCertificates,
    Value,
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::super::{Result, StoreError};
use crate::config::{HostPort, RedisPlace, RedisUrl};

/// A connection that calls are made on. Clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    /// To one server.
    Server(MultiplexedConnection),
    /// To a cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(one) => one.req_packed_command(cmd),
            Self::Cluster(all) => all.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(all) => all.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(one) => one.get_db(),
            Self::Cluster(all) => all.get_db(),
        }
    }
}

/// Small questions do not wait until those before them arrived (RFC 896), as they would unless told.
fn at_once() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// Where the servers are and how to be let in.
pub(super) struct Dial {
    url: RedisUrl,
    certificates: Option<TlsCertificates>,
}

impl Dial {
    pub(super) fn new(url: RedisUrl) -> Result<Self> {
        let ca_file = url.tls.as_ref().and_then(|tls| tls.ca_file.as_ref());
        let pem = ca_file.map(std::fs::read).transpose();
        let pem = pem.map_err(|error| StoreError::Unavailable(format!("store.ca_file: {error}")))?;
        let certificates = pem.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        Ok(Self { url, certificates })
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.url.timeout
    }

    /// The address, without a password.
    pub(super) fn shown(&self) -> String {
        self.url.to_string()
    }

    /// Connects to where calls are to go; `lost` hears of it when a single server hangs up. The server is told too;
    /// a cluster is many.
    pub(super) async fn connect(
        &self,
        lost: impl AsyncPushSender,
    ) -> RedisResult<(Wire, Option<ConnectionInfo>)> {
        let at = match &self.url.place {
            RedisPlace::Server(at) => self.info(self.tcp(at))?,
            RedisPlace::Socket(path) => self.info(ConnectionAddr::Unix(path.clone()))?,
            RedisPlace::Sentinel { .. } => self.info(self.tcp(&self.master().await?))?,
            RedisPlace::Cluster(nodes) => return Ok((Wire::Cluster(self.cluster(nodes).await?), None)),
        };
        let wire = Wire::Server(self.line(&at, lost).await?);
        Ok((wire, Some(at)))
    }

    /// A connection to one server, in RESP3, so that it can tell.
    pub(super) async fn line(
        &self,
        at: &ConnectionInfo,
        push: impl AsyncPushSender,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.url.timeout * 2))
            .set_response_timeout(None)
            .set_push_sender(push);
        Client::open(at.clone())?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Whether the sentinels, if there are any to ask, name another master than this. Sentinels that do not answer
    /// say nothing.
    pub(super) async fn has_moved(&self, from: &ConnectionInfo) -> bool {
        if !matches!(self.url.place, RedisPlace::Sentinel { .. }) {
            return false;
        }
        self.master().await.is_ok_and(|master| self.tcp(&master) != *from.addr())
    }

    /// Whether there is somebody who knows better than the address where the master is.
    pub(super) const fn has_sentinels(&self) -> bool {
        matches!(self.url.place, RedisPlace::Sentinel { .. })
    }

    /// The masters of a cluster, the one that holds `key` first.
    pub(super) async fn masters(&self, wire: &Wire, key: &str) -> RedisResult<Vec<ConnectionInfo>> {
        let Wire::Cluster(cluster) = wire else { return Ok(Vec::new()) };
        let mut cluster = cluster.clone();
        let anybody = || RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("KEYSLOT").arg(key);
        let slot: i64 = redis::from_redis_value(cluster.route_command(ask, anybody()).await?)?;
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        let slots: Vec<Vec<Value>> = redis::from_redis_value(cluster.route_command(ask, anybody()).await?)?;
        let mut masters: Vec<(bool, HostPort)> = Vec::new();
        for range in slots {
            let [first, last, master, ..] = range.as_slice() else { continue };
            let (first, last): (i64, i64) =
                (redis::from_redis_value_ref(first)?, redis::from_redis_value_ref(last)?);
            let Some([host, port, ..]) = master.as_sequence() else { continue };
            let (host, port): (String, u16) =
                (redis::from_redis_value_ref(host)?, redis::from_redis_value_ref(port)?);
            let ours = (first..=last).contains(&slot);
            let master = HostPort { host, port };
            match masters.iter_mut().find(|(_, known)| *known == master) {
                Some((known, _)) => *known |= ours,
                None => masters.push((ours, master)),
            }
        }
        masters.sort_by_key(|(ours, master)| (!ours, master.host.clone(), master.port));
        if !masters.first().is_some_and(|(ours, _)| *ours) {
            return Err(
                (ErrorKind::ClusterConnectionNotFound, "the cluster has no master for our keys").into()
            );
        }
        masters.iter().map(|(_, master)| self.info(self.tcp(master))).collect()
    }

    fn tcp(&self, at: &HostPort) -> ConnectionAddr {
        match &self.url.tls {
            None => ConnectionAddr::Tcp(at.host.clone(), at.port),
            Some(tls) => ConnectionAddr::TcpTls {
                host: at.host.clone(),
                port: at.port,
                insecure: !tls.verify,
                tls_params: None,
            },
        }
    }

    fn info(&self, at: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        let mut settings = RedisConnectionInfo::default()
            .set_db(i64::from(self.url.db))
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        if let Some(username) = &self.url.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.url.password {
            settings = settings.set_password(password.expose_secret());
        }
        self.with(at, settings)
    }

    fn with(&self, at: ConnectionAddr, settings: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
        let tls = matches!(at, ConnectionAddr::TcpTls { .. });
        let info = at.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(at_once());
        match &self.certificates {
            Some(certificates) if tls => {
                Ok(Client::build_with_tls(info, certificates.clone())?.get_connection_info().clone())
            }
            _ => Ok(info),
        }
    }

    async fn cluster(&self, nodes: &[HostPort]) -> RedisResult<ClusterConnection> {
        let nodes: Vec<ConnectionInfo> =
            nodes.iter().map(|at| self.info(self.tcp(at))).collect::<RedisResult<_>>()?;
        let wait = u64::try_from(self.url.timeout.as_millis()).unwrap_or(500);
        let mut client = ClusterClient::builder(nodes)
            .use_protocol(ProtocolVersion::RESP3)
            .tcp_settings(at_once())
            .connection_timeout(self.url.timeout)
            .response_timeout(self.url.timeout)
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(wait / 4);
        if let Some(certificates) = &self.certificates {
            client = client.certs(certificates.clone());
        }
        client.build()?.get_async_connection().await
    }

    /// Whom the sentinels call master; the first that answers is believed. They are asked without a password, and
    /// with it when they want one.
    async fn master(&self) -> RedisResult<HostPort> {
        let RedisPlace::Sentinel { sentinels, master } = &self.url.place else {
            return Err((ErrorKind::EmptySentinelList, "there are no sentinels").into());
        };
        let mut last: RedisError = (ErrorKind::EmptySentinelList, "there are no sentinels").into();
        for sentinel in sentinels {
            match timeout(self.url.timeout, self.ask(sentinel, master)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => last = error,
                Err(_) => last = (ErrorKind::Io, "a sentinel does not answer").into(),
            }
        }
        Err(last)
    }

    async fn ask(&self, sentinel: &HostPort, master: &str) -> RedisResult<HostPort> {
        let open = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut with = open.clone();
        if let Some(username) = &self.url.username {
            with = with.set_username(username);
        }
        if let Some(password) = &self.url.password {
            with = with.set_password(password.expose_secret());
        }
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let mut answer = Err((ErrorKind::Io, "a sentinel was not asked").into());
        for settings in [open, with] {
            let client = Client::open(self.with(self.tcp(sentinel), settings)?)?;
            let mut line = client.get_multiplexed_async_connection().await?;
            answer = ask.query_async::<Option<(String, u16)>>(&mut line).await;
            if !answer.as_ref().is_err_and(|error| error.code() == Some("NOAUTH")) {
                break;
            }
        }
        let (host, port) = answer?.ok_or_else(|| {
            let text = "the sentinels know no master of that name";
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, text, master.to_owned()))
        })?;
        Ok(HostPort { host, port })
    }
}
