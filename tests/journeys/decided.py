"""What a story's line decided: alerts, incidents with their timeline, steps, promises and pages, as they stand at its end.

Left out is what differs from run to run without being a decision: rows' ids and who held a page's lease.
"""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.db import transaction

DECIDED = {
    "alerts": "select to_jsonb(a) - '{id,trace}'::text[] from alert a",
    "incidents": "select to_jsonb(i) from incident i",
    "timeline": "select to_jsonb(e) - 'id' from incident_event e",
    "steps": "select to_jsonb(e) from escalation e",
    "promises": "select to_jsonb(o) - 'id' from obligation o",
    "pages": """
        select to_jsonb(p) - '{id,obligation,breached,lease_until,lease_owner,fence,contested}'::text[]
          || jsonb_build_object('for', o.target, 'in place of', b.target)
        from page p left join obligation o on o.id = p.obligation left join obligation b on b.id = p.breached""",
    "attempts": """
        select to_jsonb(a) - 'page' || jsonb_build_object('key', p.key) from page_attempt a join page p on p.id = a.page""",
}


def decided() -> dict[str, list[Any]]:
    """Everything, in an order of its own."""
    with transaction() as db:
        return {
            name: sorted(db.scalars(text(query)), key=lambda row: json.dumps(row, sort_keys=True))
            for name, query in DECIDED.items()
        }


def compare(folder: Path, story: str, door: str, found: dict[str, list[Any]]) -> None:
    """Keep what was decided through this door; where the story was told through another one, that must be the same.

    Each writes before it reads, so that of two at once one sees both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{story}@{door}.json"
    own.with_suffix(".new").write_text(json.dumps(found, sort_keys=True))
    own.with_suffix(".new").rename(own)
    for other in folder.glob(f"{story}@*.json"):
        for name, rows in json.loads(other.read_text()).items():
            assert found[name] == rows, f"{name} through {own.stem} and {other.stem}"
