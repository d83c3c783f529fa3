# Without it, `zencache ui` says so.
"""The page, served and asked for."""

import os
import re
import subprocess
import sys
import urllib.request

command = [os.path.join(sys.prefix, "bin", "zencache"), "ui", "--port", "0", "--no-open"]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
    try:
        said = server.stdout.readline()
        address = re.search(r"http://\S+:\d+/", said)
        if address is None:
            sys.exit(said + server.stdout.read())
        with urllib.request.urlopen(address.group(), timeout=30) as answer:
            assert b"cytoscape" in answer.read()
    finally:
        server.terminate()
