"""What a prompt's first token costs an idle engine, in milliseconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """A fixed part, a part for each new and each cached token, and attention of new tokens to all before them."""

    fixed_ms: float
    new_token_ms: float
    cached_token_ms: float
    attention_ms: float  # for each pair of a new token and one that stands before it

    def first_token_ms(self, n_new: int, n_cached: int) -> float:
        """Milliseconds to the first token of a prompt of `n_cached` tokens in the cache and `n_new` behind them."""
        pairs = n_new * (n_new / 2 + n_cached)
        return self.fixed_ms + self.new_token_ms * n_new + self.cached_token_ms * n_cached + self.attention_ms * pairs


LLAMA_8B_ON_H200 = CostModel(fixed_ms=12.5, new_token_ms=0.0195, cached_token_ms=0.0006, attention_ms=1.09e-6)
"""A model of Llama-3-8B's shape in bfloat16, vLLM 0.25.1, one request at a time.

Source: measured 2026-11 on one H200. The attention term is the least-squares fit of what the linear terms leave:

    prompt tokens            1,024   4,096   8,192  15,000
    measured, nothing cached    30      97     211     428 ms
    this model                33.0   101.5   208.8   427.6
    measured, all cached        13      15      17      22 ms
    this model                13.1    15.0    17.4    21.5
"""
