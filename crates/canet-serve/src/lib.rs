//! Segmentation over HTTP: a picture in, its classes out.
//!
//! ```text
//!             connections (limited)                 places (`queue`)      `batch` and a few more
//! client --- head --- body, in time and size --- first bytes --- waits --- decoded --+
//!    ^                                                                               |
//!    +--- answer, in time --- encoded --- network: `batch` frames side by side ------+
//! ```
//!
//! Strangers may send anything at all, so every step has a limit: [`Settings`] has them, and
//! [`Settings::memory`] says what they come to. A frame waits as the bytes that were sent; only those
//! whose turn is near are decoded. Who comes when all places are taken is told to come again (503),
//! and the work for a client that went away is not done.
//!
//! ```no_run
//! use canet_model::{Checkpoint, Options};
//! use canet_serve::{Model, Server, Settings};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let checkpoint = Checkpoint::read("model.safetensors".as_ref())?;
//! let model = Model::new("street", checkpoint, Options::default())?;
//! let server = Server::bind(Settings::default(), model).await?;
//! println!("http://{}/", server.address());
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod answer;
mod app;
mod budget;
mod connection;
mod error;
mod metrics;
mod model;
mod page;
mod patient;
mod picture;
mod program;
mod query;
mod refusal;
mod route;
mod samples;
mod segment;
mod server;
mod settings;
mod token;
mod upload;
mod visit;
mod workers;

pub use error::{Error, Result};
pub use model::{About, Engine, Model};
pub use program::run_until_signal;
pub use refusal::Reason;
pub use route::Route;
pub use server::Server;
pub use settings::Settings;
pub use token::Token;
