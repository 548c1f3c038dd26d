"""The cases, a module for each kind of fault.

The programs in these modules are written as strangers write theirs: without types, over a module that is a parameter.
"""

import importlib

from tests.compat.table import Case, Kind

MODULES = (
    "bodies",
    "tunnels",
    "stopping",
    "one_connection",
    "module_names",
    "cooperation",
    "collisions",
    "overrides",
    "looking",
    "late_changes",
)

KINDS: list[Kind] = [importlib.import_module(f"{__name__}.{name}").kind for name in MODULES]
CASES: list[Case] = [case for kind in KINDS for case in kind.cases]
