//! Both networks against an independent implementation: `goldens/make_goldens.py`.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::{Pass, Tensor};
use common::golden::{self, Case};
use safetensors::SafeTensors;

/// Absolute; the logits are about 1 to 10.
const TOLERANCE: f32 = 1e-4;

#[test]
fn logits_equal_the_independent_implementation() {
    let bytes = golden::file();
    let goldens = SafeTensors::deserialize(&bytes).unwrap();
    let mut compared = 0;
    for (name, case) in golden::cases() {
        for (output, logits) in outputs(&case) {
            let golden = goldens.tensor(&format!("{name}.{output}")).unwrap();
            let golden = golden.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            let ours = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let ours = ours.into_iter().step_by(case.every);
            assert_eq!(golden.len(), ours.len(), "{name}.{output}");
            let difference = golden.zip(ours).map(|(g, o)| (g - o).abs()).fold(0.0, f32::max);
            println!("{name}.{output}: largest difference {difference:.2e}");
            assert!(difference <= TOLERANCE, "{name}.{output}: {difference}");
            compared += 1;
        }
    }
    assert_eq!(compared, 7);
}

fn outputs(case: &Case) -> Vec<(&'static str, Tensor)> {
    let x = golden::pictures(case.batch, case.size);
    let output = case.network().forward(&x, Pass::Eval).unwrap();
    assert_eq!(output.aux.is_some(), case.aux.unwrap_or(false));
    [("logits", Some(output.logits)), ("aux", output.aux)]
        .into_iter()
        .filter_map(|(name, tensor)| Some((name, tensor?.into_tensor())))
        .collect()
}
