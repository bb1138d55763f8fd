"""Logging in, invitations, tokens, and the first admin. Works in the caller's transaction."""

import random
import re
import secrets
import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection

from app.errors import Conflict, Invalid, NotFound
from app.people import adminfiles, audit, own, store
from app.people.model import FIRST_ADMIN, INBOX, SYSTEM, Actor, Person, Role, Team, User
from app.people.session import Session
from app.seal import digest
from app.settings import home_secret, settings

PASSWORD_LEAST = 10  # characters
LOGIN = re.compile(r"[^\W_][\w.+-]{0,127}")  # of somebody who is invited; the configuration may declare others
INVITATION_LIFE = timedelta(days=7)
_took: deque[float] = deque(maxlen=8)  # seconds of the newest checks of a password in this process
_HASHER = PasswordHasher(time_cost=2, memory_cost=32_768, parallelism=1)


def sync(db: Connection, users: Mapping[str, User], teams: Mapping[str, Team], now: datetime) -> None:
    """Make the declared people and teams exactly these; people who were invited stay. Who is removed is so for good."""
    gone = store.no_longer_declared(db, users)
    if FIRST_ADMIN in gone:  # the first account is there without being declared, too
        store.put(db, FIRST_ADMIN, own.dump(_first_admin()), declared=False, now=now)
    store.remove(db, [login for login in gone if login != FIRST_ADMIN], now)
    store.put_declared(db, {login: own.dump(user) for login, user in users.items()}, now)
    store.put_all_teams(db, {name: team.model_dump(mode="json") for name, team in teams.items()})


def is_new(db: Connection) -> bool:
    """Whether nobody was ever in this database, be it that it has no tables yet."""
    return not store.has_anybody(db)


def first_admin(db: Connection, home: Path, now: datetime) -> None:
    """Make the account `admin` unless it exists; its password and token are files in the home, mode 0600.

    A password file that is no longer right (the account has another one, or another database was restored) is removed; a
    token that is missing or dead is replaced.
    """
    if store.credentials(db, FIRST_ADMIN) is None:
        store.put(db, FIRST_ADMIN, own.dump(_first_admin()), declared=False, now=now)
    known = store.credentials(db, FIRST_ADMIN)
    assert known is not None
    written = adminfiles.password(home)
    if known[0] is None:
        store.set_password(db, FIRST_ADMIN, _HASHER.hash(home_secret(home, adminfiles.PASSWORD)))
    elif written is not None and not _is_right(known[0], written):
        adminfiles.remove(home, adminfiles.PASSWORD)
    token = adminfiles.token(home)
    owner = token_owner(db, token, now) if token else None
    if owner is None or owner.login != FIRST_ADMIN:
        adminfiles.write_token(home, make_token(db, FIRST_ADMIN, "first admin", SYSTEM, now))
    adminfiles.make_private(home)


def _first_admin() -> User:
    return User(name="Admin", role=Role.ADMIN)


def remove(db: Connection, login: str, actor: Actor, now: datetime) -> None:
    """Remove a person who was invited, for good: tokens, sessions and invitations end. Raises Conflict for a declared one."""
    person = store.get(db, login)
    if person is None:
        raise NotFound(f'user "{login}" not found')
    if person.declared:
        raise Conflict(f'"{login}" is managed in the configuration; remove the user there')
    if login == FIRST_ADMIN:
        raise Conflict(f'"{FIRST_ADMIN}" is the initial account and cannot be removed; change its password instead')
    store.remove(db, [login], now)
    audit.record(db, actor, "user.remove", f"user:{login}", {}, now)


def has_password(db: Connection, login: str) -> bool:
    """Whether anybody can log in so."""
    known = store.credentials(db, login)
    return known is not None and bool(known[0])


def log_in(db: Connection, login: str, password: str) -> int | None:
    """The session epoch when the password is right, else None; takes the same time for an unknown login."""
    known = store.credentials(db, login)
    stored = known[0] if known and known[0] else _dummy_hash()
    if not _is_right(stored, password):
        return None
    return known[1] if known and known[0] else None


def seconds_of_a_check() -> float:
    """How long checking a password takes here now, so that an unknown login can take as long without the work."""
    if not _took:
        _is_right(_dummy_hash(), "")
    return sum(_took) / len(_took) * random.uniform(0.9, 1.1)  # noqa: S311 - no secret hangs on it


def _is_right(stored: str, password: str) -> bool:
    began = time.thread_time()  # of the processor: what else runs must not make every later answer slow
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _took.append(time.thread_time() - began)


def set_password(db: Connection, login: str, password: str, actor: Actor, now: datetime) -> None:
    """Change a password and end all sessions of that person, and every invitation to set one."""
    if len(password) < PASSWORD_LEAST:
        raise Invalid(f"password too short: at least {PASSWORD_LEAST} characters")
    if not store.set_password(db, login, _HASHER.hash(password)):
        raise NotFound(f'user "{login}" not found')
    store.end_invitations(db, [login], now)
    if login == FIRST_ADMIN and adminfiles.password(settings().home) != password:
        adminfiles.remove(settings().home, adminfiles.PASSWORD)
    audit.record(db, actor, "user.password", f"user:{login}", {}, now)


def invite(db: Connection, login: str, role: Role, name: str | None, actor: Actor, now: datetime) -> str:
    """Make an invitation for `login` (added when new); its secret, shown once. Older ones end; a declared role stays."""
    known = store.get(db, login)
    if known is None and not LOGIN.fullmatch(login):
        raise Invalid(f'"{login[:128]}" is not a valid login; use letters, digits, dots and dashes, a letter or digit first')
    if known is None:
        store.put(db, login, own.dump(User(name=name, role=role)), declared=False, now=now)
    secret = secrets.token_urlsafe(24)
    store.end_invitations(db, [login], now)
    store.add_invitation(
        db,
        {
            "secret_digest": digest(secret),
            "login": login,
            "made_by": actor.login,
            "made_at": now,
            "expires_at": now + INVITATION_LIFE,
        },
    )
    audit.record(db, actor, "user.invite", f"user:{login}", {"role": known.role.value if known else role.value}, now)
    return secret


def accept_invitation(db: Connection, secret: str, password: str, now: datetime) -> str:
    """Set the first password by an invitation; the login. Raises Conflict when the invitation is used or too old."""
    login = store.use_invitation(db, digest(secret), now)
    if login is None:
        raise Conflict("this invitation was already used or has expired; ask an admin for a new one")
    set_password(db, login, password, Actor(login, Role.VIEWER, "console"), now)
    return login


def make_token(db: Connection, login: str, name: str, actor: Actor, now: datetime, life: timedelta | None = None) -> str:
    """A new API token that acts as `login`, shown once."""
    if store.get(db, login) is None:
        raise NotFound(f'user "{login}" not found')
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(24)
    values = {"id": token_id, "login": login, "name": name, "secret_digest": digest(secret), "created_at": now}
    store.add_token(db, {**values, "expires_at": now + life if life else None})
    audit.record(db, actor, "token.make", f"user:{login}", {"token": token_id, "name": name}, now)
    return f"tocsin_{token_id}.{secret}"


def token_owner(db: Connection, token: str, now: datetime) -> Person | None:
    """Who acts by this token; None when it is not a live one."""
    token_id, dot, secret = token.removeprefix("tocsin_").partition(".")
    login = store.token_owner(db, token_id, digest(secret), now) if dot else None
    return store.get(db, login) if login else None


def revoke_token(db: Connection, token_id: str, login: str, actor: Actor, now: datetime) -> None:
    """End a token of this person. Raises NotFound when there is no live one."""
    if not store.revoke_token(db, token_id, login, now):
        raise NotFound(f'"{login}" has no token "{token_id}"')
    if (adminfiles.token(settings().home) or "").startswith(f"tocsin_{token_id}."):
        adminfiles.remove(settings().home, adminfiles.TOKEN)
    audit.record(db, actor, "token.revoke", f"user:{login}", {"token": token_id}, now)


def end_session(db: Connection, login: str, session_id: str, actor: Actor, now: datetime) -> None:
    """End one session of this person. Raises NotFound when there is none that may still be used."""
    found = next((one for one in store.sessions(db, login, now) if one.id == session_id), None)
    if found is None:
        raise NotFound("session not found: it has already ended")
    store.end_session(db, Session(found.login, found.epoch, found.id), now)
    audit.record(db, actor, "session.end", f"user:{login}", {"agent": found.agent}, now)


def end_sessions(db: Connection, login: str, actor: Actor, now: datetime) -> int:
    """End every session of this person, also those that were never seen here; the epoch of those to come."""
    epoch = store.end_sessions(db, login)
    audit.record(db, actor, "session.end_all", f"user:{login}", {}, now)
    return epoch


def set_contacts(db: Connection, login: str, contacts: Mapping[str, str], actor: Actor, now: datetime) -> None:
    """Change somebody's contacts; to what they are: nothing. Raises Conflict for a declared person: the file would undo it."""
    user = _undeclared(db, login, "contacts")
    notify = {
        urgency: [rule for rule in rules if rule["contact"] in (INBOX, *contacts)] or None
        for urgency, rules in user.notify.model_dump(mode="json").items()
        if rules
    }
    changed = User.model_validate({**own.dump(user), "contacts": dict(contacts), "notify": notify})
    if changed == user and list(changed.contacts) == list(user.contacts):  # their order is that of notifications
        return
    store.put(db, login, own.dump(changed), declared=False, now=now)
    audit.record(
        db, actor, "user.contacts", f"user:{login}", {"before": sorted(user.contacts), "contacts": sorted(contacts)}, now
    )


def set_settings(db: Connection, login: str, written: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    """Change somebody's time zone, notification rules and quiet hours; to what they are: nothing.

    Raises Invalid, Conflict for a declared person.
    """
    user = _undeclared(db, login, "settings")
    changed = own.changed(user, written)
    if change := audit.changes(own.facts(user), own.facts(changed)):
        store.put(db, login, own.dump(changed), declared=False, now=now)
        audit.record(db, actor, "user.settings", f"user:{login}", change, now)


def _undeclared(db: Connection, login: str, what: str) -> User:
    person = store.lock(db, login)
    if person is None:
        raise NotFound(f'user "{login}" not found')
    if person.declared:
        raise Conflict(f'"{login}" is managed in the configuration; change the {what} there')
    return person.user


@lru_cache
def _dummy_hash() -> str:
    """A hash to check against for an unknown login, so that it takes as long as a wrong password."""
    return _HASHER.hash(secrets.token_hex(16))
