"""Asks a running service for predictions with Triton's own client, unmodified, over HTTP as it sends by default (binary) and as JSON.

    acceptance_triton.py URL POINTS      POINTS: JSON, {"features": {name: [numbers, null is missing]}, "applications": [texts],
                                         "probability": [numbers]}

Exit code 3: tritonclient is not installed (scripts/setup.sh acceptance).
"""

import json
import sys

try:
    import numpy as np
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException
except ImportError as missing:
    print(f"{missing}; scripts/setup.sh acceptance installs it")
    sys.exit(3)

url, points = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
expected = np.array(points["probability"])
client = triton.InferenceServerClient(url.split("://")[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("admission")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
metadata = client.get_model_metadata("admission")
assert [given["name"] for given in metadata["inputs"]] == list(points["features"]), metadata


def from_features(binary: bool):
    tensors = []
    for name, values in points["features"].items():
        column = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
        tensor = triton.InferInput(name, [len(values)], "FP32")
        tensor.set_data_from_numpy(column, binary_data=binary)
        tensors.append(tensor)
    return tensors


def from_applications(binary: bool):
    texts = np.array(points["applications"], dtype=object)
    tensor = triton.InferInput("application", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(texts, binary_data=binary)
    return [tensor]


for name, inputs in [("features", from_features), ("applications", from_applications)]:
    for binary in [True, False]:
        # Without outputs: all of them, as bytes.
        answer = client.infer("admission", inputs(binary), request_id="7")
        assert answer.get_response()["id"] == "7"
        np.testing.assert_array_equal(answer.as_numpy("probability"), expected)
        low, high = answer.as_numpy("probability_low"), answer.as_numpy("probability_high")
        assert (low <= expected).all() and (expected <= high).all(), (low, expected, high)
        outcomes = {text.decode() for text in answer.as_numpy("predicted_outcome")}
        assert outcomes <= {"accepted", "rejected"}, outcomes
        wanted = [triton.InferRequestedOutput("probability", binary_data=binary)]
        answer = client.infer("admission", inputs(binary), model_version=metadata["versions"][0], outputs=wanted)
        np.testing.assert_array_equal(answer.as_numpy("probability"), expected)
        assert answer.as_numpy("predicted_outcome") is None
        print(f"{name}, {'binary' if binary else 'JSON'}: {len(expected)} rows as expected")

try:
    client.infer("admission", from_features(True)[:3])
    raise AssertionError("inputs that lack features were taken")
except InferenceServerException as error:
    assert "is missing" in error.message(), error
