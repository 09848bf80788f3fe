//! A convolution and the max-pooling after it, band by band: the map between the two is the largest
//! of a network, and a band of it stays in the cache instead of going to memory and back.

use std::ops::Range;

use candle_core::{Result, bail};
use canet_ops::frozen::{After, ConvPlan, MaxPool, copy_rows};

use super::Conv;

/// Bytes of a band between convolution and pooling: a part of a last-level cache. Bands that are
/// smaller than need be repeat more work, since the windows of neighbours overlap.
const BAND: usize = 4 << 20;

/// The bands at one size of picture. Sizes are `[height, width]`.
pub(crate) struct Bands {
    list: Vec<Band>,
    /// Those that differ: the first band, the last, and those between.
    plans: Vec<(Shape, ConvPlan)>,
    inputs: usize,
    outputs: usize,
    input: [usize; 2],
    between: [usize; 2],
    output: [usize; 2],
}

/// Rows that are made together.
struct Band {
    pooled: Range<usize>,
    /// Rows of the map between, and of the input.
    between: Range<usize>,
    input: Range<usize>,
    plan: usize,
}

/// What a band's convolution depends on: rows, and rows of padding above and below.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    rows: usize,
    padding: [usize; 2],
}

impl Bands {
    /// For maps of size `input`.
    pub(crate) fn new(conv: &Conv, window: &MaxPool, input: [usize; 2]) -> Result<Self> {
        Self::of_bytes(conv, window, input, BAND)
    }

    fn of_bytes(conv: &Conv, window: &MaxPool, input: [usize; 2], bytes: usize) -> Result<Self> {
        let (inputs, outputs) = (conv.inputs, conv.outputs);
        let between = conv.filters.plan(input, conv.padding_of(input))?.output();
        let output = window.output(between)?;
        let mut all =
            Self { list: Vec::new(), plans: Vec::new(), inputs, outputs, input, between, output };
        let rows = bytes / (outputs * between[1] * window.stride * size_of::<f32>());
        // Bands of about the same height.
        let count = output[0].div_ceil(rows.max(1));
        let rows = output[0].div_ceil(count);
        for first in (0..output[0]).step_by(rows) {
            all.add(conv, window, first..output[0].min(first + rows))?;
        }
        Ok(all)
    }

    fn add(&mut self, conv: &Conv, window: &MaxPool, pooled: Range<usize>) -> Result<()> {
        let between = window.reach(pooled.clone(), self.between[0]);
        let [[above, _], sides] = conv.padding_of(self.input);
        let (step, tall) = (conv.stride[0], self.input[0]);
        let reach = conv.dilation[0] * (conv.kernel[0] - 1) + 1;
        // In rows of the input with its padding above.
        let (start, end) = (between.start * step, (between.end - 1) * step + reach);
        let input = start.saturating_sub(above)..(end.saturating_sub(above)).min(tall);
        let padding = [above.saturating_sub(start), end.saturating_sub(above + tall)];
        let shape = Shape { rows: input.len(), padding };
        let known = self.plans.iter().position(|(other, _)| *other == shape);
        let plan = known.unwrap_or(self.plans.len());
        if known.is_none() {
            let plan = conv.filters.plan([shape.rows, self.input[1]], [padding, sides])?;
            if plan.output() != [between.len(), self.between[1]] {
                bail!("internal: a band of {between:?} was planned as {:?}", plan.output());
            }
            self.plans.push((shape, plan));
        }
        self.list.push(Band { pooled, between, input, plan });
        Ok(())
    }

    /// Height and width of the result.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.output
    }

    /// Values that [`Bands::run`] needs to work in.
    pub(crate) fn workspace(&self) -> usize {
        let [from, to] = self.buffers();
        from + to + self.plans.iter().map(|(_, plan)| plan.workspace()).max().unwrap_or(0)
    }

    /// Values of the largest band of the input, and of the map between.
    fn buffers(&self) -> [usize; 2] {
        let largest = |rows: &dyn Fn(&Band) -> usize| self.list.iter().map(rows).max().unwrap_or(0);
        // What is a band of all rows is the input itself.
        let input = largest(&|band| band.input.len() % self.input[0]);
        let between = largest(&|band| band.between.len());
        [self.inputs * input * self.input[1], self.outputs * between * self.between[1]]
    }

    /// Makes `y` `(O, h, w)` of `x` `(I, H, W)`.
    pub(crate) fn run(
        &self,
        conv: &Conv,
        window: &MaxPool,
        x: &[f32],
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        let [from, to] = self.buffers();
        let (copy, workspace) = workspace.split_at_mut(from);
        let (between, workspace) = workspace.split_at_mut(to);
        let after = After { residual: None, relu: conv.relu };
        for band in &self.list {
            let x = if band.input.len() == self.input[0] {
                x
            } else {
                let copy = &mut copy[..self.inputs * band.input.len() * self.input[1]];
                copy_rows(x, self.input, band.input.clone(), copy);
                copy
            };
            let between = &mut between[..self.outputs * band.between.len() * self.between[1]];
            self.plans[band.plan].1.run(&conv.filters, x, after, between, workspace);
            window.run(between, self.between, band.pooled.clone(), y, self.output);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use canet_ops::ConvGeometry;

    use super::*;
    use crate::frozen::Op;
    use crate::frozen::pack::pack;
    use crate::lowered::{Folding, GraphBuilder, Padding, ValueId};

    /// `y` of some bands, and how many they are.
    fn pooled(conv: &Conv, window: &MaxPool, input: [usize; 2], bytes: usize) -> (Vec<f32>, usize) {
        let bands = Bands::of_bytes(conv, window, input, bytes).unwrap();
        let x: Vec<f32> = (0..3 * input[0] * input[1]).map(|i| (i * 37 % 101) as f32).collect();
        let [h, w] = bands.output();
        let mut y = vec![f32::NAN; conv.outputs * h * w];
        bands.run(conv, window, &x, &mut y, &mut vec![f32::NAN; bands.workspace()]);
        (y, bands.list.len())
    }

    #[test]
    fn bands_change_nothing() {
        let symmetric = |k| Padding::Fixed([[k; 2]; 2]);
        for (kernel, stride, padding, window) in [
            (3, 1, symmetric(1), [3, 2, 1]),
            (7, 2, symmetric(3), [3, 2, 1]),
            (3, 1, Padding::Same, [2, 2, 0]),
            (3, 2, Padding::Same, [2, 2, 0]),
        ] {
            let values = (0..5 * 3 * kernel * kernel).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
            let shape = (5, 3, kernel, kernel);
            let weight = Tensor::from_vec::<_, f32>(values, shape, &Device::Cpu).unwrap();
            let geometry = ConvGeometry::default().with_stride(stride);
            let folding = Folding::new(&weight, None, geometry, padding).unwrap();
            let [kernel, stride, padding] = window;
            let window = MaxPool { kernel, stride, padding };
            let mut g = GraphBuilder::new();
            let logits = g.conv_max_pool(ValueId::PICTURE, folding, window).unwrap();
            let graph = pack(g.finish(logits, canet_ops::Corners::Aligned)).unwrap();
            let Op::PooledConv(conv, _) = &graph.nodes[1].op else { unreachable!() };
            for input in [[4, 4], [33, 20], [40, 21], [57, 9]] {
                let (whole, one) = pooled(conv, &window, input, usize::MAX);
                assert_eq!(one, 1);
                for bytes in [0, 1000, 3000] {
                    let (parts, many) = pooled(conv, &window, input, bytes);
                    assert!(many > 1 || bytes > 0 || input == [4, 4], "{many} bands");
                    // The sums are of whole numbers, and exact.
                    assert!(parts == whole, "{input:?} in {many} bands, {window:?}");
                }
            }
        }
    }
}
