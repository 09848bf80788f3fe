//! Times frozen convolutions at the sizes of the networks, in ms and in GFLOP/s by the definition.
//!
//! `cargo bench -p canet-ops --bench convolutions [-- NAME]`; `RAYON_NUM_THREADS=1` for one thread.
//! Winograd's method may exceed the processor's peak, as it needs fewer products than are counted.

#![expect(clippy::print_stdout, reason = "the table is what the benchmark is for")]

use std::time::Instant;

use candle_core::Result;
use canet_ops::ConvGeometry;
use canet_ops::frozen::{After, FrozenConv};

/// Name, inputs, outputs, kernel, side of the picture, stride, dilation, groups.
type Layer = (&'static str, [usize; 7]);

const LAYERS: [Layer; 23] = [
    ("stem 3x3s2 3-64 @512", [3, 64, 3, 512, 2, 1, 1]),
    ("stem 7x7s2 3-64 @512", [3, 64, 7, 512, 2, 1, 1]),
    ("3x3 64-64 @128", [64, 64, 3, 128, 1, 1, 1]),
    ("3x3 64-128 @256", [64, 128, 3, 256, 1, 1, 1]),
    ("3x3 128-128 @64", [128, 128, 3, 64, 1, 1, 1]),
    ("3x3 d2 256-256 @64", [256, 256, 3, 64, 1, 2, 1]),
    ("3x3 d4 512-512 @64", [512, 512, 3, 64, 1, 4, 1]),
    ("3x3 304-256 @128", [304, 256, 3, 128, 1, 1, 1]),
    ("3x3s2 128-128 @128", [128, 128, 3, 128, 2, 1, 1]),
    ("1x1 64-256 @128", [64, 256, 1, 128, 1, 1, 1]),
    ("1x1 256-64 @128", [256, 64, 1, 128, 1, 1, 1]),
    ("1x1 256-1024 @64", [256, 1024, 1, 64, 1, 1, 1]),
    ("1x1 1024-256 @64", [1024, 256, 1, 64, 1, 1, 1]),
    ("1x1 2048-512 @64", [2048, 512, 1, 64, 1, 1, 1]),
    ("1x1s2 256-512 @128", [256, 512, 1, 128, 2, 1, 1]),
    ("depthwise 2560 @32", [2560, 2560, 3, 32, 1, 1, 2560]),
    ("3x3 3-64 @512", [3, 64, 3, 512, 1, 1, 1]),
    ("3x3 3-64 @128", [3, 64, 3, 128, 1, 1, 1]),
    ("3x3 3-64 @64", [3, 64, 3, 64, 1, 1, 1]),
    ("3x3s2 64-8 @256", [64, 8, 3, 256, 2, 1, 1]),
    ("1x1 64-4 @256", [64, 4, 1, 256, 1, 1, 1]),
    ("3x3 32-32 @128", [32, 32, 3, 128, 1, 1, 1]),
    ("3x3 64-21 @128", [64, 21, 3, 128, 1, 1, 1]),
];

fn main() -> Result<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    for (name, layer) in LAYERS {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
            time(name, layer)?;
        }
    }
    Ok(())
}

fn time(
    name: &str,
    [inputs, outputs, kernel, side, stride, dilation, groups]: [usize; 7],
) -> Result<()> {
    let values = |len: usize| (0..len).map(|i| (i * 7919 % 1009) as f32 / 504.0 - 1.0).collect();
    let x: Vec<f32> = values(inputs * side * side);
    let shape = [outputs, inputs / groups, kernel, kernel];
    let geometry =
        ConvGeometry::default().with_stride(stride).with_dilation(dilation).with_groups(groups);
    let weight = values(shape.iter().product());
    let conv = FrozenConv::new(weight, shape, vec![0.5; outputs], geometry)?;
    let plan = conv.plan([side, side], [[dilation * (kernel / 2); 2]; 2])?;
    let mut y = vec![0.0; outputs * plan.output()[0] * plan.output()[1]];
    let mut workspace = vec![0.0; plan.workspace()];
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            plan.run(&conv, &x, After { relu: true, residual: None }, &mut y, &mut workspace);
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let rate = |time: f64| 2e-9 * plan.macs() as f64 / time;
    let (least, median) = (times[0], times[times.len() / 2]);
    println!(
        "{name:24} {:8.2} ms {:7.1} GFLOP/s   (best {:8.2} ms {:7.1})",
        median * 1e3,
        rate(median),
        least * 1e3,
        rate(least)
    );
    Ok(())
}
