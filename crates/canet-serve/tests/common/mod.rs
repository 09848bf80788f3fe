//! Servers inside of the test, and pictures for them.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod client;

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use canet_core::LabelMap;
use canet_model::image::{ImageFormat, Rgb, RgbImage};
use canet_model::{
    AssignmentConfig, Checkpoint, CheckpointMeta, ClassSet, Device, ModelConfig, Network, Options,
    Params, Segmentation, Segmenter,
};
use canet_serve::{About, Engine, Model, Server, Settings};
use tokio::sync::oneshot;

use self::client::{Answer, ask};

/// A server that runs beside the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(settings: Settings, model: Model) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(settings, model).await.unwrap();
                bound.send(server.address()).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
            runtime.shutdown_background();
        });
        let address = address.recv().unwrap();
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(self.address, "GET", path, &[], b"").unwrap()
    }

    pub(crate) fn segment(&self, query: &str, body: &[u8]) -> Answer {
        ask(self.address, "POST", &format!("/v1/segment{query}"), &[], body).unwrap()
    }

    /// The value of a metric's line.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// Waits until a metric has a value.
    pub(crate) fn until(&self, line: &str, value: f64) {
        let since = Instant::now();
        while self.metric(line) < value {
            assert!(since.elapsed() < Duration::from_mins(1), "{line} stays {}", self.metric(line));
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Tells the server to stop; it goes on with what was begun.
    pub(crate) fn tell(&mut self) {
        self.stop.take();
    }

    /// Waits for its end, and says whether it was a good one.
    pub(crate) fn ended(&mut self) -> bool {
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell();
        let well = self.ended();
        assert!(well || thread::panicking(), "the server panicked");
    }
}

/// Settings for a free port.
pub(crate) fn settings() -> Settings {
    Settings { address: ([127, 0, 0, 1], 0).into(), ..Settings::default() }
}

pub(crate) fn classes() -> ClassSet {
    LabelMap::builtin("idd-lite-7").unwrap().classes().clone()
}

/// The assignment's network with random weights of a seed.
pub(crate) fn checkpoint() -> Checkpoint {
    let config = AssignmentConfig { classes: classes().len(), ..Default::default() };
    let config = ModelConfig::Assignment(config);
    let mut params = Params::new(7, &Device::Cpu);
    Network::new(&config, &mut params).unwrap();
    let meta = CheckpointMeta::new(config, classes());
    let bytes = Checkpoint::to_bytes(&params, &meta, &[]).unwrap();
    Checkpoint::from_bytes(&bytes, "seeded").unwrap()
}

pub(crate) fn segmenter() -> Segmenter {
    Segmenter::from_checkpoint(checkpoint(), Options::cpu()).unwrap()
}

pub(crate) fn model() -> Model {
    Model::new("seeded", checkpoint(), Options::cpu()).unwrap()
}

/// A picture with something in it.
pub(crate) fn frame(width: u32, height: u32, salt: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |n: u32| ((x * n + y * (n + 2) + salt * 31) % 251) as u8;
        if (x / 9 + y / 7 + salt).is_multiple_of(3) {
            Rgb([wave(3), 40, wave(1)])
        } else {
            Rgb([200, wave(2), (x % 256) as u8])
        }
    })
}

pub(crate) fn encoded(frame: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    frame.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A form with these fields.
pub(crate) fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in fields {
        body.extend_from_slice(b"--xYz\r\n");
        let line =
            format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"../a.png\"");
        body.extend_from_slice(line.as_bytes());
        body.extend_from_slice(b"\r\nContent-Type: image/png\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xYz--\r\n");
    body
}

pub(crate) const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=xYz");

/// An engine with a gate: each frame waits until it is open. Frames of one pixel's width panic.
pub(crate) struct Gated {
    segmenter: Segmenter,
    is_open: Mutex<bool>,
    opened: Condvar,
    pub(crate) begun: AtomicUsize,
}

impl Gated {
    pub(crate) fn new(is_open: bool) -> Arc<Self> {
        let (is_open, opened) = (Mutex::new(is_open), Condvar::new());
        Arc::new(Self { segmenter: segmenter(), is_open, opened, begun: AtomicUsize::new(0) })
    }

    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub(crate) fn close(&self) {
        *self.is_open.lock().unwrap() = false;
    }

    pub(crate) fn model(self: &Arc<Self>) -> Model {
        let about = About {
            name: "gated".into(),
            network: "canet-assignment".into(),
            parameters: 0,
            weights: "0".repeat(64),
            input: None,
            classes: classes(),
            training: canet_model::serde_json::Value::Null,
        };
        Model::of_engine(about, Arc::new(Shared(self.clone()))).unwrap()
    }
}

struct Shared(Arc<Gated>);

impl Engine for Shared {
    fn segment(&self, frame: &RgbImage, sure: bool) -> canet_model::Result<Segmentation> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        assert!(frame.width() > 1, "a frame that the test made to fail");
        let is_open = self.0.is_open.lock().unwrap();
        drop(self.0.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        self.0.segmenter.clone().with_confidence(sure).segment(frame)
    }

    fn memory(&self, width: u32, height: u32) -> canet_model::Result<usize> {
        self.0.segmenter.memory(width, height)
    }
}

/// Bytes that this process has in memory.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
}
