"""The unit of the benchmarks: a bare Starlette application."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route


async def hello(request: Request) -> JSONResponse:
    return JSONResponse({"hello": "world"})


async def file(request: Request) -> FileResponse:
    return FileResponse("/" + request.path_params["path"])


app = Starlette(routes=[Route("/", hello), Route("/file/{path:path}", file)])
