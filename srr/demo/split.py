"""Where the time of the demo's messages goes: the tracer's totals, if probes may be read here."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from srr.demo.supervisor import Supervisor

#: In the order in which a message meets them, as one reads them.
_STEPS = {"queue": "queue", "service": "service", "transfer": "transfer", "wakeup": "wake-up"}


class Split:
    """Listens from the beginning to the end, to the demo's processes; or knows why it can't, and does no harm."""

    def __init__(self, wanted: bool) -> None:
        self.reason = "" if wanted else "not asked for"
        self._session: Any = None
        if not wanted:
            return
        try:
            from srr.trace.programs import CannotTrace, Wants
            from srr.trace.session import Session
        except ModuleNotFoundError as missing:
            self.reason = f"{missing.name} is missing: pip install 'srr[trace]'"
            return
        session = Session(Wants(totals=True))
        try:
            self._session = session.__enter__()
        except CannotTrace as why:
            session.close()
            self.reason = str(why)

    def __enter__(self) -> Split:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def quantiles(self, supervisor: Supervisor) -> dict[str, dict[str, float]] | None:
        """By step, p50 and p99 in microseconds, of all messages so far; None: nothing is known."""
        if self._session is None:
            return None
        ours = {person.pid for person in tuple(supervisor.persons)}
        found = [totals for totals in self._session.totals() if totals.client in ours]
        if not found:
            return None
        quantiles = {}
        for step, words in _STEPS.items():
            histogram = found[0].steps[step]
            for totals in found[1:]:
                histogram = histogram + totals.steps[step]
            half, most = histogram.quantile_ns(0.5), histogram.quantile_ns(0.99)
            if half is not None and most is not None:
                quantiles[words] = {"p50": half / 1e3, "p99": most / 1e3}
        return quantiles

    def text(self, supervisor: Supervisor) -> str:
        """In one line; "" where nothing is known."""
        quantiles = self.quantiles(supervisor)
        if not quantiles:
            return ""
        steps = " · ".join(f"{step} {_us(value['p50'])}, {_us(value['p99'])}" for step, value in quantiles.items())
        return f"of a message's time, p50 and p99 in us: {steps}"


def _us(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
