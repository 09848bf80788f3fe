//! A request's body: read in time and within its size, and the picture in it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::{StreamExt as _, stream};
use multer::Multipart;

use crate::Reason;
use crate::app::App;
use crate::budget::Held;
use crate::refusal::Refusal;

/// The name of the form's field.
const FIELD: &str = "image";

/// The bytes of a picture, counted in the budget.
pub(crate) struct Upload {
    pub(crate) bytes: Bytes,
    _held: Held,
}

/// Reads the picture of a request. What can be refused by its head is not read.
pub(crate) async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Upload, Refusal> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let message = "bodies are taken as they are, without a Content-Encoding";
        return Err(Refusal::new(Reason::EncodedBody, message));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > app.settings.max_body as u64) {
        return Err(too_large(app));
    }
    let boundary = boundary(headers)?;
    let reading = tokio::time::timeout(app.settings.body_timeout, collect(app, body));
    let late = |_| Refusal::new(Reason::BodyTimeout, "the body did not come in time");
    let (bytes, held) = reading.await.map_err(late)??;
    let bytes = match boundary {
        Some(boundary) => field(bytes, boundary).await?,
        None => bytes,
    };
    Ok(Upload { bytes, _held: held })
}

/// The boundary of a form; none if the body is no form.
fn boundary(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let kind = String::from_utf8_lossy(kind.as_bytes());
    if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    multer::parse_boundary(&kind).map(Some).map_err(|error| bad(&error.to_string()))
}

/// The whole body.
async fn collect(app: &App, body: Body) -> Result<(Bytes, Held), Refusal> {
    let mut held = app.bodies.none().ok_or_else(Refusal::internal)?;
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| bad("it breaks off, or its chunks have wrong lengths"))?;
        if bytes.len() + chunk.len() > app.settings.max_body {
            return Err(too_large(app));
        }
        if !app.bodies.add(&mut held, chunk.len()) {
            return Err(app.busy("other requests' bodies take all the memory there is for them"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.into(), held))
}

/// The picture in a form.
async fn field(form: Bytes, boundary: String) -> Result<Bytes, Refusal> {
    // All of it is there, so nothing here waits.
    let form = stream::once(std::future::ready(Ok::<_, Infallible>(form)));
    let mut form = Multipart::new(form, boundary);
    let mut picture = None;
    while let Some(field) = form.next_field().await.map_err(|error| bad(&error.to_string()))? {
        if field.name() != Some(FIELD) || picture.is_some() {
            return Err(bad("it must have one field, named image"));
        }
        picture = Some(field.bytes().await.map_err(|error| bad(&error.to_string()))?);
    }
    picture.ok_or_else(|| bad("it has no field named image"))
}

fn too_large(app: &App) -> Refusal {
    let message = format!("the body has more than {} bytes", app.settings.max_body);
    Refusal::new(Reason::BodyTooLarge, message)
}

/// A reader's message may repeat what was sent.
fn bad(reason: &str) -> Refusal {
    let reason: String = reason.chars().take(200).collect();
    Refusal::new(Reason::BadBody, format!("the body cannot be read: {reason}"))
}
