"""What the golden scripts share: a case, and the file of cases."""

import json
import zlib

import numpy as np
import torch
from safetensors.torch import save

tensors, metadata = {}, {}


def exact(values):
    """`values` rounded to f32, but held as f64 so that all arithmetic on them is f64."""
    return values.float().double()


class Case:
    """One golden case: draws its inputs, and stores what it is given."""

    def __init__(self, name, op, **params):
        assert name not in metadata, f"two cases are called {name}"
        self.name = name
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        metadata[name] = json.dumps({"op": op, **params})

    def normal(self, *shape, scale=1.0):
        return exact(torch.from_numpy(scale * self.rng.standard_normal(shape)))

    def store(self, **named):
        for key, value in named.items():
            if value is not None:
                dtype = torch.uint8 if value.dtype == torch.uint8 else torch.float32
                tensors[f"{self.name}.{key}"] = value.detach().to(dtype).contiguous()

    def run(self, function, x, w=None, b=None):
        """Stores inputs, output, upstream gradient and all gradients of `function(x, w, b)`."""
        inputs = {"x": x, "w": w, "b": b}
        for value in inputs.values():
            if value is not None:
                value.requires_grad_()
        y = function(x, w, b)
        gy = self.normal(*y.shape)
        y.backward(gy)
        self.store(**inputs, y=y, gy=gy)
        self.store(**{f"g{k}": v.grad for k, v in inputs.items() if v is not None})


def sorted_header(file):
    """The same safetensors file with its JSON header sorted, so that every run gives equal bytes."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[end:]


def write(path):
    """Writes all cases."""
    path.write_bytes(sorted_header(save(tensors, metadata)))
    print(f"wrote {path.name}: {len(metadata)} cases, {len(tensors)} tensors, "
          f"{path.stat().st_size} bytes")
