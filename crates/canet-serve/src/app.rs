//! What all requests share, and the table of what is answered by what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::metrics::{Metrics, Now};
use crate::page::PAGE;
use crate::refusal::Refusal;
use crate::samples::Samples;
use crate::segment::segment;
use crate::visit;
use crate::workers::{Ticket, Workers};
use crate::{Model, Reason, Result, Route, Settings};

/// The document of this interface.
const OPENAPI: &str = include_str!("openapi.json");

/// A running server's state.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) model: Model,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) workers: Workers,
    /// Pictures that may wait.
    pub(crate) places: Arc<Semaphore>,
    /// Pictures that may be worked on; who waits is let in in order.
    active: Arc<Semaphore>,
    /// Bytes of bodies, and of answers that are being sent.
    pub(crate) bodies: Budget,
    pub(crate) answers: Budget,
    /// Connections that may still be opened.
    pub(crate) connections: Arc<Semaphore>,
    samples: Samples,
    closing: AtomicBool,
}

impl App {
    pub(crate) fn new(settings: Settings, model: Model) -> Result<Self> {
        let metrics = Arc::new(Metrics::default());
        let workers = Workers::start(settings.batch, &model.engine, &metrics)?;
        Ok(Self {
            places: Arc::new(Semaphore::new(settings.queue)),
            active: Arc::new(Semaphore::new(settings.active())),
            bodies: Budget::new(settings.body_bytes()),
            answers: Budget::new(settings.body_bytes()),
            connections: Arc::new(Semaphore::new(settings.connections)),
            samples: Samples::default(),
            closing: AtomicBool::new(false),
            settings,
            model,
            metrics,
            workers,
        })
    }

    /// From now on nothing new is begun.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Refuses if nothing new is begun any more.
    pub(crate) fn is_open(&self) -> Result<(), Refusal> {
        if self.is_closing() {
            let message = "the server is about to stop";
            return Err(Refusal::later(Reason::ShuttingDown, message, 5));
        }
        Ok(())
    }

    /// Waits, in one of the places, until a picture may be worked on.
    pub(crate) async fn ticket(&self) -> Result<Ticket, Refusal> {
        let place = self.places.clone().try_acquire_owned();
        let _place = place.map_err(|_| self.busy("all places are taken"))?;
        let permit = self.active.clone().acquire_owned().await;
        permit.map(Ticket::new).map_err(|_| Refusal::internal())
    }

    /// A refusal that says when it is worth coming again.
    pub(crate) fn busy(&self, message: &str) -> Refusal {
        let Now { queued, active, .. } = self.now();
        let seconds = self.metrics.patience(queued + active, self.settings.batch);
        Refusal::later(Reason::QueueFull, message, seconds)
    }

    fn now(&self) -> Now {
        let Settings { queue, connections, .. } = self.settings;
        Now {
            queued: queue.saturating_sub(self.places.available_permits()),
            active: self.settings.active().saturating_sub(self.active.available_permits()),
            connections: connections.saturating_sub(self.connections.available_permits()),
        }
    }
}

/// The table.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let add = |router: Router<Arc<App>>, route: Route| {
        let refuse = move || async move { Refusal::method(route.allow()).into_response() };
        router.route(route.path(), handler(route).fallback(refuse))
    };
    Route::ALL
        .into_iter()
        .fold(Router::new(), add)
        .fallback(async || Refusal::new(Reason::NotFound, "there is nothing at this address"))
        .layer(from_fn_with_state(app.clone(), visit::visit))
        .with_state(app.clone())
}

fn handler(route: Route) -> MethodRouter<Arc<App>> {
    type Shared = State<Arc<App>>;
    match route {
        Route::Page => get(async || {
            let mut response = body("text/html; charset=utf-8", PAGE.html.as_str());
            if let Ok(policy) = HeaderValue::from_str(&PAGE.policy) {
                response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            response
        }),
        Route::Health => get(async || body("text/plain; charset=utf-8", "ok")),
        Route::Metrics => get(async |State(app): Shared| {
            body("text/plain; version=0.0.4; charset=utf-8", app.metrics.to_text(app.now()))
        }),
        Route::OpenApi => get(async || body("application/json", OPENAPI)),
        Route::Model => get(async |State(app): Shared| json(&app.model.to_json(&app.settings))),
        Route::Samples => get(async || json(&Samples::list())),
        Route::Sample => get(async |State(app): Shared, number: Result<Path<String>, _>| {
            // What is no text is no number, either.
            let number = number.map_or_else(|_: PathRejection| String::new(), |Path(text)| text);
            match app.samples.png(&number).await {
                Ok(png) => body("image/png", png),
                Err(refusal) => refusal.into_response(),
            }
        }),
        Route::Segment => post(segment),
    }
}

fn json(value: &Value) -> Response {
    body("application/json", value.to_string())
}

fn body(content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
