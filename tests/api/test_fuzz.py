"""Whatever is sent that fits the document, or nearly: no answer is a 5xx, but 501 for what is planned."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation import GenerationMode

from tests.api.conftest import Api

EXAMPLES = 8
SLOW = ("/api/v1/checks/{name}/run",)  # waits for a worker


def test_no_request_is_a_server_error(api: Api) -> None:
    schema = schemathesis.openapi.from_dict(api.get("/api/openapi.json", as_=None))
    wrong: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path not in SLOW:
            _fuzz(api, operation, wrong)
    assert wrong == []


def _fuzz(api: Api, operation: "schemathesis.schemas.APIOperation", wrong: list[str]) -> None:  # type: ignore[name-defined]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        def one(case: "schemathesis.Case") -> None:
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {api.tokens['root']}"}
            response = case.call(base_url=api.url, session=api.session, timeout=20)
            if response.status_code >= 500 and response.status_code != 501:
                wrong.append(f"{operation.method} {response.request.url} {response.request.body!r}: {response.text}")

        _given(operation, mode)(one)()


def _given(operation: object, mode: GenerationMode) -> object:
    from hypothesis import given
    from hypothesis.errors import Unsatisfiable

    def wrap(test: object) -> object:
        run = given(case=operation.as_strategy(generation_mode=mode))(test)  # type: ignore[attr-defined]

        def safely() -> None:
            try:
                run()
            except Unsatisfiable:
                pytest.skip("nothing to generate") if False else None

        return safely

    return wrap
