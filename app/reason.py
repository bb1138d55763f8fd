"""Why something was decided: a code and its facts. `app/wording.py` puts it into words where people read it. Pure.

A decision returns its `Reason`; whoever stores it stores code and facts, and nobody ever reads the words back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

RECORDED = "recorded"  # the words themselves: of a sender, a probe, or a row that an older release wrote


class Code(StrEnum):
    """The branches of the decisions from a result to its receipt; those of one kind of rule stand in the kind's file."""

    # rules: what every kind has in common
    RECOVERED = "recovered"  # well again: the alert is over
    NO_DATA = "no_data"  # unknown for as long as the rule allows; what follows says why
    NO_RESULT = "no_result"  # the check has given none
    NO_SAMPLE = "no_sample"  # the window has none
    NO_METRIC = "no_metric"  # the result is without the metric that the rule reads
    NOT_A_NUMBER = "not_a_number"  # the metric's value is NaN or infinite
    TOO_LARGE = "too_large"  # the sums of it are
    RULE_BROKE = "rule_broke"  # the kind's own code raised an error
    SERIES_ENDED = "series_ended"  # runs that know of it do not name the label set any more
    TOO_MANY_SERIES = "too_many_series"  # more label sets than max_series
    CHECK_PAUSED = "check_paused"  # nothing fires of a paused check

    # results: why one is unknown that says nothing of the target
    NOT_ON_HOST = "not_on_host"  # the host has none of what the probe reads, and need not have it

    # heartbeats
    PING_MISSED = "ping_missed"  # none came until its grace was over
    RUN_OVERRAN = "run_overran"  # a run started and has not ended within the grace
    JOB_FAILED = "job_failed"  # the job pinged a failure, or an exit status above 0
    PINGED_AGAIN = "pinged_again"  # a success after it was down
    NOT_LATE = "not_late"  # its schedule or grace was changed
    HEARTBEAT_PAUSED = "heartbeat_paused"  # nothing is expected until it is resumed or pinged
    AWAITS_PING = "awaits_ping"  # it had failed when it was removed, and is back

    # probers: whether a place can check anything
    REFERENCES_SILENT = "references_silent"  # none of its reference targets answers: it is cut off
    REFERENCE_ANSWERS = "reference_answers"  # one answers again
    NO_WORKER = "no_worker"  # no worker of the location has been seen for too long
    WORKER_RUNS = "worker_runs"  # one has been seen

    # alerts: how one ended, where its rule does not say
    REMOVED = "removed"  # its check, rule or heartbeat is no longer configured: nobody is notified
    RESOLVED_BY_SENDER = "resolved_by_sender"  # the sender says so
    INCIDENT_RESOLVED = "incident_resolved"  # somebody resolved the incident of an alert that a sender pushed

    # alerts: why one fires, where no rule does
    REPORTED = "reported"  # a person pages somebody

    # incidents: whose an alert is
    ROUTED = "routed"  # the first route whose matchers fit
    NO_ROUTE = "no_route"  # none fits: the platform's owners answer
    URGENCY_BY_HOURS = "urgency_by_hours"  # the route's urgency follows hours
    HOURS_UNDECLARED = "hours_undeclared"  # the hours it followed are no longer declared: it stays as it is

    # incidents: what an alert changes in the one it joins
    SEVERITY_ROSE = "severity_rose"  # worse than everything before
    URGENCY_ROSE = "urgency_rose"  # it is routed with high urgency, the incident had low
    ALERT_JOINED = "alert_joined"  # after the window in which alerts join silently
    JOINED_IN_WINDOW = "joined_in_window"  # so soon after the opening that nobody is notified
    UNCHANGED = "unchanged"  # a known alert said nothing that matters

    # escalation: which step
    STEP = "step"  # a step of the policy
    EXHAUSTED = "exhausted"  # every step and round is over
    NO_POLICY = "no_policy"  # the incident was routed to none
    NOBODY_NAMED = "nobody_named"  # neither owners nor admins exist
    HELD = "held"  # the incident's hours are closed

    # escalation: whom a target stands for
    CHANNEL = "channel"  # a channel stands for itself
    USER_NAMED = "user_named"  # the step names the person
    USER_GONE = "user_gone"  # removed, or a viewer now
    TEAM_MEMBER = "team_member"  # one of the team's members
    TEAM_EMPTY = "team_empty"  # no member can be paged
    ON_CALL = "on_call"  # the schedule has the person on call just then
    ASSIGNEE = "assignee"  # assigned when the policy restarted, so paged with step 1
    NOBODY_ON_CALL = "nobody_on_call"  # the schedule has a gap just then

    # escalation: why assigning somebody pages nobody
    NOT_PAGED = "not_paged"  # they assign themselves, or have acknowledged it
    PAGED_ALREADY = "paged_already"  # they are assigned, were paged, and still have time to answer

    # people: which contact, and when
    NOTIFY_RULE = "notify_rule"  # the person's notify.high or notify.low names it
    NOTIFY_EMPTY = "notify_empty"  # that list is empty: only the inbox is left
    NOTIFY_DEFAULT = "notify_default"  # the person has no such list
    QUIET_HOURS = "quiet_hours"  # low urgency waits for their end

    # notify: why a page is not sent any more
    PERSON_GONE = "person_gone"  # removed, or a viewer now
    CONTACT_REMOVED = "contact_removed"  # the person has no contact of that name any more
    CONTACT_CHANGED = "contact_changed"  # it has another address, or another channel

    # notify: what follows a page
    FALLBACK = "fallback"  # the contact before failed for good
    FALLBACK_LATE = "fallback_late"  # the contact before did not answer; retries go on
    NOTIFIED_OVER = "notified_over"  # a follow-up goes where the page before was accepted
    NOTIFIED_HERE = "notified_here"  # the same for a channel that is nobody's contact
    TEST_ASKED = "test_asked"  # the person tests their contacts

    # what happened to an incident
    OPENED = "opened"  # the alert that it opened with
    PAGED = "paged"  # a person opened it to page somebody
    JOINED = "joined"  # another alert of its group
    ALERT_RESOLVED = "alert_resolved"  # one of its alerts ended
    REOPENED = "reopened"  # by a person, or because an alert fired again
    RESOLVED = "resolved"  # by a person, or because all alerts resolved
    RESTARTED = "restarted"  # it got worse and is routed anew
    MERGE_RESTARTED = "merge_restarted"  # one that is worse and unacknowledged was merged into it
    URGENCY_CHANGED = "urgency_changed"  # its hours began or ended
    ACKNOWLEDGED = "acknowledged"  # somebody works on it
    UNACKNOWLEDGED = "unacknowledged"  # somebody took the acknowledgement back
    ACK_EXPIRED = "ack_expired"  # acknowledged, but not resolved within the policy's ack_timeout
    SNOOZED = "snoozed"  # acknowledged until then
    SNOOZE_ENDED = "snooze_ended"  # and it was not resolved meanwhile
    ESCALATED = "escalated"  # somebody wanted the next step at once
    ASSIGNED = "assigned"  # a person is named to work on it
    UNDONE = "undone"  # whoever escalated or assigned it took that back
    NOTE = "note"  # what somebody wrote
    MERGED = "merged"  # into another
    MERGED_FROM = "merged_from"  # another was merged into it
    STEP_TAKEN = "step_taken"  # somebody is called
    STEP_SKIPPED = "step_skipped"  # none of its targets is anybody
    PAGE_ACCEPTED = "page_accepted"  # a provider accepted it
    PAGE_FAILED = "page_failed"  # for good
    PAGE_RETRIED = "page_retried"  # the first attempt failed for now
    PAGE_WITHDRAWN = "page_withdrawn"  # its person or contact is not there any more

    # escalation: why no step is due, and why an obligation was excused
    STARTED_AGAIN = "started_again"  # the policy starts at step 1
    NOT_TRIGGERED = "not_triggered"  # the incident was acknowledged or resolved when the step fell due

    # obligations: how they ended
    ACCEPTED = "accepted"  # a provider accepted a page for it
    ALL_FAILED = "all_failed"  # no page for it can arrive any more
    BREACH = "breach"  # as told to those who are paged in their place


@dataclass(frozen=True, slots=True)
class Reason:
    """One branch that a decision took. `facts`: JSON values; instants as RFC 3339 text."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Reasons = tuple[Reason, ...]  # from the general to the particular: the step, the target, the contact


def nested(reason: Reason) -> dict[str, Any]:
    """A reason as one of the facts of another."""
    return {"code": str(reason.code), "facts": dict(reason.facts)}


def revived(stored: Mapping[str, Any] | None) -> Reason | None:
    """One reason from its stored form, where there is one."""
    return None if stored is None else Reason(stored["code"], stored["facts"])


def recorded(text: str) -> Reason:
    """A reason that is nothing but words."""
    return Reason(RECORDED, {"text": text})


def headlines(reasons: Iterable[Reason]) -> Reasons:
    """The same, of each text in their facts its first line: a program's message may have more."""
    return tuple(Reason(one.code, {name: _headline(value) for name, value in one.facts.items()}) for one in reasons)


def _headline(value: Any) -> Any:
    if isinstance(value, str):
        return value.partition("\n")[0]
    if isinstance(value, Mapping):
        return {name: _headline(one) for name, one in value.items()}
    return [_headline(one) for one in value] if isinstance(value, list | tuple) else value


def dumped(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    """The stored form."""
    return [nested(one) for one in reasons]


def loaded(stored: Sequence[Mapping[str, Any]]) -> Reasons:
    """Reasons from their stored form. What is none is left out: one row that somebody damaged must not stop the line."""
    return tuple(Reason(one["code"], one["facts"]) for one in stored if _is_reason(one)) if isinstance(stored, list) else ()


def _is_reason(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("code"), str) and isinstance(one.get("facts"), dict)


def texts(stored: object) -> tuple[str, ...]:
    """A list of texts from its stored form, with the same leniency."""
    return tuple(one for one in stored if isinstance(one, str)) if isinstance(stored, list) else ()
