"""What a prompt's first token costs the engine that is simulated."""

from rag.plan import Pace

LLAMA_8B_ON_H200 = Pace(fixed_ms=12.5, new_ms=0.0195, cached_ms=0.0006, attention_ms=5.45e-7)
"""A model of Llama-3-8B's shape in bfloat16, vLLM 0.25.1, one request at a time.

Source: measured 2026-11 on one H200. The attention term is the least-squares fit of what the linear terms leave:

    prompt tokens            1,024   4,096   8,192  15,000
    measured, nothing cached    30      97     211     428 ms
    this model                33.0   101.5   208.8   427.6
    measured, all cached        13      15      17      22 ms
    this model                13.1    15.0    17.4    21.5
"""
