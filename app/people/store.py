"""The statements about people."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.log import get as logger
from app.people.model import AuditEntry, Directory, Person, Role, Team, Token, User
from app.people.session import Session
from app.people.table import audit, ended_session, invitation, person, team, token

log = logger(__name__)


def directory(db: Connection, default_zone: str) -> Directory:
    """Everybody who is active, and the teams."""
    people: dict[str, Person] = {}
    for row in db.execute(select(person).where(person.c.active)):
        try:
            people[row.login] = _person(row, default_zone)
        except (ValidationError, ZoneInfoNotFoundError) as error:  # one bad row must not keep everybody from being paged
            log.error("person_unreadable", login=row.login, error=str(error))
    teams = {row.name: Team.model_validate(row.spec) for row in db.execute(select(team))}
    return Directory(people, teams)


def get(db: Connection, login: str, default_zone: str = "UTC") -> Person | None:
    """One active person."""
    row = db.execute(select(person).where(person.c.login == login, person.c.active)).one_or_none()
    return _person(row, default_zone) if row else None


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


def admins(db: Connection) -> list[str]:
    """Logins of the active admins."""
    query = select(person.c.login).where(person.c.active, person.c.spec["role"].as_string() == Role.ADMIN).order_by("login")
    return list(db.scalars(query))


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


def lives(db: Connection, session: Session) -> bool:
    """Whether a session is one of an active person, under the password of today, and was not ended."""
    ended = select(ended_session.c.id).where(ended_session.c.id == session.id).exists()
    query = select(person.c.login).where(
        person.c.login == session.login, person.c.active, person.c.session_epoch == session.epoch, ~ended
    )
    return db.scalar(query) is not None


def end_session(db: Connection, session: Session, until: datetime) -> None:
    """End one session; its row is needed until the cookie would have ended by itself."""
    db.execute(upsert(ended_session).values(id=session.id, until=until).on_conflict_do_nothing())


def delete_expired_sessions(db: Connection, now: datetime) -> None:
    """Drop the rows of sessions whose cookies are too old by now."""
    db.execute(delete(ended_session).where(ended_session.c.until < now))


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


def add_audit(db: Connection, values: Mapping[str, Any]) -> None:
    """Add one line to the audit."""
    db.execute(insert(audit).values(values))


def audited(db: Connection, *, object_: str | None, before: int | None, limit: int) -> list[AuditEntry]:
    """The audit, newest first, from below id `before`."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if object_ is not None:
        query = query.where(audit.c.object == object_)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [AuditEntry(**row) for row in db.execute(query).mappings()]


def has_anybody(db: Connection) -> bool:
    """Whether somebody was ever added; False too where the table is not there yet."""
    if db.scalar(select(func.to_regclass("person"))) is None:
        return False
    return db.scalar(select(person.c.login).limit(1)) is not None


def _person(row: Row[Any], default_zone: str) -> Person:
    user = User.model_validate(row.spec)
    return Person(row.login, user, row.declared, ZoneInfo(user.timezone or default_zone))
