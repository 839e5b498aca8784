"""What of the pages is not run as it stands, and why. A row that no page needs any more fails the tests."""

from __future__ import annotations

Rows = tuple[tuple[str, str], ...]

NOT_RUN: Rows = (
    ("thriftgate audit /data/logs --engine", "a cluster, and 240 MB to be installed: python3 tasks.py engines"),
    (
        "thriftgate reconcile thriftgate.db --pull",
        "an administrator's key, and a server that knows it: tests/cli/test_reconcile.py",
    ),
    (
        "thriftgate reconcile ~/.claude/projects",
        "reports of the same days, which nobody's log here has: tests/cli/test_reconcile.py",
    ),
    ("thriftgate warm requests.jsonl --at", "waits for half past eight: tests/cli/test_warm.py"),
    ("thriftgate warm request.json --every", "does not end by itself: tests/cli/test_warm.py"),
    ("thriftgate doctor --live", "experiments with pauses of minutes: tests/cli/test_live.py"),
    ("curl -H", "an administrator's key of that gateway: tests/gateway/test_admin_keys.py"),
    ("python3 tasks.py", "is what runs these tests: tests/test_tasks.py"),
    (
        "thriftgate migrate",
        "a PostgreSQL server, and books of a machine: tests/cli/test_migrate.py, tests/ledger/test_moving.py",
    ),
    ("claude", "the real client: tests/clients, tests/recipes"),
    ("llm", "the real client: tests/recipes"),
    ("pip install", "from an index, once the package is published"),
    ("python3 -m venv", "a machine's own folders: tests/deploy follows these steps"),
    ("/usr/lib/thriftgate/bin/pip", "a machine's own folders: tests/deploy"),
    ("install", "a machine's own folders: tests/deploy"),
    ("(umask", "makes secrets for a service: tests/deploy"),
    ("systemctl", "a service manager: tests/deploy looks at the unit"),
    ("docker", "a daemon: tests/deploy follows the container file's steps and validates the Compose file"),
    ("cd", "into the Compose file's folder, for docker"),
    ("openssl", "makes secrets for docker"),
    ("printf", "makes secrets for docker"),
    ("cat", "makes secrets for docker"),
    ("chmod", "makes secrets for docker"),
    ("kubectl", "a cluster: tests/deploy renders and validates the chart"),
    ("helm", "a cluster: tests/deploy"),
)
"""Beginnings of lines in `sh` blocks, and why they are parsed at most."""

FULL_ONLY: Rows = (
    ("thriftgate serve", "a process each; one gateway is behind all pages in any case"),
    ("thriftgate simulate", "a process each; a simulator is behind all pages in any case"),
)
"""Beginnings of lines that only `python3 tasks.py snippets` runs, and why."""

PROGRAMS_NOT_RUN = {
    "docs/guides/python-client.md": "run by tests/client/test_guide.py, with batches on a quick clock",
    "README.md": "run by tests/client/test_guide.py",
    "docs/guides/recipes.md": "run with the real clients: python3 tasks.py recipes",
}
"""Pages whose `python` blocks are not run here, and where they are or why not."""

BEFORE: dict[str, tuple[str, ...]] = {
    "docs/guides/budgets.md": ("thriftgate teams add search",),
    "docs/guides/limits.md": ("thriftgate teams add search",),
    "docs/guides/security.md": ("thriftgate teams add support", "thriftgate keys create support-bot --team support"),
}
"""What a reader of a page has done already."""

SETTINGS: dict[str, str] = {
    "docs/guides/settings.md": "",
    "docs/guides/reuse.md": "[reuse]\npath = 'answers.db'\n",
    "docs/guides/routing.md": "[policy]\nlevers = ['batch.defer', 'route.rules']\n"
    "[[routing.rules]]\nname = 'tickets'\ntask = 'tickets'\n"
    "to = 'claude-haiku-5-5'\n",
    "docs/guides/failover.md": "[upstream]\napi_key = 'sk-ant-sim-default-1'\n"
    "[[targets]]\nname = 'second'\nprovider = 'anthropic'\n"
    "url = 'http://127.0.0.1:8485'\nkey = 'sk-ant-sim-second-1'\n",
}
"""The settings file of a page's reader, `thriftgate.toml`; those of other pages have none."""

PUT: dict[str, dict[str, str]] = {"docs/guides/alerts.md": {"12": "1", "3": "1"}}
"""Numbers that a page made up, and those that the books here have."""

WAITING = ("Deferring(", "thriftgate-deadline")
"""What a program has in it that waits for a batch to be worth while: tests/client and tests/sim have clocks for that."""

_FEW = 1, "the eight examples of this stage are too few to promise anything"
EXIT_CODES: dict[str, tuple[int, str]] = {
    "thriftgate batch cancel RUN": (2, "three jobs are through before anybody can cancel them"),
    "thriftgate calibrate --data items.results.jsonl --strong claude-opus-5-5 --target 0.98": _FEW,
    "thriftgate calibrate --data tickets.results.jsonl --strong claude-opus-5-5 --target 0.95 --out routing.json": _FEW,
    "thriftgate prune prompt.md --eval cases.jsonl --judge exact --budget 5.00": _FEW,
    "thriftgate prune prompt.md --eval cases.jsonl --judge exact --write": _FEW,
}
"""Commands that rightly end with another code than 0 on this stage, and why."""
