//! `POST /v1/segment`: a picture's way from its bytes to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::Reason;
use crate::answer::{self, Answer, Times};
use crate::app::App;
use crate::budget::Held;
use crate::metrics::Stage;
use crate::picture;
use crate::query::Format;
use crate::refusal::Refusal;
use crate::upload;
use crate::workers::Ticket;

/// The handler: all of it, within the time that a request may take.
pub(crate) async fn segment(State(app): State<Arc<App>>, request: Request) -> Response {
    let late = |_| Err(Refusal::new(Reason::TooSlow, "the answer was not there in time"));
    let answer = tokio::time::timeout(app.settings.timeout, answered(&app, request));
    answer.await.unwrap_or_else(late).into_response()
}

async fn answered(app: &Arc<App>, request: Request) -> Result<Response, Refusal> {
    app.is_open()?;
    let format = Format::parse(request.uri().query())?;
    if app.places.available_permits() == 0 {
        return Err(app.busy("all places are taken"));
    }
    let (head, body) = request.into_parts();
    let upload = upload::read(app, &head.headers, body).await?;
    let kind = picture::look(&upload.bytes, app.settings.max_pixels)?;
    // The server may have been told to stop while the body came.
    app.is_open()?;
    let arrived = Instant::now();
    let ticket = app.ticket().await?;
    let queued = arrived.elapsed();
    let (frame, decode, ticket) = blocking(move || {
        let started = Instant::now();
        let frame = picture::decode(&upload.bytes, kind)?;
        Ok::<_, Refusal>((frame, started.elapsed(), ticket))
    })
    .await??;
    app.metrics.took(Stage::Decode, decode);
    let done = app.workers.compute(frame, format.needs_confidence(), ticket).await?;
    let queue = queued + done.waited;
    app.metrics.took(Stage::Queue, queue);
    app.metrics.took(Stage::Network, done.network);
    let times = Times { decode, queue, network: done.network };
    let model = app.model.clone();
    let (answer, encode, ticket) = blocking(move || {
        let started = Instant::now();
        let answer = answer::encode(format, &done.frame, &done.segmentation, kind, &model, times)?;
        Ok::<_, Refusal>((answer, started.elapsed(), done.ticket))
    })
    .await??;
    app.metrics.took(Stage::Encode, encode);
    send(app, answer, ticket).await
}

/// The response; its bytes are held in the budget until they are sent.
async fn send(app: &App, answer: Answer, ticket: Ticket) -> Result<Response, Refusal> {
    let Answer { content_type, bytes } = answer;
    let held = app.answers.wait(bytes.len()).await.ok_or_else(Refusal::internal)?;
    drop(ticket);
    let mut response = Response::new(Body::from(Bytes::from_owner(Owned { bytes, _held: held })));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

struct Owned {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Runs what takes the processor for a while where it holds up no other request. It goes on when the
/// client leaves, so what it holds must be moved into it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        if error.is_panic() {
            tracing::error!("a picture could not be decoded or encoded: a panic; please report it");
        }
        Refusal::internal()
    })
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}
