"""Files to text: bytes in, text with marks out. They run in worker processes; see ingest/worker."""

from ingest.readers.base import Extracted, Mark, ReadFailure, Skip
from ingest.readers.kinds import is_document_name, is_image_name

__all__ = ["Extracted", "Mark", "ReadFailure", "Skip", "is_document_name", "is_image_name"]
