"""`rag --help` is quick: it loads nothing that computes or serves."""

import json
import subprocess
import sys

HEAVY = {"faiss", "fastapi", "openai", "sentence_transformers", "torch", "transformers", "vllm"}
HELP = """
import json, sys
from rag.cli import main

sys.argv = ["rag", "--help"]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def test_help_imports_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert not HEAVY & loaded
