"""A client's TLS contexts: what they hold on to."""

import os
import socket
import struct

import pytest

from app.net import tls


@pytest.mark.parametrize("verify", [True, False])
def test_a_connection_that_is_reset_before_the_handshake_leaves_no_descriptor(verify: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()  # with RST
        number = ours.fileno()
        with pytest.raises(ConnectionResetError):
            tls.context(verify=verify).wrap_socket(ours, server_hostname="127.0.0.1")
        assert ours.fileno() == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
