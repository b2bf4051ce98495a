"""Serves an XGBoost model with MLflow's own scoring server, which `make latency` asks beside ours.

usage: mlflow_server.py MODEL.json PORT FOLDER

MODEL.json is XGBoost's own format, as `provost export --format xgboost-json` writes it; FOLDER gets it in MLflow's.
"""

import os
import pathlib
import sys

import mlflow.xgboost
import xgboost

model, port, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve() / "mlflow-model"
mlflow.xgboost.save_model(xgboost.Booster(model_file=model), str(folder), pip_requirements=[])
# The server that `mlflow models serve` starts; `local` is this environment, in which its programs are.
environment = {**os.environ, "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", "")])}
os.execve(sys.executable, [
    sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder), "--env-manager", "local", "--host", "127.0.0.1", "--port", port],
    environment)
