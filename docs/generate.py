"""The reference, from the code: `python -m docs.generate [--check | --picture]`, run in the checkout.

Without a flag writes `docs/reference/*.md`; with `--check` writes nothing and exits 1 where a committed page says otherwise;
with `--picture` runs the demo and puts what it prints into the README.
What code cannot know (what a header means) stands in `docs/meanings.py`; a header that is not in there is an error.
"""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from cyclopts import App
from docs.admin_page import admin_page
from docs.markdown import anchor, fenced, joined, prose, table
from docs.meanings import KEYS, REPLY_HEADERS, REQUEST_HEADERS, UNFORESEEN
from docs.openai_page import openai_page
from docs.types_told import default_text, field_rows, item_of, table_of, type_text
from pydantic import BaseModel
from rich.console import Console

from thriftgate.batch.queue import LetGo
from thriftgate.batch.sink import OutputError
from thriftgate.cli import VERBS, app
from thriftgate.core import errors
from thriftgate.core.foreign import is_foreign
from thriftgate.core.levers import LEVERS
from thriftgate.core.models import NEVER_CACHED
from thriftgate.core.money import usd_from_pico
from thriftgate.core.prices import FOREVER_DAY, iso_from_day
from thriftgate.gateway.access import NoProviderKey, Slowed
from thriftgate.gateway.app import NotServed
from thriftgate.gateway.jobs import NoSuchJob
from thriftgate.gateway.oidc import ProviderTrouble
from thriftgate.ledger.jobs import Fenced
from thriftgate.pricing import overrides
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import ENV_PREFIX, ENV_SEPARATOR, Settings
from thriftgate.simulator import accuracy, clouds, control, instructions, longwinded, opinions, tasks
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "thriftgate"
WIDTH = 100
SECTION = re.compile(r"^(What|Why it saves|When it must not|Example|Source): (.)", re.MULTILINE)

# --- pages -------------------------------------------------------------------------------------------------------------


def cli_page() -> str:
    parts = [
        "# The command line",
        (
            "Exit codes: 0 done, 1 refused or fell short, 2 bad usage. With `--json` a verb prints exactly one JSON "
            "document on stdout and everything else on stderr. Money stands in keys that end in `_usd`, as exact "
            "decimal strings; the keys of `levers` are lever ids and their values amounts of the same kind. More keys "
            "may be added, none will change its meaning."
        ),
        (
            "Settings come from `--config` (or the file that `THRIFTGATE_CONFIG` names), then from "
            "`THRIFTGATE_…` variables, then from flags: see [settings](settings.md)."
        ),
    ]
    for verb, summary in VERBS:
        function = getattr(import_module(f"thriftgate.cli.{verb}"), verb)
        if isinstance(function, App):
            parts += [f"## {verb}", summary]
            for name, inner in inner_verbs(function, verb):
                parts += verb_parts(name, inner, "###")
        else:
            parts += verb_parts(verb, function, "##")
    return joined(parts)


def inner_verbs(function: App, verb: str) -> list[tuple[str, object]]:
    """The verbs within a verb, and within those, by their whole names."""
    found: list[tuple[str, object]] = []
    for name in [name for name in function if not name.startswith("-")]:
        one, whole = function[name], f"{verb} {name}"
        found += [(whole, one.default_command)] if one.default_command else inner_verbs(one, whole)
    return found


def verb_parts(verb: str, function: object, heading: str) -> list[str]:
    """What one verb does, takes and prints."""
    details = prose(inspect.getdoc(function) or "").partition("Parameters\n---")[0].strip()
    alike = next((other for other in KEYS if KEYS[other] is KEYS.get(verb)), verb)
    keys = [f"`--json`: as of `{alike}`" if alike != verb else f"`--json`: `{KEYS[verb]}`"] if verb in KEYS else []
    return [f"{heading} {verb}", details, fenced(help_of(verb)), *keys]


def settings_page() -> str:
    parts = [
        "# Settings",
        (
            "One TOML file, named by `--config` or `THRIFTGATE_CONFIG`; without one the defaults hold. Any setting of "
            f"a table can also be given as an environment variable, `{ENV_PREFIX}TABLE{ENV_SEPARATOR}KEY`, which wins "
            f"over the file; a flag of the same meaning wins over both. An unknown key is an error with a suggestion."
        ),
    ]
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows = [
                (
                    f"`{key}`",
                    type_text(inner.annotation),
                    default_text(inner.get_default(call_default_factory=True)),
                    inner.description or "",
                    f"`{ENV_PREFIX}{name.upper()}{ENV_SEPARATOR}{key.upper()}`",
                )
                for key, inner in kind.model_fields.items()
                if table_of(inner.annotation) is None
            ]
            parts += [
                f"## [{name}]",
                table(("Key", "Type", "Default", "Meaning", "Variable"), rows),
                *inner_tables(name, kind),
            ]
        elif (item := item_of(kind)) is not None:
            told = f"{prose(inspect.getdoc(item) or '')} In the file only, not by variable."
            parts += [f"## [{name}]", told, item_table(item)]
        else:
            title, _, rest = prose(inspect.getdoc(overrides) or "").partition("\n\n")
            example, _, after = rest.rpartition("\n\n")
            parts += [
                f"## [{name}]",
                f"{title} In the file only, not by variable.",
                fenced(inspect.cleandoc(example), "toml"),
                after,
            ]
    return joined(parts)


def inner_tables(name: str, kind: type[BaseModel]) -> list[str]:
    """The settings that are tables, or lists of tables, each with its keys."""
    parts = []
    for key, field in kind.model_fields.items():
        one = table_of(field.annotation)
        item = one or item_of(field.annotation)
        if item is not None:
            heading = f"### [{name}.{key}]" if one is not None else f"### [[{name}.{key}]]"
            parts += [heading, item_table(item)]
    return parts


def item_table(item: type[BaseModel]) -> str:
    """The keys of a table that stands in another one, or in a list."""
    rows = [
        (
            f"`{key}`",
            type_text(inner.annotation),
            "needed" if inner.is_required() else default_text(inner.get_default(call_default_factory=True)),
            inner.description or "",
        )
        for key, inner in item.model_fields.items()
    ]
    return table(("Key", "Type", "Default", "Meaning"), rows)


def levers_page() -> str:
    parts = [
        "# Levers",
        (
            "In the order in which they act. A safe lever cannot change what the model sees or answers and is on by "
            "default; an unsafe one may, and is off until `policy.levers` names it. See [the "
            "concept](../concepts/levers.md)."
        ),
        table(
            ("Lever", "Kind", "On by default"), [(f"[`{x.id}`](#{anchor(x.id)})", kind_of(x), yes(x.safe)) for x in LEVERS]
        ),
    ]
    for lever in LEVERS:
        module = inspect.getmodule(type(lever))
        title, _, rest = prose(inspect.getdoc(module) or "").partition("\n\n")
        sections = SECTION.sub(lambda found: f"\n**{found[1]}.** {found[2].upper()}", rest.replace("<", "&lt;"))
        parts += [f"## {lever.id}", title.partition(": ")[2].capitalize(), sections.strip()]
    return joined(parts)


def models_page() -> str:
    models, book = load_models(), load_book()
    rows = [
        (
            f"`{row.id}`" + "".join(f"<br>`{alias}`" for alias in row.aliases),
            f"{row.context_tokens:,}",
            f"{row.output_tokens_max:,}",
            f"{row.cache_min_tokens:,}" if row.cache_min_tokens < NEVER_CACHED else "unmarked",
            f"{row.long_context_above_tokens:,}" if row.long_context_above_tokens else "-",
            row.tokenizer if not is_foreign(row.id) else "its own",
            yes(row.prefix_bound_thinking),
            yes(book.knows(row.id)),
            row.launched or "-",
            row.retired or "-",
        )
        for row in models.rows
    ]
    heads = (
        *("Model, aliases", "Context", "Output", "Smallest cached prefix", "Dearer above", "Tokenizer"),
        *("Thinking bound to its prefix", "Priced", "Launched", "Retires"),
    )
    return joined(
        [
            "# Models",
            (
                "The capability tables (`core/models.toml`, `core/foreign.toml`), in tokens and UTC days; each row names a "
                "source. A model that is not listed is treated by the most cautious row: every gate closed."
            ),
            table(heads, rows),
        ]
    )


def prices_page() -> str:
    book = load_book()
    sources = list(dict.fromkeys(row.source for row in book.rows))
    rows = [
        (
            f"`{row.model}`",
            row.mode,
            *(usd_from_pico(getattr(row.rates, name)) for name in row.rates.__struct_fields__),
            f"over {row.above_tokens:,}" if row.above_tokens else "-",
            iso_from_day(row.from_day) if row.from_day else "-",
            iso_from_day(row.until_day) if row.until_day != FOREVER_DAY else "-",
            str(sources.index(row.source) + 1),
        )
        for row in book.rows
    ]
    heads = (
        *("Model", "Mode", "Input", "5m write", "1h write", "Read", "Output", "Prompt tokens", "From", "Until", "Source"),
    )
    geos = [
        (f"`{geo.geo}`", f"{Decimal(geo.numerator) / Decimal(geo.denominator)}", str(len(geo.models)), geo.source)
        for geo in book.geos
    ]
    return joined(
        [
            "# Prices",
            (
                f"USD per million tokens, by price book `{book.id}`. `Until` is the first day no longer covered. What is "
                f"not listed has no price, and a call to it is refused, never guessed. Prices of your own go into "
                f"[`[prices]`](settings.md#prices)."
            ),
            table(heads, rows),
            "## Sources",
            "\n".join(f"{number}. {source}" for number, source in enumerate(sources, 1)),
            "## Geographies",
            "A factor on every token price.",
            table(("Geography", "Factor", "Models", "Source"), geos),
            "## Fees",
            f"A web search costs ${usd_from_pico(book.web_search_pico)}, in every mode.",
        ]
    )


def errors_page() -> str:
    rows = [
        (
            f"`{kind.label}`",
            str(kind.status_hint),
            f"`{kind.error_type}`",
            " ".join((inspect.getdoc(kind) or "").split()) if kind is not errors.ThriftgateError else UNFORESEEN,
        )
        for kind in error_kinds()
    ]
    return joined(
        [
            "# Errors",
            (
                "Errors that the provider made reach the client byte for byte. Those that thriftgate made have the same "
                "shape, "
                '`{"type": "error", "error": {"type": …, "message": …}}`, and carry the header `thriftgate-error` with '
                "one of these words."
            ),
            table(("`thriftgate-error`", "HTTP", "`error.type`", "When"), rows),
            "An answer with a status below 500 also carries `x-should-retry: false`: trying again would change nothing.",
        ]
    )


def headers_page() -> str:
    found = set(
        re.findall(r'b"(thriftgate-[a-z-]*[a-z])"', "".join(file.read_text("utf-8") for file in SOURCE.rglob("*.py")))
    )
    known = REQUEST_HEADERS.keys() | REPLY_HEADERS.keys()
    if found != known:
        raise SystemExit(f"headers without a meaning, or meanings without a header: {sorted(found ^ known)}")
    return joined(
        [
            "# Headers",
            "Headers that begin with `thriftgate-` are for thriftgate and are not sent on to the provider.",
            "## Of a request",
            table(("Header", "Meaning"), [(f"`{name}`", text) for name, text in REQUEST_HEADERS.items()]),
            "## Of a reply",
            table(("Header", "Meaning"), [(f"`{name}`", text) for name, text in REPLY_HEADERS.items()]),
            "All headers of the provider's answer are passed on, but for those that belong to one connection.",
        ]
    )


def simulator_page() -> str:
    return joined(
        [
            "# The simulator",
            (
                "`thriftgate simulate` is a Claude API of its own, for trying and testing. Its answers are made up; its "
                "bill follows the documentation. A rule that no page of it states is marked `assumed`."
            ),
            "## Other ways to Claude",
            prose(inspect.getdoc(clouds) or ""),
            "## Behind the curtain",
            "Endpoints that are no part of the imitated API:",
            fenced((inspect.getdoc(control) or "").partition("\n\n")[2]),
            "## Faults",
            (
                "Probabilities from 0 to 1, seeded: the same run breaks in the same places. At most one strikes a "
                "request, the first in this order; those that begin with `batch_` strike requests about batches. For "
                "`--faults FILE` (TOML or JSON) and `POST /_sim/faults`."
            ),
            table(("Fault", "Default", "What goes wrong"), field_rows(Faults)),
            "## Batches",
            " ".join((inspect.getdoc(BatchRules) or "").split()) + " For `POST /_sim/batches`.",
            table(("Rule", "Default", "Meaning"), field_rows(BatchRules)),
            "## Right and wrong answers",
            *(prose(inspect.getdoc(module) or "") for module in (tasks, accuracy)),
            (
                "From the start on, in Python: `SimulatorConfig(accuracy_shift=…, accuracy_shifts=(AccuracyShift(model, "
                "shift, task),), variety=…)`."
            ),
            "## What a system prompt does",
            prose(inspect.getdoc(instructions) or ""),
            "## Opinions about answers",
            prose(inspect.getdoc(opinions) or ""),
            "## Long answers",
            prose(inspect.getdoc(longwinded) or ""),
        ]
    )


PAGES: dict[str, Callable[[], str]] = {
    "cli": cli_page,
    "settings": settings_page,
    "levers": levers_page,
    "models": models_page,
    "prices": prices_page,
    "errors": errors_page,
    "headers": headers_page,
    "simulator": simulator_page,
    "openai": openai_page,
    "admin": admin_page,
}


# --- pieces ------------------------------------------------------------------------------------------------------------


def error_kinds() -> list[type[errors.ThriftgateError]]:
    """Every error there is, the more general ones first."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ThriftgateError)]
    return sorted(
        [*kinds, NotServed, NoSuchJob, NoProviderKey, Slowed, ProviderTrouble, LetGo, Fenced, OutputError],
        key=lambda kind: (len(kind.__mro__), kind.status_hint, kind.label),
    )


def help_of(verb: str) -> str:
    """What `thriftgate VERB --help` prints, without the lines around it."""
    text = io.StringIO()
    console = Console(file=text, width=WIDTH, force_terminal=False, color_system=None, legacy_windows=False)
    app.help_print(verb.split(), console=console)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


def kind_of(lever: Any) -> str:
    return "safe" if lever.safe else "unsafe"


def yes(value: object) -> str:
    return "yes" if value else "no"


def picture(readme: str, printed: str) -> str:
    """The README with what the demo printed in place of what it printed before."""
    fresh = fenced("\n".join(line.rstrip() for line in printed.splitlines()))
    return re.sub(r"^```text\nthriftgate demo.*?^```", lambda _: fresh, readme, flags=re.MULTILINE | re.DOTALL)


def demo_output() -> str:
    """What `thriftgate demo --ledger demo.db` prints. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "thriftgate", "demo", "--ledger", "demo.db"]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout  # noqa: S603  our own


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code: 0 done, 1 a committed page differs, 2 bad usage."""
    if arguments == ["--picture"]:
        readme = HERE.parent / "README.md"
        readme.write_text(picture(readme.read_text(encoding="utf-8"), demo_output()), encoding="utf-8")
        return 0
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m docs.generate [--check | --picture]\n")
        return 2
    stale = []
    for name, page in PAGES.items():
        file, text = HERE / "reference" / f"{name}.md", page()
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(f"docs/reference/{name}.md")
        if not arguments:
            file.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stdout.write(f"{path}: {'out of date' if arguments else 'written'}\n")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
