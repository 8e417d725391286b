"""What the service tells its operators: metrics and logs. Never a prompt, an answer or a key."""

from rag.telemetry.logs import set_up_logs
from rag.telemetry.metrics import Metrics

__all__ = ["Metrics", "set_up_logs"]
