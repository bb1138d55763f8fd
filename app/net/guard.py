"""Which addresses may be connected to: never a cloud's metadata service, else what the operator's policy allows.

The check is on the address that is really connected to, after DNS and on every redirect; a check of the name alone would
miss a name that answers 169.254.169.254. Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet.
"""

from functools import lru_cache
from ipaddress import ip_address

from app.failure import Failed, Kind
from app.net.address import carried, is_metadata, unscoped
from app.net.policy import Policy, current


def refusal(address: str, policy: Policy | None = None) -> str | None:
    """Why this numeric address must not be connected to; None when it may. The policy is the operator's unless given."""
    return _judge(address, policy or current())


@lru_cache(maxsize=4096)
def _judge(address: str, policy: Policy) -> str | None:
    ip = unscoped(ip_address(address))
    if is_metadata(ip):
        return f"{address} is a cloud metadata address; Tocsin never connects to those"
    inner = carried(ip)
    if ip.version == 6 and not ip.ipv4_mapped:  # through a gateway both addresses are on the way
        return policy.refusal(ip) or (policy.refusal(inner) if inner is not ip else None)
    return policy.refusal(inner)


def refuse(address: str) -> None:
    """Raises Failed(BLOCKED) when this numeric address must not be connected to."""
    why = refusal(address)
    if why is not None:
        raise Failed(Kind.BLOCKED, why)
