"""ONNX Runtime with all graph optimisations."""

import onnxruntime

from serve import arguments, read_input, serve

args = arguments()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = args.threads
options.inter_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
feed = {"x": read_input(args)}


def run():
    return session.run(None, feed)[0]


run()
serve(f"onnxruntime {onnxruntime.__version__}", run, run)
