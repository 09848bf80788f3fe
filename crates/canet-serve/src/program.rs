//! A server as a program of its own: threads, signals, the end.

use std::net::SocketAddr;

use futures_util::future::{Either, select};
use tokio::runtime::Builder;

use crate::{Error, Model, Result, Server, Settings};

/// Threads that talk to clients; they never compute.
const TALKERS: usize = 2;
/// Threads for pictures beyond those that are worked on: samples are drawn on them, too.
const SPARE: usize = 2;

/// Serves until the system says to stop (SIGINT, SIGTERM), and then as [`Server::run`] does; the
/// second time it stops at once. `announce` hears the address as soon as clients can connect.
pub fn run_until_signal(
    settings: Settings,
    model: Model,
    announce: impl FnOnce(SocketAddr),
) -> Result<()> {
    settings.check()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(TALKERS)
        .max_blocking_threads(settings.active() + SPARE)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(Error::system("start threads"))?;
    let result = runtime.block_on(async {
        // Before anybody is told, so that no signal comes too early.
        let (first, second) = (Signal::new()?, Signal::new()?);
        let server = Server::bind(settings, model).await?;
        announce(server.address());
        let shutdown = async {
            first.comes(1).await;
            tracing::info!("stopping: what was begun is finished; once more to stop at once");
        };
        let run = std::pin::pin!(server.run(shutdown));
        let at_once = std::pin::pin!(second.comes(2));
        if let Either::Right(_) = select(run, at_once).await {
            tracing::warn!("stopped at once");
        }
        Ok(())
    });
    // A frame that nobody waits for any more may still be computed.
    runtime.shutdown_background();
    result
}

/// The system's word that the program should stop.
struct Signal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signal {
    #[cfg(unix)]
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(Error::system("listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits until it has come so many times.
    #[cfg(unix)]
    async fn comes(mut self, times: usize) {
        for _ in 0..times {
            let either =
                (std::pin::pin!(self.terminate.recv()), std::pin::pin!(self.interrupt.recv()));
            select(either.0, either.1).await;
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as it is elsewhere")]
    fn new() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn comes(self, times: usize) {
        for _ in 0..times {
            tokio::signal::ctrl_c().await.ok();
        }
    }
}
