"""What ``bayesmap download`` does."""

from argparse import Namespace

from bayesmap._downloads import DOWNLOADS, PUBLISHED_AT
from bayesmap._downloads import download as fetch
from bayesmap.cli.commands import say

__all__ = ["download"]


def download(options: Namespace) -> None:
    """Fetch a public dataset, or list what there is.

    Raises
    ------
    RuntimeError
        If pooch is not installed.
    ValueError, ConnectionError
        If there is no such dataset, a file is not the published one, or cannot be fetched.
    """
    if options.name is None:
        for name, text in DOWNLOADS.items():
            say(f"{name:<16} {text}")
        say("\n© Gammapy Coordination Committee, licence CC BY-NC-SA 4.0; see LICENCE.rst beside the files.")
        return
    try:
        paths = fetch(options.name, options.to, base_url=options.url or PUBLISHED_AT)
    except ImportError as error:
        raise RuntimeError(str(error)) from None
    for path in paths:
        say(str(path))
