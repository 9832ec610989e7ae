"""The service: POST /predict, GET /health, GET /model, and what FastAPI makes of them, /docs and /openapi.json."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from drivers.serving.description import about, openapi
from drivers.serving.predictor import Predictor
from drivers.serving.request import ENDING, TOO_LARGE, TOO_SLOW, UNPROCESSABLE, RequestError, rows_of

JSON = "application/json"
SECONDS_FOR_BODY = 30
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    rows: int
    bytes: int


def make_app(predictor: Predictor, limits: Limits) -> FastAPI:
    """The application of a model."""
    app = FastAPI(title=f"scanlearn: {predictor.model['kind']}", description=_description(predictor))
    model = _encoded(about(predictor))

    # Bodies are read here and not by a model of Pydantic: columns are known to numpy, and one of 20 columns takes as long
    # to check as to score.
    @app.post("/predict", openapi_extra=openapi(predictor), summary="Scores of one row or many")
    async def predict(request: Request) -> Response:
        try:
            answer = predictor.answer(rows_of(await _body(request, limits.bytes), limits.rows))
        except RequestError as error:
            return _refused(error)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except Exception as error:
            # Its message may hold what rows hold, which are not to be in a log.
            _log.error("an unforeseen %s in POST /predict", type(error).__name__)
            _log.debug("", exc_info=True)
            return Response(_encoded({"detail": "the service has failed on this request"}), 500, media_type=JSON)
        rows = answer.rows
        told = {"predictions": answer.scores, "n_empty": rows.missing, "n_filled": rows.filled, "n_unknown": rows.unknown}
        return Response(_encoded(told), media_type=JSON)

    @app.get("/health", summary="Whether the service answers")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/model", summary="The kind of the model, the columns it takes, and its training")
    async def about_model() -> Response:
        return Response(model, media_type=JSON)

    return app


async def _body(request: Request, most: int) -> bytes:
    """The body of a request.

    :raises RequestError: one that is too large, as soon as this is known, or does not come
    """
    found = bytearray()
    _check_size(int(request.headers.get("content-length", 0)), most)
    try:
        async with asyncio.timeout(SECONDS_FOR_BODY):
            async for piece in request.stream():
                found += piece
                _check_size(len(found), most)
    except TimeoutError:
        raise RequestError(f"the body has not come within {SECONDS_FOR_BODY} seconds", TOO_SLOW) from None
    except asyncio.CancelledError:
        raise RequestError("the service ends", ENDING) from None
    return bytes(found)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise RequestError(f"the body has more than {most} bytes; send fewer rows at a time (--max-body)", TOO_LARGE)


def _refused(error: RequestError) -> Response:
    # What was not read of a body is not to be taken for the next request.
    headers = {"connection": "close"} if error.status != UNPROCESSABLE else None
    return Response(_encoded({"detail": str(error)}), error.status, headers, JSON)


def _encoded(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()


def _description(predictor: Predictor) -> str:
    target = predictor.model.get("target")
    return f"Scores of rows by a model of the kind {predictor.model['kind']}" + (f", of {target}" if target else "") + "."
