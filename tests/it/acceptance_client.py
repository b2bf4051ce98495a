"""Generates a typed client from a running service's document and asks it to train, wait and activate.

    acceptance_client.py URL FOLDER      with the API key in PROVOST_KEY; the client is generated into FOLDER

Exit code 3: openapi-python-client is not installed (scripts/setup.sh acceptance).
"""

import importlib
import os
import subprocess
import sys
import time

try:
    import openapi_python_client  # noqa: F401
except ImportError:
    print("openapi-python-client is not installed; scripts/setup.sh acceptance installs it")
    sys.exit(3)

PACKAGE = "provost_client"
PATIENCE = 300  # seconds, for a job of a few on a busy machine

url, folder = sys.argv[1], sys.argv[2]


# The generator has no bodies and no answers of these types; routes that take them take JSON as well.
UNSUPPORTED = ("application/x-ndjson", "text/csv")


def generate() -> None:
    """A warning of the generator is a fault of the document, unless it is of a media type that the generator does not know."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{url}/openapi.json"]
    command += ["--meta", "none", "--output-path", os.path.join(folder, PACKAGE)]
    ran = subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(ran.stdout)
    assert ran.returncode == 0, "the generator complains"
    warnings = ran.stdout.count("WARNING parsing")
    of_kind = [told.format(kind) for kind in UNSUPPORTED for told in ("Unsupported content type {}\n", "(Unsupported content_type {})")]
    known = sum(ran.stdout.count(text) for text in of_kind)
    assert warnings == known, "the generator warns"
    assert "ERROR" not in ran.stdout, "the generator complains"


def module(name: str):
    return importlib.import_module(f"{PACKAGE}.{name}")


def told(answer, kind):
    """The answer, which has to be of this type."""
    assert isinstance(answer, kind), answer
    return answer


generate()
sys.path.insert(0, folder)
models, types = module("models"), module("types")
Algorithm, JobStatus, Problem = models.Algorithm, models.JobStatus, models.Problem
client = module("client").AuthenticatedClient(
    base_url=url, token=os.environ["PROVOST_KEY"], raise_on_unexpected_status=True
)

config = models.TrainingConfig(
    algorithms=[Algorithm.LOGISTIC_REGRESSION, Algorithm.RANDOM_FOREST],
    min_samples=100,
    use_verified_only=False,
    hyperparameter_tuning=models.Tuning.NONE,
    cross_validation_folds=3,
    notes="asked for by a generated client",
)
quality = told(module("api.data.check_data_quality").sync(client=client, body=config), models.DataQualityReport)
assert quality.passes_quality_check, quality

# What is wrong is told in types, too.
bad = models.TrainingConfig(test_size=0.9)
refused = told(module("api.jobs.train").sync(client=client, body=bad), Problem)
assert [fault.pointer for fault in refused.errors] == ["/test_size"], refused

accepted = told(
    module("api.jobs.train").sync(client=client, body=config, idempotency_key="a generated client"), models.TrainAccepted
)
print("queued", accepted.job_id, "for about", accepted.estimated_time_minutes, "minutes")

deadline = time.monotonic() + PATIENCE
while True:
    job = told(module("api.jobs.get_job").sync(accepted.job_id, client=client), models.JobAnswer)
    if job.status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        break
    assert time.monotonic() < deadline, job
    time.sleep(0.2)
assert job.status == JobStatus.COMPLETED and len(job.trained_models) == 2, job
assert job.config.to_dict() | config.to_dict() == job.config.to_dict(), "the configuration comes back as it was sent"

stream = module("api.jobs.stream_job_events").sync_detailed(accepted.job_id, client=client)
assert "event: state" in stream.content.decode() and stream.headers["content-type"] == "text/event-stream"

model = told(module("api.models.get_model").sync(job.best_model_id, client=client), models.ModelVersion)
assert not model.is_active and 0.0 < model.metrics.auc_roc <= 1.0
results = told(module("api.evaluations.get_evaluation_results").sync(model.model_id, client=client), models.EvaluationResults)
assert results.metrics.auc_roc == model.metrics.auc_roc
compared = told(
    module("api.models.compare_models").sync(
        client=client, body=models.ModelComparisonRequest(model_ids=job.trained_models)
    ),
    models.ModelComparisonResponse,
)
assert len(compared.models) == 2 and compared.verdict
plot = module("api.evaluations.get_plot").sync_detailed(model.model_id, "roc_curve.png", client=client)
assert plot.content.startswith(b"\x89PNG"), plot.content[:20]

reason = models.ActivateRequest(reason="chosen by a generated client")
active = told(module("api.models.activate_model").sync(model.model_id, client=client, body=reason), models.ModelVersion)
assert active.is_active and active.model_id == model.model_id
history = module("api.models.list_activations").sync(client=client, limit=1)
assert [(a.model_id, a.reason) for a in history] == [(active.model_id, reason.reason)], history
status = told(module("api.service.get_status").sync(client=client), models.ServiceStatus)
assert status.models.active_model_id == active.model_id, status
print("activated", active.model_id)
