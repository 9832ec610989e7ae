"""The command line of Hadoop Streaming: generic options first, then those of Streaming, each refused as Hadoop does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

GENERIC_OPTIONS = {"-conf", "-D", "-fs", "-jt", "-files", "-libjars", "-archives", "-tokenCacheFile"}
MANY_VALUES = {"-input", "-file", "-cacheFile", "-cacheArchive"}
ONE_VALUE = {
    "-output", "-mapper", "-combiner", "-reducer", "-dfs", "-additionalconfspec", "-inputformat", "-outputformat",
    "-partitioner", "-numReduceTasks", "-inputreader", "-mapdebug", "-reducedebug", "-jobconf", "-cmdenv", "-io",
}  # fmt: skip
FLAGS = {"-background", "-verbose", "-info", "-debug", "-help", "-lazyOutput"}
# Options of Hadoop that no step here has needed.
NOT_MODELLED = {
    "-conf", "-fs", "-jt", "-tokenCacheFile", "-file", "-cacheFile", "-cacheArchive", "-dfs", "-additionalconfspec",
    "-inputreader", "-mapdebug", "-reducedebug", "-io", "-background", "-info", "-help", "-lazyOutput",
}  # fmt: skip

# Old names that Hadoop still knows, of the settings that are read here.
DEPRECATED = {
    "mapred.reduce.tasks": "mapreduce.job.reduces",
    "mapred.map.tasks": "mapreduce.job.maps",
    "mapred.min.split.size": "mapreduce.input.fileinputformat.split.minsize",
    "mapred.map.max.attempts": "mapreduce.map.maxattempts",
    "mapred.reduce.max.attempts": "mapreduce.reduce.maxattempts",
    "mapred.task.timeout": "mapreduce.task.timeout",
    "mapred.output.compress": "mapreduce.output.fileoutputformat.compress",
    "mapred.output.compression.codec": "mapreduce.output.fileoutputformat.compress.codec",
    "mapred.line.input.format.linespermap": "mapreduce.input.lineinputformat.linespermap",
    "mapred.text.key.partitioner.options": "mapreduce.partition.keypartitioner.options",
    "mapred.text.key.comparator.options": "mapreduce.partition.keycomparator.options",
    "mapred.output.key.comparator.class": "mapreduce.job.output.key.comparator.class",
    "map.output.key.field.separator": "mapreduce.map.output.key.field.separator",
    "mapred.job.name": "mapreduce.job.name",
}


class Refused(Exception):
    """Hadoop does not start this step; `status` is the exit status of its client."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class NotModelled(Exception):
    """Hadoop may do this; the fake does not know how."""


@dataclass
class Arguments:
    """What a streaming step is to do."""

    conf: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    libjars: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    cmdenv: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def set_conf(self, definition: str) -> None:
        name, _, value = definition.partition("=")
        self.conf[DEPRECATED.get(name, name)] = value


def parse(words: Sequence[str]) -> Arguments:
    """The arguments after `hadoop-streaming`.

    :raises Refused: Hadoop would print its usage
    :raises NotModelled: an option of Hadoop's that the fake does not know
    """
    arguments = Arguments()
    rest = _parse_generic(arguments, list(words))
    _parse_streaming(arguments, rest)
    if not arguments.inputs:
        raise Refused("Required argument: -input <name>")
    if "-output" not in arguments.options:
        raise Refused("Required argument: -output")
    return arguments


def _parse_generic(arguments: Arguments, words: list[str]) -> list[str]:
    """Takes the generic options; they end at the first word that is none."""
    while words:
        word = words[0]
        if word.startswith("-D") and len(word) > 2:
            arguments.set_conf(word[2:])
            del words[0]
        elif word in GENERIC_OPTIONS:
            if len(words) < 2:
                raise Refused(f"Missing argument for option: {word[1:]}")
            _take(arguments, word, words[1])
            del words[:2]
        else:
            break
    return words


def _parse_streaming(arguments: Arguments, words: list[str]) -> None:
    known = MANY_VALUES | ONE_VALUE | FLAGS
    while words:
        word = words.pop(0)
        if word not in known:
            if word.startswith("-") and len(word) > 1:
                raise Refused(f"Unrecognized option: {word}")
            raise Refused(f"Found {len(words) + 1} unexpected arguments on the command line {[word, *words]}")
        values = []
        while words and word not in FLAGS and words[0] not in known and (word in MANY_VALUES or not values):
            values.append(words.pop(0))
        if not values and word not in FLAGS:
            raise Refused(f"Missing argument for option: {word[1:]}")
        for value in values or [""]:
            _take(arguments, word, value)


def _take(arguments: Arguments, word: str, value: str) -> None:
    if word in NOT_MODELLED:
        raise NotModelled(f"the streaming option {word} {value}")
    if word in ("-D", "-jobconf"):
        arguments.set_conf(value)
    elif word in ("-files", "-archives", "-libjars"):
        getattr(arguments, word[1:]).extend(value.split(","))
    elif word == "-input":
        arguments.inputs.append(value)
    elif word == "-cmdenv":
        arguments.cmdenv.append(value)
    else:
        arguments.options.setdefault(word, value)


def split_command(command: str) -> list[str]:
    """The words of a command as Streaming cuts it: at spaces and at quotes, which vanish; no backslash, and no word
    without a character."""
    words, quote, word = [], "", ""
    for character in command:
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif character != " " or quote:
            word += character
            continue
        if word:
            words.append(word)
        word = ""
    return [*words, word] if word else words
