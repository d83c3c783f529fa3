# Without it, no key can be made.
"""A key is made, and a run whose records are signed with it hits."""

import os
import subprocess
import sys

command = [os.path.join(sys.prefix, "bin", "zencache"), "key", "new", "signing.key"]
done = subprocess.run(command, capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
os.environ["ZENCACHE_SIGNING_KEY"] = "signing.key"

from zencache import pipeline, step  # noqa: E402


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def doubling():
    double(2)


doubling().run()
assert doubling().run().steps["double"].is_cached
