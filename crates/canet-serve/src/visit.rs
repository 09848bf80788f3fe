//! What is done for every request: the token is asked for, a panic becomes an answer, and the log
//! and the counters hear of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use crate::app::App;
use crate::refusal::Refusal;
use crate::route::needs_token;
use crate::segment::milliseconds;
use crate::{Reason, Route};

/// How much of an address the log shows.
const LONGEST_PATH: usize = 100;

pub(crate) async fn visit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let visit = Visit::of(app, &request);
    let mut response = if visit.may_enter(&request) {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        answer.await.unwrap_or_else(|_| Refusal::internal().into_response())
    } else {
        let message = "this server wants its token: Authorization: Bearer TOKEN";
        Refusal::new(Reason::Unauthorized, message).into_response()
    };
    harden(&mut response, visit.app.is_closing());
    visit.end(&response);
    response
}

/// Headers of every answer.
fn harden(response: &mut Response, closing: bool) {
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(REFERRER_POLICY, fixed("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin"));
    // What is left of a body that came too slowly is not waited for.
    if closing || response.status() == StatusCode::REQUEST_TIMEOUT {
        response.headers_mut().insert(CONNECTION, fixed("close"));
    }
}

/// A request while it is here. If it is dropped before its end, the client has gone.
struct Visit {
    app: Arc<App>,
    method: String,
    path: String,
    route: Option<Route>,
    since: Instant,
    ended: bool,
}

impl Visit {
    fn of(app: Arc<App>, request: &Request) -> Self {
        // Without the query, and what is not ASCII is written in hex in any case.
        let path = request.uri().path();
        Self {
            app,
            method: request.method().as_str().chars().take(LONGEST_PATH).collect(),
            path: path.chars().take(LONGEST_PATH).collect(),
            route: Route::of(path),
            since: Instant::now(),
            ended: false,
        }
    }

    fn may_enter(&self, request: &Request) -> bool {
        let Some(token) = &self.app.settings.token else { return true };
        if !needs_token(request.uri().path()) {
            return true;
        }
        let shown = request.headers().get(AUTHORIZATION);
        shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes()))
    }

    fn end(mut self, response: &Response) {
        self.ended = true;
        let (status, reason) = (response.status().as_u16(), response.extensions().get::<Reason>());
        self.app.metrics.answered(self.route, status, reason.copied());
        let Self { method, path, since, .. } = &self;
        let milliseconds = milliseconds(since.elapsed());
        match reason {
            None => tracing::info!("{method} {path} {status} {milliseconds} ms"),
            Some(reason) => {
                tracing::info!("{method} {path} {status} {} {milliseconds} ms", reason.code());
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.ended {
            self.app.metrics.left();
            let Self { method, path, since, .. } = &self;
            let milliseconds = milliseconds(since.elapsed());
            tracing::info!("{method} {path} client left after {milliseconds} ms");
        }
    }
}
