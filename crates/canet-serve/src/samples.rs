//! Drawn streets to try a model with, where no real frame is at hand.

use axum::body::Bytes;
use canet_data::sample::{SampleOptions, scene};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::Reason;
use crate::answer::png_of;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::segment::blocking;

/// Their names; each is another street.
const NAMES: [&str; 6] = ["Street 1", "Street 2", "Street 3", "Street 4", "Street 5", "Street 6"];
const SIZE: (u32, u32) = (640, 384);
/// None of those that the sample data set trains on.
const SEED: u64 = 2024;

/// The samples as PNGs; each is drawn when it is first asked for, and kept.
#[derive(Debug, Default)]
pub(crate) struct Samples([OnceCell<Bytes>; NAMES.len()]);

impl Samples {
    /// The PNG of one of them.
    pub(crate) async fn png(&self, number: &str) -> Result<Bytes, Refusal> {
        let unknown =
            || Refusal::new(Reason::NotFound, format!("samples are 0 to {}", NAMES.len() - 1));
        // "+1" and "01" are other addresses.
        let place = (0..NAMES.len()).find(|place| place.to_string() == number);
        let place = place.ok_or_else(unknown)?;
        let drawn = self.0[place].get_or_try_init(|| async move {
            blocking(move || png_of(draw(place as u32)).map(Bytes::from)).await?
        });
        drawn.await.cloned()
    }

    /// What there is.
    pub(crate) fn list() -> Value {
        let sample = |(number, name): (usize, &&str)| {
            let url = Route::Sample.path().replace("{number}", &number.to_string());
            json!({"name": name, "url": url})
        };
        NAMES.iter().enumerate().map(sample).collect()
    }
}

fn draw(street: u32) -> image::RgbImage {
    let (width, height) = SIZE;
    let options = SampleOptions { width, height, seed: SEED, ..SampleOptions::default() };
    scene(&options, street, street).frame
}
