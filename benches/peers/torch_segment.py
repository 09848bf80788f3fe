"""PyTorch: eager, with channels last, or compiled with frozen weights and channels last.

The eager engines run every batch norm as an operation of its own, as PyTorch does out of the box.
"""

import torch

from networks import Labels, load
from serve import arguments, read_input, serve

args = arguments()
torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
model = Labels(load(args.model)).eval().requires_grad_(False)
x = torch.from_numpy(read_input(args))
if args.engine != "eager":
    model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
if args.engine == "compile":
    import torch._inductor.config as inductor

    inductor.freezing = True  # weights are constants: batch norms are folded, weights prepacked
    model = torch.compile(model)


@torch.no_grad()  # freezing asks for no_grad rather than inference_mode
def compiled():
    return model(x)


@torch.inference_mode()
def eager():
    return model(x)


run = compiled if args.engine == "compile" else eager
run()
serve(f"torch {torch.__version__}", run, lambda: run().numpy())
