#!/usr/bin/env python3
"""Publishes data points and a wish for training to Provost's message bus, and reads what is announced of the job.

    pip install pika
    python3 publish_events.py --url amqp://user:password@host:5672/%2F

It knows the event contract (docs/EVENTS.md) and nothing else. Exit code 0 once a job of its own has completed, else 1.
"""

import argparse
import datetime
import json
import os
import random
import sys
import time
import uuid

import pika
from pika import exceptions

EXCHANGE = "ml.events"
SOURCE = "/examples/publish_events"
PERSISTENT = 2


def event(kind, event_id, data):
    """A CloudEvent in structured mode. Who may send it twice gives it the same id both times."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "data": data,
    }


def events_to_send(run, count):
    """Routing keys and events: all points but one in batches, one with a correction and one that is retracted again."""
    points = [point(run, n) for n in range(count)]
    for start in range(1, count, 100):
        batch = {"points": points[start : start + 100]}
        yield "admission.data.batch", event("admission.data.batch.v1", f"{run}-batch-{start}", batch)
    yield "admission.data.recorded", event("admission.data.recorded.v1", f"{run}-first", points[0])
    corrected = {**points[0], "decision": "accepted", "seq": 1}
    yield "admission.data.corrected", event("admission.data.corrected.v1", f"{run}-corrected", corrected)
    retracted = {"data_point_id": points[1]["data_point_id"], "seq": 1}
    yield "admission.data.retracted", event("admission.data.retracted.v1", f"{run}-retracted", retracted)


def point(run, number):
    """A made-up application; the better the grades, the likelier an admission."""
    chance = random.Random(f"{run}-{number}")
    gpa = round(chance.uniform(2.0, 4.0), 2)
    quant = chance.randint(140, 170)
    university = number % 12
    rate = 0.05 + 0.05 * university  # that of earlier years: it must not be derived from the outcomes
    merit = (gpa - 3.0) + (quant - 155) / 15 + (rate - 0.3) + chance.gauss(0, 0.5)
    return {
        "data_point_id": f"{run}-{number}",
        "profile": {"gpa": gpa, "test_scores": [{"test_type": "gre", "quantitative_score": quant}]},
        "program": {
            "university_name": f"University {university}",
            "program_name": "Computer Science",
            "acceptance_rate": rate,
        },
        "decision": "accepted" if merit > 0 else "rejected",
        "application_year": 2018 + number % 8,
    }


def trigger(run, reason):
    config = {
        "algorithms": ["logistic_regression"],
        "hyperparameter_tuning": "none",
        "min_samples": 100,
        "use_verified_only": False,
    }
    data = {"reason": reason, "config": config}
    return "training.trigger.requested", event("training.trigger.v1", f"{run}-trigger", data)


def connect(url):
    parameters = pika.URLParameters(url)
    # A broker that is short of memory or disk blocks publishers instead of refusing them.
    parameters.blocked_connection_timeout = 30
    return pika.BlockingConnection(parameters)


def publish(url, messages, patience):
    """Publishes in order until the broker has confirmed each, over as many connections as that takes."""
    deadline = time.monotonic() + patience
    left = list(messages)
    while left:
        connection = None
        try:
            connection = connect(url)
            channel = connection.channel()
            channel.confirm_delivery()  # basic_publish now waits for the broker's confirmation
            channel.exchange_declare(EXCHANGE, passive=True)  # the service declares it
            while left:
                routing_key, body = left[0]
                properties = pika.BasicProperties(
                    content_type="application/cloudevents+json", delivery_mode=PERSISTENT, message_id=body["id"]
                )
                channel.basic_publish(EXCHANGE, routing_key, json.dumps(body).encode(), properties, mandatory=True)
                left.pop(0)
        except exceptions.AMQPError as fault:
            # Not confirmed: no connection, a full queue (NackError), no queue at all (UnroutableError). The same event
            # with the same id once more is right in every case: what was taken in already is not taken in again.
            if time.monotonic() > deadline:
                raise
            print(f"not confirmed ({fault!r}); trying again", file=sys.stderr)
            time.sleep(1)
        finally:
            if connection and connection.is_open:
                connection.close()


def wait_until_taken(channel, patience):
    """Until nothing waits in the queue of points, and a moment for what the service has in hand."""
    deadline = time.monotonic() + patience
    while channel.queue_declare("ml.data", passive=True).method.message_count:
        if time.monotonic() > deadline:
            raise TimeoutError("the service takes no points in")
        time.sleep(0.2)
    time.sleep(1)


def announcements(channel, queue, patience):
    """What arrives in the queue, until nothing has come for so long."""
    seen = set()
    for delivery, _, body in channel.consume(queue, inactivity_timeout=patience):
        if delivery is None:
            return
        said = json.loads(body)
        channel.basic_ack(delivery.delivery_tag)
        # Announcements, too, come at least once.
        if (said["source"], said["id"]) not in seen:
            seen.add((said["source"], said["id"]))
            yield said


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", default=os.environ.get("AMQP_URL", "amqp://guest:guest@localhost:5672/%2F"))
    arguments.add_argument("--points", type=int, default=400)
    arguments.add_argument("--timeout", type=float, default=900, help="seconds without any announcement")
    options = arguments.parse_args()

    # Where events come out of a database, their ids do as well, so that they outlive this process.
    run = uuid.uuid4().hex
    reason = f"new points of {run}"

    # A queue of its own, there before the first event, so that no announcement is missed. A service that must not miss
    # any while it is away declares a durable one with a name instead.
    with connect(options.url) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for pattern in ("training.job.*", "model.version.*"):
            channel.queue_bind(queue, EXCHANGE, pattern)

        publish(options.url, events_to_send(run, options.points), options.timeout)
        # A job trains on what has come in when it begins, and triggers go through a queue of their own: so first the points.
        wait_until_taken(channel, options.timeout)
        publish(options.url, [trigger(run, reason)], options.timeout)

        job = None
        for said in announcements(channel, queue, options.timeout):
            data = said["data"]
            reasons = [t["reason"] for t in data.get("triggers", [])]
            if reason not in reasons and (job is None or data.get("job_id") != job):
                continue  # somebody else's
            job = data["job_id"]
            print(json.dumps({"type": said["type"], "time": said["time"], **data}), flush=True)
            if said["type"] == "training.job.completed.v1":
                return 0
            if said["type"] in ("training.job.failed.v1", "training.job.cancelled.v1"):
                return 1
        # Ten minutes are between two jobs that nobody started by hand, and with too little data there is none at all:
        # GET /api/v1/model-training/triggers says which.
        print("nothing was announced in time", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
