"""Guarantee F: in the direct lane the bytes go straight from one address space into the other."""

from __future__ import annotations

from drive import Company, guarantee

NBYTES = 64 << 20


@guarantee("F")
def test_no_second_copy_of_a_large_message_is_ever_in_memory(company: Company) -> None:
    """Both sides have their buffers; the peak of neither's memory rises by a staging copy."""
    server, client = company.start_many(2)
    serving = server.order("serve", count=1)
    client.do("repeat", to=server.pid, count=1)
    serving.result()
    receiving = server.order("carry_back", nbytes=NBYTES)
    client_grew = client.do("carry_there", to=server.pid, nbytes=NBYTES)
    server_grew = receiving.result()
    print(f"peak rose by {client_grew >> 10} and {server_grew >> 10} KiB for {NBYTES >> 10} KiB there and back")
    assert client_grew < NBYTES // 64
    assert server_grew < NBYTES // 64
