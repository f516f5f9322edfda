//! The accept loop: connections, their number, their timeouts, their end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::respond;

/// Connections over the cap that are still answered (with 503) at any one time; beyond these, clients wait in
/// the kernel's backlog.
const REFUSALS: usize = 64;
/// Longer headers are refused (431 by hyper).
const MAX_HEADER: usize = 64 * 1024;
/// After an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers may take to leave after the signal to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// The bounds of the edge.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at once.
    pub connections: usize,
    /// For a request's header to arrive, and for a kept-alive connection to send its next one.
    pub header_timeout: Duration,
    /// For a body to go on arriving, and for an answer to go on being read.
    pub body_timeout: Duration,
}

/// Serves `app` on `listener` until `stop` is cancelled; then answers what is under way and returns.
pub async fn serve<E>(listener: TcpListener, app: E, limits: Limits, stop: CancellationToken)
where
    E: Endpoint<Output = poem::Response> + 'static,
{
    let app = Arc::new(app);
    let limits = Arc::new(limits);
    let places = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let connections = TaskTracker::new();
    loop {
        let (place, stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            next = next_connection(&listener, &places, &refusals) => next,
        };
        let connection = Connection { peer, limits: Arc::clone(&limits), stop: stop.clone() };
        match place {
            Place::Served(permit) => {
                let app = Arc::clone(&app);
                connections.spawn(async move {
                    connection.serve(stream, app).await;
                    drop(permit);
                });
            }
            Place::Refused(permit) => {
                connections.spawn(async move {
                    connection.refuse(stream).await;
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections are cut off: their answers took too long"
        );
    }
}

/// What a connection gets.
enum Place {
    Served(OwnedSemaphorePermit),
    Refused(OwnedSemaphorePermit),
}

async fn next_connection(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    refusals: &Arc<Semaphore>,
) -> (Place, TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Small answers, such as a heartbeat's newline, leave at once.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(error = %error, "cannot set TCP_NODELAY");
                }
                // Neither is ever closed. Where both are taken, the first that is given back decides.
                tokio::select! {
                    biased;
                    Ok(permit) = Arc::clone(places).acquire_owned() => {
                        return (Place::Served(permit), stream, peer);
                    }
                    Ok(permit) = Arc::clone(refusals).acquire_owned() => {
                        return (Place::Refused(permit), stream, peer);
                    }
                    else => {}
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connection {
    peer: SocketAddr,
    limits: Arc<Limits>,
    stop: CancellationToken,
}

impl Connection {
    fn builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_header_size(MAX_HEADER)
            // A client that has left is noticed, and its handler dropped.
            .half_close(false);
        builder
    }

    fn io(&self, stream: TcpStream) -> TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
        let mut stream = TimeoutStream::new(stream);
        // Reading has no limit here: a client may wait for hours for a long file. Bodies have their own.
        stream.set_write_timeout(Some(self.limits.body_timeout));
        TokioIo::new(Box::pin(stream))
    }

    async fn serve<E>(self, stream: TcpStream, app: Arc<E>)
    where
        E: Endpoint<Output = poem::Response> + 'static,
    {
        let (peer, timeout) = (self.peer, self.limits.body_timeout);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(respond::answer(request, peer, timeout, &*app).await) }
        });
        let connection = self.builder().serve_connection(self.io(stream), service).with_upgrades();
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(peer = %self.peer, error = %error, "connection ended");
        }
    }

    /// Answers the first request with 503 and closes.
    async fn refuse(self, stream: TcpStream) {
        let timeout = self.limits.body_timeout;
        let service = service_fn(move |request: hyper::Request<Incoming>| async move {
            Ok::<_, Infallible>(respond::refuse_connection(request, timeout))
        });
        let mut builder = self.builder();
        let connection = builder.keep_alive(false).serve_connection(self.io(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(peer = %self.peer, error = %error, "refused connection ended");
        }
    }
}
