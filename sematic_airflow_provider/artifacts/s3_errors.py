"""What S3's answers mean: which are ours to handle, and what a person can do about the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto  # type: ignore[import-untyped, unused-ignore]
from urllib3.exceptions import HTTPError

from sematic_airflow_provider.artifacts.s3_access import S3Clients, S3Location
from sematic_airflow_provider.errors import StoreError

BROKEN = (boto.HTTPClientError, boto.IncompleteReadError, HTTPError, ConnectionError, TimeoutError)
"""An answer that stopped in the middle."""

NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
EXISTS = frozenset({"412", "PreconditionFailed"})
CONFLICT = frozenset({"409", "ConditionalRequestConflict", "OperationAborted", "ConcurrentModification"})
DAMAGED = frozenset(
    {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest", "IncompleteBody"}
)
"""What arrived was not what had been sent."""
UNKNOWN = frozenset(
    {"501", "NotImplemented", "InvalidArgument", "InvalidRequest", "MethodNotAllowed", "UnsupportedHeader"}
)
"""How servers refuse a header that they do not know."""

_RENEW = "The credentials have expired: renew them (aws sso login, or the token in the connection or environment), or use a role, which renews them itself"
_KEYS = "Check the access key and its secret in the Airflow connection, the environment or the AWS profile"
_DENIED = "Allow this identity s3:ListBucket, GetObject, PutObject, DeleteObject and AbortMultipartUpload there (docs/stores.md has the policy)"
_REGION = "Name the bucket's region: ?region=… in the URL, in the connection, or AWS_DEFAULT_REGION"
_CLOCK = "The clock of this machine is wrong by more than the server allows: synchronise it (chrony, systemd-timesyncd)"
_SLOW = "The server asks for fewer requests at a time; the task's retries will try again"
_FULL = "There is no room left: delete what is not needed, or ask for a larger quota"
_ADVICE = {
    "NoSuchBucket": "Make the bucket, or correct its name in [sematic] store",
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"), _RENEW),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"),
        _KEYS,
    ),
    **dict.fromkeys(("AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"), _DENIED),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307", "IllegalLocationConstraintException"),
        _REGION,
    ),
    "RequestTimeTooSkewed": _CLOCK,
    **dict.fromkeys(
        ("SlowDown", "503", "ServiceUnavailable", "Throttling", "RequestLimitExceeded", "TooManyRequests"), _SLOW
    ),
    **dict.fromkeys(("QuotaExceeded", "InsufficientStorage", "507", "XMinioStorageFull", "EntityTooLarge"), _FULL),
    "InvalidObjectState": "It was archived by a lifecycle rule: restore it, and leave the store out of such rules",
}
_UNREACHABLE = "Check endpoint_url, and that this machine may reach it (DNS, firewall, proxy)"
_CLIENT_ADVICE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound),
        "Set [sematic] store_conn_id, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the pod or machine a role",
    ),
    ((boto.CredentialRetrievalError, boto.TokenRetrievalError, boto.SSOError, boto.MetadataRetrievalError), _RENEW),
    ((boto.NoRegionError,), _REGION),
    (
        (boto.SSLError,),
        "Name the authority that signed the server's certificate: AWS_CA_BUNDLE, or verify in the connection",
    ),
    ((boto.ConnectionError, boto.HTTPClientError, HTTPError, ConnectionError, TimeoutError), _UNREACHABLE),
)


def code_of(error: Exception) -> str:
    """S3's name for an error, or the status where the answer had no body; empty when no answer came."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def status_of(error: Exception) -> int:
    """The HTTP status of an error; 0 when no answer came."""
    return (
        int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if isinstance(error, boto.ClientError)
        else 0
    )


@contextmanager
def explained(location: S3Location, what: str, clients: S3Clients) -> Iterator[None]:
    """Turn boto3's errors into ours: which store, what could not be done, why, and what to do.

    A HEAD has no body that says why: the server is asked once more in a way that has.
    """
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, HTTPError, ConnectionError, TimeoutError) as error:
        told = _told(location, clients, error) if code_of(error) in ("400", "403") else error
        reason = str(told).rstrip(".")
        advice = _advice(told)
        message = f"the artifact store {location.url} {what}: {reason}" + (f". {advice}" if advice else "")
        raise StoreError(message, location.url) from error


def _told(location: S3Location, clients: S3Clients, error: Exception) -> Exception:
    try:
        clients.client().list_objects_v2(Bucket=location.bucket, Prefix=location.key("blobs/"), MaxKeys=1)
    except (boto.BotoCoreError, boto.ClientError) as named:
        return named
    return error


def _advice(error: Exception) -> str:
    if isinstance(error, boto.ClientError):
        return _ADVICE.get(code_of(error)) or _ADVICE.get(str(status_of(error)), "")
    return next((advice for kinds, advice in _CLIENT_ADVICE if isinstance(error, kinds)), "")
