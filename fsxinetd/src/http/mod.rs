//! HTTP: health, metrics, and the LCR answer.
//!
//! Everything a peer sends is bounded in size and time: a scraper that stalls must never cost a
//! call. The routes are plain functions of a request (`routes`).

mod routes;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::{config, health::Health, published::PublishedHandle, shutdown::Shutdown};

/// What the routes answer from.
#[derive(Clone)]
pub struct Rooms {
    /// Routing data.
    pub published: PublishedHandle,
    /// State of the parts.
    pub health: Health,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Where this machine stands, for questions that do not say.
    pub site: config::Site,
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rooms({:?})", self.published)
    }
}

/// Binds the address.
///
/// # Errors
/// One line that names the address.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|e| format!("cannot listen on {listen} for HTTP: {e}"))
}

/// Serves until told to stop; connections in hand get a moment to finish.
pub async fn serve(listener: TcpListener, config: config::Http, rooms: Rooms, shutdown: Shutdown) {
    let rooms = Arc::new(rooms);
    let slots = Arc::new(Semaphore::new(config.max_connections as usize));
    let graceful = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms.into()))
        .max_buf_size(64 << 10);
    let max_body = config.max_body_bytes as usize;
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                crate::net::accept_failed("http", &error).await;
                continue;
            }
        };
        // Over the limit a connection is closed at once: cheaper than any answer.
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let _ = stream.set_nodelay(true);
        let rooms = Arc::clone(&rooms);
        let service = service_fn(move |request| {
            let rooms = Arc::clone(&rooms);
            async move {
                Ok::<_, std::convert::Infallible>(routes::answer(request, &rooms, max_body).await)
            }
        });
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "http connection");
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(2), graceful.shutdown()).await;
}
