//! The threads that compute: frames in, segmentations out.
//!
//! A frame is computed by itself, so a bad one spoils no other. As many are computed side by side as
//! the settings say; each has a thread, and all share the cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use canet_model::Segmentation;
use image::RgbImage;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::metrics::Metrics;
use crate::model::Engine;
use crate::refusal::Refusal;
use crate::{Error, Result};

/// A place among those that are worked on; who drops it lets the next one in.
#[derive(Debug)]
pub(crate) struct Ticket(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Ticket {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(permit)
    }
}

/// A frame with its classes.
pub(crate) struct Done {
    pub(crate) frame: RgbImage,
    pub(crate) segmentation: Segmentation,
    pub(crate) ticket: Ticket,
    /// How long it waited for a thread, and how long that took.
    pub(crate) waited: Duration,
    pub(crate) network: Duration,
}

struct Job {
    frame: RgbImage,
    confidence: bool,
    ticket: Ticket,
    since: Instant,
    reply: oneshot::Sender<Result<Done, Refusal>>,
}

/// The threads. They end when this is dropped, after what is waiting.
pub(crate) struct Workers {
    /// Not bounded by itself: whoever sends has a ticket, and of those there are few.
    jobs: Sender<Job>,
}

impl Workers {
    /// Starts `count` threads.
    pub(crate) fn start(
        count: usize,
        engine: &Arc<dyn Engine>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..count {
            let worker = Worker {
                waiting: waiting.clone(),
                engine: engine.clone(),
                metrics: metrics.clone(),
            };
            thread::Builder::new()
                .name(format!("network {number}"))
                .spawn(move || worker.run())
                .map_err(Error::system("start a thread"))?;
        }
        Ok(Self { jobs })
    }

    /// Has a frame computed.
    pub(crate) async fn compute(
        &self,
        frame: RgbImage,
        confidence: bool,
        ticket: Ticket,
    ) -> Result<Done, Refusal> {
        let (reply, answer) = oneshot::channel();
        let job = Job { frame, confidence, ticket, since: Instant::now(), reply };
        self.jobs.send(job).map_err(|_| Refusal::internal())?;
        answer.await.map_err(|_| Refusal::internal())?
    }
}

struct Worker {
    waiting: Arc<Mutex<Receiver<Job>>>,
    engine: Arc<dyn Engine>,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn run(self) {
        loop {
            // The lock is held while waiting, so the threads wait in a row.
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            if job.reply.is_closed() {
                self.metrics.skipped();
                tracing::debug!("a frame is skipped: its client went away");
                continue;
            }
            self.answer(job);
        }
    }

    fn answer(&self, job: Job) {
        let Job { frame, confidence, ticket, since, reply } = job;
        let (waited, started) = (since.elapsed(), Instant::now());
        let work = || self.engine.segment(&frame, confidence);
        let result = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(segmentation)) => {
                let network = started.elapsed();
                self.metrics.computed(&frame, network);
                Ok(Done { frame, segmentation, ticket, waited, network })
            }
            Ok(Err(error)) => {
                tracing::error!("a frame could not be computed: {error}");
                Err(Refusal::internal())
            }
            Err(_) => {
                tracing::error!(
                    "a frame could not be computed: the network panicked; please report it"
                );
                Err(Refusal::internal())
            }
        };
        // It may have gone away by now.
        reply.send(result).ok();
    }
}
