//! The HTTP port: `/metrics`, `/healthz`, `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Metrics;

/// Why the port cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("http.listen: cannot listen on {address}")]
pub struct ServeError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

/// A port that is ours, not served yet: a mistake in its address shows before anything else begins.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes the port.
///
/// # Errors
/// When somebody has it, or the address is not ours.
pub async fn listen(address: SocketAddr) -> Result<Listener, ServeError> {
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Listener { listener, address })
}

impl Listener {
    /// Where it listens: the real port, where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stopped` is done.
    ///
    /// # Errors
    /// When the port is lost.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let address = self.address;
        let served = axum::serve(self.listener, router(metrics)).with_graceful_shutdown(stopped);
        served
            .await
            .map_err(|source| ServeError { address, source })
    }
}

/// The routes; the console's stand beside them.
fn router(metrics: Arc<Metrics>) -> Router {
    let ready = Arc::clone(&metrics);
    Router::new()
        .route("/metrics", get(async move || text(&metrics)))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || readiness(&ready)))
}

fn text(metrics: &Metrics) -> impl IntoResponse + use<> {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.render())
}

fn readiness(metrics: &Metrics) -> (StatusCode, &'static str) {
    if metrics.ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "restoring, catching up, or not able to commit\n",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::kafka::{Observer, Told};
    use crate::prometheus::{AccountLimits, Settings};

    async fn ask(address: SocketAddr, path: &'static str) -> String {
        let asking = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        tokio::task::spawn_blocking(asking).await.unwrap()
    }

    #[tokio::test]
    async fn health_readiness_and_metrics_are_served() {
        let metrics = Arc::new(Metrics::new(Settings {
            catalogue: Vec::new(),
            groups: Vec::new(),
            sources: Vec::new(),
            accounts: AccountLimits::default(),
            currency: mainstay_model::Currency::of("USD").unwrap(),
            lateness_ms: 0,
            version: "1".to_owned(),
        }));
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.address();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = listener.serve(Arc::clone(&metrics), async { drop(stopped.await) });
        let serving = tokio::spawn(serving);
        assert!(ask(address, "/healthz").await.contains("200 OK"));
        assert!(ask(address, "/readyz").await.contains("503"));
        metrics.told(&Told::Assigned(&[]));
        assert!(ask(address, "/readyz").await.contains("200 OK"));
        assert!(ask(address, "/metrics").await.contains("mainstay_ready 1"));
        drop(stop);
        serving.await.unwrap().unwrap();
    }
}
