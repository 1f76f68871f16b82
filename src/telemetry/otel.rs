//! Traces over OTLP/HTTP, as the OpenTelemetry specification's variables ask.
//!
//! The SDK's batch processor exports from a thread of its own that has no async runtime, which the HTTP client needs;
//! so it gets a small one. The gateway's own workers never wait for a collector.

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::{self, Runtime};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// The running export.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts it where an endpoint is set; the SDK reads the other variables (headers, sampler, batch sizes) itself.
    pub(super) fn from_env() -> anyhow::Result<Option<Self>> {
        if !is_wanted(|name| env::var(name).ok()) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new()?)
            .with_protocol(Protocol::HttpBinary);
        Self::start(exporter.build()).map(Some)
    }

    fn start(exporter: Result<SpanExporter, ExporterBuildError>) -> anyhow::Result<Self> {
        let exporter =
            exporter.context("cannot export traces; look at the `OTEL_EXPORTER_OTLP_*` variables")?;
        let mut resource = Resource::builder();
        let named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
            || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|list| list.contains("service.name="));
        if !named {
            resource = resource.with_service_name("doorward");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Self(provider))
    }

    /// Our own spans alone: those of the HTTP client would be about the export itself.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("doorward"))
            .with_filter(Targets::new().with_target("doorward", LevelFilter::INFO))
    }
}

/// Makes `span` a child of the span that a `traceparent` header names. One that makes no sense changes nothing.
pub(super) fn continue_from(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    // Fails only where no traces are exported, and then there is nothing to continue.
    let _ = span.set_parent(parent);
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}

/// The HTTP client and the one thread it runs on.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()?;
        Ok(Self { http, runtime })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime.spawn(async move { http.send_bytes(request).await }).await?
    }
}

fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is = |name, value: &str| variable(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
        && !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn our_spans_reach_the_collector_before_the_end() {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", collector.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = collector.accept().unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&request).contains("ours-in-a-span") {
                match stream.read(&mut piece).unwrap() {
                    0 => break,
                    n => request.extend_from_slice(&piece[..n]),
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request).into_owned()
        });
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new().unwrap())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint);
        let traces = Traces::start(exporter.build()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            tracing::info_span!(target: "hyper", "theirs").in_scope(|| ());
            tracing::info_span!("ours-in-a-span").in_scope(|| ());
        });
        drop(traces);
        let request = asked.join().unwrap();
        assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("ours-in-a-span") && request.contains("doorward"), "{request}");
        assert!(!request.contains("theirs"), "{request}");
    }

    #[test]
    fn an_endpoint_switches_it_on_and_the_switches_off() {
        let wanted = |pairs: &[(&str, &str)]| {
            is_wanted(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(!wanted(&[]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")]));
        assert!(wanted(&[endpoint, ("OTEL_SDK_DISABLED", "false")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}
