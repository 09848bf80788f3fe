"""OpenVINO with its latency hint, in f32."""

import openvino

from serve import arguments, read_input, serve

args = arguments()
core = openvino.Core()
compiled = core.compile_model(args.onnx, "CPU", {
    "INFERENCE_NUM_THREADS": args.threads,
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_PRECISION_HINT": "f32",  # as all the others; the default may be bf16
})
request = compiled.create_infer_request()
request.set_input_tensor(openvino.Tensor(read_input(args)))


def run():
    request.infer()
    return request.get_output_tensor().data


run()
serve(f"openvino {openvino.__version__.partition('-')[0]}", run, run)
