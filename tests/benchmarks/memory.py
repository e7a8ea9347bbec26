"""What an idle SFTP session costs in memory, on a server that has done nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.helpers import helper
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import Server

#: Sessions before those that count: so no first use of anything counts.
_WARM_UP: Final = 8
#: These start processes for each session; the cost of one is the same for few and many.
_FORKING: Final = frozenset({"sshd"})
#: Seconds until a server has done what it does once a login is over.
_SETTLE: Final = 1


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    count = plan.sessions_of_forking_servers if server.name in _FORKING else plan.sessions
    login = server.port, server.username, server.key
    with helper("light_client", "hold", *login, _WARM_UP) as few:
        few.line()
        time.sleep(_SETTLE)
        before = server.memory()
        with helper("light_client", "hold", *login, count) as many:
            many.line()
            time.sleep(_SETTLE)
            yield Sample("memory of an idle session", Unit.KIB, (server.memory() - before) / count / 1024)
