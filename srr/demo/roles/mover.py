"""A mover reads files, Sends them in bundles, the large ones in parts, and compares the checksums that come back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from srr.demo.node import Node
from srr.demo.wire import BULK, BUNDLE_MAX, DIGEST, MANIFEST, PARTS_MAX, Kind, pack

#: Bundles are filled up to these sizes in turn: a small one, then what only the direct lane is good for.
_SIZES = (128 << 10, 1 << 20, 3 << 20, BUNDLE_MAX)
#: Of all that was wrong, this much is told.
_TOLD = 5


def walk(places: list[str]) -> Iterator[str]:
    """The regular files at or below some places, always in the same order; links are not followed."""
    for place in places:
        if not os.path.isdir(place):
            yield place
            continue
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue  # A folder that this user may not look into, or that is gone.
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from walk([entry.path])
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


class Reader:
    """This mover's share of the files, bundle after bundle, round after round."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._folders = node.orders["files"]
        self._index, self._of = node.orders["share"]
        self._parts = self._read()
        self._space = memoryview(bytearray(BUNDLE_MAX))
        self._room = self._space
        #: Some of the files that could not be read, and why.
        self.skipped: dict[str, str] = {}
        #: How often all files were read.
        self.rounds = 0

    def bundle(self, size: int) -> tuple[list[tuple[str, int, int, str]], memoryview]:
        """About ``size`` bytes of files: (path, offset, length, digest) of each part, and their bytes in a row."""
        manifest: list[tuple[str, int, int, str]] = []
        filled = 0
        while filled < size and len(manifest) < PARTS_MAX:
            self._room = self._space[filled:]
            path, offset, length = next(self._parts)
            if not path:
                break
            digest = hashlib.blake2b(self._room[:length], digest_size=DIGEST).hexdigest()
            manifest.append((path, offset, length, digest))
            filled += length
        return manifest, self._space[:filled]

    def _read(self) -> Iterator[tuple[str, int, int]]:
        """Parts of files, each read to the beginning of ``_room``. No path: a whole round found nothing."""
        while True:
            found = False
            for number, path in enumerate(walk(self._folders)):
                if number % self._of == self._index:
                    for part in self._read_file(path):
                        found = True
                        yield part
            self.rounds += 1
            if not found:
                yield "", 0, 0

    def _read_file(self, path: str) -> Iterator[tuple[str, int, int]]:
        try:
            # Should it be a fifo by now, it must not block the reader.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            self._skip(path, error)
            return
        try:
            offset = 0
            whole = False
            while not whole:
                length = os.readv(file, [self._room])
                whole = length < len(self._room)
                if whole:
                    self._node.count("files")
                yield path, offset, length
                offset += length
        except OSError as error:
            self._skip(path, error)
        finally:
            os.close(file)

    def _skip(self, path: str, error: OSError) -> None:
        self._node.count("skipped")
        if len(self.skipped) < _TOLD:
            self.skipped[path] = error.strerror or str(error)


def run(node: Node) -> None:
    """Until the supervisor says FINISH. Bundles go to the archivists in turn."""
    os.nice(BULK)
    reader = Reader(node)
    bad: list[str] = []
    for bundles, _ in enumerate(node.paced()):
        manifest, data = reader.bundle(_SIZES[bundles % len(_SIZES)])
        index = pack({"bundle": bundles, "files": manifest})
        archivist = node.links[bundles % len(node.links)]
        digests = archivist.send(Kind.BUNDLE, MANIFEST.pack(len(index)), index, data).hex()
        for at, (path, _offset, _length, digest) in enumerate(manifest):
            if digests[at * 2 * DIGEST : (at + 1) * 2 * DIGEST] != digest:
                bad.append(path)
        node.count("bundles")
        node.count("parts", len(manifest))
        node.count("moved", len(data))
        node.notes.update(rounds=reader.rounds, unread=reader.skipped, bad=len(bad), bad_files=bad[:_TOLD])
