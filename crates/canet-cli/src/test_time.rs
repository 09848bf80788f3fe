//! The options that predict a frame more than once; see `canet_model::TestTime`.

use canet_model::{Result, TestTime, Tile};
use clap::Args;

/// Predicting each frame more than once, and taking the mean.
#[derive(Args)]
pub(crate) struct TestTimeArgs {
    /// Predict at these factors of the network's size and average
    #[arg(long, value_name = "S,S,...", value_delimiter = ',', default_value = "1")]
    scales: Vec<f64>,
    /// Predict the mirrored frame, too, and average
    #[arg(long)]
    flip: bool,
    /// Predict in tiles of this size, whose borders are blended
    #[arg(long, value_name = "WxH")]
    tile: Option<String>,
    /// The share of a tile that lies in the one before it
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, requires = "tile")]
    overlap: f64,
    /// Tell each tile what the network learns from the whole picture (twice the time or more; on the
    /// CPU only)
    #[arg(long, requires = "tile")]
    share_context: bool,
}

impl TestTimeArgs {
    /// What is asked for.
    pub(crate) fn parse(&self) -> Result<TestTime> {
        let sized =
            |text: &String| -> Result<Tile> { Ok(Tile { overlap: self.overlap, ..text.parse()? }) };
        let tile = self.tile.as_ref().map(sized).transpose()?;
        let Self { flip, share_context, .. } = *self;
        Ok(TestTime { scales: self.scales.clone(), flip, tile, share_context })
    }
}
