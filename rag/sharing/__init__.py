"""Published generations in shared storage: pushed by those who ingest, pulled by those who serve."""

from rag.sharing.follower import Follower
from rag.sharing.sharing import Outcome, Sharing, open_sharing

__all__ = ["Follower", "Outcome", "Sharing", "open_sharing"]
