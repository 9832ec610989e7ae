"""AWS by boto3: its clients, and what AWS refuses in one sentence.

boto3 finds credentials, region and endpoint by its own rules: the environment, ~/.aws, the role of the machine. No other
module looks at them, and none prints them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from jobs.errors import ScanError

CONNECT_SECONDS = 10
# EMR allows few requests a second to a whole account: boto3 itself slows down and asks again.
RETRIES = {"mode": "adaptive", "total_max_attempts": 6}

CREDENTIALS_REFUSED = {
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
}  # fmt: skip
THROTTLED = {
    "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "ThrottledException",
    "TooManyRequestsException",
}  # fmt: skip
# Without a word of who may not do what.
DENIED = {"403", "AccessDenied", "Forbidden"}
MAY_NOT = "these credentials may not do that; docs/emr.md lists the permissions that a user needs"
MAKE_ROLES = "`aws emr create-default-roles` makes the default ones, which AWS takes a minute to know"
# What AWS says, when it refuses a request or gives a cluster up, and what that means.
MEANINGS = {
    r"not authorized to perform:? (?P<it>[\w:]+)": "these credentials lack the permission {it}",
    r"Invalid InstanceProfile: (?:\S*/)?(?P<it>\S*[^\s.])": f"there is no instance profile {{it}}; {MAKE_ROLES}",
    r"service role (?:\S*/)?(?P<it>\S+) is invalid": f"there is no service role {{it}} that EMR may take; {MAKE_ROLES}",
    r"[Ii]nstance type '?(?P<it>[\w.-]+?)'? is not supported": (
        "EMR has no instances of the type {it} here; `aws emr list-supported-instance-types` lists what a release has in a "
        "region"
    ),
    r"release label is invalid: (?P<it>\S*[^\s.])": "there is no release {it}; `aws emr list-release-labels` lists them",
    r"vCPUs for instance type (?P<it>\S+) exceeds": (
        "the account may not have that many processors of the type {it}; ask for more under Service Quotas, EC2, or take "
        "fewer or smaller nodes"
    ),
    r"(?i)\bquota|limit\w* (?:was |is )?exceeded|exceeds? the \w+ limit": (
        "it is more than the account may have ({message}); ask for more under Service Quotas, or take fewer nodes"
    ),
    r"(?i)(?:insufficient|not have sufficient|not enough)\b.{0,40}capacity|InsufficientInstanceCapacity|out of capacity": (
        "AWS has too few such instances at the moment; try again later, or take another type, region or subnet"
    ),
    r"(?i)cluster id '?(?P<it>[\w-]*)'? is not valid": "there is no such cluster in {region}",
    r"(?i)specified bucket does not exist": "there is no such bucket; `aws s3 mb s3://BUCKET --region {region}` makes one",
}


class UnreachableError(ScanError):
    """AWS does not answer, or not now; the same request may succeed later."""


@functools.cache
def client(service: str, region: str) -> Any:
    """A client of boto3 for "emr" or "s3", made once.

    :raises ScanError: without boto3, or when what is configured makes no sense to it
    """
    boto3 = _boto3()
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        config = Config(connect_timeout=CONNECT_SECONDS, retries=RETRIES)
        return boto3.Session().client(service, region_name=region, config=config)
    except (BotoCoreError, OSError, ValueError) as error:
        raise ScanError(f"AWS cannot be used as it is configured here: {_one_line(error)}") from None


def region_or_default(region: str | None) -> str:
    """The region that is given, or else the one that boto3 finds.

    :raises ScanError: there is none
    """
    boto3 = _boto3()
    from botocore.exceptions import BotoCoreError

    try:
        found = region or boto3.Session().region_name
    except BotoCoreError as error:
        raise ScanError(f"AWS cannot be used as it is configured here: {_one_line(error)}") from None
    if not found:
        raise ScanError("no region of AWS is known: give --region us-west-1, or set AWS_DEFAULT_REGION")
    return found


@contextmanager
def explained(what: str, region: str) -> Iterator[None]:
    """Makes one sentence of what boto3 and AWS report.

    :param what: that which fails then, as the beginning of the sentence: "the cluster could not be created"
    :raises UnreachableError: no answer, or one to ask again later
    :raises ScanError: any other of it
    """
    _boto3()
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        NoCredentialsError,
        SSLError,
    )

    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        code = told.get("Code", "?")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = UnreachableError if code in THROTTLED or status >= 500 else ScanError
        raise kind(f"{what}: {refusal(code, told.get('Message', ''), region)}") from None
    except NoCredentialsError:
        reason = "there are no AWS credentials; set them as boto3 finds them, e.g. by `aws configure`"
        raise ScanError(f"{what}: {reason}") from None
    except SSLError as error:
        reason = f"there is no secure connection to AWS ({_one_line(error.kwargs.get('error'))})"
        raise ScanError(f"{what}: {reason}; AWS_CA_BUNDLE can name authorities to trust") from None
    except (ConnectionError, HTTPClientError) as error:
        reason = f"AWS does not answer{_host(error)}; check the network, the region and AWS_ENDPOINT_URL"
        raise UnreachableError(f"{what}: {reason}") from None
    except BotoCoreError as error:
        raise ScanError(f"{what}: {_one_line(error)}") from None


def refusal(code: str, message: str, region: str) -> str:
    """Why AWS refuses a request, and what to do.

    :param code, message: as AWS gives them
    """
    # Without AWS's message, which may repeat the request with its token.
    if code in CREDENTIALS_REFUSED:
        return f"AWS does not accept the credentials ({code}); renew them, e.g. by `aws configure`"
    if code in THROTTLED:
        return f"AWS asks for fewer requests at a time ({code}); try again in a minute"
    # What stands between here and AWS may answer with a web page.
    told = "" if message.lstrip().startswith("<") else _one_line(message)
    known = meaning(message, region) or (MAY_NOT if code in DENIED else None)
    return known or f"AWS answers {code}" + (f" ({told})" if told else "")


def meaning(message: str, region: str) -> str | None:
    """What a message of AWS means, and what to do; None for one that is not known."""
    for pattern, text in MEANINGS.items():
        match = re.search(pattern, message)
        if match:
            return text.format(**match.groupdict(), message=_one_line(message).rstrip("."), region=region)
    return None


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key.

    :raises ScanError: what is no such URI
    """
    match = re.fullmatch(r"s3[an]?://([^/]+)/?(.*)", uri, re.DOTALL)
    if match is None:
        raise ScanError(f"{uri} is no place on S3; write s3://bucket/key")
    return match[1], match[2]


def folder(uri: str) -> str:
    """The URI of a folder, with its slash at the end.

    :raises ScanError: what is no such URI
    """
    bucket, key = split_uri(uri)
    return f"s3://{bucket}/{key}" + ("" if key.endswith("/") or not key else "/")


def _boto3() -> Any:
    try:
        import boto3
    except ImportError:
        raise ScanError("AWS needs boto3, which is not installed: pip install boto3") from None
    return boto3


def _host(error: Any) -> str:
    """Where it did not answer, without the name and password that an endpoint may hold."""
    url = urlsplit(error.kwargs.get("endpoint_url") or "")
    return f" at {url.hostname}" + (f":{url.port}" if url.port else "") if url.hostname else ""


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
