"""Which ports engines get."""

import socket

import pytest

from inferencekey.local import ports


def test_engines_get_ports_that_the_system_gives_to_nobody() -> None:
    """Whoever asks the system for any port cannot get one that an engine has yet to bind."""
    asked_for_any = [socket.create_server((ports.LOOPBACK, 0)) for _ in range(50)]
    with_any = {listener.getsockname()[1] for listener in asked_for_any}
    for listener in asked_for_any:
        listener.close()
    assert with_any.isdisjoint(ports.ENGINE_PORTS)
    assert ports.free_port() in ports.ENGINE_PORTS


def test_a_port_on_which_somebody_listens_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two ports the free one is taken, whichever is looked at first."""
    taken = ports.free_port()
    with socket.create_server((ports.LOOPBACK, taken)):
        free = ports.free_port()
        monkeypatch.setattr(ports, "ENGINE_PORTS", [taken, free])
        monkeypatch.setattr(ports, "_LOOKS", 2)
        assert {ports.free_port() for _ in range(20)} == {free}
