"""The settings: every variable, bad values, names that are close, secrets."""

from __future__ import annotations

import ast
from pathlib import Path

import platformdirs
import pytest

import vsl
from vsl.config import VARIABLES, Config, load, login_name
from vsl.errors import InvalidInput

SOURCE = Path(vsl.__file__).parent
SECRET = "s3cr3t-of-nobody"


def problems(environment: dict[str, str]) -> dict[str, str]:
    """What is wrong, by the name of the variable."""
    with pytest.raises(InvalidInput) as caught:
        load(environment)
    return {problem.field: str(problem) for problem in caught.value.problems}


def test_nothing_set() -> None:
    config = load({})
    assert config.home in (Path("/var/lib/vsl"), platformdirs.user_data_path("vsl"))
    assert config == Config(home=config.home, storage=str(config.home / "media"))


def test_every_variable_sets_its_field(tmp_path: Path) -> None:
    given = {
        "DATABASE_URL": "postgresql://u@pooler:6432/d",
        "VSL_DIRECT_DATABASE_URL": "postgres://u@server/d",
        "VSL_HOME": str(tmp_path),
        "VSL_STORAGE": "/srv/media",
        "REPLICATE_API_TOKEN": "r8_made-up",
        "VSL_REPLICATE_URL": "http://127.0.0.1:9/v1",
        "VSL_MIGRATIONS": "/srv/migrations",
        "VSL_PG_BIN": "/usr/lib/postgresql/15/bin",
        "VSL_PG_PORT": "15432",
        "VSL_LOG_FORMAT": "json",
        "VSL_LOG_LEVEL": "debug",
    }
    assert set(given) == set(VARIABLES)
    assert load(given) == Config(
        home=tmp_path,
        storage="/srv/media",
        database_url="postgresql://u@pooler:6432/d",
        direct_url="postgres://u@server/d",
        replicate_token="r8_made-up",
        replicate_url="http://127.0.0.1:9/v1",
        migrations=Path("/srv/migrations"),
        pg_bin=Path("/usr/lib/postgresql/15/bin"),
        pg_port=15432,
        log_format="json",
        log_level="debug",
    )


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_counts_as_unset(name: str) -> None:
    assert load({name: ""}) == load({})


def test_the_direct_address_is_the_same_where_none_is_given() -> None:
    url = "postgresql://u@server/d"
    assert load({"DATABASE_URL": url}).direct_url == url


def test_the_home_may_be_relative_or_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load({"VSL_HOME": "~/vsl"}).home == Path("/home/somebody/vsl")
    assert load({"VSL_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://u:{SECRET}@server/d"),
        ("DATABASE_URL", f"postgresql:u:{SECRET}@server/d"),
        ("DATABASE_URL", f"host=server password={SECRET}"),
        ("DATABASE_URL", f"postgresql://u:{SECRET}@[server/d"),
        ("VSL_DIRECT_DATABASE_URL", f"http://u:{SECRET}@server/d"),
        ("VSL_HOME", "~nobody-of-this-name/vsl"),
        ("VSL_PG_BIN", "~nobody-of-this-name/bin"),
        ("VSL_PG_PORT", "0"),
        ("VSL_PG_PORT", "65536"),
        ("VSL_PG_PORT", "-1"),
        ("VSL_PG_PORT", "http"),
        ("VSL_PG_PORT", "9" * 5000),
        ("VSL_LOG_FORMAT", "xml"),
        ("VSL_LOG_LEVEL", "INFO"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(name: str, value: str) -> None:
    found = problems({name: value})
    assert name in found
    assert SECRET not in str(found)


def test_all_problems_at_once() -> None:
    found = problems({"VSL_PG_PORT": "x", "VSL_LOG_LEVEL": "x", "VSL_HOM": "x"})
    assert set(found) == {"VSL_PG_PORT", "VSL_LOG_LEVEL", "VSL_HOM"}


def test_a_direct_address_alone_would_be_ignored_so_it_is_refused() -> None:
    found = problems({"VSL_DIRECT_DATABASE_URL": "postgresql://u@server/d"})
    assert "DATABASE_URL" in found["VSL_DIRECT_DATABASE_URL"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("VSL_HOEM", "VSL_HOME"),
        ("VSL_DATABASE_URL", "DATABASE_URL"),
        ("VSL_STORE", "VSL_STORAGE"),
        ("VSL_PGPORT", "VSL_PG_PORT"),
        ("VSL_LOGLEVEL", "VSL_LOG_LEVEL"),
    ],
)
def test_a_misspelt_name_is_met_with_the_right_one(written: str, meant: str) -> None:
    assert f"did you mean {meant}?" in problems({written: "x"})[written]


def test_a_name_like_none_is_met_with_all() -> None:
    assert "VSL_HOME, VSL_STORAGE" in problems({"VSL_QUX": "x"})["VSL_QUX"]


def test_what_kubernetes_sets_for_a_service_named_vsl_is_no_mistake() -> None:
    assert load(
        {
            "VSL_SERVICE_HOST": "10.0.0.1",
            "VSL_SERVICE_PORT": "80",
            "VSL_SERVICE_PORT_HTTP": "80",
            "VSL_PORT": "tcp://10.0.0.1:80",
            "VSL_PORT_80_TCP": "tcp://10.0.0.1:80",
            "VSL_PORT_80_TCP_ADDR": "10.0.0.1",
            "VSL_WORKER_SERVICE_HOST": "10.0.0.2",
        }
    ) == load({})
    assert "VSL_PORT" in problems({"VSL_PORT": "5432"})


def test_secrets_are_not_in_the_representation() -> None:
    url = f"postgresql://u:{SECRET}@server/d"
    config = load(
        {
            "DATABASE_URL": url,
            "VSL_DIRECT_DATABASE_URL": url,
        }
    )
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


def test_the_login_name() -> None:
    assert login_name({"LOGNAME": "ada", "USER": "bob"}) == "ada"
    assert login_name({"USER": "bob"}) == "bob"
    assert login_name({}) != ""


def test_only_config_reads_the_environment() -> None:
    readers = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if _reads_environment(node):
                readers.add(file.relative_to(SOURCE).as_posix())
    # child.py is a program of its own: it tells the Cog server, through the environment, its port.
    assert readers == {"config.py", "models/child.py"}


def _reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "getuser", "expandvars", "putenv"}
    if isinstance(node, ast.Attribute):
        return node.attr in names
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in names for alias in node.names)
    return False
