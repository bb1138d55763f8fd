"""Why something that was asked of the world came to nothing: a connection, a request, a program, a file."""

from enum import StrEnum

from app.errors import TocsinError


class Kind(StrEnum):
    """What went wrong; only `blocked` is certain to go wrong again."""

    DNS = "dns"  # the name has no address
    REFUSED = "refused"  # nobody listens there
    CONNECT = "connect"  # no way there
    TLS = "tls"  # handshake or certificate
    TIMEOUT = "timeout"  # no end before the deadline
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BLOCKED = "blocked"  # we do not go there: metadata address, operator's policy, malformed request
    PROTOCOL = "protocol"  # the other side does not speak as it must
    DENIED = "denied"  # it is there and does not let us in: password, rights, no such database
    OTHER = "other"


class Failed(TocsinError):
    """No answer was got. The message never holds the password, path or query of a URL.

    why: the cause alone, where the message also says what it befell.
    """

    def __init__(self, kind: Kind, message: str, why: str = "") -> None:
        super().__init__(message)
        self.kind, self.why = kind, why or message


class NoTls(Failed):
    """The other side does not go on in TLS: it speaks something else there."""

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(Kind.TLS, message, why)


class NotSent(Failed):
    """Nothing has left: whoever asked for it wants it no more."""

    def __init__(self) -> None:
        super().__init__(Kind.OTHER, "not sent: no longer needed")
