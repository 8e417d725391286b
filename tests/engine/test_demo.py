"""`make demo` with the embedded models, as a new user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_the_demo_ends_in_cited_answers(tmp_path: Path) -> None:
    for name in ("sample", "questions"):
        shutil.copytree(DATA / name, tmp_path / "data" / name)
    command = [sys.executable, "-m", "rag.demo"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=900, check=False)
    print(done.stdout, done.stderr)  # noqa: T201 - shown when the test fails
    assert done.returncode == 0
    assert done.stdout.count("Question:") == 3
    reused = [(int(a), int(b)) for a, b in re.findall(r"(\d+) of (\d+) prompt tokens reused", done.stdout)]
    assert reused[0][0] == 0
    assert all(cached > 2000 for cached, _ in reused[1:])
    cited = re.search(r"(\d) of 3 answers carry citations", done.stdout)
    assert cited
    assert int(cited[1]) >= 2
    assert re.search(r"First token cold \d+ ms, warm \d+ ms: \d+ times sooner", done.stdout)
    # Whoever asks it for no temperature gets its likeliest words.
    (recommended,) = (tmp_path / "data").glob("models/*/generation_config.json")
    assert json.loads(recommended.read_text())["temperature"] == 0.0
    left = [
        p.info["cmdline"]
        for p in psutil.process_iter(["cmdline"])
        if str(tmp_path) in " ".join(p.info["cmdline"] or [])
    ]
    assert left == []
