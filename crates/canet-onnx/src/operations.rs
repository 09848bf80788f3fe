//! From the operations of a lowered network to nodes of ONNX.
//!
//! Value `i` of the network is called `vi` in the graph; what is made on the way to it, or for it, has
//! names that go on after that (`v7.conv`, `v7.weight`).

use canet_model::lowered::{Bins, Conv, Corners, Lowered, MaxPool, Node, Op, Padding, ValueId};
use canet_model::{Normalisation, Precision};

use crate::graph::{GraphWriter, halves};
use crate::pooling::Poolings;
use crate::proto::Attribute;
use crate::sizes::{Sizes, batch};
use crate::{ExportOptions, Result};

/// The name of the graph's input.
pub(crate) const FRAME: &str = "frame";
/// The name of the scores at the frame's size.
pub(crate) const LOGITS: &str = "logits";

/// What a value is called in the graph.
pub(crate) fn name_of(value: ValueId) -> String {
    format!("v{}", value.index())
}

/// The network's nodes, from [`FRAME`] to [`LOGITS`].
pub(crate) fn translate(
    lowered: &Lowered,
    normalisation: &Normalisation,
    options: &ExportOptions,
) -> Result<GraphWriter> {
    let (mut g, sizes) = (GraphWriter::default(), Sizes::new(lowered, options.size)?);
    let (batch, poolings) = (batch(&mut g), Poolings::default());
    let mut t = Translation { g, batch, sizes, poolings, weights: options.weights };
    for (value, node) in lowered.values() {
        t.operation(value, node, normalisation);
    }
    let logits = name_of(lowered.logits());
    let (classes, corners) = (lowered.classes(), lowered.corners());
    t.resize(LOGITS.into(), &logits, classes, ValueId::PICTURE, corners);
    Ok(t.g)
}

/// A network on its way into a graph.
struct Translation {
    g: GraphWriter,
    /// How many frames there are, as a list of one.
    batch: String,
    sizes: Sizes,
    poolings: Poolings,
    weights: Precision,
}

impl Translation {
    fn operation(&mut self, value: ValueId, node: &Node, normalisation: &Normalisation) {
        let name = name_of(value);
        let inputs: Vec<String> = node.inputs.iter().map(|&input| name_of(input)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        match &node.op {
            Op::Picture => self.normalise(name, normalisation),
            Op::Conv(conv) => self.conv(name, conv, &inputs),
            Op::PooledConv(conv, window) => {
                let conv_name = format!("{name}.relu");
                self.conv(conv_name.clone(), conv, &inputs);
                self.max_pool(name, &conv_name, *window);
            }
            Op::AveragePool(Bins::Global) => {
                self.g.node("GlobalAveragePool", name, &inputs, Vec::new());
            }
            Op::AveragePool(Bins::By(rate)) => {
                let Self { g, sizes, poolings, .. } = self;
                poolings.pool(g, sizes, name, node.inputs[0], *rate);
            }
            Op::Resize { like, corners } => {
                self.resize(name, inputs[0], node.channels, *like, *corners);
            }
            Op::Spread { like } => self.spread(name, inputs[0], *like),
            Op::Add => {
                self.g.node("Add", name, &inputs, Vec::new());
            }
            Op::Gate { keep } => self.gate(name, &inputs, *keep),
            Op::Affine { scale, offset, relu } => {
                self.affine(name, inputs[0], [scale, offset], *relu);
            }
            Op::Concat => {
                self.g.node("Concat", name, &inputs, vec![Attribute::int("axis", 1)]);
            }
        }
    }

    /// From bytes, as `f32`, to what the network sees: `(x - 255 mean) / (255 std)`.
    fn normalise(&mut self, name: String, Normalisation { mean, std }: &Normalisation) {
        let g = &mut self.g;
        let mean = g.floats(format!("{name}.mean"), &[1, 3, 1, 1], &mean.map(|m| m * 255.0));
        let std = g.floats(format!("{name}.std"), &[1, 3, 1, 1], &std.map(|s| s * 255.0));
        let centred = g.node("Sub", format!("{name}.centred"), &[FRAME, &mean], Vec::new());
        g.node("Div", name, &[&centred, &std], Vec::new());
    }

    /// The convolution, the second input added, the ReLU. The last of them has the name.
    fn conv(&mut self, name: String, conv: &Conv, inputs: &[&str]) {
        let g = &mut self.g;
        let (weights, bias) = (&conv.filters.weights, &conv.filters.bias);
        let weight = format!("{name}.weight");
        let halves = (self.weights == Precision::F16).then(|| halves(weights)).flatten();
        let weight = match halves {
            Some(halves) => g.halves(weight, &conv.shape(), &halves),
            None => g.floats(weight, &conv.shape(), weights),
        };
        let bias = g.floats(format!("{name}.bias"), &[conv.outputs], bias);
        let attributes = vec![
            Attribute::ints("kernel_shape", conv.kernel),
            Attribute::ints("strides", conv.stride),
            Attribute::ints("dilations", conv.dilation),
            Attribute::int("group", conv.groups as i64),
            padding(conv),
        ];
        let added = inputs.len() > 1;
        let step = |suffix: &str, last: bool| {
            if last { name.clone() } else { format!("{name}.{suffix}") }
        };
        let x = [inputs[0], &weight, &bias];
        let mut y = g.node("Conv", step("conv", !added && !conv.relu), &x, attributes);
        if added {
            y = g.node("Add", step("sum", !conv.relu), &[&y, inputs[1]], Vec::new());
        }
        if conv.relu {
            g.node("Relu", name, &[&y], Vec::new());
        }
    }

    fn max_pool(&mut self, name: String, x: &str, window: MaxPool) {
        let MaxPool { kernel, stride, padding } = window;
        let attributes = vec![
            Attribute::ints("kernel_shape", [kernel; 2]),
            Attribute::ints("strides", [stride; 2]),
            Attribute::ints("pads", [padding; 4]),
        ];
        self.g.node("MaxPool", name, &[x], attributes);
    }

    fn resize(&mut self, name: String, x: &str, channels: usize, like: ValueId, corners: Corners) {
        let shape = self.sizes.shape(&mut self.g, &name, &self.batch, channels, like);
        let mode = match corners {
            Corners::Aligned => "align_corners",
            Corners::HalfPixel => "half_pixel",
        };
        let attributes = vec![
            Attribute::string("mode", "linear"),
            Attribute::string("coordinate_transformation_mode", mode),
        ];
        self.g.node("Resize", name, &[x, "", "", &shape], attributes);
    }

    fn spread(&mut self, name: String, x: &str, like: ValueId) {
        // One stands for "as many as there are".
        let one = self.g.ints(&[1]);
        let shape = self.sizes.shape(&mut self.g, &name, &one, 1, like);
        self.g.node("Expand", name, &[x, &shape], Vec::new());
    }

    fn gate(&mut self, name: String, inputs: &[&str], keep: bool) {
        let g = &mut self.g;
        let factors = g.node("Sigmoid", format!("{name}.factors"), &[inputs[1]], Vec::new());
        if keep {
            let y = g.node("Mul", format!("{name}.gated"), &[inputs[0], &factors], Vec::new());
            g.node("Add", name, &[&y, inputs[0]], Vec::new());
        } else {
            g.node("Mul", name, &[inputs[0], &factors], Vec::new());
        }
    }

    fn affine(&mut self, name: String, x: &str, [scale, offset]: [&[f32]; 2], relu: bool) {
        let g = &mut self.g;
        let dims = [1, scale.len(), 1, 1];
        let scale = g.floats(format!("{name}.scale"), &dims, scale);
        let offset = g.floats(format!("{name}.offset"), &dims, offset);
        let y = g.node("Mul", format!("{name}.scaled"), &[x, &scale], Vec::new());
        if relu {
            let y = g.node("Add", format!("{name}.sum"), &[&y, &offset], Vec::new());
            g.node("Relu", name, &[&y], Vec::new());
        } else {
            g.node("Add", name, &[&y, &offset], Vec::new());
        }
    }
}

/// The zeros around a convolution's input.
fn padding(conv: &Conv) -> Attribute {
    let depends = conv.padding == Padding::Same && conv.stride != [1, 1];
    if depends {
        return Attribute::string("auto_pad", "SAME_UPPER");
    }
    // Where they are the same for all sizes, they are those of any size.
    let [[top, bottom], [left, right]] = conv.padding_of([1, 1]);
    Attribute::ints("pads", [top, left, bottom, right])
}
