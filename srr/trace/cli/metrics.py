"""`srr-trace metrics`: for Prometheus."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import click

from srr.trace.cli import common
from srr.trace.programs import Wants
from srr.trace.session import Session

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: Seconds between two looks for what has come and gone.
_LOOK = 1.0


@click.command(short_help="Histograms, counters and queues for Prometheus.")
@click.option("--port", type=click.IntRange(0, 65535), default=9464, show_default=True, help="0: any that is free.")
@click.option(
    "--address", default="127.0.0.1", show_default=True, help="Where to listen. Others read there what runs here."
)
@click.option("--by-client", "by_client", is_flag=True, help="A label for the client, too: as many series more.")
@click.option("--by-pid", "by_pid", is_flag=True, help="Labels with the pid: new series with each new process.")
@click.option("--table-only", "table_only", is_flag=True, help="Only the waiting table: needs no privilege.")
@click.option("--once", is_flag=True, help="Print it and exit.")
@click.option(
    "--duration",
    metavar="TIME",
    type=common.Duration(),
    help="Stop after this time; with --once: listen so long before.",
)
def metrics(
    port: int, address: str, by_client: bool, by_pid: bool, table_only: bool, once: bool, duration: int | None
) -> None:
    """Serve http://ADDRESS:PORT/metrics for Prometheus, until Ctrl-C.

    \b
    srr_transactions_total srr_failed_transactions_total srr_untimed_transactions_total
    srr_sent_bytes_total srr_replied_bytes_total
                              Sends that ended since this began
    srr_queue_seconds srr_service_seconds srr_transfer_seconds srr_wakeup_seconds srr_total_seconds
                              histograms: see srr-trace hist
    srr_queue_length srr_unreplied srr_receiving_threads srr_blocked_threads srr_processes
                              the waiting table, now
    srr_trace_lost_total      what was not seen, by cause
    srr_trace_hits_total srr_trace_hit_seconds
                              what listening costs: their product, in seconds of the traced processes
    process_*                 what this program itself uses

    The label is `server`: the name that it holds, else its program. All of the same name are one, so that a server that
    is started again goes on with its series, and the number of series stays what it is: about 150 a server.
    --by-client multiplies that by the clients, and --by-pid lets it grow with every start.

    There is no password: whoever reaches the port may read it. On this machine that is everybody.

    \b
    Examples:
      srr-trace metrics                          then: curl -s localhost:9464/metrics
      srr-trace metrics --once --duration 5s     five seconds, on stdout
      histogram_quantile(0.99, rate(srr_queue_seconds_bucket{server="plc"}[1m]))

    Exit status: 0; 1 it could not listen; 2 usage.
    """
    try:
        import prometheus_client
    except ImportError:
        raise click.ClickException("prometheus_client is missing: pip install 'srr[trace]'") from None
    from srr.trace.metrics import Exporter

    source = common.source()
    if not source.is_live:
        raise click.ClickException("metrics are of what runs; for a recording there is: srr-trace replay FILE hist")

    def export(session: Session | None) -> None:
        exporter = Exporter(session, source.survey, by_client=by_client, by_pid=by_pid)
        registry = prometheus_client.CollectorRegistry(auto_describe=False)
        registry.register(exporter)
        prometheus_client.ProcessCollector(registry=registry)
        serving = None if once else _serve(registry, address, port)
        deadline = None if duration is None else source.now_ns() + duration
        try:
            while not (once and deadline is None) and (deadline is None or source.now_ns() < deadline):
                if not source.pace(_LOOK if deadline is None else min(_LOOK, max(0, deadline - source.now_ns()) / 1e9)):
                    break
                exporter.keep_room()
        finally:
            if serving is not None:
                serving.stop()
        if once:
            click.echo(prometheus_client.generate_latest(registry).decode(), nl=False)

    if table_only:
        with common.ending_in_good_order(source):
            common.ready()
            export(None)
        return
    with common.feed(Wants(totals=True, cost=True)) as feed:
        assert isinstance(feed, Session)
        export(feed)


class _Serving:
    def __init__(self, server: Any, thread: threading.Thread) -> None:
        self._server, self._thread = server, thread

    def stop(self) -> None:
        """A scrape that is under way is answered first: the feed is there as long as this."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _serve(registry: CollectorRegistry, address: str, port: int) -> _Serving:
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise click.ClickException(
            f"{address} port {port}: {error.strerror or error}. Choose another one with --port or --address"
        ) from error
    shown = f"[{address}]" if ":" in address else address
    click.echo(f"http://{shown}:{server.server_port}/metrics")
    return _Serving(server, thread)
