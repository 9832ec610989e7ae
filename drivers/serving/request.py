"""What is wrong with a request: one sentence for the client, and the status of the answer."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from jobs.errors import ScanError

TOO_SLOW, TOO_LARGE, UNPROCESSABLE, ENDING = 408, 413, 422, 503
ROWS = "rows"


class RequestError(ScanError):
    """A request that cannot be answered."""

    def __init__(self, message: str, status: int = UNPROCESSABLE) -> None:
        super().__init__(message)
        self.status = status


def rows_of(body: bytes, max_rows: int) -> list[dict[str, Any]]:
    """The rows of a body: the list under "rows", or the body itself, which is then the only one.

    :raises RequestError: a body that is not JSON or holds no rows, or more than max_rows of them
    """
    try:
        content = _DECODER.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RequestError("the body is not JSON: it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error.msg}, at character {error.pos + 1}") from None
    except ValueError:
        raise RequestError("the body holds a whole number of too many digits") from None
    except RecursionError:
        raise RequestError("the body is nested too deeply; a row is an object of numbers and texts") from None
    if not isinstance(content, dict):
        raise RequestError(f'the body is {_article(content)}; send a row as an object, or {{"rows": [...]}} for many')
    rows = content.get(ROWS)
    if not isinstance(rows, list):
        return [content]
    if len(rows) > max_rows:
        raise RequestError(f"{len(rows)} rows in one request; send at most {max_rows} (--max-rows)", TOO_LARGE)
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(f"row {i + 1} is {_article(row)}; a row is an object, a value for each column")
    return rows


def _article(value: Any) -> str:
    return {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )


def _refuse(literal: str) -> NoReturn:
    raise RequestError(f"{literal} is no number of JSON; send null for a missing cell")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
