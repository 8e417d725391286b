"""What `rag doctor` looks at."""

from rag.cli.checks.check import Check
from rag.cli.checks.data import data
from rag.cli.checks.machine import machine
from rag.cli.checks.service import service

__all__ = ["Check", "data", "machine", "service"]
