"""A warm run over a slow wire: few round trips, so that the wire hardly counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from chain import load, write_chain
from delaying_proxy import delaying
from measure import interleaved, line, title
from metadata_servers import serving
from result import Goal

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

LENGTH = 50
ROUND_TRIP = 0.02  # seconds
GOAL = Goal(0.5, of="ours")


def test_a_warm_run_over_grpc_with_latency(tmp_path: Path) -> None:
    bound = load(write_chain(tmp_path, LENGTH)).chain()
    with (
        serving(f"sqlite:///{tmp_path}/served.db") as server,
        delaying(server.port, ROUND_TRIP / 2) as there_and_back,
        delaying(server.port, ROUND_TRIP) as each_way,
    ):

        def run(url: str) -> None:
            repository = Repository(tmp_path, metadata=url, artifacts=str(tmp_path / "artifacts"))
            assert bound.run(repository=repository).status == "completed"

        run(server.url)
        seconds = interleaved(
            {
                "loopback": lambda: run(server.url),
                "20 ms there and back": lambda: run(f"grpc://127.0.0.1:{there_and_back.port}"),
                "20 ms each way": lambda: run(f"grpc://127.0.0.1:{each_way.port}"),
                "SQLite": lambda: run(f"sqlite:///{tmp_path}/own.db"),
            },
            rounds=15,
        )
        title(f"{LENGTH} cached steps, metadata over gRPC")
        line("loopback", seconds["loopback"], "SQLite here", seconds["SQLite"])
        for wire in ("20 ms there and back", "20 ms each way"):
            line(wire, seconds[wire], "loopback", seconds["loopback"], GOAL)
