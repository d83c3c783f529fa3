# Without it, the example is not started.
"""The MNIST example trains, and its last run is all cached."""

import os
import subprocess
import sys

command = [os.path.join(sys.prefix, "bin", "zencache"), "example", "run", "caching"]
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if done.returncode:
    sys.exit(done.stdout)
assert "Using cached version of `tf_trainer`." in done.stdout, done.stdout
