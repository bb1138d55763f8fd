"""Whatever is sent that fits the document, or nearly: no answer is a 5xx, but 501 for what is planned."""

from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.api.conftest import Api

SETTINGS = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SLOW = ("/api/v1/checks/{name}/run",)  # waits for a worker


def test_no_request_is_a_server_error(api: Api) -> None:
    schema = schemathesis.openapi.from_dict(api.get("/api/openapi.json", as_=None))
    wrong: list[str] = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path not in SLOW:
            _fuzz(api, operation, wrong)
    assert wrong == []


def _fuzz(api: Api, operation: Any, wrong: list[str]) -> None:
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @SETTINGS
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {api.tokens['root']}"}
            response = case.call(base_url=api.url, session=api.session, timeout=20)
            if response.status_code >= 500 and response.status_code != 501:
                wrong.append(f"{operation.method} {response.request.url} {response.request.body!r}: {response.text}")

        with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
            one()
