//! `canet serve`: segmentation over HTTP, with a page.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use canet_serve::{Model, Settings, Token, run_until_signal};

use crate::model::ModelArgs;

const MIB: u64 = 1 << 20;
/// Where a token may stand, too.
const VARIABLE: &str = "CANET_TOKEN";
/// Bytes of a token's file that are read, more than a token has.
const LONGEST: u64 = 4096;

const API: &str = "\
Examples:
  canet serve --model best.safetensors
  canet serve --model best.safetensors --host 0.0.0.0 --port 80 --token-file token.txt

The page is at the address that is printed; programs use /v1/segment:
  curl --data-binary @frame.jpg 'http://127.0.0.1:8080/v1/segment?format=mask' -o mask.png
docs/serve.md has the rest: formats, limits, what they bound, security. SIGINT and SIGTERM stop the
server when what was begun is finished.";

/// Serve a trained model over HTTP, with a page to try it.
#[derive(clap::Args)]
#[command(after_help = API)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The address to listen on; 0.0.0.0 is every one of this machine's
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", value_parser = host)]
    host: IpAddr,
    /// The port to listen on; 0 is any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What clients have to show. Others on this machine can see it here; prefer a file, or the
    /// variable `CANET_TOKEN`
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The largest body, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024))]
    max_body: u64,
    /// The largest picture, in pixels
    #[arg(long, value_name = "N", default_value_t = 16 * MIB, value_parser = clap::value_parser!(u64).range(1024..=268_435_456))]
    max_pixels: u64,
    /// Pictures that may wait; who comes then is told to come again
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    queue: u64,
    /// Pictures that the network looks at side by side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    batch: u64,
    /// How long a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

fn host(text: &str) -> Result<IpAddr, &'static str> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "it must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::1")
}

/// Runs the command, until a signal ends it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let settings = args.settings()?;
    settings.check()?;
    let options = args.model.options()?;
    let model = Model::new(&args.model.name(), args.model.checkpoint()?, options)?;
    let memory = settings.memory(model.memory(&settings)?) / MIB;
    tracing::info!("requests take at most {memory} MiB, besides the model; see docs/serve.md");
    if let Some(free) = free_memory().filter(|free| *free < memory) {
        tracing::warn!(
            "the machine has {free} MiB free; lower --max-pixels first, then --max-body and --batch"
        );
    }
    if settings.is_open_to_all() {
        tracing::warn!(
            "everybody who can reach {} can use this server; set a token (--token-file FILE)",
            settings.address.ip()
        );
    }
    run_until_signal(settings, model, |address| {
        let mut out = std::io::stdout().lock();
        // Whoever closed our output does not want to know.
        writeln!(out, "http://{address}/").and_then(|()| out.flush()).ok();
    })?;
    Ok(())
}

/// MiB that the system could give; only Linux tells.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib >> 10)
}

impl Args {
    fn settings(&self) -> Result<Settings> {
        let timeout = Duration::from_secs(self.timeout);
        let default = Settings::default();
        Ok(Settings {
            address: SocketAddr::new(self.host, self.port),
            token: self.token()?,
            max_body: usize::try_from(self.max_body * MIB)?,
            max_pixels: self.max_pixels,
            queue: usize::try_from(self.queue)?,
            batch: usize::try_from(self.batch)?,
            timeout,
            body_timeout: default.body_timeout.min(timeout),
            header_timeout: default.header_timeout.min(timeout),
            drain: default.drain.min(timeout),
            ..default
        })
    }

    fn token(&self) -> Result<Option<Token>> {
        let secret = match (&self.token, &self.token_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) => read_token(path)?,
            (None, None) => match std::env::var_os(VARIABLE) {
                Some(secret) => secret.to_string_lossy().into_owned(),
                None => return Ok(None),
            },
        };
        Ok(Some(Token::new(&secret)?))
    }
}

fn read_token(path: &Path) -> Result<String> {
    let mut secret = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut secret));
    read.map_err(canet_core::Error::io("read", path))?;
    Ok(secret)
}
