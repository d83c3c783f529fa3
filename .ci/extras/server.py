# Without it, `zencache serve` says so.
"""A metadata store that is offered over gRPC, and a pipeline that uses it."""

import os
import re
import subprocess
import sys

from zencache import Repository, pipeline, step


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def doubling():
    double(2)


command = [os.path.join(sys.prefix, "bin", "zencache"), "serve", "--port", "0"]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
    try:
        said = server.stdout.readline()
        address = re.search(r"grpc://\S+:\d+", said)
        if address is None:
            sys.exit(said + server.stdout.read())
        run = doubling().run(repository=Repository(metadata=address.group()))
        assert run.steps["double"].output.read() == 4
    finally:
        server.terminate()
