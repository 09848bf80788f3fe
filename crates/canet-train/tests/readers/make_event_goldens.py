"""Writes src/events/goldens.txt: events as TensorBoard's own message classes encode them, in hex.

    pip install -r requirements.txt
    python make_event_goldens.py > ../../src/events/goldens.txt
"""

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2


def event(step, **content):
    return event_pb2.Event(wall_time=1700000000.5, step=step, **content)


def summary(*values):
    return {"summary": summary_pb2.Summary(value=values)}


def main():
    Value = summary_pb2.Summary.Value
    image = summary_pb2.Summary.Image(height=2, width=300, colorspace=3, encoded_image_string=b"\x89PNG")
    histogram = summary_pb2.HistogramProto(
        min=-1, max=2, num=4, sum=1.5, sum_squares=4.25, bucket_limit=[0.5, 2], bucket=[3, 1]
    )
    text = tensor_pb2.TensorProto(
        dtype=7,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]),
        string_val=[b"seed = 0"],
    )
    plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="text")
    for e in [
        event(0, file_version="brain.Event:2"),
        event(
            300,
            **summary(Value(tag="train/loss", simple_value=0.5), Value(tag="train/rate", simple_value=1e-3)),
        ),
        event(300, **summary(Value(tag="val/strips", image=image))),
        event(300, **summary(Value(tag="weights/a", histo=histogram))),
        event(
            0,
            **summary(
                Value(tag="config", tensor=text, metadata=summary_pb2.SummaryMetadata(plugin_data=plugin))
            ),
        ),
    ]:
        print(e.SerializeToString(deterministic=True).hex())


if __name__ == "__main__":
    main()
