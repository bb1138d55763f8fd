"""What every probe that asks over HTTP is configured with, and the request that follows from it."""

from collections.abc import Mapping

from pydantic import BaseModel, Field, SecretStr

from app.net.exchange import Request
from app.net.header import Headers, SecretValue
from app.net.url import Url

MARGIN = 0.95  # of a run's time-out: to report what hung before the runner's time-out


class Server(BaseModel):
    """URL, credentials, TLS verification and the limit of an answer."""

    url: Url = Field(description="http:// or https:// address", examples=["https://shop.example.org/"])
    headers: Headers = Field(default={}, repr=False, description="request headers")
    username: str | None = Field(default=None, description="user name for basic authentication")
    password: SecretStr | None = Field(default=None, description="password for basic authentication")
    token: SecretValue | None = Field(default=None, description="sent as `Authorization: Bearer TOKEN`")
    verify_tls: bool = Field(
        default=True, description="verify the server's certificate; an untrusted one counts as no response"
    )
    ca: str | None = Field(default=None, description="path of a CA bundle to use instead of the system's")
    max_bytes: int = Field(default=1_048_576, ge=1, le=67_108_864, description="maximum bytes of the response to read")

    def request(
        self,
        url: str,
        timeout: float,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        follow_redirects: int = 0,
        certificate: bool = False,
        trusted: bool = True,
        cookies: tuple[str, ...] | None = None,
    ) -> Request:
        """A request on a new connection, to end within `timeout` seconds. `headers` come on top of the spec's own.

        trusted: send the spec's headers and secrets; not to a host that an answer named.
        """
        sent = dict(self.headers) if trusted else {}
        if trusted and self.token is not None:
            sent["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        if headers:
            sent.update(headers)
        return Request(
            url,
            method,
            sent,
            (body or "").encode(),
            timeout=timeout,
            follow_redirects=follow_redirects,
            max_bytes=self.max_bytes,
            verify_tls=self.verify_tls,
            ca=self.ca,
            username=self.username if trusted else None,
            password=self.password.get_secret_value() if trusted and self.password else None,
            fresh=True,
            certificate=certificate,
            cookies=cookies,
        )
