"""The proxy of the cluster faults passes data on, not while it is cut off, and ends with its target."""

import socket
import time

import pytest

from tests.cluster import free_ports
from tests.robustness.partition import Proxy


def connection(port):
    """Returns a connection to a port, None if nothing listens there."""
    try:
        return socket.create_connection(('127.0.0.1', port), 60)
    except ConnectionRefusedError:
        return None


def until(function):
    """Calls a function until it returns something; returns that."""
    while (found := function()) is None:
        time.sleep(0.01)
    return found


def test_a_partition():
    port, target = free_ports(2)
    proxy = Proxy(port, target)
    try:
        assert connection(port) is None
        with socket.create_server(('127.0.0.1', target)) as server:
            client = until(lambda: connection(port))
            client.sendall(b'a')
            while not (peer := server.accept()[0]).recv(1):  # looks whether it listens
                peer.close()
            proxy.is_cut = True
            client.sendall(b'b')
            peer.settimeout(0.5)
            with pytest.raises(TimeoutError):
                peer.recv(1)
            proxy.is_cut = False
            peer.settimeout(60)
            assert peer.recv(1) == b'b'
            peer.sendall(b'c')
            assert client.recv(1) == b'c'
            peer.close()
            assert client.recv(1) == b''
        until(lambda: None if connection(port) else True)
    finally:
        proxy.close()
