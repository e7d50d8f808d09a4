"""srr-trace: who is blocked on whom, for how long, and why.

    elf, copies          where the probes are: in every copy of the library that runs
    programs, attach     bpf/ compiled by BCC, and attached
    ring, events         what comes out, as records
    session              all of that together: attach, follow new copies, drain, count what was lost and what it cost
    graph, deadlock ...  what can be said of it; from the waiting table alone where no probe may be had
    cli/                 one file a subcommand

Nothing here is imported by the package itself.
"""
