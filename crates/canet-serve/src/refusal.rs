//! What a client is told when it does not get what it asked for.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is refused. Each has a status and a word for programs, which mean the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// An unknown key or value in the address.
    BadQuery,
    /// A body that ends early, or a form that is none.
    BadBody,
    /// No token, or a wrong one.
    Unauthorized,
    /// There is no such thing.
    NotFound,
    /// There is, but not for this method.
    MethodNotAllowed,
    /// The body did not come in time.
    BodyTimeout,
    /// More bytes than are taken.
    BodyTooLarge,
    /// More pixels than are taken, or far more than its bytes can be.
    PictureTooLarge,
    /// Neither a JPEG nor a PNG.
    NotAPicture,
    /// A packed body (`Content-Encoding`).
    EncodedBody,
    /// A JPEG or PNG that cannot be read to its end.
    BrokenPicture,
    /// A bug, or a model that is of no use.
    Internal,
    /// All places are taken.
    QueueFull,
    /// The server is about to stop.
    ShuttingDown,
    /// The answer was not there in time.
    TooSlow,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 15] = [
        Self::BadQuery,
        Self::BadBody,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::PictureTooLarge,
        Self::NotAPicture,
        Self::EncodedBody,
        Self::BrokenPicture,
        Self::Internal,
        Self::QueueFull,
        Self::ShuttingDown,
        Self::TooSlow,
    ];

    /// The word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadQuery => "bad_query",
            Self::BadBody => "bad_body",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::PictureTooLarge => "picture_too_large",
            Self::NotAPicture => "not_a_picture",
            Self::EncodedBody => "encoded_body",
            Self::BrokenPicture => "broken_picture",
            Self::Internal => "internal",
            Self::QueueFull => "queue_full",
            Self::ShuttingDown => "shutting_down",
            Self::TooSlow => "too_slow",
        }
    }

    /// The status of its answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadQuery | Self::BadBody => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge | Self::PictureTooLarge => 413,
            Self::NotAPicture | Self::EncodedBody => 415,
            Self::BrokenPicture => 422,
            Self::Internal => 500,
            Self::QueueFull | Self::ShuttingDown => 503,
            Self::TooSlow => 504,
        }
    }
}

/// A refusal on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// After how many seconds to come again.
    retry_after: Option<u64>,
    /// What the method could be.
    allow: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None, allow: None }
    }

    /// What went wrong here is for the log; the client can do nothing about it.
    pub(crate) fn internal() -> Self {
        Self::new(Reason::Internal, "this is a fault of the server; its log has more")
    }

    /// One that goes away by waiting.
    pub(crate) fn later(reason: Reason, message: &str, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(reason, message) }
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let message = format!("this address takes {allow}");
        Self { allow: Some(allow), ..Self::new(Reason::MethodNotAllowed, message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { reason, message, retry_after, allow } = self;
        let text = json!({"error": {"code": reason.code(), "message": message}}).to_string();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() =
            StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // The log and the counters take it from here.
        response.extensions_mut().insert(reason);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if reason == Reason::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
