"""Which texts of a page of a PDF nobody can see: drawn invisibly, white on the white page, or as small as dust."""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pypdfium2
from pypdfium2 import raw

_FORM_DEPTH = 8
_SCAN_SHARE = 0.5  # of a page: an image as large is what invisible text is the words of
_LEAST_POINTS = 1.0  # of a letter; the smallest print is above three
_WHITE = 250  # of 255, of each colour at least
_FILLED = (raw.FPDF_TEXTRENDERMODE_FILL, raw.FPDF_TEXTRENDERMODE_FILL_CLIP)
_PAINT = (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING)

Bounds = tuple[float, float, float, float]  # left, bottom, right, top


# Any: handles of ctypes, which have no types.
@dataclass(frozen=True, slots=True)
class Drawn:
    """An object of a page, forms taken apart."""

    handle: Any
    kind: int
    scale: float  # by which the forms that it stands in make it larger
    is_in_form: bool


def drawn_on(page: pypdfium2.PdfPage) -> tuple[Drawn, ...]:
    """All that a page draws."""
    return tuple(_objects(page.raw, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject))


def hidden_texts(page: pypdfium2.PdfPage, drawn: Sequence[Drawn]) -> frozenset[int]:
    """Addresses of the text objects that nobody can see; none where an image covers the page.

    Text that cannot be seen there is what an OCR program read in the image.
    """
    paint = [each for each in drawn if each.kind in _PAINT and not _is_white_path(each)]
    texts = (each for each in drawn if each.kind == raw.FPDF_PAGEOBJ_TEXT)
    hidden = frozenset(found for each in texts if _is_hidden(each, paint) and (found := address(each.handle)))
    return hidden if hidden and not _is_scan(page, drawn) else frozenset()


def address(handle: Any) -> int | None:  # noqa: ANN401
    """What tells one object of a page from another; None: there is no object."""
    return ctypes.cast(handle, ctypes.c_void_p).value


def _objects(
    holder: Any,  # noqa: ANN401
    count: Callable[[Any], int],
    get: Callable[[Any, int], Any],
    depth: int = 0,
    scale: float = 1.0,
) -> Iterator[Drawn]:
    for index in range(count(holder)):
        found = get(holder, index)
        kind = raw.FPDFPageObj_GetType(found)
        if kind == raw.FPDF_PAGEOBJ_FORM and depth < _FORM_DEPTH:
            inner = scale * _scale(found)
            yield from _objects(found, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, depth + 1, inner)
        else:
            yield Drawn(found, kind, scale, is_in_form=depth > 0)


def _is_hidden(text: Drawn, paint: Sequence[Drawn]) -> bool:
    mode = raw.FPDFTextObj_GetTextRenderMode(text.handle)
    if mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
        return True
    size = ctypes.c_float()
    raw.FPDFTextObj_GetFontSize(text.handle, ctypes.byref(size))
    if abs(size.value) * _scale(text.handle) * text.scale < _LEAST_POINTS:
        return True
    if mode not in _FILLED or not (colour := _colour(text.handle)):
        return False
    *shades, opacity = colour
    return opacity == 0 or (min(shades) >= _WHITE and not any(_may_lie_under(text, each) for each in paint))


def _may_lie_under(text: Drawn, paint: Drawn) -> bool:
    """Whether paint could make white text seen. Places within forms are not worked out: there all of it could."""
    if text.is_in_form or paint.is_in_form:
        return True
    here, there = _bounds(text.handle), _bounds(paint.handle)
    if not here or not there:
        return True
    return here[0] < there[2] and there[0] < here[2] and here[1] < there[3] and there[1] < here[3]


def _is_white_path(drawn: Drawn) -> bool:
    """Whether it is a path that fills nothing, or fills with white; lines make no background."""
    if drawn.kind != raw.FPDF_PAGEOBJ_PATH:
        return False
    fill, has_stroke = ctypes.c_int(), ctypes.c_int()
    if not raw.FPDFPath_GetDrawMode(drawn.handle, ctypes.byref(fill), ctypes.byref(has_stroke)):
        return False
    if fill.value == raw.FPDF_FILLMODE_NONE:
        return True
    colour = _colour(drawn.handle)  # None: a pattern
    return colour is not None and min(colour[:3]) >= _WHITE


def _is_scan(page: pypdfium2.PdfPage, drawn: Sequence[Drawn]) -> bool:
    width, height = page.get_size()
    areas = []
    for image in drawn:
        if image.kind == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = pypdfium2.PdfObject(image.handle, page=page).get_bounds()
            areas.append(max(0.0, min(right, width) - max(left, 0)) * max(0.0, min(top, height) - max(bottom, 0)))
    return bool(max(areas, default=0.0) >= _SCAN_SHARE * width * height)


def _scale(handle: Any) -> float:  # noqa: ANN401
    matrix = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(handle, ctypes.byref(matrix)):
        return 1.0
    return math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))


def _colour(handle: Any) -> tuple[int, int, int, int] | None:  # noqa: ANN401
    """Red, green, blue and opacity, 0 to 255."""
    parts = [ctypes.c_uint() for _ in range(4)]
    if not raw.FPDFPageObj_GetFillColor(handle, *map(ctypes.byref, parts)):
        return None
    red, green, blue, opacity = (part.value for part in parts)
    return red, green, blue, opacity


def _bounds(handle: Any) -> Bounds | None:  # noqa: ANN401
    edges = [ctypes.c_float() for _ in range(4)]
    if not raw.FPDFPageObj_GetBounds(handle, *map(ctypes.byref, edges)):
        return None
    left, bottom, right, top = (edge.value for edge in edges)
    return left, bottom, right, top
