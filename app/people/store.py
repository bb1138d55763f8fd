"""The statements about people."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.log import get as logger
from app.people.model import AuditEntry, Directory, Person, SessionRecord, Team, Token, User
from app.people.session import LIFE, Session
from app.people.table import audit, ended_session, invitation, person, session, team, token

log = logger(__name__)
MINUTE, COOKIE = timedelta(minutes=1), timedelta(seconds=LIFE)


def directory(db: Connection, default_zone: str) -> Directory:
    """Everybody who is active, and the teams."""
    people = _people(db, select(person).where(person.c.active), default_zone)
    teams = {row.name: Team.model_validate(row.spec) for row in db.execute(select(team))}
    return Directory(people, teams)


def by_logins(db: Connection, logins: Collection[str], default_zone: str) -> dict[str, Person]:
    """Those of these people who are active."""
    return _people(db, select(person).where(person.c.active, person.c.login.in_(logins)), default_zone) if logins else {}


def get(db: Connection, login: str, default_zone: str = "UTC") -> Person | None:
    """One active person."""
    row = db.execute(select(person).where(person.c.login == login, person.c.active)).one_or_none()
    return _person(row, default_zone) if row else None


def lock(db: Connection, login: str) -> Person | None:
    """The same, locked until the transaction ends."""
    row = db.execute(select(person).where(person.c.login == login, person.c.active).with_for_update()).one_or_none()
    return _person(row, "UTC") if row else None


def credentials(db: Connection, login: str) -> tuple[str | None, int] | None:
    """Password hash and session epoch of an active person."""
    query = select(person.c.password_hash, person.c.session_epoch).where(person.c.login == login, person.c.active)
    row = db.execute(query).one_or_none()
    return (row.password_hash, row.session_epoch) if row else None


def set_password(db: Connection, login: str, password_hash: str) -> bool:
    """Store a new hash and end every session; whether there is such a person."""
    values = {"password_hash": password_hash, "session_epoch": person.c.session_epoch + 1}
    return db.execute(update(person).where(person.c.login == login).values(values)).rowcount == 1


def put(db: Connection, login: str, spec: Mapping[str, Any], *, declared: bool, now: datetime) -> None:
    """Add a person or change one; a password stays."""
    values = {"login": login, "spec": spec, "declared": declared, "active": True, "created_at": now}
    changed = {"spec": spec, "declared": declared, "active": True}
    db.execute(upsert(person).values(values).on_conflict_do_update(index_elements=["login"], set_=changed))


def no_longer_declared(db: Connection, logins: Collection[str]) -> list[str]:
    """Active people that were declared and are not among these."""
    query = select(person.c.login).where(person.c.active, person.c.declared, person.c.login.not_in(list(logins)))
    return list(db.scalars(query))


def remove(db: Connection, logins: Sequence[str], now: datetime) -> None:
    """These can no longer log in or be paged: password, sessions, tokens and invitations end for good."""
    values = {"active": False, "password_hash": None, "session_epoch": person.c.session_epoch + 1}
    db.execute(update(person).where(person.c.login.in_(logins)).values(values))
    db.execute(update(token).where(token.c.login.in_(logins), token.c.revoked_at.is_(None)).values(revoked_at=now))
    end_invitations(db, logins, now)


def put_declared(db: Connection, specs: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Add or change these as declared people."""
    if not specs:
        return
    rows = [
        {"login": login, "spec": spec, "declared": True, "active": True, "created_at": now} for login, spec in specs.items()
    ]
    statement = upsert(person).values(rows)
    fresh = {"spec": statement.excluded.spec, "declared": True, "active": True}
    db.execute(statement.on_conflict_do_update(index_elements=["login"], set_=fresh))


def put_all_teams(db: Connection, specs: Mapping[str, Mapping[str, Any]]) -> None:
    """Make exactly these the teams."""
    db.execute(delete(team))
    if specs:
        db.execute(insert(team), [{"name": name, "spec": spec} for name, spec in specs.items()])


def add_token(db: Connection, values: Mapping[str, Any]) -> None:
    """Store a token's digest."""
    db.execute(insert(token).values(values))


def token_owner(db: Connection, token_id: str, secret_digest: str, now: datetime) -> str | None:
    """Whose live token this is; notes that it was used, to the minute (so that a busy client writes seldom)."""
    alive = (token.c.expires_at.is_(None)) | (token.c.expires_at > now)
    query = select(token.c.login, token.c.used_at, token.c.secret_digest).where(
        token.c.id == token_id, token.c.revoked_at.is_(None), alive
    )
    row = db.execute(query).one_or_none()
    if row is None or row.secret_digest != secret_digest:
        return None
    if row.used_at is None or (now - row.used_at).total_seconds() > 60:
        db.execute(update(token).where(token.c.id == token_id).values(used_at=now))
    return str(row.login)


def tokens(db: Connection, login: str) -> list[Token]:
    """A person's tokens without their digests."""
    columns = [token.c[one.name] for one in fields(Token)]
    query = select(*columns).where(token.c.login == login, token.c.revoked_at.is_(None)).order_by(token.c.created_at)
    return [Token(**row) for row in db.execute(query).mappings()]


def revoke_token(db: Connection, token_id: str, login: str, now: datetime) -> bool:
    """End a token of this person; whether there was one."""
    statement = update(token).where(token.c.id == token_id, token.c.login == login, token.c.revoked_at.is_(None))
    return db.execute(statement.values(revoked_at=now)).rowcount == 1


def add_invitation(db: Connection, values: Mapping[str, Any]) -> None:
    """Store an invitation's digest."""
    db.execute(insert(invitation).values(values))


def end_invitations(db: Connection, logins: Sequence[str], now: datetime) -> None:
    """Let every invitation of these people that is still good end now."""
    good = (invitation.c.login.in_(logins), invitation.c.used_at.is_(None), invitation.c.expires_at > now)
    db.execute(update(invitation).where(*good).values(expires_at=now))


def lives(db: Connection, held: Session) -> bool:
    """Whether a session is one of an active person, under the password of today, and was not ended."""
    ended = select(ended_session.c.id).where(ended_session.c.id == held.id).exists()
    query = select(person.c.login).where(
        person.c.login == held.login, person.c.active, person.c.session_epoch == held.epoch, ~ended
    )
    return db.scalar(query) is not None


def see_session(db: Connection, held: Session, agent: str, address: str, now: datetime) -> None:
    """Note that a session was used, in which browser and from where, to the minute (so that pages write seldom)."""
    seen = db.scalar(select(session.c.seen_at).where(session.c.id == held.id))
    if seen is not None and now - seen < MINUTE:
        return
    values = {"agent": agent, "address": address, "seen_at": now}
    row = {"id": held.id, "login": held.login, "epoch": held.epoch, "began_at": now, **values}
    db.execute(upsert(session).values(row).on_conflict_do_update(index_elements=["id"], set_=values))


def sessions(db: Connection, login: str, now: datetime) -> list[SessionRecord]:
    """The sessions of this person that may still be used, the last seen first."""
    alive = (session.c.login == person.c.login, session.c.epoch == person.c.session_epoch, session.c.began_at > now - COOKIE)
    query = select(session).join(person, and_(*alive)).where(person.c.login == login).order_by(session.c.seen_at.desc())
    return [SessionRecord(**row) for row in db.execute(query).mappings()]


def end_session(db: Connection, held: Session, now: datetime) -> None:
    """End one session; its row in `ended_session` is needed until the cookie would have ended by itself."""
    db.execute(upsert(ended_session).values(id=held.id, until=now + COOKIE).on_conflict_do_nothing())
    db.execute(delete(session).where(session.c.id == held.id))


def end_sessions(db: Connection, login: str) -> int:
    """End every session of this person; the epoch of those to come."""
    later = update(person).where(person.c.login == login).values(session_epoch=person.c.session_epoch + 1)
    db.execute(delete(session).where(session.c.login == login))
    epoch: int = db.execute(later.returning(person.c.session_epoch)).scalar_one()
    return epoch


def delete_expired_sessions(db: Connection, now: datetime) -> None:
    """Drop the rows of sessions whose cookies are too old by now."""
    db.execute(delete(ended_session).where(ended_session.c.until < now))
    db.execute(delete(session).where(session.c.began_at < now - COOKIE))


def invited(db: Connection, secret_digest: str, now: datetime) -> str | None:
    """Whom a live invitation is for."""
    query = select(invitation.c.login).where(
        invitation.c.secret_digest == secret_digest, invitation.c.used_at.is_(None), invitation.c.expires_at > now
    )
    return db.scalars(query).one_or_none()


def use_invitation(db: Connection, secret_digest: str, now: datetime) -> str | None:
    """Use up a live invitation; whom it was for, None when there is none (any more)."""
    statement = (
        update(invitation)
        .where(invitation.c.secret_digest == secret_digest, invitation.c.used_at.is_(None), invitation.c.expires_at > now)
        .values(used_at=now)
        .returning(invitation.c.login)
    )
    return db.execute(statement).scalar_one_or_none()


def add_audits(db: Connection, lines: Sequence[Mapping[str, Any]]) -> None:
    """Add these lines to the audit, in this order."""
    if lines:
        db.execute(insert(audit), list(lines))


def audited(
    db: Connection,
    *,
    object_: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditEntry]:
    """The audit, newest first, from below id `before`. actor: empty: Tocsin; action: whole, or `config.` for a kind."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if object_ is not None:
        query = query.where(audit.c.object == object_)
    if actor is not None:
        query = query.where(audit.c.actor == actor if actor else audit.c.actor.is_(None))
    if action is not None:
        query = query.where(
            audit.c.action.startswith(action, autoescape=True) if action.endswith(".") else audit.c.action == action
        )
    if since is not None:
        query = query.where(audit.c.at >= since)
    if until is not None:
        query = query.where(audit.c.at < until)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [AuditEntry(**row) for row in db.execute(query).mappings()]


def has_anybody(db: Connection) -> bool:
    """Whether somebody was ever added; False too where the table is not there yet."""
    if db.scalar(select(func.to_regclass("person"))) is None:
        return False
    return db.scalar(select(person.c.login).limit(1)) is not None


def _people(db: Connection, query: Select[Any], default_zone: str) -> dict[str, Person]:
    found: dict[str, Person] = {}
    for row in db.execute(query):
        try:
            found[row.login] = _person(row, default_zone)
        except (ValidationError, ZoneInfoNotFoundError) as error:  # one bad row must not keep everybody from being paged
            log.error("person_unreadable", login=row.login, error=str(error))
    return found


@lru_cache(maxsize=4096)
def _user(stored: bytes) -> User:
    """A page asks for everybody several times, and what a user's specification means takes longer than to fetch it."""
    return User.model_validate(orjson.loads(stored))


def _person(row: Row[Any], default_zone: str) -> Person:
    user = _user(orjson.dumps(row.spec))
    return Person(row.login, user, row.declared, ZoneInfo(user.timezone or default_zone))
