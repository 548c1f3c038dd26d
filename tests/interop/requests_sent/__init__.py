"""What is said to nginx and to ours: requests good and bad, byte for byte, on a connection each."""

from .bodies import bodies
from .case import MODIFIED, Case
from .conditions import conditions
from .connections import connections
from .headers import headers, hosts
from .ranges import ranges
from .request_lines import methods, request_lines
from .targets import targets

__all__ = ["GROUPS", "MODIFIED", "Case"]

GROUPS = {
    "methods": [*methods()],
    "targets": [*targets()],
    "request lines": [*request_lines()],
    "hosts": [*hosts()],
    "headers": [*headers()],
    "bodies": [*bodies()],
    "connections": [*connections()],
    "ranges": [*ranges()],
    "conditions": [*conditions()],
}
