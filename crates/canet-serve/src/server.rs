//! The server: it listens, serves, and stops in good order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::app::{App, router};
use crate::{Error, Model, Result, Settings, connection};

/// How long to wait when the system has no connection to give, such as for want of file handles.
const BREATH: Duration = Duration::from_millis(100);

/// A server that listens; connections wait until it runs.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Checks the settings, starts the threads that compute, and listens.
    pub async fn bind(settings: Settings, model: Model) -> Result<Self> {
        settings.check()?;
        let address = settings.address;
        let cannot = |source| Error::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { app: Arc::new(App::new(settings, model)?), listener, address })
    }

    /// Where it listens, with the port that the system has chosen if any was right.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` comes true. Then no connection is accepted any more, what was begun is
    /// finished, and new requests on open connections are refused; what is not finished within
    /// [`Settings::drain`] is given up.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { app, listener, .. } = self;
        let (closing, closes) = watch::channel(false);
        let router = router(&app);
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let next = pin!(accept(&app, &listener));
            let Either::Left((accepted, _)) = select(next, shutdown.as_mut()).await else { break };
            while tasks.try_join_next().is_some() {}
            let Some((stream, permit)) = accepted else { continue };
            let (app, router, closes) = (app.clone(), router.clone(), closes.clone());
            tasks.spawn(async move {
                connection::serve(stream, router, &app.settings, closes).await;
                drop(permit);
            });
        }
        drop(listener);
        app.close();
        closing.send(true).ok();
        let rest = async { while tasks.join_next().await.is_some() {} };
        if timeout(app.settings.drain, rest).await.is_err() {
            tracing::warn!("{} connections were cut off: they took too long", tasks.len());
        }
    }
}

/// The next connection, as soon as there may be one more. While it is waited for, no permit is held:
/// it would count as an open connection. The one that was seen to be free still is afterwards, as
/// nothing else takes any.
async fn accept(app: &App, listener: &TcpListener) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    drop(app.connections.acquire().await.ok()?);
    match listener.accept().await {
        Ok((stream, _)) => {
            let permit = app.connections.clone().try_acquire_owned().ok()?;
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!("a connection could not be accepted: {error}");
            sleep(BREATH).await;
            None
        }
    }
}
