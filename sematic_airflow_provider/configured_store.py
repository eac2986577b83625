"""The store that ``[sematic] store`` names, opened as whom the Airflow connection ``[sematic] store_conn_id`` says. Used by every process that has Airflow.

Pods have no Airflow: there, boto3 and fsspec find credentials as they do anywhere (environment, service account, role of the node).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sematic_airflow_provider.artifacts.store import Store, open_store
from sematic_airflow_provider.errors import ConfigurationError, MissingExtraError, StoreError
from sematic_airflow_provider.settings import Settings, default_store, load_settings

if TYPE_CHECKING:
    from sematic_airflow_provider.artifacts.s3_access import S3Access

_OPTION = "store_conn_id"
_ASSUMES = ("role_arn", "assume_role_method", "assume_role_kwargs")


def configured_store(settings: Settings | None = None) -> Store:
    """Open the store of these settings; of those that hold now, if none are given.

    Raises:
        ConfigurationError: the connection cannot be used for such a store.
        MissingExtraError: a package that the store needs is not installed.
        StoreError: the store or the connection is not there.
    """
    settings = settings or load_settings()
    url, conn_id = settings.store, settings.store_conn_id
    if not conn_id:
        return open_store(url, create=url == default_store())
    if url.startswith(("s3://", "s3a://")):
        access = _s3_access(conn_id)  # now: what looks connections up may only be asked by the main thread of a task
        return open_store(url, s3_access=lambda: access)
    if "://" not in url or url.startswith("file://"):
        raise ConfigurationError(
            _OPTION,
            f"[sematic] {_OPTION} = {conn_id}, but the store {url} is a folder, which needs no connection: leave the option empty",
        )
    return open_store(url, file_system=_file_system(url, conn_id))


def environment_of_children(settings: Settings) -> dict[str, str]:
    """What a process without Airflow needs in its environment, to reach the same store as we do. Holds secrets."""
    if not settings.store_conn_id or not settings.store.startswith(("s3://", "s3a://")):
        return {}
    access = _s3_access(settings.store_conn_id)
    credentials = access.session.get_credentials()
    found = credentials.get_frozen_credentials() if credentials is not None else None
    variables = {
        "AWS_ACCESS_KEY_ID": found and found.access_key,
        "AWS_SECRET_ACCESS_KEY": found and found.secret_key,
        "AWS_SESSION_TOKEN": found and found.token,
        "AWS_DEFAULT_REGION": access.region or access.session.region_name,
        "AWS_ENDPOINT_URL_S3": access.endpoint_url,
    }
    return {name: value for name, value in variables.items() if value}


def _s3_access(conn_id: str) -> S3Access:
    """As whom a connection of type ``aws`` says. The Amazon provider reads it where it is installed: it knows all ways to get credentials."""
    try:
        import boto3  # type: ignore[import-untyped, unused-ignore]

        from sematic_airflow_provider.artifacts.s3_access import S3Access
    except ImportError as error:
        raise MissingExtraError("a store in S3", "s3") from error
    found = _connection(conn_id)
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    except ImportError:
        return _plain_s3_access(boto3, S3Access, found)
    hook = AwsGenericHook(aws_conn_id=conn_id, client_type="s3")
    return S3Access(
        hook.get_session(),
        endpoint_url=hook.conn_config.get_service_endpoint_url("s3"),
        region=hook.region_name,
        verify=hook.verify,
    )


def _plain_s3_access(boto3: Any, access: Any, connection: Any) -> S3Access:
    """Keys, token, profile, region, endpoint: what needs no request."""
    extra = connection.extra_dejson
    if asked := [name for name in _ASSUMES if extra.get(name)]:
        raise ConfigurationError(
            _OPTION,
            f"connection {connection.conn_id} has {', '.join(asked)}, which the Amazon provider knows how to use: pip install apache-airflow-providers-amazon",
        )
    service = (extra.get("service_config") or {}).get("s3") or {}
    session = boto3.Session(
        aws_access_key_id=connection.login or extra.get("aws_access_key_id") or None,
        aws_secret_access_key=connection.password or extra.get("aws_secret_access_key") or None,
        aws_session_token=extra.get("aws_session_token") or None,
        profile_name=extra.get("profile_name") or None,
        region_name=extra.get("region_name") or None,
    )
    return access(
        session,
        endpoint_url=service.get("endpoint_url") or extra.get("endpoint_url") or None,
        region=extra.get("region_name") or None,
        verify=extra.get("verify"),
    )


def _file_system(url: str, conn_id: str) -> Any:
    """The file system that Airflow's providers make of a connection (Google, Microsoft Azure and others)."""
    from airflow.sdk.io import get_fs

    _connection(conn_id)
    protocol = url.partition("://")[0]
    try:
        return get_fs(protocol, conn_id)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            _OPTION,
            f"the store {url} cannot be opened with connection {conn_id}: {error}. Install the Airflow provider for {protocol}:// "
            f"or leave [sematic] {_OPTION} empty",
        ) from error


def _connection(conn_id: str) -> Any:
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise StoreError(
            f"[sematic] {_OPTION} = {conn_id}, and Airflow has no such connection: add it, or correct the option",
            conn_id,
        ) from error
