"""Predicts with an exported model: FOLDER/model.onnx on the rows in FOLDER/input (f32, row-major), COLUMNS in a row."""

import sys
from pathlib import Path

try:
    import numpy
    import onnxruntime
except ImportError as error:
    print(f"onnxruntime is not installed ({error}): scripts/setup.sh acceptance")
    sys.exit(3)

folder, columns = Path(sys.argv[1]), int(sys.argv[2])
rows = numpy.frombuffer((folder / "input").read_bytes(), "<f4").reshape(-1, columns)
session = onnxruntime.InferenceSession((folder / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
names = session.get_modelmeta().custom_metadata_map["feature_names"].split("\n")
assert len(names) == columns, (names, columns)
probability, outcome = session.run(["probability", "predicted_outcome"], {"features": rows})
assert probability.shape == (len(rows),) and probability.dtype == numpy.float64, probability
# One row alone is answered as among the others, but for the order in which threads add up its trees.
alone = session.run(["probability"], {"features": rows[:1]})[0]
assert abs(alone[0] - probability[0]) < 1e-6, (alone, probability[0])
(folder / "probability").write_bytes(probability.astype("<f8").tobytes())
(folder / "outcome").write_text("\n".join(outcome))
