//! The listener: few connections at once, one request each, and a bound for everything a stranger may take his time
//! with.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use quipu_protocol::publish::Ack;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::Hooks;
use super::answer::{No, response};
use super::message::{Head, REQUEST_BYTES_MAX};
use crate::limits::GRACE;

/// Connections at once; a further one waits to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// Time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a whole connection, the answer's way included.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long to wait when the system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const _: () = assert!(HEAD_TIMEOUT.as_secs() + BODY_TIMEOUT.as_secs() < CONNECTION_TIMEOUT.as_secs());

pub(super) async fn run(socket: TcpListener, hooks: Arc<Hooks>, stopping: CancellationToken) {
    let (tasks, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    while let Some((stream, place)) = next(&socket, &places, &stopping).await {
        tasks.spawn(connection(stream, place, Arc::clone(&hooks), stopping.clone()));
    }
    drop(socket);
    tasks.close();
    if timeout(GRACE, tasks.wait()).await.is_err() {
        warn!(open = tasks.len(), "webhooks that were under way are left alone");
    }
}

/// The next connection and its place; none when the server stops.
async fn next(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
    stopping: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let accepting = async {
        // Closed never: the semaphore is ours.
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match socket.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(error) => {
                    debug!(%error, "no connection for a webhook");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stopping.cancelled() => None,
        accepted = accepting => accepted,
    }
}

async fn connection(
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    hooks: Arc<Hooks>,
    stopping: CancellationToken,
) {
    let service = service_fn(|request| {
        let hooks = Arc::clone(&hooks);
        async move { Ok::<Response<Full<Bytes>>, Infallible>(response(answer(&hooks, request).await)) }
    });
    let mut served = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
    );
    let whole = async {
        tokio::select! {
            result = served.as_mut() => result,
            () = stopping.cancelled() => {
                // What has not begun is not begun; what has is answered.
                served.as_mut().graceful_shutdown();
                served.as_mut().await
            }
        }
    };
    match timeout(CONNECTION_TIMEOUT, whole).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a webhook's connection ended"),
        Err(_) => debug!("a webhook's connection took too long"),
    }
}

/// One request. In the order of what it costs: the head, whose secret it is, the rate, the body.
async fn answer(hooks: &Hooks, request: Request<Incoming>) -> Result<Ack, No> {
    let secret = secret_in(request.uri().path()).ok_or(No::Unknown)?;
    if request.method() != Method::POST {
        return Err(No::Method);
    }
    let target = hooks.find(secret).await?;
    let head = Head::read(request.headers())?;
    hooks.take_turn(target.hook)?;
    let body = body(request.into_body()).await?;
    hooks.deliver(target, head.message(&body)?).await
}

async fn body(body: Incoming) -> Result<Bytes, No> {
    let too_large = || No::TooLarge(format!("a request has at most {REQUEST_BYTES_MAX} bytes"));
    if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
        // Announced: said before it is sent.
        return Err(too_large());
    }
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, REQUEST_BYTES_MAX).collect());
    match collected.await.map_err(|_| No::Slow)? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(No::Bad("the message broke off".into())),
    }
}

/// The secret in `/hook/<32 hexadecimal digits>`.
fn secret_in(path: &str) -> Option<[u8; 16]> {
    let digits = path.strip_prefix("/hook/")?;
    // An id is written the same way, and the parser is as strict as it should be here.
    let parsed: quipu_protocol::HookId = digits.parse().ok()?;
    Some(*parsed.as_bytes())
}
