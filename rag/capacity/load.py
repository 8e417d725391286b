"""What one request holds in the cache, beside the prefix that it shares."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Tokens of a typical deployment."""

    document_tokens: int  # of one document
    prefix_tokens: int  # of the prefix that one request shares
    own_tokens: int  # of a request that no other one has: passages, question and answer
    prefix_share: float  # of the cache that prefixes may take (`cache.prefix_share`)

    def n_documents(self, kv_tokens: int) -> int:
        """How many documents' prefixes are held at once, in the share that they may take."""
        return int(kv_tokens * self.prefix_share) // self.document_tokens

    def n_users(self, kv_tokens: int) -> int:
        """How many requests run at once behind one prefix."""
        return max(0, kv_tokens - self.prefix_tokens) // self.own_tokens

    def n_users_beside(self, kv_tokens: int) -> int:
        """How many run at once while as many documents are held as may be."""
        return max(0, kv_tokens - max(self.prefix_tokens, int(kv_tokens * self.prefix_share))) // self.own_tokens

    def n_users_alone(self, kv_tokens: int) -> int:
        """How many would run at once if each had to keep its whole prompt for itself."""
        return kv_tokens // (self.prefix_tokens + self.own_tokens)
