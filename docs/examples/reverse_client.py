"""The client of the tutorial's first step: one Send."""

import srr

with srr.connect("calc", timeout=1.0) as calc:
    print(calc.send(b"hello"))
