"""A logger keeps what the others found out, answers queries about it, and holds the receipts for bundles of files."""

from __future__ import annotations

from srr.demo.node import Node
from srr.demo.wire import RECEIPT, Kind, pack, unpack


class Journal:
    """The bundles of one mover. A mover Sends its bundles one by one, so a number below the next is a repetition."""

    def __init__(self) -> None:
        self.next = 0
        self.files = 0
        self.bytes = 0
        #: Receipts for a bundle that was on record already: the archivist had died before it could reply.
        self.again = 0
        self.missing = 0

    def enter(self, bundle: int, files: int, nbytes: int) -> None:
        """Put a bundle on record, once."""
        if bundle < self.next:
            self.again += 1
            return
        self.missing += bundle - self.next
        self.next = bundle + 1
        self.files += files
        self.bytes += nbytes


def run(node: Node) -> None:
    """Until all controllers and archivists have said BYE."""
    #: By figure: how many values, their sum, least, greatest, last.
    figures: dict[str, list[float]] = {}
    journals: dict[int, Journal] = {}
    for request in node.requests():
        if request.kind is Kind.RECORD:
            record = unpack(request.payload)
            for name, value in record["values"].items():
                entry = figures.setdefault(name, [0, 0.0, value, value, value])
                entry[:] = entry[0] + 1, entry[1] + value, min(entry[2], value), max(entry[3], value), value
            node.count("records")
            node.count("readings", record["readings"])
            request.reply()
        elif request.kind is Kind.QUERY:
            count, total, least, greatest, _ = figures.get(str(request.payload, "utf-8"), [1, 0.0, 0.0, 0.0, 0.0])
            node.count("queries")
            request.reply(pack({"mean": total / count, "min": least, "max": greatest}))
        else:
            mover, bundle, files, nbytes = RECEIPT.unpack(request.payload)
            journals.setdefault(mover, Journal()).enter(bundle, files, nbytes)
            node.count("receipts")
            request.reply()
        node.notes["figures"] = figures
        node.notes["journals"] = {
            str(mover): [kept.next, kept.files, kept.bytes, kept.again, kept.missing]
            for mover, kept in journals.items()
        }
