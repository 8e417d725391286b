"""Published generations in shared storage: pushed by those who ingest, pulled by those who serve."""

from rag.sharing.follower import Follower
from rag.sharing.sharing import Sharing, open_sharing
from rag.sharing.step import Outcome

__all__ = ["Follower", "Outcome", "Sharing", "open_sharing"]
