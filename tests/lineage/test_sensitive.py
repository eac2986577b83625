"""Names that promise a secret, URLs with credentials, and variables that are recorded."""

from __future__ import annotations

import time

import pytest

from sematic_airflow_provider.lineage import environment
from sematic_airflow_provider.lineage.sensitive import is_sensitive_name, without_assigned_secrets, without_credentials


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD", "db_passwd", "userPassword", "AWS_SECRET_ACCESS_KEY", "apiKey", "X-Api-Key", "GITHUB_TOKEN", "AIRFLOW_CONN_WAREHOUSE", "fernet_key",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "GOOGLE_APPLICATION_CREDENTIALS", "SENTRY_DSN", "private-key", "HTTP_PROXY", "Authorization", "db_pwd",
        "AZURE_STORAGE_KEY",
    ],
)  # fmt: skip
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_sensitive_name(name)


@pytest.mark.parametrize(
    "name", ["OMP_NUM_THREADS", "region", "key", "PATH", "PWD_DEPTH_", "monkey", "connected", "compass", "basalt_share", "dsnx", "author"]
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    assert is_sensitive_name(name) is (name == "PWD_DEPTH_")


def test_urls_lose_their_credentials_and_nothing_else() -> None:
    text = "+https://u:p@h\nget https://user:p%40ss@host/x and s3://bucket/a@b, mail a@example.com, postgresql+psycopg2://u:p@h/d"
    assert (
        without_credentials(text)
        == "+https://h\nget https://host/x and s3://bucket/a@b, mail a@example.com, postgresql+psycopg2://h/d"
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('+PASSWORD = "hunter2"', '+PASSWORD = "***"'),
        ("+    connect(user='me', password='it''s', port=1)", "+    connect(user='me', password='***''s', port=1)"),
        ('+  "api_key": "abc\\"def",', '+  "api_key": "***",'),
        ('-token: str = f"x"', '-token: str = f"***"'),
        ('os.environ["DB_PASSWORD"] = "x1"', 'os.environ["DB_PASSWORD"] = "***"'),
        ('{"db_password": Param("x", type="string")}', '{"db_password": Param("***", type="string")}'),
        ('name = "hunter2"', 'name = "hunter2"'),
        ("password = get_password()", "password = get_password()"),
        ('password = ""', 'password = ""'),
    ],
)
def test_literals_given_to_sensitive_names_are_hidden(line: str, shown: str) -> None:
    assert without_assigned_secrets(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "a" * 10**6,
        "a: " * 300_000,
        "a=b(" * 200_000,
        "password='" + "x" * 10**6,
        "a=" * 400_000,
        "://" * 300_000,
        "a" * 10**6 + "://",
    ],
)
def test_a_line_of_a_million_characters_takes_no_time(line: str) -> None:
    before = time.process_time()
    without_credentials(without_assigned_secrets(line))
    assert time.process_time() - before < 5


def test_only_listed_variables_are_recorded_and_no_secret_among_them() -> None:
    variables = {
        "OMP_NUM_THREADS": "4",
        "CUDA_HOME": "/usr",
        "CUDA_TOKEN": "canary",
        "AIRFLOW_CONN_X": "canary",
        "REGISTRY": "https://me:canary@registry.example.com/v2",
        "HOME": "/root",
    }
    assert environment.recorded(["OMP_NUM_THREADS", "CUDA_*", "AIRFLOW_CONN_X", "REGISTRY"], variables) == {
        "CUDA_HOME": "/usr",
        "OMP_NUM_THREADS": "4",
        "REGISTRY": "https://registry.example.com/v2",
    }
    assert "canary" not in str(environment.recorded(["*"], variables))
    assert environment.recorded([], variables) == {}
