"""A table and a Jinja template become a file of jobs that `jobs_file` reads: one call for each row.

Put into the template first what is the same in every row (instructions, examples), and behind it what differs: calls that
begin alike can share the provider's prompt cache. What is long and the same everywhere stands best in the system prompt.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import TextIOWrapper
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TextIO
from uuid import UUID

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Raw, Struct

from thriftgate.batch.job_line import read_job_line
from thriftgate.batch.jobs_file import LINE_BYTES_MAX, require_file
from thriftgate.core.errors import InputError
from thriftgate.core.splice import object_members

if TYPE_CHECKING:
    import duckdb

_DELIMITED = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_JSON_TEMPLATES = (".json.j2", ".json.jinja", ".json.jinja2")
_DELIMITERS = ",;\t|"
_FETCHED = 1000
_SHOWN = 20
_ZONED = "TIMESTAMP WITH TIME ZONE"
_MOMENT = re.compile(r"TIMESTAMP[A-Z_ ]*")
_GLOB = re.compile(r"[*?\[]")
_PLACE = re.compile(r"\(byte (\d+)\)")
_FUNCTIONS = ("range", "dict", "namespace", "cycler", "joiner")  # of Jinja's own all but lipsum, which draws random words
# What a template may raise, being a program: its own errors, and those of what it does with values.
_TEMPLATE_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode

Row = Sequence[object]
Rows = Generator[Row, None, None]
Fill = Callable[[str], bytes]
"""Makes the params of a call of what the template rendered."""


class TableSource(Struct, frozen=True):
    """What to make jobs of. `path` is a table, `columns` tells which column a variable of the template (or `id`) stands for
    where they are not called the same. A template whose name ends with .json.j2 renders a whole Messages body, which
    `model`, `max_tokens` and `system` (a file) complete; any other renders the text of its one message."""

    path: Path
    template: Path
    columns: Mapping[str, str]
    model: str
    max_tokens: int | None = None
    system: Path | None = None


def write_jobs(source: TableSource, out: BinaryIO) -> int:
    """Write a line for each row; their number. Holds a thousand rows at a time.

    The id of a job is the column mapped to `id`, else the column of that name, else the number of the row ("row-1").
    Cells of CSV are text; values of Parquet keep their types, dates become ISO text and decimals text. A missing value is
    rendered as nothing. Raises InputError for what cannot be used, after having written the rows before it.
    """
    table = _table(source.path)
    variables = _variables(source, table.names)
    template, used = _compiled(source.template, variables, table.names)
    fill = _fill(source)
    id_column = [variables["id"]] if "id" in variables else []
    number = 0
    with closing(table.rows([*(variables[name] for name in used), *id_column])) as rows:
        for number, row in enumerate(rows, 1):
            try:
                values = dict(zip(used, map(_plain, row), strict=False))
                name = _job_name(row[-1]) if id_column else f"row-{number}"
                out.write(_line(name, fill(_rendered(template, values))))
            except InputError as error:
                raise InputError(f"{source.path}, row {number}: {error}") from None
    if not number:
        raise InputError(f"{source.path} holds no rows")
    return number


# --- the table ---------------------------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """Names of the columns, and the rows with those of the columns that are asked for."""

    names: Sequence[str]
    rows: Callable[[Sequence[int]], Rows]


def _table(path: Path) -> _Table:
    require_file(path)
    kind = path.name.lower()
    if kind.endswith(_DELIMITED):
        names = _csv_names(path)
        table = _Table(names, lambda chosen: _csv_rows(path, len(names), chosen))
    elif kind.endswith(".parquet"):
        columns = _parquet_columns(path)
        table = _Table(_parquet_names(path), lambda chosen: _parquet_rows(path, [columns[i] for i in chosen]))
    else:
        raise InputError(f"{path}: a table is a file whose name ends with {', '.join(_DELIMITED)} or .parquet")
    for at, name in enumerate(table.names):
        if name and name in table.names[:at]:
            raise InputError(f"{path}: two columns are called {name!r}; rename one of them")
    return table


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """Only for what reads it: errors of anything else do not belong in here."""
    csv.field_size_limit(min(LINE_BYTES_MAX, 2**31 - 1))
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if packed else path.open("rb") as data:
            yield TextIOWrapper(data, "utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error.reason}): save it as CSV UTF-8") from None
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path}: the gzip data is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def _csv_reader(text: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, the header first, each with the line it begins on. The columns are separated by what
    stands most often in the header; of .tsv files by tabs."""
    header = text.readline(LINE_BYTES_MAX)
    text.seek(0)
    tabs = path.name.lower().removesuffix(".gz").endswith(".tsv")
    reader = csv.reader(text, delimiter="\t" if tabs else max(_DELIMITERS, key=header.count), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, the row that begins in line {line}: {error}") from None


def _csv_names(path: Path) -> list[str]:
    with _text(path) as text:
        _, cells = next(_csv_reader(text, path), (0, []))
    if not cells:
        raise InputError(f"{path} holds no rows: its first line must name the columns")
    return [name.strip() for name in cells]


def _csv_rows(path: Path, width: int, chosen: Sequence[int]) -> Rows:
    pick = itemgetter(*chosen) if len(chosen) > 1 else lambda cells: [cells[i] for i in chosen]
    with _text(path) as text:
        rows = _csv_reader(text, path)
        next(rows, None)
        for line, cells in rows:
            if len(cells) != width:
                raise InputError(
                    f"{path}, the row that begins in line {line}: {len(cells)} cells where the header has {width};"
                    " a cell that holds what separates cells, or a line break, must stand in double quotes"
                )
            yield pick(cells)


@contextmanager
def _database(path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A database and what it calls the file. Only for what reads it."""
    import duckdb  # noqa: PLC0415  slow to load, and needed for Parquet alone

    name = _GLOB.sub(r"[\g<0>]", str(path.absolute()))
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as database:
            database.execute("set TimeZone = 'UTC'")
            yield database, name
    except duckdb.Error as error:
        raise InputError(f"cannot read {path}: {str(error).partition(chr(10))[0]}") from None


def _parquet_names(path: Path) -> list[str]:
    """The columns as the file calls them: the database would tell those that differ in case alone apart by a number."""
    with _database(path) as (database, name):
        schema = database.execute("select name, num_children from parquet_schema(?)", [name]).fetchall()
    names: list[str] = []
    inner = 0  # so many of the next belong to a column that was named already
    for column, children in schema[1:]:
        if inner:
            inner -= 1
        else:
            names.append(column)
        inner += children or 0
    return names


def _parquet_columns(path: Path) -> list[str]:
    """What selects each column. Moments become text here: that keeps nanoseconds, and needs no library for time zones."""
    with _database(path) as (database, name):
        described = database.execute("describe select * from read_parquet(?, hive_partitioning = false)", [name]).fetchall()
    found = []
    for column, kind, *_ in described:
        quoted = '"' + column.replace('"', '""') + '"'
        if _MOMENT.fullmatch(kind):
            quoted = f"replace({quoted}::varchar, ' ', 'T')"
        elif _ZONED in kind:
            quoted = f"{quoted}::{kind.replace(_ZONED, 'VARCHAR')}"
        found.append(quoted)
    return found


def _parquet_rows(path: Path, columns: Sequence[str]) -> Rows:
    with _database(path) as (database, name):
        chosen = ", ".join(columns) or "null"
        database.execute(f"select {chosen} from read_parquet(?, hive_partitioning = false)", [name])  # noqa: S608  quoted
        while rows := database.fetchmany(_FETCHED):
            yield from rows


def _plain(value: object) -> object:
    """A value as templates get it. Raises InputError for bytes and the like."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID | timedelta):
        return str(value)
    raise InputError(f"a value of type {type(value).__name__} cannot be written into a prompt: leave its column out")


# --- the template ------------------------------------------------------------------------------------------------------


def _variables(source: TableSource, names: Sequence[str]) -> dict[str, int]:
    """Which column each variable stands for: those of its own name, then those that were mapped."""
    found = {name: at for at, name in enumerate(names) if name}
    places = dict(found)
    for variable, column in source.columns.items():
        if not variable.isidentifier():
            raise InputError(f"--map {variable}={column}: {variable!r} is no name that a template can use")
        if column not in places:
            near = difflib.get_close_matches(column, places, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(f"--map {variable}={column}: {source.path} has no column {column!r}{meant}. {_columns(names)}")
        found[variable] = places[column]
    return found


def _columns(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"Its columns are {', '.join(names[:_SHOWN])}{more}"


def _compiled(path: Path, variables: Mapping[str, int], names: Sequence[str]) -> tuple[Template, list[str]]:
    """The template and the variables it uses."""
    text = _read(path)
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=_nothing_for_none, autoescape=False)
    environment.filters["tojson"] = _tojson
    del environment.filters["random"]  # the same table shall make the same jobs
    known = {name: environment.globals[name] for name in _FUNCTIONS}
    environment.globals.clear()  # so that a column may be called as one of them
    try:
        tree = environment.parse(text)
        asked = meta.find_undeclared_variables(tree)
        template = environment.from_string(text, globals=known)
    except TemplateSyntaxError as error:
        raise InputError(f"{path}, line {error.lineno}: {error.message}") from None
    unknown = asked - variables.keys() - known.keys()
    if unknown:
        line, name = min((node.lineno, node.name) for node in tree.find_all(nodes.Name) if node.name in unknown)
        near = difflib.get_close_matches(name, variables, n=1)
        meant = f"did you mean {near[0]!r}, or " if near else ""
        raise InputError(
            f"{path}, line {line}: no column is called {name!r}; {meant}map one: --map {name}=COLUMN. {_columns(names)}"
        )
    return template, sorted(asked & variables.keys())


def _nothing_for_none(value: object) -> object:
    return "" if value is None else value


def _tojson(value: object, indent: int | None = None) -> str:
    """Exact JSON, other than Jinja's own filter, which escapes for HTML."""
    if isinstance(value, Undefined):
        str(value)  # raises what is wrong with it
    encoded = _encode(value)
    return (encoded if indent is None else msgspec.json.format(encoded, indent=indent)).decode()


def _rendered(template: Template, values: Mapping[str, object]) -> str:
    try:
        text = template.render(values)
        text.encode()  # a template can write what is no text
    except _TEMPLATE_FAULTS as error:
        line, trace = 0, error.__traceback__
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "<template>" else line
            trace = trace.tb_next
        where = f" in its line {line}" if line else ""
        raise InputError(f"the template fails{where}: {str(error) or type(error).__name__}") from None
    return text


# --- the job -----------------------------------------------------------------------------------------------------------


def _fill(source: TableSource) -> Fill:
    """What makes params of a rendered text. Raises InputError where the source lacks what each call needs."""
    given: dict[str, bytes] = {}
    if source.model:
        given["model"] = _encode(source.model)
    if source.max_tokens is not None:
        if source.max_tokens < 1:
            raise InputError(f"max_tokens: must be 1 or more, not {source.max_tokens}")
        given["max_tokens"] = _encode(source.max_tokens)
    if source.system is not None:
        given["system"] = _encode(_read(source.system).removesuffix("\n"))  # which editors put there
    if source.template.name.lower().endswith(_JSON_TEMPLATES):
        return lambda text: _completed(text, given)
    _require(given)
    head = b"{%b" % b"".join(b'"%b":%b,' % (key.encode(), value) for key, value in given.items())
    return lambda text: head + b'"messages":[{"role":"user","content":%b}]}' % _message(text)


def _require(given: Mapping[str, object]) -> None:
    for key, flag in (("model", "--model"), ("max_tokens", "--max-tokens")):
        if key not in given:
            raise InputError(f"{key}: missing; give {flag}, or a template that renders the whole call (.json.j2) with it")


def _message(text: str) -> bytes:
    if not text.strip():
        raise InputError("the template renders no text for this row, which the API refuses")
    return _encode(text)


def _completed(text: str, given: Mapping[str, bytes]) -> bytes:
    """A rendered Messages body on one line, and what it left out."""
    data = text.encode()
    try:
        body = msgspec.json.format(data, indent=-1)
        values = _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise InputError("the template must render a JSON object, the body of a Messages call") from None
    except msgspec.DecodeError as error:
        raise InputError(f"the template renders no valid JSON: {_near(str(error), data)}") from None
    except RecursionError:
        raise InputError("the template renders JSON that is nested too deeply") from None
    try:
        object_members(body, 0, len(body), values)
    except InputError:
        raise InputError("the template renders a member of the call twice") from None
    missing = {key: value for key, value in given.items() if key not in values}
    _require({**values, **missing})
    members = [b'"%b":%b' % (key.encode(), value) for key, value in missing.items()]
    return b"{%b}" % b",".join([body[1:-1], *members] if values else members)


def _near(reason: str, data: bytes) -> str:
    """What is wrong and the text around it."""
    reason = reason.removeprefix("JSON is malformed: ")
    place = _PLACE.search(reason)
    at = int(place[1]) if place else len(data)
    around = data[max(0, at - 20) : at + 20].decode(errors="replace")
    return f"{reason}, near {around!r}; values of columns are written with {{{{ name | tojson }}}}"


def _line(name: str, params: bytes) -> bytes:
    line = b'{"id":%b,"params":%b}' % (_encode(name), params)
    if len(line) > LINE_BYTES_MAX:
        raise InputError(f"the call is longer than {LINE_BYTES_MAX:,} bytes, more than the API takes")
    read_job_line(line)  # what could not be read again is told now
    return line + b"\n"


def _job_name(value: object) -> str:
    name = _plain(value)
    if name is None or name == "":
        raise InputError("the id is empty: give every row one, or map another column (--map id=COLUMN)")
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InputError(f"the id must be text or an integer, not {name!r}")
    return str(name)


def _read(path: Path) -> str:
    """A text file that is not empty."""
    require_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: {error.reason}") from None
    if not text.strip():
        raise InputError(f"{path} is empty")
    return text
