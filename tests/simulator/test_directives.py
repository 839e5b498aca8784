from typing import Any

import pytest

from thriftgate.simulator.directives import Directives, ToolOrder, read_directives, strip_directives
from thriftgate.simulator.longwinded import Long


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("nothing", {}),
        ("[[sim: out=120]]", {"out": 120}),
        ("x [[sim: say=Good day, sir.]] y", {"say": "Good day, sir."}),
        ("[[sim: refuse=cyber]]", {"refuse": "cyber"}),
        ("[[sim: stop=max_tokens]] [[sim: think=9]]", {"stop": "max_tokens", "think": 9}),
        ("[[sim: search=price of tea]]", {"search": "price of tea"}),
        ("[[sim: needs=Be quick. ]] [[sim: needs=a b]]", {"needs": ["Be quick.", "a b"]}),
        ("[[sim: tool=Bash]]", {"tools": [ToolOrder("Bash", None)]}),
        (
            '[[sim: tool=Bash input={"command": "echo {}]] \\"}", "n": [[1]]} times=2]]',
            {"tools": [ToolOrder("Bash", {"command": 'echo {}]] "}', "n": [[1]]})], "times": 2},
        ),
        ("[[sim: tool=A]][[sim: tool=B input={}]]", {"tools": [ToolOrder("A", None), ToolOrder("B", {})]}),
        ("[[sim: tool=A input={broken}]]", {"tools": [ToolOrder("A", None)]}),
        ("[[sim: tool=A input={", {"tools": [ToolOrder("A", None)]}),
        ("[[sim: out=many]]", {}),
        ("[[sim: long=400,0.8,0.01 think=3]]", {"long": Long(400, 0.8, 0.01), "think": 3}),
        ("[[sim: long=short]]", {}),
        ("[[sim: dance]]", {}),
        ("[[sim: say=open end", {"say": "open end"}),
    ],
)
def test_read(text: str, members: dict[str, Any]) -> None:
    assert read_directives(text) == Directives(**members)


def test_strip() -> None:
    assert strip_directives("a [[sim: out=3]]b[[sim: say=x]]") == "a b"
    assert strip_directives("plain") == "plain"
