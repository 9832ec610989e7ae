"""Objects on S3, by moto's server: which ones a name means, their bytes over broken connections, a sentence a failure."""

from __future__ import annotations

import bz2
import gzip
import http.server
import json
import subprocess
import sys
import threading
from contextlib import contextmanager

import boto3
import numpy as np
import pytest
from botocore.exceptions import ReadTimeoutError, ResponseStreamingError
from botocore.stub import Stubber
from moto.s3.models import s3_backends
from urllib3.exceptions import SSLError

from drivers.packing.sources import find_sources, first_bytes, read_pieces
from drivers.packing.stores import s3
from drivers.packing.stores.source import Source
from jobs.errors import ScanError
from tests.conftest import ROOT, make_table, read_passes, write_csv
from tests.moto_aws import SECRET, moto_environment, surround

TABLE = b"y,x\n1,2\n3,4\n"


@pytest.fixture(scope="module")
def server():
    """The settings of a server that speaks S3, and credentials of nobody."""
    s3._client.cache_clear()  # one that another module's tests made
    with moto_environment() as environment:
        yield {**environment, "AWS_MAX_ATTEMPTS": "1"}
    s3._client.cache_clear()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, server):
    """This server, no pauses, and no memory of another test."""
    surround(monkeypatch, server)
    monkeypatch.setattr(s3, "PAUSES", (0.0, 0.0, 0.0))
    s3._head.cache_clear()


@pytest.fixture
def new_client():
    """For a test that changes what boto3 looks at."""
    s3._client.cache_clear()
    yield
    s3._client.cache_clear()


@pytest.fixture(scope="module")
def client(server):
    """A client of its own, which sees what the module under test does not."""
    made = boto3.client(
        "s3",
        endpoint_url=server["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key=SECRET,
    )
    for bucket in ("table", "names", "refused"):
        made.create_bucket(Bucket=bucket)
    return made


@pytest.fixture
def put(client):
    """Puts an object into the bucket `table`."""
    return lambda key, body=TABLE: client.put_object(Bucket="table", Key=key, Body=body)


@pytest.fixture(scope="module")
def names(client):
    """The bucket `names` with objects, and with what is none."""
    shown = ("a.csv", "d/1.csv", "d/2.csv", "d/e/3.csv", "odd/ä [x] 1+2%20.csv")
    for key in (*shown, "d/_SUCCESS", "d/.hidden", "d/_tmp/4.csv"):
        client.put_object(Bucket="names", Key=key, Body=TABLE)
    for marker in ("d/", "d/e_$folder$"):
        client.put_object(Bucket="names", Key=marker)


@pytest.fixture(scope="module")
def refused(client):
    """The bucket `refused` with objects that cannot be read."""
    client.put_object(Bucket="refused", Key="hidden/_SUCCESS", Body=TABLE)
    client.put_object(Bucket="refused", Key="empty.csv")
    client.put_object(Bucket="refused", Key="frozen.csv", Body=TABLE, StorageClass="GLACIER")
    client.put_object(Bucket="refused", Key="old.zip", Body=b"PK\x03\x04" + TABLE)
    client.put_object(Bucket="refused", Key="secret.csv", Body=TABLE)
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::refused/secret.csv"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    client.put_bucket_policy(Bucket="refused", Policy=policy)


def keys(name):
    return [source.path.removeprefix("s3://names/") for source in find_sources([name])]


def text(name, size=100_000):
    return b"".join(piece for source in find_sources([name]) for piece in read_pieces(source, size))


def why(name):
    """The sentence that refuses a name, or its objects."""
    with pytest.raises(ScanError) as caught:
        text(name)
    sentence = str(caught.value)
    assert "\n" not in sentence and SECRET not in sentence
    return sentence


def noise(n_bytes, seed=0):
    return np.random.default_rng(seed).bytes(n_bytes)


# -- which objects a name means ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "s3://names/a.csv": ["a.csv"],
        "s3a://names/a.csv": ["a.csv"],
        "S3N://names/a.csv": ["a.csv"],
        "s3://names/d/": ["d/1.csv", "d/2.csv", "d/e/3.csv"],
        "s3://names/d": ["d/1.csv", "d/2.csv", "d/e/3.csv"],
        "s3://names": ["a.csv", "d/1.csv", "d/2.csv", "d/e/3.csv", "odd/ä [x] 1+2%20.csv"],
        "s3://names/*.csv": ["a.csv"],
        "s3://names/d/*": ["d/1.csv", "d/2.csv"],
        "s3://names/d/[!1].csv": ["d/2.csv"],
        "s3://names/d/?.csv": ["d/1.csv", "d/2.csv"],
        "s3://names/d/_*": ["d/_SUCCESS"],
        "s3://names/d/_SUCCESS": ["d/_SUCCESS"],
        "s3://names/d/_tmp/": ["d/_tmp/4.csv"],
        "s3://names/**/[0-9].csv": ["d/1.csv", "d/2.csv", "d/e/3.csv"],
        "s3://names/?/e/*": ["d/e/3.csv"],
        "s3://names/d*/": ["d/1.csv", "d/2.csv", "d/e/3.csv"],
        "s3://names/odd/ä [x] 1+2%20.csv": ["odd/ä [x] 1+2%20.csv"],
    }.items(),
)
def test_a_name_means_these_objects(names, name, expected):
    assert keys(name) == expected


def test_one_object_under_two_schemes_is_given_twice(names):
    with pytest.raises(ScanError, match="s3://names/a.csv is given twice"):
        find_sources(["s3://names/a.csv", "s3a://names/*"])


def test_a_listing_of_several_pages_is_whole(client):
    client.create_bucket(Bucket="pages")
    expected = [f"s3://pages/p/{j:04d}" for j in range(1030)]
    for key in [*expected, "s3://pages/q"]:
        # Not by a request each, which would take ten seconds.
        s3_backends["123456789012"]["aws"].put_object("pages", key.removeprefix("s3://pages/"), b"1")
    assert keys("s3://pages/p/") == expected
    assert keys("s3://pages/p/*[05]0") == [key for key in expected if key.endswith(("50", "00"))]


def test_what_lies_deeper_than_a_pattern_is_not_listed(names, monkeypatch):
    """It may be a million objects."""
    listed = []
    real = s3._listing

    def listing(*arguments, **options):
        for entry in real(*arguments, **options):
            listed.append(entry["Key"])
            yield entry

    monkeypatch.setattr(s3, "_listing", listing)
    assert keys("s3://names/*.csv") == listed == ["a.csv"]


# -- their bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [1, s3.HEAD_BYTES - 1, s3.HEAD_BYTES, s3.HEAD_BYTES + 1, 3_000_000])
def test_the_bytes_come_back(put, n_bytes):
    data = noise(n_bytes)
    put("data", data)
    (source,) = find_sources(["s3://table/data"])
    assert source.size == n_bytes
    with s3.open_stream(source) as stream:
        pieces = list(iter(lambda: stream.read(700_000), b""))
        assert stream.read(1) == b""
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces[:-1]] == [700_000] * (len(pieces) - 1)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_compressed_objects_are_unpacked(put, compress):
    data = TABLE + noise(400_000).hex().encode()
    put("t.csv", compress(data))
    assert text("s3://table/t.csv") == data


def test_a_few_requests_serve_all_looks_at_the_first_bytes(put, monkeypatch):
    requests = []
    real = s3.ObjectStream._request
    monkeypatch.setattr(s3.ObjectStream, "_request", lambda self: requests.append(self._position) or real(self))
    put("large", noise(1_000_000))
    (source,) = find_sources(["s3://table/large"])
    for _ in range(3):
        assert len(first_bytes(source)) == 16
        next(read_pieces(source, 1 << 16))
    assert requests == [0]
    list(read_pieces(source, 1 << 16))
    assert requests == [0, s3.HEAD_BYTES]


class BrokenBody:
    """Gives some bytes of a body, then breaks."""

    def __init__(self, body, n_bytes, error):
        self.body, self.left, self.error = body, n_bytes, error

    def read(self, n):
        if self.left == 0:
            if self.error is None:
                return b""
            raise self.error
        piece = self.body.read(min(n, self.left))
        self.left -= len(piece)
        return piece

    def close(self):
        self.body.close()


@pytest.mark.parametrize(
    "error",
    [
        ResponseStreamingError(error="Connection broken"),
        ReadTimeoutError(endpoint_url="s3", error="timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
        SSLError("decryption failed"),
        None,
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_stream_goes_on_where_it_stood(put, monkeypatch, error):
    """Each of the connections breaks; as long as bytes come, there is no end of tries."""
    data = noise(1_000_000)
    put("data", data)
    real = s3.ObjectStream._request
    monkeypatch.setattr(s3.ObjectStream, "_request", lambda self: BrokenBody(real(self), 90_000, error))
    assert text("s3://table/data") == data


def test_a_stream_that_stays_broken_is_one_sentence(put, monkeypatch):
    put("data", noise(1_000_000))
    real = s3.ObjectStream._request

    def request(self):
        broken = ConnectionResetError(104, "Connection reset by peer")
        return real(self) if self._position == 0 else BrokenBody(real(self), 0, broken)

    monkeypatch.setattr(s3.ObjectStream, "_request", request)
    assert why("s3://table/data") == (
        "s3://table/data: the connection broke after 131,072 of 1,000,000 bytes, and 3 tries to go on failed "
        "([Errno 104] Connection reset by peer); run again when the network is back"
    )


def test_a_server_that_hangs_up_is_asked_for_the_rest(monkeypatch, new_client):
    """What boto3 reports then is not what a stub reports."""
    data = noise(600_000)

    class HangsUp(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            self.send_response(206)
            self.send_header("Content-Length", str(last + 1 - first))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.send_header("ETag", '"tag"')
            self.end_headers()
            self.wfile.write(data[first : min(last + 1, first + 100_000)])
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    with answering(HangsUp, monkeypatch):
        assert text("s3://table/data") == data


def test_a_server_that_gives_no_parts_is_refused(monkeypatch, new_client):
    """Or the first bytes would stand where the next ones belong."""
    data = noise(600_000)

    class GivesAll(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"tag"')
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    with answering(GivesAll, monkeypatch):
        assert why("s3://table/data") == "s3://table/data cannot be read: the server does not give parts of an object"


@contextmanager
def answering(handler, monkeypatch):
    """A server of this handler as the endpoint."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


# -- a whole run ---------------------------------------------------------------------------------------------------------


def test_a_model_is_fitted_to_objects(tmp_path, client, run_wols):
    """As to the same rows in a file of this machine."""
    client.create_bucket(Bucket="rows")
    matrix, names = make_table(30_000)
    options = ("--target", "y", "--weight", "w", "--no-report")
    assert run_wols(write_csv(tmp_path / "t.csv", matrix, names), *options, "--run-dir", "local").returncode == 0
    for j, rows in enumerate(np.array_split(matrix, 3)):
        data = write_csv(tmp_path / "part.csv", rows, names).read_bytes()
        client.put_object(Bucket="rows", Key=f"parts/part {j}.csv", Body=gzip.compress(data) if j == 1 else data)
    client.put_object(Bucket="rows", Key="parts/_SUCCESS")
    done = run_wols("s3://rows/parts/", *options, "--run-dir", "s3")
    assert done.returncode == 0, done.stderr
    md5s = [[entry["statistics_md5"] for entry in read_passes(run)] for run in ("s3", "local")]
    assert md5s[0] == md5s[1]


def test_a_bad_cell_of_an_object_is_named(put, run_wols):
    put("bad.csv", b"y,x\n1,2\n3,abc\n")
    done = run_wols("s3://table/bad.csv", "--target", "y", "--no-report")
    assert done.returncode == 1
    assert "s3://table/bad.csv, line 3, column 'x': 'abc' is not a number" in done.stderr
    assert "Traceback" not in done.stderr and SECRET not in done.stderr


# -- what can be wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [1000, 500_000])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_object_that_changed_is_refused(put, n_bytes, when):
    put("data", noise(n_bytes))
    (source,) = find_sources(["s3://table/data"])
    assert s3.version(source) == source.version
    if when == "after":
        first_bytes(source)
    put("data", noise(n_bytes, seed=1))
    assert s3.version(source) != source.version
    if when == "before" or n_bytes > s3.HEAD_BYTES:
        with pytest.raises(
            ScanError, match="^s3://table/data changed while it was being read; run again when it is complete$"
        ):
            list(read_pieces(source, 1000))


def test_an_object_that_is_gone_is_another_one(put, client):
    put("data", noise(500_000))
    (source,) = find_sources(["s3://table/data"])
    client.delete_object(Bucket="table", Key="data")
    assert s3.version(source) != source.version
    with pytest.raises(ScanError, match="^no such object: s3://table/data$"):
        list(read_pieces(source, 1000))


@pytest.mark.parametrize(
    ("name", "sentence"),
    {
        "s3://nowhere/a.csv": "s3://nowhere/a.csv: there is no such bucket",
        "s3://nowhere": "s3://nowhere/: there is no such bucket",
        "s3://refused/b.csv": "no such object: s3://refused/b.csv",
        "s3://refused/b/": "there are no objects below s3://refused/b/",
        "s3://refused/hidden/": "there are no objects below s3://refused/hidden/",
        "s3://refused/b*.csv": "no object matches s3://refused/b*.csv",
        "s3://refused/empty.csv": "s3://refused/empty.csv is empty",
        "s3://refused/emp*": "s3://refused/empty.csv is empty",
        "s3://refused/frozen.csv": (
            "s3://refused/frozen.csv is archived in S3 Glacier; restore it first, e.g. by `aws s3api restore-object`"
        ),
        "s3://refused/froz*": (
            "s3://refused/frozen.csv is archived in S3 Glacier; restore it first, e.g. by `aws s3api restore-object`"
        ),
        "s3://refused/secret.csv": (
            "access to s3://refused/secret.csv is denied; it needs the permissions s3:GetObject and, to find objects, "
            "s3:ListBucket"
        ),
        "s3://": "s3:// names no bucket; write s3://bucket/key",
        "s3:///a.csv": "s3:///a.csv names no bucket; write s3://bucket/key",
        "s3://my table/a.csv": "s3://my table/a.csv: there can be no bucket of that name",
        "s3://refused/old.zip": (
            "s3://refused/old.zip is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"
        ),
    }.items(),
)
def test_what_cannot_be_read_is_one_sentence(refused, name, sentence):
    assert why(name) == sentence


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        (
            "AccessDenied",
            "Access Denied",
            "access to s3://table/d/ is denied; it needs the permissions s3:GetObject and, to find objects, s3:ListBucket",
        ),
        (
            "ExpiredToken",
            "The provided token has expired.",
            "s3://table/d/: S3 does not accept the AWS credentials (ExpiredToken); renew them, e.g. by `aws configure`",
        ),
        ("PermanentRedirect", "", "s3://table/d/ lies in another region; set AWS_DEFAULT_REGION to it"),
        ("SlowDown", "Reduce your rate.", "s3://table/d/ cannot be read: S3 answers SlowDown (Reduce your rate.)"),
    ],
)
def test_what_s3_answers_is_one_sentence(code, message, sentence):
    with Stubber(s3._client()) as stub:
        stub.add_client_error("list_objects_v2", code, message)
        with pytest.raises(ScanError) as caught:
            s3.find("s3://table/d/")
    assert str(caught.value) == sentence


def test_no_credentials_are_one_sentence(monkeypatch, new_client):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    sentence = "there are no AWS credentials; set them as boto3 finds them, e.g. by `aws configure`"
    assert why("s3://table/d/") == f"s3://table/d/: {sentence}"


def test_half_of_the_credentials_is_one_sentence(monkeypatch, new_client):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "half")
    with open("half", "w") as f:
        f.write("[default]\naws_access_key_id = half\n")
    reason = "Partial credentials found in shared-credentials-file, missing: aws_secret_access_key"
    assert why("s3://table/d/") == f"S3 cannot be used as AWS is configured here: {reason}"


def test_an_endpoint_that_does_not_answer_is_one_sentence(monkeypatch, new_client):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somebody:password@127.0.0.1:1")
    sentence = "S3 does not answer at 127.0.0.1:1; check the network, the region and AWS_ENDPOINT_URL"
    assert why("s3://table/d/") == f"s3://table/d/: {sentence}"
    assert why("s3://table/d") == f"s3://table/d: {sentence}"


def test_a_server_without_tls_is_one_sentence(monkeypatch, new_client, server):
    host = server["AWS_ENDPOINT_URL"].removeprefix("http://")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://somebody:password@{host}")
    sentence = why("s3://table/d/")
    assert sentence.startswith(f"s3://table/d/: there is no secure connection to {host} (")
    assert sentence.endswith("); AWS_CA_BUNDLE can name authorities to trust")
    assert "password" not in sentence


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_ENDPOINT_URL", "nonsense", "Invalid endpoint: nonsense"),
        ("AWS_PROFILE", "nobody", "The config profile (nobody) could not be found"),
    ],
)
def test_a_wrong_setting_of_aws_is_one_sentence(monkeypatch, new_client, variable, value, reason):
    monkeypatch.setenv(variable, value)
    assert why("s3://table/d/") == f"S3 cannot be used as AWS is configured here: {reason}"


def test_without_boto3_the_sentence_says_so(monkeypatch, new_client):
    monkeypatch.setitem(sys.modules, "boto3", None)
    for name in ("s3://table/a.csv", "s3://table/", "s3://table/*"):
        assert why(name) == "s3:// inputs need boto3, which is not installed: pip install boto3"


def test_boto3_is_imported_when_the_first_name_comes():
    code = "import sys, drivers.packing.stores.s3; print('boto3' in sys.modules, 'botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


def test_a_source_is_shown_as_its_url(names):
    (source,) = find_sources(["s3a://names/d/e"])
    assert source == Source("s3://names/d/e/3.csv", len(TABLE), source.version)
    assert source.shown == "s3://names/d/e/3.csv"
