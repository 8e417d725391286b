"""What the service tells its operators: metrics and logs. Never a prompt, an answer or a key."""

from rag.telemetry.logs import set_up_logs
from rag.telemetry.metrics import Metrics
from rag.telemetry.table import LABELS

__all__ = ["LABELS", "Metrics", "set_up_logs"]
