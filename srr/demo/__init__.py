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

    plan      who there is, and who Sends to whom          supervisor  starts, kills, restarts, collects
    sources   the live files and what they mean            screen plain  what one sees meanwhile
    wire      the messages                                 audit       every count against its counterpart
    node      one process: link, account, roles/           summary     what one sees at the end

Nodes import neither click nor rich: forty interpreters start at once.
"""
