use super::layout::Layout;
use super::pack::pack;
use super::plan::Plan;
use super::session::Session;
use super::{Graph, Sizes};
use crate::{AssignmentConfig, CanetConfig, Depth, ModelConfig, Network, Params, Stem, Tensor};

fn graph(config: &ModelConfig) -> Graph {
    let mut params = Params::new(3, &crate::Device::Cpu);
    let network = Network::new(config, &mut params).unwrap();
    for (param, salt) in params.iter().zip(1..) {
        // Factors, terms and statistics that are neither 0 nor 1.
        if let &[channels] = param.var.dims() {
            let value = |i: usize| 0.5 + ((i * 37 + salt) % 101) as f32 / 101.0;
            let values = (0..channels).map(value).collect();
            param
                .var
                .set(&Tensor::from_vec(values, channels, param.var.device()).unwrap())
                .unwrap();
        }
    }
    pack(network.lower().unwrap()).unwrap()
}

fn networks() -> [Graph; 3] {
    let canet = |stem, feature_selection| {
        let (depth, rates) = (Depth::D18, vec![2, 3]);
        let config = CanetConfig {
            depth,
            stem,
            classes: 4,
            capacity: 16,
            rates,
            feature_selection,
            ..Default::default()
        };
        graph(&ModelConfig::Canet(config))
    };
    let assignment = AssignmentConfig { classes: 4, ..Default::default() };
    [
        canet(Stem::V1s, true),
        canet(Stem::Classic, false),
        graph(&ModelConfig::Assignment(assignment)),
    ]
}

/// The scores of a run in memory that holds nothing but NaN before.
fn logits(session: &mut Session, graph: &Graph, [h, w]: [usize; 2]) -> Vec<f32> {
    let mut logits = vec![f32::NAN; 4 * h * w];
    let fill = |planes: &mut [f32]| {
        planes.iter_mut().zip(0..).for_each(|(v, i)| *v = (i * 7919 % 1009) as f32 / 504.5 - 1.0);
    };
    session.poison();
    session.logits(graph, fill, &[], &mut logits).unwrap();
    assert!(logits.iter().all(|logit| logit.is_finite()));
    logits
}

/// Whoever read memory before it is written, or after it was given to another value, would differ.
#[test]
fn sharing_memory_changes_no_bit() {
    for graph in networks() {
        for network in [[2, 2], [40, 56], [33, 47], [8, 130]] {
            for frame in [network, [9, 50]] {
                let sizes = Sizes { network, frame };
                let mut session = Session::new(&graph, sizes).unwrap();
                let plan = Plan::with_layout(&graph, network, Layout::wasteful).unwrap();
                let mut wasteful = Session::of_plan(&graph, plan, sizes).unwrap();
                let expected = logits(&mut wasteful, &graph, frame);
                for _ in 0..2 {
                    assert!(logits(&mut session, &graph, frame) == expected, "{sizes:?}");
                }
                if network == [40, 56] && frame == network {
                    assert!(session.memory() < wasteful.memory());
                }
            }
        }
    }
}

/// A value's parts are only put together where it is made of parts.
#[test]
fn a_value_is_a_part_of_one_concatenation_only() {
    let mut g = crate::lowered::GraphBuilder::new();
    let x = crate::lowered::ValueId::PICTURE;
    g.concat(&[x]).unwrap();
    assert!(g.concat(&[x]).is_err());
}

/// The sizes that are told to others are those that are planned with.
#[test]
fn sizes_are_those_of_the_plan() {
    for graph in networks() {
        for picture in [[2, 2], [40, 56], [33, 47], [8, 130]] {
            let sizes = graph.sizes(picture).unwrap();
            assert_eq!(sizes.len(), graph.nodes.len());
            let plan = Plan::new(&graph, picture).unwrap();
            for step in &plan.steps {
                let planned = step.output.len() / graph.nodes[step.node].channels;
                assert_eq!(sizes[step.node].iter().product::<usize>(), planned, "{}", step.name);
            }
            assert_eq!(sizes[graph.logits.index()], plan.logits_size);
        }
    }
}
