"""One collection made the same here and in shared storage, once.

What has changed since both were last the same is known of three things apart: the generation, the description (name,
group, rules) and each file of frozen topics. What changed on one side goes to the other. A generation that changed on
both is nobody's to merge, and an error; of the other two shared storage has the last word.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal

from rag.errors import CollectionBusy, CorpusError, RagError, StorageUnavailable
from rag.sharing.bucket import Bucket, Listed
from rag.sharing.release import Part, Release
from rag.store import MANIFEST, Exchange, Local, Shared, digest_of, sha256_of
from rag.types import CollectionId

What = Literal["same", "pushed", "pulled", "deleted", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one collection."""

    id: CollectionId
    name: str
    what: What
    generation: int = 0  # here, afterwards
    error: RagError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Which way things may go."""

    push: bool
    pull: bool
    replace_local: bool  # a generation that changed on both sides is taken from shared storage


class Step:
    """One collection, once."""

    def __init__(self, exchange: Exchange, bucket: Bucket, collection_id: CollectionId, listed: Listed) -> None:
        self._exchange = exchange
        self._bucket = bucket
        self._id = collection_id
        self._listed = listed
        self.is_gone = listed.is_deleted

    def gone(self, delete: Callable[[CollectionId], None]) -> Outcome | None:
        """What became of a collection that is gone in shared storage; None: it is not here."""
        local = self._exchange.local(self._id)
        if local is None:
            return None
        delete(self._id)
        self._exchange.told(self._id)
        return Outcome(id=self._id, name=local.description.name, what="deleted")

    def run(self, ways: Ways) -> Outcome | None:
        """What became of it; None: nothing is here."""
        local = self._exchange.local(self._id)
        number = self._listed.number
        what: What = "same"
        if number and (ways.pull or local) and self._base(local).number != number:
            release = self._bucket.release(self._id, number)
            if self._merge(local, release, ways):
                what = "pulled"
            local = self._exchange.local(self._id)
        if local is None:
            return None
        if ways.push and self._base(local).number == number and self._has_news(local):
            self._push(local, self._bucket.release(self._id, number) if number else None)
            what = "pushed"
        return Outcome(id=self._id, name=local.description.name, what=what, generation=local.generation)

    def _base(self, local: Local | None) -> Shared:
        """What was last the same here and there."""
        if local and local.shared and local.shared.url == self._bucket.url:
            return local.shared
        return Shared(url=self._bucket.url, number=0, manifest="", description="", topics={})

    def _has_news(self, local: Local) -> bool:
        base = self._base(local)
        if (local.manifest, digest_of(local.description)) != (base.manifest, base.description):
            return True
        return any(
            base.topics.get(name) != sha256 and name not in base.settled for name, sha256 in local.topics.items()
        )

    def _merge(self, local: Local | None, release: Release, ways: Ways) -> bool:
        """Whether anything came from shared storage; what the release has and this machine should have is here."""
        base = self._base(local)
        is_new = local is None or release.manifest not in {local.manifest, base.manifest}
        if is_new and local:
            is_changed = local.manifest != base.manifest
            if is_changed and not ways.replace_local:
                name = release.description.name
                raise _diverged(name, f"`rag collections pull {name} --replace` takes theirs; then ingest again")
            if not ways.pull:
                return False
        fetched = self._fetch_topics(
            {
                name: part
                for name, part in release.topics.items()
                if local is None
                or (
                    local.topics.get(name) != part.sha256
                    and (name in release.settled or base.topics.get(name) != part.sha256)
                )
            }
        )
        if is_new:
            self._pull(local, release, fetched)
        elif fetched:
            self._exchange.set_topics(self._id, fetched)
        described = digest_of(release.description)
        is_renamed = local is not None and digest_of(local.description) != described and base.description != described
        if is_renamed:
            self._exchange.describe(self._id, release.description)
        self._remember(release)
        return is_new or bool(fetched) or is_renamed

    def _fetch_topics(self, parts: Mapping[str, Part]) -> dict[str, bytes]:
        if not parts:
            return {}
        with self._exchange.scratch() as folder:
            for name, part in parts.items():
                self._bucket.get(part, folder / name)
            return {name: (folder / name).read_bytes() for name in parts}

    def _pull(self, local: Local | None, release: Release, topics: Mapping[str, bytes]) -> None:
        staged = self._exchange.staging(self._id, release.description, release.number)
        folder = staged.generation(release.number)
        for name, part in release.files.items():
            target = folder / name
            if target.is_file() and sha256_of(target) == part.sha256:
                continue  # fetched before this was interrupted
            target.unlink(missing_ok=True)
            if not self._exchange.reuse(self._id, name, target, sha256=part.sha256):
                self._bucket.get(part, target)
        self._exchange.install(
            staged,
            release.number,
            collection_id=self._id,
            generation=release.generation,
            replaces=local.generation if local else 0,
            topics=topics,
        )

    def _push(self, local: Local, last: Release | None) -> None:
        number = (last.number if last else 0) + 1
        folder = self._bucket.new_folder(self._id, number)
        there = {part.sha256: part for part in (*last.files.values(), *last.topics.values())} if last else {}

        def stored(source: BinaryIO, name: str, sha256: str) -> Part:
            return there.get(sha256) or self._bucket.put(source, f"{folder}/{name}", sha256=sha256)

        with self._exchange.opened(self._id) as (info, opened):
            if info.generation != local.generation:
                raise _changing(local)
            checksums = {**self._exchange.checksums(self._id, info.generation), MANIFEST: local.manifest}
            files = {name: stored(source, name, checksums[name]) for name, source in opened.items()}
        is_same = last is not None and last.manifest == local.manifest
        settled = last.settled if last and is_same else frozenset()
        topics = {name: part for name, part in last.topics.items() if name in settled} if last else {}
        for name, data in self._exchange.topics(self._id).items():
            if name not in settled:
                topics[name] = stored(BytesIO(data), name, hashlib.sha256(data).hexdigest())
                if last and topics[name] != last.topics.get(name):
                    settled |= {name}
        release = Release(
            id=self._id,
            number=number,
            description=local.description,
            generation=local.generation,
            files=files,
            topics=topics,
            settled=settled,
        )
        if not self._bucket.create(release):
            raise _diverged(local.description.name, "Another machine was quicker: pull it first")
        self._remember(release)
        with suppress(StorageUnavailable):  # the next push collects
            self._bucket.collect(self._id, newest=number)

    def _remember(self, release: Release) -> None:
        self._exchange.set_shared(
            self._id,
            Shared(
                url=self._bucket.url,
                number=release.number,
                manifest=release.manifest,
                description=digest_of(release.description),
                topics={name: part.sha256 for name, part in release.topics.items()},
                settled=tuple(sorted(release.settled)),
            ),
        )


def _changing(local: Local) -> CorpusError:
    return CollectionBusy(f"The collection {local.description.name!r} changes while it is pushed. Push it again.")


def _diverged(name: str, cure: str) -> CorpusError:
    return CorpusError(
        f"The collection {name!r} has changed here and in shared storage since they were the same. {cure}."
    )
