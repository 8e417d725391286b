"""Markdown code in text that arrives character by character."""

# What may stand before a fence on its line: quote marks, bullets, list numbers.
_BEFORE_FENCE = frozenset(">-+*.)0123456789")


class CodeTracker:
    """Knows whether the next character stands in inline or fenced code.

    A backtick that is never closed makes code up to the end of its line: what follows later cannot be awaited.
    """

    def __init__(self) -> None:
        self._run = ""  # the backticks or tildes that are just being read
        self._inline = ""  # the run that opened inline code
        self._fence = ""  # the run that opened fenced code
        self._is_fence_line = False  # the fence opened on this line
        self._is_line_start = True
        self._run_is_at_line_start = False

    @property
    def is_open(self) -> bool:
        """Whether the character taken last, if it is no backtick, is code."""
        return bool(self._inline or self._fence)

    def take(self, char: str) -> None:
        """Read one more character."""
        if self._run and char == self._run[0]:
            self._run += char
            return
        if self._run:
            self._end_run()
        if char in "`~":
            self._run = char
            self._run_is_at_line_start = self._is_line_start
        if char == "\n":
            self._is_line_start = True
            self._is_fence_line = False
            self._inline = ""
        elif not char.isspace() and char not in _BEFORE_FENCE:
            self._is_line_start = False

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        can_fence = self._run_is_at_line_start and len(run) >= 3
        if self._fence:
            # ```x``` on one line is inline code, and its second run closes it.
            if (can_fence and run.startswith(self._fence)) or (self._is_fence_line and run == self._fence):
                self._fence = ""
        elif self._inline:
            if run == self._inline:
                self._inline = ""
        elif can_fence:
            self._fence = run
            self._is_fence_line = True
        elif run[0] == "`":
            self._inline = run
