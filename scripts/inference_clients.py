"""Asks a service for predictions with the clients of KServe and MLflow as they are published, and writes what came of it into
docs/PREDICTIONS.md, between the marks `<!-- clients -->`.

    python3 -m venv third_party/clients
    third_party/clients/bin/pip install kserve mlflow-skinny pandas scipy
    third_party/clients/bin/python scripts/inference_clients.py target/release/provost [--page docs/PREDICTIONS.md]

The service is started here, on a port of its own and on rows that are drawn. Any difference from `POST /predict` ends the script.
"""

import argparse
import asyncio
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pandas
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

BASE = "/api/v1/model-training"
JOB = {
    "algorithms": ["logistic_regression"], "hyperparameter_tuning": "none", "min_samples": 100, "cross_validation_folds": 3,
    "test_size": 0.3, "use_verified_only": False,
}
GPAS = [2.4, 3.1, 3.7, 4.0]


class Service:
    """A service whose only model is active."""

    def __init__(self, provost, folder):
        self.environment = {**os.environ, "PROVOST_SCHEDULE__ENABLED": "false"}
        run = lambda *given: subprocess.run([provost, *given], cwd=folder, env=self.environment, check=True, capture_output=True)
        run("sample", "--rows", "600", "--seed", "5", "--out", "points.jsonl")
        run("import", "points.jsonl")
        self.process = subprocess.Popen(
            [provost, "serve", "--listen", "127.0.0.1:0", "--json"], cwd=folder, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        job = self.ask("POST", f"{BASE}/train", JOB)["job_id"]
        while (state := self.ask("GET", f"{BASE}/jobs/{job}"))["status"] not in ("completed", "failed", "cancelled"):
            time.sleep(0.2)
        self.ask("POST", f"{BASE}/activate/{state['best_model_id']}", {})
        while not self.is_ready():
            time.sleep(0.1)

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def is_ready(self):
        try:
            return self.ask("GET", "/v2/health/ready")["ready"]
        except urllib.error.HTTPError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def application(gpa):
    return {
        "profile": {"gpa": gpa, "undergraduate_university_ranking": 40, "research_publications": 2,
                    "test_scores": [{"test_type": "gre", "verbal_score": 160, "quantitative_score": 165}]},
        "program": {"university_name": "U", "acceptance_rate": 0.25, "average_gpa": 3.6},
    }


def same(found, expected):
    assert len(found) == len(expected) and all(abs(a - b) < 1e-12 for a, b in zip(found, expected)), (found, expected)


async def by_kserve(url, expected):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, "admission")
    tensor = InferInput("application", [len(GPAS)], "BYTES", data=[json.dumps(application(gpa)) for gpa in GPAS])
    answer = await client.infer(url, InferRequest("admission", [tensor], request_id="7"), model_name="admission")
    outputs = {output.name: output.data for output in answer.outputs}
    assert answer.id == "7", answer.id
    same(outputs["probability"], expected)
    await client.close()


def by_mlflow(url, expected):
    host, port = url.split("//")[1].split(":")
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=30)
    table = pandas.DataFrame({
        "gpa": GPAS, "undergraduate_university_ranking": 40, "research_publications": 2, "gre_verbal": 160, "gre_quant": 165,
        "acceptance_rate": 0.25, "average_gpa": 3.6,
    })
    same(client.invoke(table).get_predictions()[0].tolist(), expected)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("provost", type=pathlib.Path)
    a.add_argument("--page", type=pathlib.Path)
    options = a.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(options.provost.resolve(), folder)
        try:
            answer = service.ask("POST", f"{BASE}/predict", {"applications": [application(gpa) for gpa in GPAS]})
            expected = [prediction["probability"] for prediction in answer["predictions"]]
            asyncio.run(by_kserve(service.url, expected))
            by_mlflow(service.url, expected)
        finally:
            service.stop()
    version = importlib.metadata.version
    names = [f"{name} {version(name)}" for name in ("kserve", "mlflow-skinny")]
    line = (f"{datetime.date.today()}, Python {platform.python_version()}: the clients of {' and '.join(names)}, unmodified, got the probabilities of "
            f"`POST /predict` for {len(GPAS)} applications (`scripts/inference_clients.py`).")
    print(line)
    if options.page:
        mark = "<!-- clients -->"
        head, _, tail = options.page.read_text().split(mark)
        options.page.write_text(f"{head}{mark}\n{line}\n{mark}{tail}")


main()
