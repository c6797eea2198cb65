"""Commands run in the test's own process, as a shell would see them."""

import json
from typing import Any, NamedTuple

import pytest

from callgate.cli import main


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_here(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> Done:
    """Run `callgate` with these words, in the folder and the environment that there are."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert isinstance(left.value.code, int)
    return Done(left.value.code, captured.out, captured.err)
