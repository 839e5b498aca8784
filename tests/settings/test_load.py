"""Settings: file, then environment, then flags; every mistake is an error that names the nearest right word."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from thriftgate.core.errors import ConfigError
from thriftgate.core.levers import LEVERS
from thriftgate.settings import Settings, load

HOOKS = "https://hooks.example/thriftgate"


def written(folder: Path, text: str) -> Path:
    path = folder / "thriftgate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def wrong(
    path: Path | None = None, *, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> str:
    """The words of the refusal."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ or {}, flags=flags)
    return str(caught.value)


def test_nothing_given_is_the_defaults() -> None:
    settings = load(environ={})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8484)
    assert settings.upstream.url == "https://api.anthropic.com"
    assert settings.policy.levers == tuple(lever.id for lever in LEVERS if lever.safe)


def test_later_sources_win_key_by_key(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nport = 1\nhost = "file"\ndrain_s = 1\n[ledger]\npath = "file.db"')
    environ = {"THRIFTGATE_SERVER__PORT": "2", "THRIFTGATE_SERVER__HOST": "env", "THRIFTGATE_UPSTREAM__RETRY": "never"}
    settings = load(path, environ=environ, flags={"server.port": 3, "ledger.path": None, "upstream.url": "http://flag"})
    assert (settings.server.port, settings.server.host, settings.server.drain_s) == (3, "env", 1.0)
    assert settings.ledger.path == "file.db"
    assert (settings.upstream.retry, settings.upstream.url) == ("never", "http://flag")


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 7")
    assert load(environ={"THRIFTGATE_CONFIG": str(path)}).server.port == 7
    other = tmp_path / "other.toml"
    other.write_text("[server]\nport = 8")
    assert load(other, environ={"THRIFTGATE_CONFIG": str(path)}).server.port == 8


def test_a_variable_can_name_a_file_that_holds_the_value(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-ant-sim-file-1\n", encoding="utf-8")
    settings = load(environ={"THRIFTGATE_UPSTREAM__API_KEY_FILE": str(key), "THRIFTGATE_MASTER_KEY_FILE": str(key)})
    assert settings.upstream.api_key.get_secret_value() == "sk-ant-sim-file-1"
    assert settings.access.master_key.get_secret_value() == "sk-ant-sim-file-1"


def test_a_setting_that_ends_like_that_is_itself(tmp_path: Path) -> None:
    path = str(tmp_path / "never-read")
    assert load(environ={"THRIFTGATE_ACCESS__MASTER_KEY_FILE": path}).access.master_key_file == path


def test_a_file_that_cannot_be_read_is_named_without_what_it_holds(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert_told({"THRIFTGATE_UPSTREAM__API_KEY_FILE": str(missing)}, "THRIFTGATE_UPSTREAM__API_KEY_FILE: cannot read")
    assert_told({"THRIFTGATE_UPSTREAM__API_KEY_FILE": str(binary)}, "binary: not text")
    both = {"THRIFTGATE_UPSTREAM__API_KEY_FILE": str(missing), "THRIFTGATE_UPSTREAM__API_KEY": "k"}
    assert_told(both, "THRIFTGATE_UPSTREAM__API_KEY is set as well")
    assert_told({"THRIFTGATE_UPSTREAM__API_KY_FILE": str(missing)}, "did you mean 'api_key'")


def assert_told(environ: Mapping[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(environ=environ)
    assert words in str(raised.value)


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THRIFTGATE_SERVER__PORT", "4711")
    assert load().server.port == 4711


@pytest.mark.parametrize(
    ("text", "levers"),
    [
        ("count.guard", ("count.guard",)),
        ("cache.breakpoints, count.guard", ("cache.breakpoints", "count.guard")),
        (" cache.breakpoints ,, ", ("cache.breakpoints",)),
        ("", ()),
    ],
)
def test_levers_in_a_variable_are_separated_by_commas(text: str, levers: tuple[str, ...]) -> None:
    assert load(environ={"THRIFTGATE_POLICY__LEVERS": text}).policy.levers == levers


def test_levers_in_a_file_are_a_list(tmp_path: Path) -> None:
    assert load(written(tmp_path, '[policy]\nlevers = ["count.guard"]'), environ={}).policy.levers == ("count.guard",)


def test_lists_of_the_cache_in_a_variable_too() -> None:
    environ = {
        "THRIFTGATE_CACHE__STABILISE": "order_tools, stable_json",
        "THRIFTGATE_CACHE__LATENCY_CRITICAL_KEYS": "key_a,key_b",
        "THRIFTGATE_CACHE__MODE": "full",
        "THRIFTGATE_KEEPALIVE__ON": "true",
    }
    settings = load(environ=environ)
    assert settings.cache.stabilise == ("order_tools", "stable_json")
    assert settings.cache.latency_critical_keys == ("key_a", "key_b")
    assert (settings.cache.mode, settings.keepalive.on) == ("full", True)


def test_calls_that_can_wait(tmp_path: Path) -> None:
    batch = load(environ={}).batch
    assert (batch.window_s, batch.answers_kept_h, batch.webhooks, batch.rules) == (60.0, 72.0, (), ())
    rules = '[[batch.rules]]\ntask = "nightly"\ndeadline = "6h"\n'
    rules += '[[batch.rules]]\nkey = "key_1"\ndeadline = "1h30m"\nwait = false'
    path = written(tmp_path, f'[batch]\nwebhooks = ["{HOOKS}"]\nwebhook_secret = "sh-secret"\n{rules}')
    batch = load(path, environ={"THRIFTGATE_BATCH__WINDOW_S": "5"}).batch
    assert batch.window_s == 5.0
    assert [(one.key, one.task, one.deadline, one.wait) for one in batch.rules] == [
        ("", "nightly", "6h", True),
        ("key_1", "", "1h30m", False),
    ]
    assert batch.webhooks == (HOOKS,)
    assert "sh-secret" not in repr(batch) + batch.model_dump_json()


def test_webhooks_in_a_variable_are_separated_by_commas() -> None:
    environ = {"THRIFTGATE_BATCH__WEBHOOKS": f"{HOOKS}, http://127.0.0.1:9000", "THRIFTGATE_BATCH__WEBHOOK_SECRET": "x"}
    assert load(environ=environ).batch.webhooks == (HOOKS, "http://127.0.0.1:9000")


def test_pings_are_off_by_default_and_the_guard_is_on() -> None:
    settings = load(environ={})
    assert (settings.keepalive.on, settings.keepalive.quiet_hours, settings.cache.stabilise) == (False, "", ())
    assert (settings.cache.mode, settings.cache.fanout_wait_s) == ("ttl-only", 2.0)


def test_money_is_exact(tmp_path: Path) -> None:
    for text in ("0.1", '"0.1"'):
        limit = load(written(tmp_path, f"[policy]\ncost_limit_usd = {text}"), environ={}).policy.cost_limit_usd
        assert limit == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[servr]\nport = 1", "servr: unknown setting; did you mean 'server'?"),
        ("[server]\nprot = 1", "server.prot: unknown setting; did you mean 'port'?"),
        ("[policy]\ncost_limit = 1", "policy.cost_limit: unknown setting; did you mean 'cost_limit_usd'?"),
        ("[ledger]\nzzz = 1", "ledger.zzz: unknown setting; known: path, sync"),
        ("port = 1", "port: unknown setting"),
        ("server = 1", "server: "),
        ('[server]\nport = "many"', "server.port: Input should be a valid integer"),
        ("[server]\nport = 65536", "server.port: Input should be less than or equal to 65535"),
        ("[server]\nshutdown_s = inf", "server.shutdown_s: Input should be a finite number"),
        ("[upstream]\nread_timeout_s = 0", "upstream.read_timeout_s: Input should be greater than 0"),
        ('[upstream]\nprovider = "openai"', "upstream.provider: Input should be 'anthropic'"),
        ("[policy]\ncost_limit_usd = 0", "policy.cost_limit_usd: Input should be greater than 0"),
        ("[policy]\ncost_limit_usd = nan", "policy.cost_limit_usd: Input should be a finite number"),
        ("[policy]\ncost_limit_usd = 1e-13", "policy.cost_limit_usd: 1E-13 USD is finer than a pico-dollar"),
        (
            '[policy]\nlevers = ["cache.breakpoint"]',
            "there is no lever 'cache.breakpoint'; did you mean 'cache.breakpoints'?",
        ),
        ('[policy]\nlevers = "count.guard"', "policy.levers: "),
        ('[policy]\nlevers = ["cache.stabilise"]', "is switched on by naming its rewrites in cache.stabilise"),
        ('[ledger]\npath = ""', "ledger.path: String should have at least 1 character"),
        ('[cache]\nmode = "ttl"', "cache.mode: Input should be 'observe', 'ttl-only', 'add' or 'full'"),
        ('[cache]\nstabilise = ["order"]', "cache.stabilise.0: Input should be 'split_volatile'"),
        ("[cache]\nfanout_wait_s = -1", "cache.fanout_wait_s: Input should be greater than or equal to 0"),
        ('[keepalive]\nquiet_hours = "22-06"', "keepalive.quiet_hours: '22-06' are no hours; write them like 22:00-06:00"),
        ("[keepalive]\nusd_per_day = 1e-13", "keepalive.usd_per_day: 1E-13 USD is finer than a pico-dollar"),
        (
            "[keepalive]\nusd_per_key_per_day = -1",
            "keepalive.usd_per_key_per_day: Input should be greater than or equal to 0",
        ),
        ("[keepalive]\nhours_max = 25", "keepalive.hours_max: Input should be less than or equal to 24"),
        ("[keepalive]\nmargin = 0.5", "keepalive.margin: Input should be greater than or equal to 1"),
        ("[keepalive]\nonn = true", "keepalive.onn: unknown setting; did you mean 'on'?"),
        ("[batch]\nwindow = 5", "batch.window: unknown setting; did you mean 'window_s'?"),
        ("[batch]\nwindow_s = -1", "batch.window_s: Input should be greater than or equal to 0"),
        ("[batch]\nparallel = 0", "batch.parallel: Input should be greater than or equal to 1"),
        ("[batch]\nqueue_jobs = 0", "batch.queue_jobs: Input should be greater than or equal to 1"),
        ("[batch]\nanswers_kept_h = 0", "batch.answers_kept_h: Input should be greater than 0"),
        ("[batch]\nrules = 6", "batch.rules: "),
        ('[[batch.rules]]\ntask = "nightly"', "batch.rules.0.deadline: Field required"),
        ('[[batch.rules]]\ndeadline = "6h"\nwaits = true', "batch.rules.0.waits: unknown setting; did you mean 'wait'?"),
        (
            '[[batch.rules]]\ndeadline = "6h"\n[[batch.rules]]\ndeadline = "soon"',
            "batch.rules[1].deadline: 'soon' is no length",
        ),
        ('[[batch.rules]]\ndeadline = "29d"', "batch.rules[0].deadline: 29d is more than 672.0 h ahead"),
        ("[proof]\nusd_per_day = 1e-13", "proof.usd_per_day: 1E-13 USD is finer than a pico-dollar"),
        ("[proof]\naudit = 2", "proof.audit: Input should be less than or equal to 1"),
        ("[experiment]\nholdout = 0.6", "experiment.holdout: Input should be less than or equal to 0.5"),
        ("[experiment]\nshare = 0.5", "experiment: levers and share need each other"),
        ('[experiment]\nlevers = ["route.rules"]', "experiment: levers and share need each other"),
        (
            '[experiment]\nshare = 0.5\nlevers = ["route.rule"]',
            "experiment.levers: there is no lever 'route.rule'; did you mean 'route.rules'?",
        ),
        ('[experiment]\nshare = 0.5\nlevers = ["cache.stabilise"]', "experiment.levers: cache.stabilise is switched on by"),
        (f'[batch]\nwebhooks = ["{HOOKS}"]', "batch.webhook_secret: must be set where batch.webhooks allows any"),
        ('[batch]\nwebhook_secret = "x"\nwebhooks = ["hooks.example"]', "batch.webhooks: 'hooks.example' is not an http"),
        ('[batch]\nwebhook_secret = "x"\nwebhooks = ["https://a@b"]', "batch.webhooks: 'https://a@b' is not an http"),
    ],
)
def test_mistakes_in_the_file(text: str, words: str, tmp_path: Path) -> None:
    assert words in wrong(written(tmp_path, text))


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    told = wrong(written(tmp_path, "[server]\nprot = 1\nhots = 2"))
    assert "server.prot" in told
    assert "server.hots: unknown setting; did you mean 'host'?" in told


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"THRIFTGATE_SERVER__PROT": "1"}, "server.prot: unknown setting; did you mean 'port'?"),
        ({"THRIFTGATE_SERVRE__PORT": "1"}, "servre: unknown setting; did you mean 'server'?"),
        (
            {"THRIFTGATE_POLICY_COST_LIMIT_USD": "1"},
            "THRIFTGATE_POLICY_COST_LIMIT_USD: unknown variable; did you mean THRIFTGATE_POLICY__COST_LIMIT_USD?",
        ),
        ({"THRIFTGATE_SERVER_PORT": "1"}, "did you mean THRIFTGATE_SERVER__PORT?"),
        ({"THRIFTGATE_POLICY__LEVERS": "count.gard"}, "did you mean 'count.guard'?"),
        ({"THRIFTGATE_CONFIG": "/no/such/file.toml"}, "cannot read the settings file /no/such/file.toml: No such file"),
    ],
)
def test_mistakes_in_the_environment(environ: dict[str, str], words: str) -> None:
    assert words in wrong(environ=environ)


def test_other_variables_are_no_business_of_ours() -> None:
    assert load(environ={"THRIFTGATE_TRACES": "x", "PATH": "y", "SERVER__PORT": "1"}) == Settings()


def test_a_table_that_is_none_is_refused_from_a_variable_too(tmp_path: Path) -> None:
    told = wrong(written(tmp_path, "server = 1"), environ={"THRIFTGATE_SERVER__PORT": "2"})
    assert told == "server: must be a table"


@pytest.mark.parametrize("content", [b"[server", b"port = \xff", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thriftgate.toml"
    path.write_bytes(content)
    assert wrong(path).startswith(f"{path} is not valid TOML: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert wrong(tmp_path / "none.toml").endswith("none.toml: No such file or directory")
    assert wrong(tmp_path).endswith("Is a directory")


def test_settings_cannot_be_changed() -> None:
    settings = load(environ={})
    for value, name in ((settings, "server"), (settings.server, "port"), (settings.policy, "levers")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, name, getattr(value, name))
    assert isinstance(settings.policy.levers, tuple)


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    secret = "sk-ant-very-secret"
    settings = load(written(tmp_path, f'[upstream]\napi_key = "{secret}"'), environ={})
    assert settings.upstream.api_key.get_secret_value() == secret
    for shown in (repr(settings), str(settings), repr(settings.upstream), settings.model_dump_json()):
        assert secret not in shown
    told = wrong(written(tmp_path, f'[upstream]\napi_key = ["{secret}"]\n[server]\nport = "{secret}"'))
    assert secret not in told
    assert "upstream.api_key" in told


# --- routing ------------------------------------------------------------------------------------------------------------


def test_rules_and_tasks_as_they_are_written(tmp_path: Path) -> None:
    text = """
[routing]
usual_split = true
artefacts = ["a.json"]
[[routing.rules]]
to = "claude-haiku-5-5"
kind = "classify"
schema = true
spent_usd = 0.10
[[routing.tasks]]
name = "mail"
system = "sort.*letters"
[experiment]
holdout = 0.05
share = 0.5
levers = ["route.rules"]
"""
    settings = load(written(tmp_path, text), environ={})
    (rule,) = settings.routing.rules
    assert (rule.to, rule.kind, rule.schema_, rule.tools, rule.spent_usd) == (
        "claude-haiku-5-5", "classify", True, None, Decimal("0.1"),
    )  # fmt: skip
    assert settings.routing.tasks[0].system == "sort.*letters"
    assert settings.experiment.levers == ("route.rules",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[routing.rules]]\nkind = 'code'", "routing.rules.0.to: "),
        ("[[routing.rules]]\nto = 'm'\nkind = 'clasify'", "routing.rules[0].kind: there is no kind 'clasify'; did you mean"),
        ("[[routing.rules]]\nto = 'm'\nspent_usd = 1e-13", "routing.rules[0].spent_usd: "),
        ("[[routing.rules]]\nto = 'm'\neffort = 'huge'", "routing.rules.0.effort: "),
        ("[[routing.tasks]]\nname = 'a'\nsystem = '('", "routing.tasks[0].system: not a regular expression: "),
        (
            "[[routing.tasks]]\nname = 'a'",
            "routing.tasks[0]: 'a' would be every call: name a fingerprint, key, system or metadata",
        ),
        ("[experiment]\nshare = 0.5\nlevers = ['route.rule']", "route.rule"),
        ("[experiment]\nholdout = 0.6", "experiment.holdout: "),
        ("[routing]\nusual_splt = true", "usual_split"),
    ],
)
def test_mistakes_in_routing(tmp_path: Path, text: str, words: str) -> None:
    assert words in wrong(written(tmp_path, text))


def test_the_master_key_has_a_variable_of_its_own() -> None:
    settings = load(environ={"THRIFTGATE_MASTER_KEY": "abc"})
    assert settings.access.master_key.get_secret_value() == "abc"
    assert "abc" not in repr(settings)
    assert load(environ={}).access.master_key.get_secret_value() == ""
