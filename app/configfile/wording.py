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
        return f"{f['what']} is text, but a bare number is not; quote it"
    return f'{f["what"]} is text, but {f["written"]} is not; quote it: "{f["written"]}"'


def _not_one_of(f: Facts) -> str:
    return f"{f['what']} cannot be {f['found']}{f['hint'] or '; write one of ' + ', '.join(f['known'])}"


PHRASES: Mapping[Code, Phrase] = {
    Code.CANNOT_READ: "cannot be read: {why}",
    Code.DEAD_LINK: "is a link to {target}, which does not exist; remove it, or put there what it should lead to",
    Code.NOT_A_FILE: "is not a file that can be read",
    Code.FILE_NAME: "the file's name is not UTF-8; rename it",
    Code.FILE_TOO_LARGE: "is larger than {kilobytes} kB; split it",
    Code.FILES_TOO_LARGE: "all files together are larger than {megabytes} MB",
    Code.NOT_UTF8: "byte {byte:#04x} is not UTF-8; save the file as UTF-8",
    Code.NUL: "holds a NUL character; remove it",
    Code.NOTHING_DECLARED: "nothing is declared here; to watch nothing and page nobody, declare that: routes: []",
    #
    Code.NOT_YAML: "not YAML: {why}",
    Code.TAB: "a tab stands where YAML wants spaces; indent with spaces",
    Code.TOO_DEEP: "nested deeper than {limit} levels",
    Code.TOO_MANY_VALUES: "more than {limit} values in one file, aliases unfolded; split it",
    Code.SECOND_DOCUMENT: 'a second document begins here; one file holds one, so remove "---"',
    Code.TAG: 'the tag "{tag}" is not allowed; quote what is text',
    Code.UNKNOWN_ANCHOR: 'no "&{anchor}" stands before "*{anchor}"',
    Code.ANCHOR_IN_ITSELF: '"*{anchor}" stands inside "&{anchor}" itself',
    Code.KEY_TWICE: '"{key}" stands here twice; line {first} has it first',
    Code.KEY_NOT_A_WORD: "a key is a word, not a list or map",
    Code.KEY_NOT_TEXT: 'the key {written} is not text; quote it: "{written}"',
    Code.MERGE: '"<<" takes a map, or a list of maps',
    Code.UNSTORABLE: "a character here cannot be stored: NUL, or half a surrogate pair",
    Code.NOT_COMPARABLE: "{word} is not a number that can be compared; quote it if text is meant",
    Code.NUMBER_TOO_LARGE: "{word} is too large a number; quote it if text is meant",
    Code.VARIABLE: '"${{" is not understood; write ${{NAME}}, ${{NAME:-default}}, or $${{ where "${{" itself is meant',
    Code.VARIABLE_UNSET: "the environment has no {name}; set it, or write ${{{name}:-default}}",
    #
    Code.UNKNOWN_KEY: _unknown_key,
    Code.FILE_NOT_A_MAP: lambda f: f"a file holds a map; its keys are {', '.join(f['known'])}",
    Code.SECTION_NOT_NAMES: '"{section}" must be a map from names to {section}',
    Code.SECTION_NOT_A_LIST: '"{section}" must be a list',
    Code.SECTION_NOT_A_MAP: '"{section}" must be a map',
    Code.LIST_TWICE: '"{section}" stands in one file only; {first} has it',
    Code.DECLARED_TWICE: "{subject} is declared already, in {first}",
    Code.FIELD_TWICE: '{subject}: "{field}" is declared already, in {first}',
    Code.NOT_A_MAP: "{subject} must be a map",
    Code.NAME_EMPTY: "{subject}: a name is empty",
    Code.NAME_TOO_LONG: "{subject}: a name has at most {limit} characters, not {length}",
    Code.NAME_CHARACTER: '{subject}: a name cannot hold {character}; write it with "-"',
    #
    Code.MISSING: _missing,
    Code.INVALID: "{what}: {why}",
    Code.UNQUOTED: _unquoted,
    Code.EMPTY: "{what} is empty; write something, or leave the key out",
    Code.NOT_ONE_OF: _not_one_of,
    Code.WRONG_TYPE: "{what} must be {wanted}, not {found}{hint}",
    Code.LIST_WANTED: "{what} must be a list; write [{written}]",
    Code.OUT_OF_BOUNDS: "{what} must {bound} {limit}",
    Code.NO_ITEMS: "{what} must not be empty",
    Code.OTHER: "{what}: {why}",
    Code.UNKNOWN_WORD: 'unknown {field} "{word}" in {subject}{hint}',
    Code.PROBE_BROKEN: 'probe "{probe}" of {subject} cannot be loaded: {why}',
    #
    Code.LAST_ROUTE: "{subject} is the last and must match everything; add {{policy: NAME}} after it",
    Code.CONTROL_CHARACTER: "{what}: it cannot hold {character}; write it on one line",
    Code.RULE_CIRCLE: lambda f: f"rules are made of each other in a circle: {' -> '.join(f['names'])}",
    Code.SILENT_MEMBER: '{subject} names check:{check}, but check "{check}" has alert: off; name a rule over it instead',
    Code.CONTACT_INVALID: 'contact "{contact}" of {subject}: {why}',
    Code.HOURS_NAME: '{subject}: a name of hours cannot hold ","; write it with "-"',
    Code.INBOX_CHANNEL: 'the channel "{channel}" is built in; choose another name',
    Code.INBOX_CONTACT: '{subject} has a contact "{channel}"; everybody has that one already',
    Code.DANGLING: '{subject} names {kind} "{name}", which does not exist{hint}',
    Code.VIEWER_PAGED: "{subject} names {user}, who is a viewer and cannot be paged; give the role responder",
    #
    Code.SECTION_PLANNED: '"{section}" is not active yet',
    Code.FIELD_PLANNED: "{field} of {subject}: {about} is not active yet",
    Code.KIND_PLANNED: '{subject}: kind "{kind}" is not active yet',
    Code.UNUSED: lambda f: f"{f['subject']} {'are' if f['kind'] == 'hours' else 'is'} not used: {UNUSED[f['kind']]}",
    Code.NO_SUCH_HOURS: "{subject} matches {matcher}, and there are no such hours",
    Code.NO_ROUTES: "{subject} can alert, but there are no routes: nobody would be paged",
    Code.NO_POLICIES: "{subject} can alert, but there are no policies: nobody would be paged",
    Code.OWNERS_UNSET: "platform.owners is not set: an exhausted policy would page nobody",
    Code.OWNERS_EMPTY: "platform.owners is empty: an exhausted policy would page nobody",
    Code.ROUTE_UNREACHED: "{subject} is never reached: {before} matches everything",
    Code.SERVICE_CIRCLE: lambda f: (
        f"services depend on each other in a circle ({' -> '.join(f['names'])}); none of them is suppressed"
    ),
    Code.TIMEOUT_TOO_LONG: "{what} is longer than every: a slow run misses the next",
    Code.CHANNEL_WITHOUT_ADDRESS: '{subject} pages channel "{channel}", which has no "to": it would reach nobody',
    Code.CONTACT_UNREACHABLE: 'contact "{contact}" of {subject}: {why}; it would never be reached',
    Code.SUMMARY_BROKEN: "{what}: {why}; pages would carry plain text",
    Code.METRIC_UNKNOWN: '{subject} reads {metric}, which probe {probe} of check "{check}" does not give{hint}',
    Code.NO_SERVICE: "{subject} has no service: its alerts carry no service and no team",
    Code.NEVER_PINGED: "{subject} was never pinged: until then it cannot alert",
}
UNUSED: Mapping[str, str] = {  # why nothing uses a thing of this kind
    "policy": "no route names it",
    "schedule": "no policy pages it",
    "hours": "no route names them",
    "channel": "no contact and no policy uses it",
    "runbook": "nothing names it",
}
