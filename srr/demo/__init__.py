"""`srr demo`: some forty unrelated processes that work together by Send, Receive and Reply alone.

              supervisor                    starts them, hears from all of them, Sends to none
                  ▲
               loggers ◀─────────┐          keep figures and receipts, answer queries
                  ▲              │
             controllers         │          rates and percentages, from counters
                  ▲          archivists     check every file's checksum at the far end
               drivers           ▲          parse
                  ▲              │
               sensors         movers       read live files of /proc and /sys · read files, send them by the MiB

Each is a program of its own (exec; nothing is inherited) and finds the others by srr names. Sends only go
up. That is QNX's rule for a system that can not deadlock: whoever waits for a reply waits for somebody
higher, so there is no circle of waiting processes. It is also why the supervisor never Sends: its orders
are the replies to what its inferiors report.

    main         one demo from its start to its exit code
    plan         who there is, and who Sends to whom
    sources      the live files and what they mean
    wire         the messages
    node roles/  one process; link: its Sends, account: its books, latency: its percentiles
    supervisor   collects; children: starts and ends them, fault: whom to kill, and what came of it
    picture      what there is to see; watch shows it, on a screen or in plain lines
    audit        every count against its counterpart; figures and summary: what one sees at the end

Nodes import neither click nor rich: forty interpreters start at once.
"""
