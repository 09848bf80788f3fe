//! The stages that both networks go through, so that what flows between them can be looked at.
//!
//! ```text
//! picture -- features --+-- chain -- select -- decode -- logits
//!                       +-----------------------+
//! ```
//!
//! A forward pass goes through all of them; [`crate::explain`] goes through them, too, and watches.

use candle_core::Result;
use canet_ops::Value;

use crate::Pass;

/// Sees what is within a stage. (A clone of a value is cheap: it shares the numbers.)
pub(crate) type Watch<'a> = dyn FnMut(&Value) + 'a;

/// A network in stages.
pub(crate) trait Stages {
    /// What the backbone makes of a picture.
    type Features;

    /// Looks at pictures `(N, 3, H, W)`.
    fn features(&self, x: &Value, pass: Pass) -> Result<Self::Features>;

    /// The sum of the flows, at 1/8; `watch` sees each flow, the global one first.
    fn chain(&self, features: &Self::Features, pass: Pass, watch: &mut Watch) -> Result<Value>;

    /// The context that the feature selection makes of the sum; `watch` sees its gates `(N, C, 1, 1)`,
    /// if it has any.
    fn select(&self, sum: &Value, pass: Pass, watch: &mut Watch) -> Result<Value>;

    /// The logits `(N, classes, H, W)`; `watch` sees the detail that the context is joined with.
    fn decode(
        &self,
        features: &Self::Features,
        context: &Value,
        pass: Pass,
        watch: &mut Watch,
    ) -> Result<Value>;

    /// All that follows the backbone.
    fn logits(&self, features: &Self::Features, pass: Pass) -> Result<Value> {
        let sum = self.chain(features, pass, &mut |_| {})?;
        let context = self.select(&sum, pass, &mut |_| {})?;
        drop(sum);
        self.decode(features, &context, pass, &mut |_| {})
    }
}
