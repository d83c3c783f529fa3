"""Runs scripts, each in a process of its own that is forked off this one, which has zencache imported.

To import zencache is most of what a short script does. Nothing of it has been used here, and no module of a
test is imported, so that a script finds what it would find in a process that was started for it.
Reads a request as a line of JSON, and answers with the exit status of the process.
"""

import importlib
import json
import os
import sys
import types

MODULES = ("numpy", "pydantic", "ml_metadata", "zencache.cli", "zencache.repository", "zencache.training")


def run(request: dict) -> None:
    """Be the script: ``__main__`` with its arguments, folder and streams. Its end is that of the process."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    for stream, file in ((1, request["stdout"]), (2, request["stderr"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    script = request["script"]
    sys.argv = [script, *request["arguments"]]
    sys.path[0] = os.path.dirname(script)
    importlib.invalidate_caches()
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    with open(script, "rb") as file:  # Python finds its encoding
        source = file.read()
    exec(compile(source, script, "exec"), main.__dict__)


def serve() -> None:
    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            run(json.loads(line))
            return
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
