"""Scripts in processes that are forked off one that has zencache imported: see ``script_server.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class ScriptServer:
    """The process of ``script_server.py``, started when it is first needed. It runs one script at a time."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, folder: Path, script: Path, arguments: list[str], environment: Mapping[str, str] = os.environ
    ) -> subprocess.CompletedProcess[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "script_server.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        streams = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        request = {
            "script": str(script),
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            **streams,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            status = int(self._process.stdout.readline())
        except BaseException:  # the script hangs: nobody shall get its answer later
            self.close()
            self._process = None
            raise
        stdout, stderr = (Path(file).read_text(encoding="utf-8") for file in streams.values())
        return subprocess.CompletedProcess([str(script), *arguments], status, stdout, stderr)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
