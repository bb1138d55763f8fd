"""What can be wrong with a configuration, or worth a look: one code a branch. `wording.py` puts each into words. Pure."""

from enum import StrEnum


class Code(StrEnum):
    """The branches of reading, parsing and checking."""

    # the folder and its files
    CANNOT_READ = "cannot_read"
    DEAD_LINK = "dead_link"
    NOT_A_FILE = "not_a_file"
    FILE_NAME = "file_name"  # it is not UTF-8
    FILE_TOO_LARGE = "file_too_large"
    FILES_TOO_LARGE = "files_too_large"
    NOT_UTF8 = "not_utf8"
    NUL = "nul"
    NOTHING_DECLARED = "nothing_declared"

    # YAML and `${VARIABLES}`
    NOT_YAML = "not_yaml"
    TAB = "tab"
    TOO_DEEP = "too_deep"
    TOO_MANY_VALUES = "too_many_values"
    SECOND_DOCUMENT = "second_document"
    TAG = "tag"
    UNKNOWN_ANCHOR = "unknown_anchor"
    ANCHOR_IN_ITSELF = "anchor_in_itself"
    KEY_TWICE = "key_twice"
    KEY_NOT_A_WORD = "key_not_a_word"  # a list or a map
    KEY_NOT_TEXT = "key_not_text"
    MERGE = "merge"  # `<<` of what is no map
    UNSTORABLE = "unstorable"
    NOT_COMPARABLE = "not_comparable"  # .nan and .inf
    NUMBER_TOO_LARGE = "number_too_large"
    VARIABLE = "variable"  # `${` that is none
    VARIABLE_UNSET = "variable_unset"

    # sections and the names in them
    UNKNOWN_KEY = "unknown_key"
    FILE_NOT_A_MAP = "file_not_a_map"
    SECTION_NOT_NAMES = "section_not_names"  # it must be a map from names
    SECTION_NOT_A_LIST = "section_not_a_list"
    SECTION_NOT_A_MAP = "section_not_a_map"
    LIST_TWICE = "list_twice"
    DECLARED_TWICE = "declared_twice"
    FIELD_TWICE = "field_twice"  # of one thing, in two files
    NOT_A_MAP = "not_a_map"
    NAME_EMPTY = "name_empty"
    NAME_TOO_LONG = "name_too_long"
    NAME_CHARACTER = "name_character"

    # the fields of a thing
    MISSING = "missing"
    INVALID = "invalid"  # its own type says why
    UNQUOTED = "unquoted"
    EMPTY = "empty"
    NOT_ONE_OF = "not_one_of"
    WRONG_TYPE = "wrong_type"
    LIST_WANTED = "list_wanted"
    OUT_OF_BOUNDS = "out_of_bounds"
    NO_ITEMS = "no_items"
    OTHER = "other"  # pydantic's own words
    UNKNOWN_WORD = "unknown_word"  # a kind, or a probe
    PROBE_BROKEN = "probe_broken"

    # across things
    LAST_ROUTE = "last_route"
    CONTROL_CHARACTER = "control_character"
    RULE_CIRCLE = "rule_circle"
    SILENT_MEMBER = "silent_member"
    CONTACT_INVALID = "contact_invalid"
    HOURS_NAME = "hours_name"
    INBOX_CHANNEL = "inbox_channel"
    INBOX_CONTACT = "inbox_contact"
    DANGLING = "dangling"
    VIEWER_PAGED = "viewer_paged"

    # warnings: right, and yet worth a look
    SECTION_PLANNED = "section_planned"
    FIELD_PLANNED = "field_planned"
    KIND_PLANNED = "kind_planned"
    UNUSED = "unused"
    NO_SUCH_HOURS = "no_such_hours"
    NO_ROUTES = "no_routes"
    NO_POLICIES = "no_policies"
    OWNERS_UNSET = "owners_unset"
    OWNERS_EMPTY = "owners_empty"
    ROUTE_UNREACHED = "route_unreached"
    SERVICE_CIRCLE = "service_circle"
    TIMEOUT_TOO_LONG = "timeout_too_long"
    CHANNEL_WITHOUT_ADDRESS = "channel_without_address"
    CONTACT_UNREACHABLE = "contact_unreachable"
    SUMMARY_BROKEN = "summary_broken"
    METRIC_UNKNOWN = "metric_unknown"
    NO_SERVICE = "no_service"
    NEVER_PINGED = "never_pinged"


PLANNED = frozenset({Code.SECTION_PLANNED, Code.FIELD_PLANNED, Code.KIND_PLANNED})  # nobody can act on these
