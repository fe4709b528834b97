"""The editor's server: routes below the token, and what they answer (`docs/editor.md` lists them)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Condition
from typing import ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from cinegan_cli.config import RunConfig
from cinegan_cli.editor.bundle import pack
from cinegan_cli.editor.desk import HANDS, Desk, NothingOpenError, StaleError
from cinegan_cli.editor.events import Events
from cinegan_cli.editor.jobs import LAST_WORDS, BusyError, Job, Jobs
from cinegan_cli.editor.renders import (
    asked,
    command_of,
    estimate,
    export,
    export_config,
    export_place,
    placed,
    preview,
    preview_config,
)
from cinegan_cli.editor.safety import Guard
from cinegan_cli.editor.uploads import LARGEST_MASK, received, received_file, received_json
from cinegan_cli.errors import CineganError, OutputError, one_line, unexpected
from cinegan_cli.session import Session

STATIC = Path(__file__).with_name("static")
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".apng": "image/apng",
    ".zip": "application/zip",
    ".woff2": "font/woff2",
}
STATUSES = {NothingOpenError: 404, BusyError: 429, OutputError: 507}
P = ParamSpec("P")
T = TypeVar("T")
FEW = 4  # requests of one kind that wait for the same thing


class Working:
    """How many threads are inside; `wait` returns when none is, or after a while."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, LAST_WORDS)


class Server:
    """One editor: a desk, a queue of renders, and who listens."""

    def __init__(self, projects: Path, run: RunConfig) -> None:
        self.run = run
        self.events = Events(gone=lambda: self.jobs.cancel_all())
        self.desk = Desk(projects, Session(run), tell=lambda version: self.events.send("version", {"version": version}))
        self.jobs = Jobs(run, tell=lambda job: self.events.send("job", job.as_dict()))
        self._uploading = asyncio.Lock()
        self._estimating = asyncio.Semaphore(1)
        self._looking: asyncio.Task[None] | None = None
        self._waiting = 0
        self._working = Working()

    def close(self) -> None:
        """Stop the renders, and wait for what is being computed: Python must not end under a thread that computes."""
        self.jobs.close()
        self._working.wait()

    async def _do(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """`work` in a thread."""

        def counted() -> T:
            with self._working:
                return work(*arguments, **options)

        return await run_in_threadpool(counted)

    # --- what is open -------------------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        return JSONResponse(await self._do(self.desk.state))

    async def open_photo(self, request: Request) -> Response:
        """One upload at a time, into a hidden file of the projects' folder."""
        if self._uploading.locked():
            raise HTTPException(429, "another photo is being opened; wait for it")
        async with self._uploading:
            file = self.desk.projects / f".upload-{secrets.token_hex(8)}.part"
            try:
                self.desk.projects.mkdir(parents=True, exist_ok=True)
                await received_file(request, file)
                await self._do(self.desk.open_upload, file, request.query_params.get("name", ""))
            finally:
                file.unlink(missing_ok=True)
        self._looking = asyncio.create_task(self._do(self.desk.look))
        return await self.state(request)

    async def title(self, request: Request) -> Response:
        values = await received_json(request)
        title = values.get("title") if isinstance(values, dict) else values
        return _version(await self._do(self.desk.rename, title))

    async def edits(self, request: Request) -> Response:
        values = await received_json(request)
        return _version(await self._do(self.desk.edit, values))

    async def paint(self, name: str, request: Request) -> Response:
        data = await received(request, LARGEST_MASK) if request.method == "PUT" else None
        return _version(await self._do(self.desk.paint, HANDS[name], data))

    # --- pictures -----------------------------------------------------------------------------------------------

    async def photo(self, request: Request) -> Response:
        picture = self.desk.open.picture
        tile = request.query_params.get("tile")
        if tile is None:
            return Response(await self._do(picture.jpeg), media_type="image/jpeg")
        parts = tile.split(",")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts):
            raise HTTPException(422, "tile: must be x,y,width,height in photo pixels")
        return Response(await self._do(picture.tile, *map(int, parts)), media_type="image/jpeg")

    async def png(self, make: Callable[[], bytes], request: Request) -> Response:
        return Response(await self._do(make), media_type="image/png")

    async def look(self, request: Request) -> Response:
        name = request.path_params["name"]
        return Response(await self._do(self.desk.thumb, name), media_type="image/jpeg")

    async def motion(self, request: Request) -> Response:
        version = request.query_params.get("version", "")
        if not (version.isascii() and version.isdigit() and len(version) < 16):
            raise HTTPException(422, "version: must be the number that the state or an edit gave")
        data = await self._do(self.desk.motion, int(version))
        return Response(data, media_type="application/octet-stream")

    # --- renders ------------------------------------------------------------------------------------------------

    async def preview(self, request: Request) -> Response:
        await received_json(request)
        opened, version = self.desk.open, self.desk.version
        config = await self._do(preview_config, opened.project)
        work = partial(preview, opened.project, opened.picture, config)
        return JSONResponse({"job": self.jobs.submit("preview", version, work).id})

    async def export(self, request: Request) -> Response:
        ending, options = asked(await received_json(request))
        project, version = self.desk.open.project, self.desk.version
        config = await self._do(export_config, project, ending, options, project.folder / "loop")

        def work(session: Session) -> Path:
            return export(project, placed(config, export_place(project)), session)

        return JSONResponse({"job": self.jobs.submit("export", version, work).id})

    async def estimate(self, request: Request) -> Response:
        ending, options = asked(await received_json(request))
        opened = self.desk.open
        config = await self._do(export_config, opened.project, ending, options, opened.project.folder / "loop")
        if self._waiting >= FEW:
            raise HTTPException(429, "other estimates wait already; ask again later")
        self._waiting += 1
        try:
            async with self._estimating:
                made = await self._do(estimate, opened.project, opened.picture, config, Session(self.run))
        finally:
            self._waiting -= 1
        return JSONResponse(made.__dict__)

    async def job(self, request: Request) -> Response:
        job = self._job(request)
        if request.method == "DELETE":
            self.jobs.cancel(job)
        return JSONResponse(job.as_dict())

    async def job_file(self, request: Request) -> Response:
        job = self._job(request)
        if job.file is None or not job.file.is_file():
            raise HTTPException(404, f"the render is {job.state}: it has no file")
        shown = "attachment" if job.kind == "export" else "inline"
        media = MEDIA.get(job.file.suffix, "application/octet-stream")
        return FileResponse(job.file, media_type=media, filename=job.file.name, content_disposition_type=shown)

    def _job(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "no such render, or one of long ago; start another")
        return job

    # --- the rest -----------------------------------------------------------------------------------------------

    async def listen(self, request: Request) -> Response:
        if self.events.full:
            raise HTTPException(429, "too many pages listen; close some")
        return StreamingResponse(self.events.stream(), media_type="text/event-stream")

    async def command(self, request: Request) -> Response:
        ending, options = asked(await received_json(request))
        return JSONResponse({"command": await self._do(command_of, self.desk.open.project, ending, options)})

    async def bundle(self, request: Request) -> Response:
        project = self.desk.open.project
        data = await self._do(pack, project)
        name = f"{project.folder.name}.cinegan"
        return Response(
            data, media_type="application/zip", headers={"content-disposition": f'attachment; filename="{name}"'}
        )


def make_app(server: Server, token: str, host: str) -> Guard:
    """The whole application. `host` is the address that it listens on."""
    s, desk = server, server.desk
    api = [
        Route("/state", s.state),
        Route("/photo", s.open_photo, methods=["POST"]),
        Route("/title", s.title, methods=["PUT"]),
        Route("/edits", s.edits, methods=["PUT"]),
        *(Route(f"/{name}", partial(s.paint, name), methods=["PUT", "DELETE"]) for name in HANDS),
        Route("/photo.jpg", s.photo),
        Route("/mask.png", partial(s.png, desk.mask_png)),
        Route("/freeze.png", partial(s.png, desk.freeze_png)),
        Route("/kinds.png", partial(s.png, desk.kinds_png)),
        Route("/look/{name}.jpg", s.look),
        Route("/motion", s.motion),
        Route("/preview", s.preview, methods=["POST"]),
        Route("/export", s.export, methods=["POST"]),
        Route("/estimate", s.estimate, methods=["POST"]),
        Route("/jobs/{id}", s.job, methods=["GET", "DELETE"]),
        Route("/jobs/{id}/file", s.job_file),
        Route("/events", s.listen),
        Route("/command", s.command, methods=["GET", "POST"]),
        Route("/project.cinegan", s.bundle),
    ]
    routes = [Mount("/api", routes=api), Route("/static/{name}", _static), Route("/", _page)]
    inner = Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        exception_handlers={HTTPException: _refused, CineganError: _failed, ClientDisconnect: _left, Exception: _bug},
    )
    return Guard(inner, token, host)


async def _page(request: Request) -> Response:
    return _shipped("index.html")


async def _static(request: Request) -> Response:
    return _shipped(request.path_params["name"])


def _shipped(name: str) -> Response:
    """A file of the page: its name is looked up among those that are there, no path is made of it."""
    there = {path.name: path for path in STATIC.iterdir() if path.suffix in MEDIA}
    if name not in there:
        raise HTTPException(404, "no such part of the page")
    return Response(there[name].read_bytes(), headers={"content-type": MEDIA[there[name].suffix]})


def _version(version: int) -> Response:
    return JSONResponse({"version": version})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """An error that a user can cause."""
    if isinstance(error, StaleError):
        return JSONResponse({"error": str(error), "version": error.version}, 409)
    status = next((code for kind, code in STATUSES.items() if isinstance(error, kind)), 422)
    return JSONResponse({"error": one_line(str(error))}, status)


async def _left(request: Request, error: Exception) -> Response:
    """The client went away in the middle of its request; nobody reads this."""
    return JSONResponse({"error": "the upload was cut off; send it again"}, 400)


async def _bug(request: Request, error: Exception) -> Response:
    message, _ = unexpected(error)
    return JSONResponse({"error": message}, 500)
