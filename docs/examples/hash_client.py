"""Prints the SHA-256 of files, worked out by hash_server.py, as sha256sum would."""

import mmap
import sys

import srr

digest = bytearray(32)
with srr.connect("sha256", timeout=1.0) as server:
    for path in sys.argv[1:]:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            server.send_into(data, digest)
        print(f"{digest.hex()}  {path}")
