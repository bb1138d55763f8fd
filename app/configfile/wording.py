"""The words for every finding, in one place: called only where people read. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from app.configfile.codes import Code
from app.configfile.tree import Path, written
from app.reason import Reason
from app.secret import starred
from app.visible import printable

Facts = Mapping[str, Any]
Phrase = str | Callable[[Facts], str]


def text(reason: Reason, path: Path = ()) -> str:
    """The finding on one printable line, without anybody's password."""
    phrase = PHRASES[Code(reason.code)]
    near = reason.facts.get("near")
    facts = {
        **reason.facts,
        "what": called(str(reason.facts.get("subject", "")), path),
        "hint": f' (did you mean "{near}"?)' if near else "",
    }
    return printable(starred(phrase(facts) if callable(phrase) else phrase.format_map(facts)))


def called(subject: str, path: Path) -> str:
    """What people call the value at `path` of a thing: `steps[0].wait of policy "shop"`."""
    return f"{written(path)} of {subject}" if path else subject


def _missing(f: Facts) -> str:
    choice = f"; write one of {', '.join(f['known'])}" if "known" in f else ""
    return f'missing required field "{f["field"]}" in {f["what"]}{choice}'


def _unknown_key(f: Facts) -> str:
    within = f" in {called(f['subject'], tuple(f['within']))}" if "subject" in f else ""
    return f'unknown key "{f["key"]}"{within}{f["hint"]}'


def _unquoted(f: Facts) -> str:
    if f["written"] is None:  # it is secret
        return f"{f['what']} must be text, not a number; quote it"
    return f'{f["what"]} must be text, not {f["written"]}; quote it: "{f["written"]}"'


def _not_one_of(f: Facts) -> str:
    return f"{f['what']}: invalid value {f['found']}{f['hint'] or '; write one of ' + ', '.join(f['known'])}"


def _dangling(f: Facts) -> str:
    people = "; declare them under users:, invited or not" if f["kind"] == "user" else ""
    return f'unknown {f["kind"]} "{f["name"]}" in {f["subject"]}{f["hint"] or people}'


def _out_of_bounds(f: Facts) -> str:
    unit = f["unit"].removesuffix("s") if f["limit"] == 1 else f["unit"]
    return f"{f['what']} must {f['bound']} {f['limit']}{unit}"


PHRASES: Mapping[Code, Phrase] = {
    Code.CANNOT_READ: "cannot be read: {why}",
    Code.DEAD_LINK: "broken link to {target}; remove the link, or create its target",
    Code.NOT_A_FILE: "not a regular file",
    Code.FILE_NAME: "the file name is not UTF-8; rename it",
    Code.FILE_TOO_LARGE: "the file is larger than {kilobytes} kB; split it",
    Code.FILES_TOO_LARGE: "all files together are larger than {megabytes} MB; is this the right folder?",
    Code.NOT_UTF8: "byte {byte:#04x} is not UTF-8; save the file as UTF-8",
    Code.NUL: "contains a NUL character; remove it",
    Code.NOTHING_DECLARED: "the folder declares nothing; for an empty configuration write: routes: []",
    #
    Code.NOT_YAML: "invalid YAML: {why}",
    Code.TAB: "tab in the indentation; indent with spaces",
    Code.TOO_DEEP: "nested deeper than {limit} levels",
    Code.TOO_MANY_VALUES: "more than {limit} values in one file, aliases unfolded; split it",
    Code.SECOND_DOCUMENT: 'a second YAML document starts here; one per file is allowed, so remove "---"',
    Code.TAG: 'the tag "{tag}" is not allowed; quote what is text',
    Code.UNKNOWN_ANCHOR: 'unknown anchor "*{anchor}"; define "&{anchor}" above it',
    Code.ANCHOR_IN_ITSELF: '"*{anchor}" refers to "&{anchor}", which contains it',
    Code.KEY_TWICE: 'duplicate key "{key}"; first on line {first}',
    Code.KEY_NOT_A_WORD: "a key must be text, not a list or map",
    Code.KEY_NOT_TEXT: 'the key {written} must be text; quote it: "{written}"',
    Code.MERGE: '"<<" must be a map or a list of maps',
    Code.UNSTORABLE: "this text contains a character that cannot be stored: NUL, or half a surrogate pair",
    Code.NOT_COMPARABLE: "{word} is not a finite number; quote it if it is text",
    Code.NUMBER_TOO_LARGE: "the number {word} is too large; quote it if it is text",
    Code.VARIABLE: 'invalid variable; write ${{NAME}} or ${{NAME:-default}}, and $${{ for a literal "${{"',
    Code.VARIABLE_UNSET: "environment variable {name} is not set; set it, or write ${{{name}:-default}}",
    #
    Code.UNKNOWN_KEY: _unknown_key,
    Code.FILE_NOT_A_MAP: lambda f: f"the file must be a map with the keys {', '.join(f['known'])}",
    Code.SECTION_NOT_NAMES: '"{section}" must be a map of names to {section}',
    Code.SECTION_NOT_A_LIST: '"{section}" must be a list',
    Code.SECTION_NOT_A_MAP: '"{section}" must be a map',
    Code.LIST_TWICE: '"{section}" may be declared in one file only; it is also in {first}',
    Code.DECLARED_TWICE: "duplicate {subject}; first declared in {first}",
    Code.FIELD_TWICE: '{subject}: duplicate "{field}"; first declared in {first}',
    Code.NOT_A_MAP: "{subject} must be a map",
    Code.NAME_EMPTY: "{subject}: the name is empty",
    Code.NAME_TOO_LONG: "{subject}: the name has {length} characters; at most {limit} are allowed",
    Code.NAME_CHARACTER: '{subject}: the name must not contain {character}; use "-"',
    #
    Code.MISSING: _missing,
    Code.INVALID: "{what}: {why}",
    Code.UNQUOTED: _unquoted,
    Code.EMPTY: "{what} is empty; set a value, or remove the key",
    Code.NOT_ONE_OF: _not_one_of,
    Code.WRONG_TYPE: "{what} must be {wanted}, not {found}{hint}",
    Code.LIST_WANTED: "{what} must be a list; write [{written}]",
    Code.OUT_OF_BOUNDS: _out_of_bounds,
    Code.NO_ITEMS: "{what} must not be empty",
    Code.OTHER: "{what}: {why}",
    Code.UNKNOWN_WORD: 'unknown {field} "{word}" in {subject}{hint}',
    Code.PROBE_BROKEN: 'probe "{probe}" of {subject} cannot be loaded: {why}',
    #
    Code.LAST_ROUTE: "{subject} is the last route and must match everything; add {{policy: NAME}} after it",
    Code.CONTROL_CHARACTER: "{what} must not contain {character}; write it on one line",
    Code.RULE_CIRCLE: lambda f: f"composite rules refer to each other in a cycle: {' -> '.join(f['names'])}",
    Code.SILENT_MEMBER: '{subject} refers to check:{check}, but check "{check}" has alert: off; use a rule over that check',
    Code.CONTACT_INVALID: 'contact "{contact}" of {subject}: {why}',
    Code.HOURS_NAME: '{subject}: the name must not contain ","; use "-"',
    Code.INBOX_CHANNEL: 'channel "{channel}" is built in; choose another name',
    Code.INBOX_CONTACT: '{subject} declares contact "{channel}", which everyone has; remove it',
    Code.DANGLING: _dangling,
    Code.VIEWER_PAGED: "{subject} names {user}, who is a viewer and cannot be paged; set role: responder",
    #
    Code.SECTION_PLANNED: '"{section}" is not active yet',
    Code.FIELD_PLANNED: "{field} of {subject} is not active yet ({about})",
    Code.KIND_PLANNED: '{subject}: kind "{kind}" is not active yet',
    Code.UNUSED: lambda f: f"{f['subject']} {'are' if f['kind'] == 'hours' else 'is'} unused: {UNUSED[f['kind']]}",
    Code.NO_SUCH_HOURS: "{subject} matches {matcher}, but no such hours are declared",
    Code.NO_ROUTES: "{subject} can alert, but there are no routes: no pages would be sent",
    Code.NO_POLICIES: "{subject} can alert, but there are no policies: no pages would be sent",
    Code.OWNERS_UNSET: "platform.owners is not set: no pages would be sent once escalation is exhausted",
    Code.OWNERS_EMPTY: "platform.owners is empty: no pages would be sent once escalation is exhausted",
    Code.ROUTE_UNREACHED: "{subject} is unreachable: {before} matches everything",
    Code.SERVICE_CIRCLE: lambda f: (
        f"services depend on each other in a cycle ({' -> '.join(f['names'])}); none of them is suppressed"
    ),
    Code.TIMEOUT_TOO_LONG: "{what} is longer than every: a slow run delays the next one",
    Code.CHANNEL_WITHOUT_ADDRESS: '{subject} pages channel "{channel}", which has no "to": its pages cannot be sent',
    Code.CONTACT_UNREACHABLE: 'contact "{contact}" of {subject}: {why}; pages to it would fail',
    Code.SUMMARY_BROKEN: "{what}: {why}; pages would use a plain summary",
    Code.METRIC_UNKNOWN: '{subject} reads {metric}, which probe {probe} of check "{check}" does not report{hint}',
    Code.NO_SERVICE: "{subject} has no service: its alerts have no service and no team",
    Code.NEVER_PINGED: "{subject} has never been pinged and cannot alert yet",
}
UNUSED: Mapping[str, str] = {  # why nothing uses a thing of this kind
    "policy": "no route uses it",
    "schedule": "no policy pages it",
    "hours": "no route uses them",
    "channel": "no contact and no policy uses it",
    "runbook": "nothing links to it",
}
