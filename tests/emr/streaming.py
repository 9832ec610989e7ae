"""One step of Hadoop Streaming, really run: files shipped, inputs cut, the tasks, the output written, and its logs."""

from __future__ import annotations

import bz2
import gzip
import re
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.emr.arguments import Arguments, NotModelled, Refused, parse
from tests.emr.attempt import Attempt
from tests.emr.files import FileError, Files, has_scheme
from tests.emr.logs import JobLog, StepLog, counters_message, log_line
from tests.emr.mapreduce import Job, TaskFailed
from tests.emr.node import Node, Processes
from tests.emr.shuffle import Pair, join_pair, partitioner, sort_key
from tests.emr.splits import Split, cut, cut_by_lines, decompressed, largest_first

TEXT_INPUT = {"TextInputFormat", "org.apache.hadoop.mapred.TextInputFormat"}
TEXT_OUTPUT = {"TextOutputFormat", "org.apache.hadoop.mapred.TextOutputFormat"}
LINE_INPUT = "org.apache.hadoop.mapred.lib.NLineInputFormat"
OTHER_RECORDS = ("textinputformat.record.delimiter", "stream.map.input.ignoreKey", "stream.map.input.field.separator")
COMPRESS = {"GzipCodec": (".gz", gzip.compress), "BZip2Codec": (".bz2", bz2.compress)}
LOCK = re.compile(r"^exec 9>(/tmp/wrapper\.lock\.\S+)$", re.MULTILINE)
FRAMEWORK = "Map-Reduce Framework"
DEFAULT_REDUCES = 2
DEFAULT_MAPS = 2


@dataclass
class Place:
    """Where a step runs.

    number: of the job on its cluster, from 1
    timestamp: of the cluster, which the names of all its jobs share
    slots: tasks at a time
    """

    node: Node
    files: Files
    timestamp: int
    number: int
    slots: int


@dataclass
class StreamingStep:
    """`hadoop-streaming` with its words. `run` gives the exit status of its client.

    log: of the step
    logs: of the containers, and the history of the job: name below the folder of logs -> text
    """

    words: Sequence[str]
    place: Place
    processes: Processes
    log: StepLog = field(default_factory=StepLog)
    logs: dict[str, str] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def run(self) -> int:
        """
        :raises NotModelled: the fake cannot do this
        :raises Stopped: the processes have been stopped
        """
        self.log.stdout += "packageJobJar: [] [/usr/lib/hadoop/hadoop-streaming.jar] /tmp/streamjob.jar tmpDir=null\n"
        try:
            # EMR's command-runner loses words without a character.
            arguments = parse([word for word in self.words if word])
            # A path of Hadoop's has no slash at its end.
            return self._run(self._set_up(arguments), arguments.options["-output"].rstrip("/"))
        except FileError as error:
            status, message = 5, f"Error Launching job : {error}"
        except Refused as refusal:
            status, message = refusal.status, str(refusal)
        finally:
            self._clean_up()
        self.log.streaming(message, level="ERROR")
        self.log.stderr += f"{message}\nStreaming Command Failed!\n"
        return status

    # -- before the first task --------------------------------------------------------------------------------------------

    def _set_up(self, arguments: Arguments) -> Job:
        options, conf = arguments.options, dict(arguments.conf)
        _check_formats(options, conf)
        output = options["-output"]
        if self.place.files.exists(output):
            raise Refused(f"Error launching job , Output path already exists : Output directory {output} already exists", 4)
        try:
            partition = partitioner(options.get("-partitioner", conf.get("mapreduce.job.partitioner.class")), conf)
            key = sort_key(conf.get("mapreduce.job.output.key.comparator.class"), conf)
        except KeyError as error:
            raise NotModelled(f"the class {error}") from None
        except ValueError as error:
            raise Refused(str(error)) from None
        links = self._ship(arguments)
        splits, data = self._cut_inputs(arguments)
        if "-numReduceTasks" in options:
            conf["mapreduce.job.reduces"] = options["-numReduceTasks"]
        n_reduces = 0 if options.get("-reducer") == "NONE" else _number(conf, "mapreduce.job.reduces", DEFAULT_REDUCES)
        number = f"{self.place.timestamp}_{self.place.number:04d}"
        conf = {
            "mapreduce.job.name": "streamjob.jar",
            **conf,
            "mapreduce.job.id": f"job_{number}",
            "mapreduce.job.maps": str(len(splits)),
            "mapreduce.job.reduces": str(n_reduces),
            "mapreduce.job.user.name": "hadoop",
            "mapreduce.output.fileoutputformat.outputdir": output,
        }
        commands = {name: options[f"-{name}"] for name in ("mapper", "combiner", "reducer") if f"-{name}" in options}
        if "mapper" not in commands or "aggregate" in commands.values():
            raise NotModelled("a mapper or reducer that is a class of Java")
        return Job(
            number=number,
            conf=conf,
            commands=commands,
            cmdenv=arguments.cmdenv,
            links=links,
            splits=splits,
            data=data,
            n_reduces=n_reduces,
            partition=partition,
            key=key,
            node=self.place.node,
            processes=self.processes,
            slots=self.place.slots,
            attempts=self.attempts,
        )

    def _ship(self, arguments: Arguments) -> dict[str, Path]:
        """Copies what -files and -archives name, each into a folder of its own: name in the working folder -> path."""
        shipped = [(uri, False) for uri in arguments.files] + [(uri, True) for uri in arguments.archives]
        for uri in [*arguments.libjars, *(whole.partition("#")[0] for whole, _ in shipped)]:
            if not self.place.files.exists(_on_disk(uri)):
                raise FileError(f"File {uri} does not exist.")
        links: dict[str, Path] = {}
        for number, (whole, is_archive) in enumerate(shipped):
            uri, _, name = whole.partition("#")
            path = self._cache / str(number) / uri.rpartition("/")[2]
            path.parent.mkdir(parents=True)
            path.write_bytes(self.place.files.read(_on_disk(uri)))
            if is_archive:
                _unpack(path)
            else:
                path.chmod(0o555)
            if links.setdefault(name or path.name, path) != path:
                raise Refused(f"two files of -files and -archives have the link name {name or path.name}")
        return links

    def _cut_inputs(self, arguments: Arguments) -> tuple[list[Split], dict[str, bytes]]:
        conf, files = arguments.conf, self.place.files
        recursive = conf.get("mapreduce.input.fileinputformat.input.dir.recursive") == "true"
        found = [file for specification in arguments.inputs for file in files.inputs(specification, recursive)]
        data = {file.uri: decompressed(file.uri, files.read(file.uri)) for file in found}
        if arguments.options.get("-inputformat") == LINE_INPUT:
            n_lines = _number(conf, "mapreduce.input.lineinputformat.linespermap", 1)
            return largest_first([split for file in found for split in cut_by_lines(file, data[file.uri], n_lines)]), data
        smallest, n_maps = "mapreduce.input.fileinputformat.split.minsize", "mapreduce.job.maps"
        asked = _number(conf, n_maps, DEFAULT_MAPS) if {smallest, n_maps} & conf.keys() else None
        return cut(found, asked, _number(conf, smallest, 1)), data

    # -- the job ----------------------------------------------------------------------------------------------------------

    def _run(self, job: Job, output: str) -> int:
        name = f"job_{job.number}"
        job_log = JobLog(job.number, self.attempts)
        client = "org.apache.hadoop.yarn.client.api.impl.YarnClientImpl"
        self.log.syslog += log_line("INFO", client, f"Submitted application application_{job.number}")
        self.log.job(f"Running job: {name}")
        self.log.job(" map 0% reduce 0%")
        failed = None
        try:
            runs = job.run_maps()
            self.log.job(" map 100% reduce 0%")
            self._write(job, output, job.run_reduces(runs) if job.n_reduces else [run for (run,) in runs])
        except TaskFailed as failure:
            failed = str(failure)
        for attempt in self.attempts:
            if attempt.error is not None:
                self.log.job(f"Task Id : {attempt.id}, Status : FAILED\nError: {attempt.error}")
        counters = _counters(job)
        if failed is None:
            self.log.job(" map 100% reduce 100%")
            self.log.job(f"Job {name} completed successfully")
            self.log.job(counters_message(counters))
            self.log.streaming(f"Output directory: {output}")
        else:
            self.log.job(f"Job {name} failed with state FAILED due to: Task failed {failed}\nJob failed as tasks failed.")
            self.log.job(counters_message(counters))
            self.log.streaming("Job not successful!", level="ERROR")
            self.log.stderr += "Streaming Command Failed!\n"
        self.logs.update(job_log.files(counters, succeeded=failed is None))
        return 0 if failed is None else 1

    def _write(self, job: Job, output: str, parts: Sequence[list[Pair]]) -> None:
        ending, compress = "", bytes
        if job.conf.get("mapreduce.output.fileoutputformat.compress") == "true":
            codec = job.conf.get("mapreduce.output.fileoutputformat.compress.codec", "DefaultCodec").rpartition(".")[2]
            if codec not in COMPRESS:
                raise NotModelled(f"output compressed by {codec}")
            ending, compress = COMPRESS[codec]
        separator = job.conf.get("mapreduce.output.textoutputformat.separator", "\t").encode()
        for number, pairs in enumerate(parts):
            data = b"".join(join_pair(pair, separator) + b"\n" for pair in pairs)
            self.place.files.write(f"{output}/part-{number:05d}{ending}", compress(data))
        self.place.files.write(f"{output}/_SUCCESS", b"")

    def _clean_up(self) -> None:
        # mrjob's wrappers leave a lock file in /tmp of each node, which here is the machine that runs the tests.
        for script in self._cache.glob("*/*.sh"):
            for lock in LOCK.findall(script.read_text()):
                Path(lock).unlink(missing_ok=True)
        shutil.rmtree(self._cache, ignore_errors=True)

    @property
    def _cache(self) -> Path:
        return self.place.node.folder / "filecache" / str(self.place.number)


def _number(conf: dict[str, str], name: str, default: int) -> int:
    """:raises Refused: the setting is no whole number"""
    try:
        return int(conf.get(name, default))
    except ValueError:
        raise Refused(f'For input string: "{conf[name]}" in {name}') from None


def _check_formats(options: dict[str, str], conf: dict[str, str]) -> None:
    """:raises NotModelled: records of another kind than text lines"""
    for name in OTHER_RECORDS:
        if name in conf:
            raise NotModelled(f"the setting {name}")
    if options.get("-inputformat", "TextInputFormat") not in TEXT_INPUT | {LINE_INPUT}:
        raise NotModelled(f"-inputformat {options['-inputformat']}")
    if options.get("-outputformat", "TextOutputFormat") not in TEXT_OUTPUT:
        raise NotModelled(f"-outputformat {options['-outputformat']}")


def _on_disk(path: str) -> str:
    """What is shipped is on the disk of the client where its path names no file system."""
    return path if has_scheme(path) else f"file://{path}"


def _unpack(path: Path) -> None:
    """Puts the content of an archive in its place: a folder of the same name. What is no archive stays as it is."""
    packed = path.with_name(path.name + ".packed")
    if path.name.endswith((".zip", ".jar")):
        path.rename(packed)
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(path)
    elif path.name.endswith((".tar", ".tar.gz", ".tgz")):
        path.rename(packed)
        with tarfile.open(packed) as archive:
            # As on a node: links to anywhere, which archives of whole interpreters have.
            archive.extraction_filter = lambda member, target: member
            archive.extractall(path)
    packed.unlink(missing_ok=True)


def _counters(job: Job) -> Counter:
    """Those of the framework, and those of the attempts that went well."""
    done = [attempt for attempt in job.attempts if attempt.succeeded]
    maps, reduces = ([a for a in done if a.kind == kind] for kind in "mr")
    counters: Counter = Counter()
    counters["Job Counters ", "Launched map tasks"] = sum(a.kind == "m" for a in job.attempts)
    counters["Job Counters ", "Launched reduce tasks"] = sum(a.kind == "r" for a in job.attempts)
    counters["Job Counters ", "Failed map tasks"] = sum(a.kind == "m" and a.error is not None for a in job.attempts)
    counters["Job Counters ", "Failed reduce tasks"] = sum(a.kind == "r" and a.error is not None for a in job.attempts)
    counters[FRAMEWORK, "Map input records"] = sum(a.input_records for a in maps)
    counters[FRAMEWORK, "Map output records"] = sum(a.output_records for a in maps)
    counters[FRAMEWORK, "Reduce input records"] = sum(a.input_records for a in reduces)
    counters[FRAMEWORK, "Reduce output records"] = sum(a.output_records for a in reduces)
    for attempt in done:
        counters.update(attempt.counters)
    return counters
