"""The one command of the AWS command line that scripts on a node use: `aws s3 cp FROM TO`, where - is the console."""

from __future__ import annotations

import sys

import boto3
from botocore.exceptions import ClientError


def main(words: list[str]) -> int:
    paths = [word for word in words[2:] if word == "-" or not word.startswith("-")]
    if words[:2] != ["s3", "cp"] or len(paths) != 2:
        print(f"aws: only `aws s3 cp FROM TO` works on this node, not: aws {' '.join(words)}", file=sys.stderr)
        return 252
    source, target = paths
    try:
        copy(source, target)
    except (ClientError, OSError) as error:
        print(f"fatal error: {error}", file=sys.stderr)
        return 1
    return 0


def copy(source: str, target: str) -> None:
    s3 = boto3.client("s3")
    if source.startswith("s3://"):
        bucket, _, key = source.removeprefix("s3://").partition("/")
        data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    elif source == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(source, "rb") as file:
            data = file.read()
    name = source.rpartition("/")[2]
    if target.startswith("s3://"):
        bucket, _, key = target.removeprefix("s3://").partition("/")
        s3.put_object(Bucket=bucket, Key=key + name if key.endswith("/") or not key else key, Body=data)
    elif target == "-":
        sys.stdout.buffer.write(data)
    else:
        with open(target + name if target.endswith("/") else target, "wb") as file:
            file.write(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
