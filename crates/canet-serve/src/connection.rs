//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use futures_util::future::{BoxFuture, poll_fn};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Settings;
use crate::patient::Patient;
use crate::settings::{BUFFER_BYTES, HEAD_BYTES};

/// Headers that a request may have.
const HEADERS: usize = 64;
/// How long a client may go on sending what is not wanted any more.
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection until one side ends it, or the server closes.
pub(crate) async fn serve(
    stream: TcpStream,
    router: Router,
    settings: &Settings,
    mut closing: watch::Receiver<bool>,
) {
    // Answers are written at once; waiting to fill packets would only delay them.
    stream.set_nodelay(true).ok();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer: BoxFuture<'static, Result<Response, Infallible>> =
            Box::pin(router.call(request));
        answer
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_headers(HEADERS)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, settings.timeout)), service);
    let mut told = pin!(closing.wait_for(|closing| *closing));
    let mut is_told = false;
    let ended = poll_fn(|cx| {
        if !is_told && told.as_mut().poll(cx).is_ready() {
            is_told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!("a connection ended: {error}");
    }
    linger(connection.into_parts().io.into_inner().into_inner()).await;
}

/// Says that no more will come, and reads on for a little while. A client that was refused while it
/// was still sending would otherwise lose the answer: closing a connection with unread bytes resets it.
async fn linger(mut stream: TcpStream) {
    let mut unwanted = [0; 4096];
    let rest = async {
        stream.shutdown().await.ok();
        while stream.read(&mut unwanted).await.is_ok_and(|count| count > 0) {}
    };
    timeout(LINGER, rest).await.ok();
}
