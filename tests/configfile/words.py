"""Configurations in a few words, for tests of what is made of them."""

import json
from typing import Any

from app.configfile.load import compile, load_texts
from app.configfile.model import Loaded

Sections = dict[str, Any]  # as the files write them, by section
BASE: Sections = {
    "platform": {"owners": ["user:dee"]},
    "users": {"ada": {"contacts": {"hook": "a"}}, "bo": {}, "dee": {"role": "admin"}},
    "teams": {"shop": {"members": ["ada", "bo"]}},
    "channels": {"hook": {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "old-secret"}},
    "services": {"web": {"team": "shop"}},
    "checks": {"up": {"probe": "health.tcp", "service": "web", "with": {"host": "web", "port": 80}}},
    "rules": {"slow": {"kind": "threshold", "check": "up", "metric": "seconds", "above": 1}},
    "policies": {"usual": {"steps": [{"page": "team:shop"}]}},
    "routes": [{"match": ['team="shop"'], "policy": "usual"}, {"policy": "usual"}],
}


def configuration(**sections: Any) -> Loaded:
    """BASE with these sections in place of its own; None leaves a section out. Written as JSON, which is YAML."""
    everything = {**BASE, **sections}
    return load_texts({"a.yaml": json.dumps({key: value for key, value in everything.items() if value is not None})}, {})


def declared(**sections: Any) -> list[Any]:
    """What `configuration` is stored as; fails on an error."""
    loaded = configuration(**sections)
    assert loaded.config is not None, loaded.errors
    return compile(loaded.config)


def with_(section: str, name: str, /, **more: Any) -> Sections:
    """A section of BASE with one of its things changed."""
    return {section: {**BASE[section], name: {**BASE[section].get(name, {}), **more}}}


def without(section: str, name: str) -> Sections:
    """A section of BASE without one of its things."""
    return {section: {key: value for key, value in BASE[section].items() if key != name}}
