"""In which language a text is."""

import re
from collections.abc import Iterable
from functools import cached_property

from py3langid.langid import MODEL_FILE, LanguageIdentifier

DEFAULT = "en"
# Scripts of one language each, the more telling first: Japanese mixes kana with Han.
_SCRIPTS = (
    (re.compile("[\u3040-\u30ff]"), "ja"),
    (re.compile("[\u1100-\u11ff\uac00-\ud7a3]"), "ko"),
    (re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"), "zh"),
)
# Known only so that they are not taken for a neighbour.
_NEIGHBOURS = (
    "bg",
    "ca",
    "cs",
    "da",
    "el",
    "fa",
    "fi",
    "he",
    "hu",
    "id",
    "mr",
    "ne",
    "no",
    "ro",
    "sr",
    "th",
    "ur",
    "vi",
)
_UNKNOWN = "und"
_MIN_CONFIDENCE = 0.5  # two words may be of any language


class Languages:
    """Tells those of `codes` apart, English among them. The model is loaded when it is first needed: that blocks."""

    def __init__(self, codes: Iterable[str]) -> None:
        """codes: ISO 639-1."""
        self._codes = frozenset(codes)

    def of(self, text: str) -> str:
        """The code of the language of `text`; English where there is doubt, or where it is none of them. Blocks."""
        code = self._found(text)
        return code if code in self._codes else DEFAULT

    def agree(self, question: str, text: str) -> bool:
        """Whether both may be of one language. Blocks."""
        asked = self._found(question)
        return asked is None or asked == self._found(text)

    def _found(self, text: str) -> str | None:
        """Any language, ours or not; None where there is doubt."""
        script = next((code for letters, code in _SCRIPTS if letters.search(text)), None)
        if script is not None:
            return script
        code: str = self._identifier.classify(text)[0]
        return None if code == _UNKNOWN else code

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_MIN_CONFIDENCE)
        identifier.set_languages([*self._codes, *_NEIGHBOURS])
        return identifier
