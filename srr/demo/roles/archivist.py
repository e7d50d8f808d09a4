"""An archivist receives files, computes their checksums, and replies when a logger has the receipt on record."""

from __future__ import annotations

import hashlib
import os

from srr.demo.node import Node
from srr.demo.wire import BULK, BUNDLE_ROOM, DIGEST, MANIFEST, RECEIPT, Kind, unpack


def run(node: Node) -> None:
    """Until all movers have said BYE."""
    os.nice(BULK)
    space = bytearray(BUNDLE_ROOM)
    sabotage = node.orders["sabotage"] == "checksum"
    for request in node.requests(into=space):
        (length,) = MANIFEST.unpack_from(request.payload)
        index = unpack(request.payload[MANIFEST.size : MANIFEST.size + length])
        data = request.payload[MANIFEST.size + length :]
        if sabotage and len(data):
            data[len(data) // 2] ^= 1
            sabotage = False
        digests = b""
        offset = 0
        for _path, _offset, length, told in index["files"]:
            digest = hashlib.blake2b(data[offset : offset + length], digest_size=DIGEST)
            digests += digest.digest()
            offset += length
            node.count("good" if digest.hexdigest() == told else "bad")
        node.count("bundles")
        node.count("bytes", offset)
        # First the receipt, then the reply: what a mover has a reply to is on record, whoever dies now. The same
        # mover's receipts always go to the same logger.
        logger = node.links[request.client % len(node.links)]
        logger.send(Kind.RECEIPT, RECEIPT.pack(request.client, index["bundle"], len(index["files"]), offset))
        node.count("receipts")
        request.reply(digests)
    node.bye()
