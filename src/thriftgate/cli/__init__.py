"""The command line, one file per verb, each thin: parse, call one room, print. May import: everything.

Verbs are named here and loaded when called, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from thriftgate import __version__
from thriftgate.core.errors import ConfigError, InputError, ThriftgateError

VERBS: tuple[tuple[str, str], ...] = (
    ("serve", "Run the gateway."),
    ("simulate", "Run the simulator: a fake Claude API, no key needed."),
    ("demo", "Watch real client calls get cheaper, without a key or a network."),
    ("price", "Price a call."),
    ("count", "Count the tokens of a request."),
    ("batch", "Run a file of calls through the provider's batches, at half price."),
    ("eval", "Compare models on items of your own: quality, cost, latency."),
    ("compare", "Compare targets and models on the same items: quality, cost, latency."),
    ("prune", "Find the smallest prompt that keeps the score."),
    ("audit", "Read existing usage logs: what they cost, and what would have cost less."),
    ("calc", "Work out what a month would cost with each lever."),
    ("reconcile", "Hold the bill against a ledger or logs, and name the cause of each difference."),
    ("report", "What was spent and saved, from the ledger."),
    ("savings", "What was saved: by the books, net of what it cost, and against a random hold-out."),
    ("explain", "One call, line by line."),
    ("dashboard", "Look at a ledger in a browser."),
    ("calibrate", "Which calls a cheaper model may serve, with a guarantee, from graded examples."),
    ("route", "Which model serves which calls, and why."),
    ("providers", "Where calls can go: what each provider can do, and the targets that are set."),
    ("keys", "Who may call: virtual keys, and the provider's own."),
    ("teams", "Who they are: organisations, teams and users."),
    ("budget", "What may be spent, by whom, and how much of it is."),
    ("limits", "How much callers may ask for in a short time, or at once."),
    ("reuse", "Earlier answers that are kept to be given again: how many, and away with them."),
    ("cache", "The prompt cache: what was missed and why, what breaks it."),
    ("warm", "Write prefixes into the provider's cache before they are needed."),
    ("alerts", "What people are told of: list, acknowledge, silence, test."),
    ("ledger", "The books themselves: are they right?"),
    ("migrate", "Copy a ledger into another database, and compare row for row."),
    ("doctor", "Check the installation, the settings and the ledger."),
)

app = App(name="thriftgate", help="Cut a Claude API bill and prove every cent of it.", version=__version__)
for _verb, _help in VERBS:
    app.command(f"thriftgate.cli.{_verb}:{_verb}", name=_verb, help=_help)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb and exit: 0 done, 1 refused or fell short, 2 bad usage."""
    try:
        result = app(arguments, exit_on_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError:
        sys.exit(2)  # printed already, in words
    except (ConfigError, InputError) as error:
        print(f"thriftgate: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except ThriftgateError as error:
        print(f"thriftgate: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except BrokenPipeError:  # whoever read our output has gone, as `head` does; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(result if isinstance(result, int) else 0)
