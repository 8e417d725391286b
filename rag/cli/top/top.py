"""The command `rag top`."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import typer

from rag.cli.options import ApiKey, AsJson, Config, DataDir, Url, load_settings
from rag.cli.output import can_redraw, note, say, say_json
from rag.cli.running import Target, target

_STEADY_S = 10.0  # that a picture on a terminal is of: in two seconds a slow engine answers nobody


def top(
    *,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds from one picture to the next.")] = 2.0,
    count: Annotated[
        int | None, typer.Option(min=1, help="Pictures after which to end. [default: none]", show_default=False)
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what the service does just now, until it is interrupted.

    Requests, queue, first tokens, reuse, refusals, engines and collections. Without a terminal a line each time. With
    --json one document of the next --every seconds. A remote service wants a key of the scope admin.
    """
    settings = load_settings(data_dir, config).settings
    service = target(settings, url=url, api_key=api_key)
    from rag.cli.top.picture import Picture, picture
    from rag.cli.top.reading import read
    from rag.cli.top.shown import as_line
    from rag.errors import RagError

    first = read(service)
    if as_json:
        time.sleep(every)
        say_json(picture(first, read(service)).as_dict())
        return

    def pictures(of_s: float = 0.0) -> Iterator[Picture | RagError]:
        """One after each wait, of the last `of_s` seconds at least, or of what has passed since the first look."""
        looks, n_shown = deque([first]), 0
        while count is None or n_shown < count:
            time.sleep(every)
            n_shown += 1
            try:
                now = read(service)
            except RagError as error:  # it may be back with the next look
                yield error
                continue
            while len(looks) > 1 and now.at_s - looks[1].at_s >= of_s:
                looks.popleft()
            yield picture(looks[0], now)
            looks.append(now)

    if can_redraw(sys.stdout):
        _show_live(service, pictures(_STEADY_S))
        return
    for each in pictures():
        if isinstance(each, RagError):
            note(f"{time.strftime('%H:%M:%S')} {each}")
        else:
            say(as_line(each))


def _show_live(service: Target, pictures: Iterator[object]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from rag.cli.top.picture import Picture
    from rag.cli.top.shown import as_tables

    console = Console()
    last: Picture | None = None
    with Live(Text(f"looking at {service.url} ..."), console=console, auto_refresh=False, screen=False) as live:
        for each in pictures:
            if isinstance(each, Picture):
                last = each
                live.update(as_tables(each, service.url, width=console.width), refresh=True)
            else:
                gone = Text(str(each), style="red")
                live.update(
                    as_tables(last, service.url, str(each), width=console.width) if last else gone, refresh=True
                )
